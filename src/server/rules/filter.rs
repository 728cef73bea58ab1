//! `filters[field][OP]=value` of Kestra's lists, and their groups `filters[or][0][field][OP]=value`.

use std::collections::BTreeMap;

use crate::server::error::Error;

/// More tests than any client sends.
const MOST_TESTS: usize = 100;
const DEEPEST: usize = 16;

/// What an item has to satisfy to be listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Filter {
    /// All of these; with none of them, everything.
    All(Vec<Filter>),
    /// One of these at least.
    Any(Vec<Filter>),
    /// One field.
    Test(Test),
}

/// A test of one field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Test {
    pub(crate) field: String,
    pub(crate) op: Op,
    /// Whether the test has to fail.
    pub(crate) negated: bool,
    /// Several for `IN`: one of them has to fit. None for `IS_NULL`.
    pub(crate) values: Vec<String>,
}

/// How a value is compared; `NOT_…` are the same ones negated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Op {
    Equals,
    Contains,
    StartsWith,
    EndsWith,
    /// The value itself, or what it is a parent of, dot by dot.
    Prefix,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    IsNull,
}

impl Filter {
    /// A filter that lets everything through.
    pub(crate) const fn everything() -> Self {
        Self::All(Vec::new())
    }

    /// The search of 1.x's `q`.
    pub(crate) fn search(text: &str) -> Self {
        Self::positive("q", Op::Contains, vec![text.to_owned()])
    }

    /// `field` equals `value`.
    pub(crate) fn equals(field: &str, value: &str) -> Self {
        Self::one_of(field, vec![value.to_owned()])
    }

    /// `field` is one of `values`.
    pub(crate) fn one_of(field: &str, values: Vec<String>) -> Self {
        Self::positive(field, Op::Equals, values)
    }

    fn positive(field: &str, op: Op, values: Vec<String>) -> Self {
        Self::Test(Test {
            field: field.to_owned(),
            op,
            negated: false,
            values,
        })
    }

    /// Reads the `filters[…]` among the pairs of a query.
    pub(crate) fn parse(pairs: &[(String, String)]) -> Result<Self, Error> {
        let mut tests = Vec::new();
        for (key, value) in pairs {
            if let Some(path) = key.strip_prefix("filters[") {
                tests.push((segments(key, path)?, value.as_str()));
            }
        }
        if tests.len() > MOST_TESTS {
            return Err(malformed("filters", "are more than 100"));
        }
        group(tests)
    }
}

type Pending<'a> = (Vec<&'a str>, &'a str);

fn segments<'a>(key: &str, path: &'a str) -> Result<Vec<&'a str>, Error> {
    let inner = path
        .strip_suffix(']')
        .ok_or_else(|| malformed(key, "lacks its closing bracket"))?;
    let segments: Vec<&str> = inner.split("][").collect();
    if segments.len() > DEEPEST {
        return Err(malformed("filters", "are nested too deeply"));
    }
    Ok(segments)
}

/// All tests of one level: plain ones, and numbered alternatives under `or` and `and`.
fn group(tests: Vec<Pending<'_>>) -> Result<Filter, Error> {
    let mut all = Vec::new();
    let mut any: BTreeMap<usize, Vec<Pending<'_>>> = BTreeMap::new();
    let mut every: BTreeMap<usize, Vec<Pending<'_>>> = BTreeMap::new();
    for (path, value) in tests {
        let groups = match path[0].to_ascii_lowercase().as_str() {
            "or" => &mut any,
            "and" => &mut every,
            _ => {
                all.push(Filter::Test(test(&path, value)?));
                continue;
            }
        };
        let number = numbered(&path)?;
        groups
            .entry(number)
            .or_default()
            .push((path[2..].to_vec(), value));
    }
    if !any.is_empty() {
        let any: Result<_, _> = any.into_values().map(group).collect();
        all.push(Filter::Any(any?));
    }
    for tests in every.into_values() {
        all.push(group(tests)?);
    }
    Ok(Filter::All(all))
}

fn numbered(path: &[&str]) -> Result<usize, Error> {
    let number = path.get(1).and_then(|number| number.parse().ok());
    match number {
        Some(number) if path.len() > 2 => Ok(number),
        _ => Err(malformed(
            "filters",
            "write a group as filters[or][0][field][OP]=value",
        )),
    }
}

