//! How far a list has been read, and what that says about its end. Pure.

use std::collections::HashSet;

use super::Flaw;
use crate::iam::wire::{Binding, GroupMember, GroupSummary, Page, RoleSummary, TenantMember};

/// How many items a page is asked for. Servers without a say of ours give 10.
pub(super) const PAGE_SIZE: usize = 200;

/// 200,000 items: more than any instance that we know of, and an end for a list that has none.
const MOST_PAGES: u32 = 1000;

/// An item that lists tell apart by its id.
pub trait Listed {
    /// The id.
    fn key(&self) -> &str;
}

macro_rules! listed {
    ($($item:ident),+) => {$(
        impl Listed for $item {
            fn key(&self) -> &str {
                self.id.as_str()
            }
        }
    )+};
}

listed!(
    TenantMember,
    GroupSummary,
    GroupMember,
    RoleSummary,
    Binding
);

/// A reading of one list, from its first page on.
#[derive(Debug)]
pub(super) struct Walk {
    /// The page to ask for next, from 1.
    pub(super) page: u32,
    seen: HashSet<String>,
    /// The total of the first page: what existed then has to appear.
    first_total: Option<usize>,
    /// The total of the last page that had items.
    total: Option<usize>,
    pub(super) ended: bool,
    pub(super) flaw: Option<Flaw>,
}

impl Walk {
    pub(super) fn new() -> Self {
        Self {
            page: 1,
            seen: HashSet::new(),
            first_total: None,
            total: None,
            ended: false,
            flaw: None,
        }
    }

    /// Takes the next page and gives back what is new on it.
    ///
    /// A list ends with an empty page, or with a page that is not full once as many items have been seen as the
    /// server counts. A total that contradicts what has been seen is believed only where it promises more.
    pub(super) fn take<T: Listed>(&mut self, page: Page<T>) -> Result<Vec<T>, Flaw> {
        let result = self.step(page);
        self.flaw = result.as_ref().err().copied();
        result
    }

    fn step<T: Listed>(&mut self, page: Page<T>) -> Result<Vec<T>, Flaw> {
        let length = page.results.len();
        if length == 0 {
            return self.end(page.total).map(|()| Vec::new());
        }
        self.count(page.total)?;
        let mut fresh = page.results;
        fresh.retain(|item| self.seen.insert(item.key().to_owned()));
        let all = self.total == Some(self.seen.len());
        if fresh.is_empty() && !all {
            return Err(Flaw::Loop);
        }
        self.ended = all && (length < PAGE_SIZE || fresh.is_empty());
        self.page += 1;
        if !self.ended && self.page > MOST_PAGES {
            return Err(Flaw::Endless);
        }
        Ok(fresh)
    }

    fn end(&mut self, total: Option<i64>) -> Result<(), Flaw> {
        self.ended = true;
        let promised = self.first_total.or(counted(total));
        if promised.is_some_and(|promised| promised > self.seen.len()) {
            return Err(Flaw::Short);
        }
        Ok(())
    }

    /// A total that shrinks means that items went away and the rest moved up, past the page that we ask for next.
    fn count(&mut self, total: Option<i64>) -> Result<(), Flaw> {
        let Some(total) = counted(total) else {
            return Ok(());
        };
        let shrank = self
            .total
            .replace(total)
            .is_some_and(|before| total < before);
        self.first_total.get_or_insert(total);
        if shrank { Err(Flaw::Shrank) } else { Ok(()) }
    }
}

