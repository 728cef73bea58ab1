//! Query parameters of lists.

use axum::extract::{FromRequestParts, Query};
use axum::http::request::Parts;

use crate::iam::wire::Autocomplete;
use crate::server::app::App;
use crate::server::error::Error;
use crate::server::options::Compat;
use crate::server::rules::filter::Filter;
use crate::server::store::listing::{Listing, Order};

/// Clients ask for pages of up to this many.
const LARGEST_PAGE: i64 = 10_000;
const DEFAULT_PAGE: i64 = 10;
/// How many an `autocomplete` offers.
const COMPLETIONS: i64 = 100;
const MOST_IDS: usize = 10_000;

/// The parameters of a list, as they were sent.
#[derive(Debug)]
pub(crate) struct ListQuery {
    compat: Compat,
    pairs: Vec<(String, String)>,
}

impl FromRequestParts<App> for ListQuery {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Error> {
        let Query(pairs): Query<Vec<(String, String)>> = Query::from_request_parts(parts, app)
            .await
            .map_err(|_| Error::Malformed("the query cannot be read".to_owned()))?;
        // A database would take it for the end of the word, and match far too much.
        if pairs.iter().any(|(_, value)| value.contains('\0')) {
            return Err(Error::Malformed("the query has a NUL character".to_owned()));
        }
        let compat = app.compat();
        Ok(Self { compat, pairs })
    }
}

impl ListQuery {
    /// A parameter that is there and not empty.
    pub(crate) fn param(&self, name: &str) -> Option<&str> {
        self.pairs
            .iter()
            .find(|(key, value)| key == name && !value.is_empty())
            .map(|(_, value)| value.as_str())
    }

    /// Page, order and filters.
    pub(crate) fn listing(&self) -> Result<Listing, Error> {
        self.listing_with(&[])
    }

    /// The same, with parameters of a list's own that are filters by another name.
    pub(crate) fn listing_with(&self, own_filters: &[&str]) -> Result<Listing, Error> {
        let page = self.number("page", 1, i64::from(i32::MAX))?;
        let size = self.number("size", DEFAULT_PAGE, LARGEST_PAGE)?;
        let mut filters = vec![Filter::parse(&self.pairs)?];
        // 2.x has no `q` beside its filters, and says nothing about one that is sent.
        let search = self.param("q").filter(|_| self.compat == Compat::V1);
        filters.extend(search.map(Filter::search));
        let own = own_filters.iter().filter_map(|name| {
            let value = self.param(name)?;
            Some(Filter::equals(name, value))
        });
        filters.extend(own);
        Ok(Listing {
            offset: (page - 1) * size,
            limit: size,
            filter: without_empty(filters),
            sort: self.sort()?,
        })
    }

    fn number(&self, name: &str, default: i64, largest: i64) -> Result<i64, Error> {
        let Some(text) = self.param(name) else {
            return Ok(default);
        };
        let number: i64 = text
            .parse()
            .map_err(|_| Error::Malformed(format!("{name}: is not a number")))?;
        if (1..=largest).contains(&number) {
            Ok(number)
        } else {
            Err(Error::invalid(name, format!("use 1 to {largest}")))
        }
    }

    fn sort(&self) -> Result<Vec<Order>, Error> {
        self.pairs
            .iter()
            .filter(|(key, value)| key == "sort" && !value.is_empty())
            .map(|(_, value)| order(value))
            .collect()
    }
}

/// Everything with these ids.
pub(crate) fn by_ids(ids: Option<Vec<String>>) -> Result<Listing, Error> {
    let ids = ids.unwrap_or_default();
    if ids.len() > MOST_IDS {
        return Err(Error::invalid("ids", format!("send at most {MOST_IDS}")));
    }
    Ok(first(LARGEST_PAGE, Filter::one_of("id", ids)))
}

/// What an `autocomplete` shows: some that match, and those that have to be there in any case.
pub(crate) fn completing(request: Autocomplete) -> Result<[Listing; 2], Error> {
    let word = request.q.or(request.username).unwrap_or_default();
    let matching = first(COMPLETIONS, Filter::search(&word));
    Ok([matching, by_ids(request.ids)?])
}

fn first(limit: i64, filter: Filter) -> Listing {
    Listing {
        offset: 0,
        limit,
        filter,
        sort: Vec::new(),
    }
}

fn without_empty(mut filters: Vec<Filter>) -> Filter {
    filters.retain(|filter| *filter != Filter::everything());
    Filter::All(filters)
}

fn order(text: &str) -> Result<Order, Error> {
    let (field, direction) = text.split_once(':').unwrap_or((text, "asc"));
    let descending = match direction.to_ascii_lowercase().as_str() {
        "asc" => false,
        "desc" => true,
        _ => {
            let mend = "sort: write field:asc or field:desc";
            return Err(Error::Malformed(mend.to_owned()));
        }
    };
    Ok(Order {
        field: field.to_owned(),
        descending,
    })
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn query(compat: Compat, pairs: &[(&str, &str)]) -> ListQuery {
        let pairs = pairs
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect();
        ListQuery { compat, pairs }
    }

    #[test]
    fn page_and_size_have_defaults() {
        let listing = query(Compat::V1, &[]).listing().unwrap();
        assert_eq!((listing.offset, listing.limit), (0, 10));
        assert_eq!(listing.filter, Filter::everything());
    }

    #[test]
    fn the_third_page_begins_after_two() {
        let listing = query(Compat::V1, &[("page", "3"), ("size", "25")])
            .listing()
            .unwrap();
        assert_eq!((listing.offset, listing.limit), (50, 25));
    }

    #[rstest]
    #[case("page", "0")]
    #[case("page", "-1")]
    #[case("size", "0")]
    #[case("size", "10001")]
    #[case("page", "99999999999")]
    fn out_of_range(#[case] name: &str, #[case] value: &str) {
        let error = query(Compat::V1, &[(name, value)]).listing().unwrap_err();
        assert!(matches!(error, Error::Invalid { field, .. } if field == name));
    }

    #[rstest]
    #[case("page", "x")]
    #[case("size", "1.5")]
    #[case("sort", "name:up")]
    fn not_to_be_read(#[case] name: &str, #[case] value: &str) {
        let error = query(Compat::V1, &[(name, value)]).listing().unwrap_err();
        assert!(matches!(error, Error::Malformed(_)));
    }

    #[test]
    fn the_second_line_has_no_q() {
        let pairs = [("q", "word")];
        let first = query(Compat::V1, &pairs).listing().unwrap();
        assert_ne!(first.filter, Filter::everything());
        let second = query(Compat::V2, &pairs).listing().unwrap();
        assert_eq!(second.filter, Filter::everything());
    }
}