fn test(path: &[&str], value: &str) -> Result<Test, Error> {
    let [field, op] = path else {
        return Err(malformed(
            "filters",
            "write a filter as filters[field][OP]=value",
        ));
    };
    let (op, negated) = operation(op)?;
    let is_list = matches!(path[1].to_ascii_uppercase().as_str(), "IN" | "NOT_IN");
    let values = match op {
        Op::IsNull => Vec::new(),
        _ if is_list => value.split(',').map(str::to_owned).collect(),
        _ => vec![value.to_owned()],
    };
    Ok(Test {
        field: (*field).to_owned(),
        op,
        negated,
        values,
    })
}

fn operation(word: &str) -> Result<(Op, bool), Error> {
    Ok(match word.to_ascii_uppercase().as_str() {
        "EQUALS" | "IN" => (Op::Equals, false),
        "NOT_EQUALS" | "NOT_IN" => (Op::Equals, true),
        "CONTAINS" => (Op::Contains, false),
        "NOT_CONTAINS" => (Op::Contains, true),
        "STARTS_WITH" => (Op::StartsWith, false),
        "ENDS_WITH" => (Op::EndsWith, false),
        "PREFIX" => (Op::Prefix, false),
        "LESS_THAN" => (Op::Less, false),
        "LESS_THAN_OR_EQUAL_TO" => (Op::LessOrEqual, false),
        "GREATER_THAN" => (Op::Greater, false),
        "GREATER_THAN_OR_EQUAL_TO" => (Op::GreaterOrEqual, false),
        "IS_NULL" => (Op::IsNull, false),
        "IS_NOT_NULL" => (Op::IsNull, true),
        _ => {
            return Err(malformed(
                "filters",
                "use one of EQUALS, NOT_EQUALS, IN, NOT_IN, CONTAINS, NOT_CONTAINS, STARTS_WITH, ENDS_WITH, PREFIX, \
                 LESS_THAN, LESS_THAN_OR_EQUAL_TO, GREATER_THAN, GREATER_THAN_OR_EQUAL_TO, IS_NULL, IS_NOT_NULL",
            ));
        }
    })
}

fn malformed(field: &str, mend: &str) -> Error {
    Error::Malformed(format!("{field}: {mend}"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    fn parse(query: &[(&str, &str)]) -> Result<Filter, Error> {
        let pairs: Vec<_> = query
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect();
        Filter::parse(&pairs)
    }

    fn tested(field: &str, op: Op, negated: bool, values: &[&str]) -> Filter {
        Filter::Test(Test {
            field: field.to_owned(),
            op,
            negated,
            values: values.iter().map(|value| (*value).to_owned()).collect(),
        })
    }

    #[test]
    fn other_parameters_are_none_of_its_business() {
        assert_eq!(
            parse(&[("page", "1"), ("q", "x")]).unwrap(),
            Filter::everything()
        );
    }

    #[test]
    fn a_list_is_split_at_commas_and_a_value_is_not() {
        let filter = parse(&[("filters[name][IN]", "a,b"), ("filters[q][EQUALS]", "c,d")]).unwrap();
        let expected = vec![
            tested("name", Op::Equals, false, &["a", "b"]),
            tested("q", Op::Equals, false, &["c,d"]),
        ];
        assert_eq!(filter, Filter::All(expected));
    }

    #[test]
    fn groups_are_alternatives_and_each_holds_as_a_whole() {
        let filter = parse(&[
            ("filters[or][0][q][EQUALS]", "a"),
            ("filters[or][1][name][NOT_IN]", "b,c"),
            ("filters[or][1][type][EQUALS]", "USER"),
        ])
        .unwrap();
        let first = Filter::All(vec![tested("q", Op::Equals, false, &["a"])]);
        let second = Filter::All(vec![
            tested("name", Op::Equals, true, &["b", "c"]),
            tested("type", Op::Equals, false, &["USER"]),
        ]);
        assert_eq!(filter, Filter::All(vec![Filter::Any(vec![first, second])]));
    }

    #[rstest]
    #[case("filters[q")]
    #[case("filters[q]")]
    #[case("filters[q][LOOKS_LIKE]")]
    #[case("filters[q][REGEX]")]
    #[case("filters[or][x][q][EQUALS]")]
    #[case("filters[or][0]")]
    #[case("filters[labels][EQUALS][key]")]
    fn what_cannot_be_read_is_refused(#[case] key: &str) {
        assert!(matches!(parse(&[(key, "v")]), Err(Error::Malformed(_))));
    }

    proptest! {
        #[test]
        fn no_key_panics(key in "filters(\\[(or|and|q|[0-9]|EQUALS|\\PC{0,3})\\]?){0,20}") {
            let _ = parse(&[(&key, "v")]);
        }
    }
}
