//! Durations as people write them in a manifest: `720h`, `1h30m`, `90s`.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use jiff::SignedDuration;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::schema::must;

/// The grammar, for RE2 (CEL). [`Duration::from_str`] takes the same texts and no others.
pub(super) const GRAMMAR: &str =
    "^([0-9]{1,6}h([0-9]{1,6}m)?([0-9]{1,7}s)?|[0-9]{1,6}m([0-9]{1,7}s)?|[0-9]{1,7}s)$";

/// Longest text of a duration.
pub(super) const MAX_CHARACTERS: usize = 16;

/// A span of whole seconds between zero and ten years of 365 days.
///
/// Its parser cannot panic and its text is canonical: parsing what `Display` prints gives the same value.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(try_from = "String", into = "String")]
pub struct Duration(u32);

/// Why a text is no duration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseDurationError {
    /// The text is not hours, minutes and seconds in this order.
    #[error("write hours, minutes and seconds, in this order, such as 720h, 1h30m or 90s")]
    Grammar,
    /// The text is well-formed but longer than [`Duration::MAX`].
    #[error("is at most {}, which is ten years", Duration::MAX)]
    TooLong,
}

struct Unit {
    letter: char,
    seconds: u64,
    digits: usize,
}

const UNITS: [Unit; 3] = [
    Unit {
        letter: 'h',
        seconds: 3600,
        digits: 6,
    },
    Unit {
        letter: 'm',
        seconds: 60,
        digits: 6,
    },
    Unit {
        letter: 's',
        seconds: 1,
        digits: 7,
    },
];

impl Duration {
    /// The longest duration: `87600h`.
    pub const MAX: Self = Self(87_600 * 3600);

    /// A duration of whole seconds; more than [`Duration::MAX`] counts as that.
    #[must_use]
    pub const fn from_secs(seconds: u32) -> Self {
        if seconds > Self::MAX.0 {
            Self::MAX
        } else {
            Self(seconds)
        }
    }

    /// A duration of whole minutes; more than [`Duration::MAX`] counts as that.
    #[must_use]
    pub const fn from_mins(minutes: u32) -> Self {
        Self::from_secs(minutes.saturating_mul(60))
    }

    /// A duration of whole hours; more than [`Duration::MAX`] counts as that.
    #[must_use]
    pub const fn from_hours(hours: u32) -> Self {
        Self::from_secs(hours.saturating_mul(3600))
    }

    /// The whole seconds.
    #[must_use]
    pub const fn as_secs(self) -> u32 {
        self.0
    }

    /// For arithmetic with timestamps.
    #[must_use]
    pub const fn signed(self) -> SignedDuration {
        SignedDuration::from_secs(self.0 as i64)
    }

    /// For timers.
    #[must_use]
    pub const fn std(self) -> std::time::Duration {
        std::time::Duration::from_secs(self.0 as u64)
    }
}

impl FromStr for Duration {
    type Err = ParseDurationError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.is_empty() || text.len() > MAX_CHARACTERS {
            return Err(ParseDurationError::Grammar);
        }
        let (mut rest, mut total) = (text, 0);
        for unit in &UNITS {
            if let Some((seconds, tail)) = unit.take(rest) {
                total += seconds;
                rest = tail;
            }
        }
        if !rest.is_empty() {
            return Err(ParseDurationError::Grammar);
        }
        match u32::try_from(total) {
            Ok(seconds) if seconds <= Self::MAX.0 => Ok(Self(seconds)),
            _ => Err(ParseDurationError::TooLong),
        }
    }
}

impl Unit {
    /// The seconds that `text` starts with in this unit, and what follows.
    fn take<'a>(&self, text: &'a str) -> Option<(u64, &'a str)> {
        let (number, tail) = text.split_once(self.letter)?;
        let digits = (1..=self.digits).contains(&number.len())
            && number.bytes().all(|byte| byte.is_ascii_digit());
        let number: u64 = digits.then(|| number.parse().ok())??;
        Some((number * self.seconds, tail))
    }
}

impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 0 {
            return f.write_str("0s");
        }
        let parts = [
            (self.0 / 3600, 'h'),
            (self.0 / 60 % 60, 'm'),
            (self.0 % 60, 's'),
        ];
        for (number, letter) in parts.into_iter().filter(|(number, _)| *number > 0) {
            write!(f, "{number}{letter}")?;
        }
        Ok(())
    }
}

impl TryFrom<String> for Duration {
    type Error = ParseDurationError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Duration> for String {
    fn from(duration: Duration) -> Self {
        duration.to_string()
    }
}

impl JsonSchema for Duration {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Duration".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let mut schema = json_schema!({"type": "string", "maxLength": 64});
        let max = Self::MAX;
        must(
            format!("self.matches('{GRAMMAR}') && self.size() <= {MAX_CHARACTERS}"),
            "write hours, minutes and seconds, in this order, such as 720h, 1h30m or 90s",
        )(&mut schema);
        must(
            format!("!self.matches('{GRAMMAR}') || duration(self) <= duration('{max}')"),
            format!("is at most {max}, which is ten years"),
        )(&mut schema);
        schema
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("720h", 2_592_000)]
    #[case("1h30m", 5_400)]
    #[case("90s", 90)]
    #[case("0s", 0)]
    #[case("000001h", 3_600)]
    #[case("87600h", 315_360_000)]
    #[case("1h1m1s", 3_661)]
    fn texts_of_the_grammar_are_read(#[case] text: &str, #[case] seconds: u32) {
        assert_eq!(text.parse(), Ok(Duration(seconds)));
    }

    #[rstest]
    #[case("")]
    #[case("h")]
    #[case("30")]
    #[case("30d")]
    #[case("PT1H")]
    #[case("1m1h")]
    #[case("1h1h")]
    #[case("-1h")]
    #[case("+1h")]
    #[case("1.5h")]
    #[case(" 1h")]
    #[case("1h\n")]
    #[case("٣h")]
    #[case("1000000h")]
    #[case("99999999999999999999h")]
    #[case("00001h00001m00001s")]
    fn other_texts_are_refused(#[case] text: &str) {
        assert_eq!(text.parse::<Duration>(), Err(ParseDurationError::Grammar));
    }

    #[rstest]
    #[case("87600h1s")]
    #[case("999999h9999999s")]
    fn more_than_ten_years_is_refused(#[case] text: &str) {
        assert_eq!(text.parse::<Duration>(), Err(ParseDurationError::TooLong));
    }

    #[test]
    fn constructors_stop_at_the_longest() {
        assert_eq!(Duration::from_hours(u32::MAX), Duration::MAX);
        assert_eq!(Duration::from_mins(90), Duration::from_secs(5_400));
    }

    #[test]
    fn json_holds_the_canonical_text() {
        let duration: Duration = serde_json::from_str("\"90m\"").unwrap();
        assert_eq!(serde_json::to_string(&duration).unwrap(), "\"1h30m\"");
    }

    proptest! {
        #[test]
        fn what_is_printed_is_read_back(seconds in 0..=Duration::MAX.0) {
            let text = Duration(seconds).to_string();
            prop_assert!(text.len() <= MAX_CHARACTERS);
            prop_assert_eq!(text.parse(), Ok(Duration(seconds)));
        }

        #[test]
        fn no_text_panics(text in ".{0,24}") {
            let _ = text.parse::<Duration>();
        }

        #[test]
        fn what_looks_right_is_read_or_too_long(
            hours in 0..1_000_000_u64, minutes in 0..1_000_000_u64, seconds in 0..10_000_000_u64,
        ) {
            let text = format!("{hours}h{minutes}m{seconds}s");
            let total = hours * 3600 + minutes * 60 + seconds;
            let expected = if text.len() > MAX_CHARACTERS {
                Err(ParseDurationError::Grammar)
            } else if total > u64::from(Duration::MAX.0) {
                Err(ParseDurationError::TooLong)
            } else {
                Ok(u64::from(Duration::MAX.0).min(total))
            };
            prop_assert_eq!(text.parse::<Duration>().map(|d| u64::from(d.0)), expected);
        }
    }
}