fn counted(total: Option<i64>) -> Option<usize> {
    usize::try_from(total?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[derive(Clone, Debug)]
    struct Item(String);

    impl Listed for Item {
        fn key(&self) -> &str {
            &self.0
        }
    }

    fn page(ids: impl IntoIterator<Item = usize>, total: Option<i64>) -> Page<Item> {
        let results = ids.into_iter().map(|id| Item(id.to_string())).collect();
        Page { results, total }
    }

    /// Walks over what `server` answers to each page number, and gives back how many items came, or the flaw.
    fn walk(mut server: impl FnMut(usize) -> Page<Item>) -> Result<usize, Flaw> {
        let mut walk = Walk::new();
        let mut items = 0;
        while !walk.ended {
            items += walk.take(server(walk.page as usize))?.len();
        }
        Ok(items)
    }

    fn slice(all: usize, page: usize, size: usize) -> std::ops::Range<usize> {
        ((page - 1) * size).min(all)..(page * size).min(all)
    }

    #[test]
    fn a_short_page_with_a_right_total_ends_without_one_more_call() {
        let mut calls = 0;
        let items = walk(|number| {
            calls += 1;
            page(slice(450, number, PAGE_SIZE), Some(450))
        });
        assert_eq!((items, calls), (Ok(450), 3));
    }

    #[test]
    fn totals_that_are_too_small_or_missing_lose_nothing() {
        for total in [None, Some(-1), Some(0), Some(7), Some(200), Some(399)] {
            let items = walk(|number| page(slice(450, number, PAGE_SIZE), total));
            assert_eq!(items, Ok(450), "{total:?}");
        }
    }

    #[test]
    fn a_total_that_promises_more_than_comes_is_an_incomplete_list() {
        let items = walk(|number| page(slice(450, number, PAGE_SIZE), Some(451)));
        assert_eq!(items, Err(Flaw::Short));
    }

    #[test]
    fn a_server_with_smaller_pages_is_read_to_its_end() {
        for total in [None, Some(95)] {
            let items = walk(|number| page(slice(95, number, 10), total));
            assert_eq!(items, Ok(95), "{total:?}");
        }
    }

    #[test]
    fn a_server_that_ignores_paging_is_read_once() {
        assert_eq!(walk(|_| page(0..1000, Some(1000))), Ok(1000));
        assert_eq!(walk(|_| page(0..200, Some(200))), Ok(200));
        assert_eq!(walk(|_| page(0..200, Some(900))), Err(Flaw::Loop));
        assert_eq!(walk(|_| page(0..1000, None)), Err(Flaw::Loop));
    }

    #[test]
    fn pages_that_go_round_in_a_circle_end() {
        let items = walk(|number| page(slice(600, number % 3 + 1, PAGE_SIZE), Some(900)));
        assert_eq!(items, Err(Flaw::Loop));
    }

    #[test]
    fn a_list_without_end_ends() {
        let mut calls = 0;
        let items = walk(|number| {
            calls += 1;
            page((number * 300)..(number * 300 + 200), None)
        });
        assert_eq!((items, calls), (Err(Flaw::Endless), 1000));
    }

    #[test]
    fn a_list_that_shrinks_is_not_whole() {
        let items = walk(|number| match number {
            1 => page(0..200, Some(400)),
            // One of the first 200 has gone: number 200 moved to the page that we have read.
            _ => page(201..400, Some(399)),
        });
        assert_eq!(items, Err(Flaw::Shrank));
    }

    #[test]
    fn a_list_that_grows_at_its_start_repeats_items_and_lacks_only_new_ones() {
        let items = walk(|number| match number {
            1 => page(1..201, Some(300)),
            2 => page(200..301, Some(301)),
            _ => page(0..0, Some(301)),
        });
        assert_eq!(items, Ok(300));
    }

    #[test]
    fn an_empty_list_is_empty_unless_its_total_says_otherwise() {
        assert_eq!(walk(|_| page(0..0, Some(0))), Ok(0));
        assert_eq!(walk(|_| page(0..0, None)), Ok(0));
        assert_eq!(walk(|_| page(0..0, Some(3))), Err(Flaw::Short));
    }

    proptest! {
        /// Whatever a server answers, the walk ends, and gives each item once.
        #[test]
        fn any_server_comes_to_an_end(
            pages in prop::collection::vec(
                (prop::collection::vec(0usize..60, 0..12), prop::option::of(-3i64..80)), 1..8,
            ),
        ) {
            let mut walk = Walk::new();
            let mut keys = Vec::new();
            for number in 0.. {
                prop_assert!(number <= pages.len() * 60, "no end");
                let (ids, total) = pages[number % pages.len()].clone();
                match walk.take(page(ids, total)) {
                    Ok(fresh) => keys.extend(fresh.into_iter().map(|item| item.0)),
                    Err(_) => break,
                }
                if walk.ended {
                    break;
                }
            }
            let seen = keys.len();
            keys.sort();
            keys.dedup();
            prop_assert_eq!(keys.len(), seen);
        }

        /// A server that gives pages of the size we ask for is read whole, however little its total is worth.
        #[test]
        fn full_pages_are_read_whole(all in 0usize..900, total in prop::option::of(0usize..900)) {
            let total = total.map(|total| i64::try_from(total.min(all)).unwrap());
            prop_assert_eq!(walk(|number| page(slice(all, number, PAGE_SIZE), total)), Ok(all));
        }

        /// So is one that gives smaller pages, if its total is right or missing.
        #[test]
        fn small_pages_are_read_whole(all in 0usize..400, size in 1usize..250, counts in any::<bool>()) {
            let total = counts.then(|| i64::try_from(all).unwrap());
            let size = size.min(PAGE_SIZE);
            prop_assert_eq!(walk(|number| page(slice(all, number, size), total)), Ok(all));
        }
    }
}
