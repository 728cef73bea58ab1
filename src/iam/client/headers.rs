//! The two headers with an instant in them: `Date` and `Retry-After`.

use std::time::Duration;

use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;

/// No backend silences us for longer, whatever it says.
pub(super) const LONGEST_RETRY_AFTER: Duration = Duration::from_hours(1);

/// Reads an HTTP date, such as `Sun, 06 Nov 1994 08:49:37 GMT`.
pub(super) fn http_date(text: &str) -> Option<Timestamp> {
    DateTimeParser::new().parse_timestamp(text.trim()).ok()
}

/// Reads a `Retry-After`: seconds, or an HTTP date as seen at `now` on the server's clock.
pub(super) fn retry_after(text: &str, now: Timestamp) -> Option<Duration> {
    let text = text.trim();
    let wait = if text.bytes().all(|b| b.is_ascii_digit()) && !text.is_empty() {
        // More digits than a u64 holds are still "very long".
        Duration::from_secs(text.parse().unwrap_or(u64::MAX))
    } else {
        Duration::try_from(http_date(text)?.duration_since(now)).unwrap_or(Duration::ZERO)
    };
    Some(wait.min(LONGEST_RETRY_AFTER))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn seconds_and_dates_are_both_understood() {
        let now = at("1994-11-06T08:49:00Z");
        assert_eq!(retry_after("30", now), Some(Duration::from_secs(30)));
        assert_eq!(
            retry_after("Sun, 06 Nov 1994 08:49:37 GMT", now),
            Some(Duration::from_secs(37))
        );
    }

    #[test]
    fn a_date_that_has_passed_is_no_wait() {
        let late = at("1994-11-06T09:00:00Z");
        assert_eq!(
            retry_after("Sun, 06 Nov 1994 08:49:37 GMT", late),
            Some(Duration::ZERO)
        );
    }

    #[test]
    fn waits_are_capped() {
        let now = at("1994-11-06T08:49:00Z");
        for text in [
            "999999",
            "99999999999999999999999999",
            "Fri, 01 Jan 9999 00:00:00 GMT",
        ] {
            assert_eq!(retry_after(text, now), Some(LONGEST_RETRY_AFTER), "{text}");
        }
    }

    #[test]
    fn what_is_neither_counts_as_not_said() {
        for text in ["", "soon", "-5", "1.5", "5 s", "06 Nov"] {
            assert_eq!(retry_after(text, Timestamp::UNIX_EPOCH), None, "{text:?}");
        }
    }
}
