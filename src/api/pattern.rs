//! Names with wildcards, as guardrails have them.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::schema::free_text;

/// What stands for the namespace of the object that is judged.
const NAMESPACE: &str = "{{namespace}}";

/// A name in which `*` stands for any characters and `{{namespace}}` for the namespace of the object that is judged.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Pattern(pub String);

impl Pattern {
    /// Whether `name`, wanted by an object in `namespace`, fits.
    ///
    /// Takes time proportional to the product of both lengths at most, whatever the pattern.
    #[must_use]
    pub fn fits(&self, namespace: &str, name: &str) -> bool {
        let pattern = self.0.replace(NAMESPACE, namespace);
        let mut pieces = pattern.split('*');
        let Some(rest) = pieces.next().and_then(|first| name.strip_prefix(first)) else {
            return false;
        };
        let mut middle: Vec<&str> = pieces.collect();
        match middle.pop() {
            None => rest.is_empty(),
            Some(last) => skip_in_order(rest, &middle).is_some_and(|rest| rest.ends_with(last)),
        }
    }
}

/// What is left of `text` after the first occurrence of each piece, one after the other.
fn skip_in_order<'a>(text: &'a str, pieces: &[&str]) -> Option<&'a str> {
    pieces.iter().try_fold(text, |rest, piece| {
        rest.split_once(piece).map(|(_, tail)| tail)
    })
}

impl JsonSchema for Pattern {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Pattern".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let mut schema = json_schema!({"type": "string"});
        free_text(&mut schema);
        schema
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("bots", "bots")]
    #[case("*", "")]
    #[case("*", "anything")]
    #[case("team-*", "team-")]
    #[case("*-bot", "ci-bot")]
    #[case("a*b*c", "a-b-b-c")]
    #[case("{{namespace}}-*", "team-a-ci")]
    #[case("x{{namespace}}", "xteam-a")]
    fn names_that_fit(#[case] pattern: &str, #[case] name: &str) {
        assert!(Pattern(pattern.to_owned()).fits("team-a", name));
    }

    #[rstest]
    #[case("bots", "bots2")]
    #[case("bots", "Bots")]
    #[case("", "a")]
    #[case("a*a", "a")]
    #[case("a*b*c", "a-c-b")]
    #[case("{{namespace}}-*", "team-b-ci")]
    #[case("{{namespace}}-*", "{{namespace}}-ci")]
    fn names_that_do_not_fit(#[case] pattern: &str, #[case] name: &str) {
        assert!(!Pattern(pattern.to_owned()).fits("team-a", name));
    }

    proptest! {
        #[test]
        fn a_name_fits_what_it_was_made_from(pieces in prop::collection::vec("[ab]{0,3}", 1..5), filler in "[abc]{0,4}") {
            let pattern = Pattern(pieces.join("*"));
            prop_assert!(pattern.fits("n", &pieces.join(&filler)));
        }

        #[test]
        fn a_pattern_without_wildcards_fits_itself_alone(pattern in "[ab]{1,4}", name in "[ab]{1,4}") {
            prop_assert_eq!(Pattern(pattern.clone()).fits("n", &name), pattern == name);
        }
    }
}
