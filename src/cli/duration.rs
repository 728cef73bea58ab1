//! Durations on the command line.

use std::time::Duration;

/// Units in the order in which they may follow one another, in milliseconds.
const UNITS: [(&str, u64); 4] = [("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// The longest duration a flag takes: a year of 365 days.
const LONGEST: Duration = Duration::from_hours(365 * 24);

/// Reads `1h30m`, `45s`, `250ms`: whole numbers with units, each unit once, largest first.
pub fn parse(text: &str) -> Result<Duration, String> {
    let millis = total_millis(text).ok_or_else(|| {
        "write whole numbers with the units h, m, s, ms, largest first, such as 1h30m, 45s or 250ms".to_owned()
    })?;
    match Duration::from_millis(millis) {
        Duration::ZERO => Err("write a duration longer than zero, such as 1s".to_owned()),
        longer if longer > LONGEST => Err("write 8760h (a year) or less".to_owned()),
        duration => Ok(duration),
    }
}

fn total_millis(text: &str) -> Option<u64> {
    let mut rest = text;
    let mut total = 0_u64;
    for (unit, size) in UNITS {
        let (count, after) = split_number(rest);
        let (found, next) = split_unit(after);
        if found == unit {
            total = total.checked_add(count.parse::<u64>().ok()?.checked_mul(size)?)?;
            rest = next;
        }
    }
    (rest.is_empty() && !text.is_empty()).then_some(total)
}

fn split_number(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_digit());
    text.split_at(end.unwrap_or(text.len()))
}

fn split_unit(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_alphabetic());
    text.split_at(end.unwrap_or(text.len()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    #[rstest]
    #[case("15s", 15_000)]
    #[case("250ms", 250)]
    #[case("1h30m", 5_400_000)]
    #[case("1m1s1ms", 61_001)]
    #[case("8760h", 31_536_000_000)]
    fn good_durations_are_read(#[case] text: &str, #[case] millis: u64) {
        assert_eq!(parse(text), Ok(Duration::from_millis(millis)));
    }

    #[rstest]
    #[case("", "whole numbers")]
    #[case("10", "whole numbers")]
    #[case("s", "whole numbers")]
    #[case("1.5s", "whole numbers")]
    #[case("-1s", "whole numbers")]
    #[case("1d", "whole numbers")]
    #[case("1s1h", "whole numbers")]
    #[case("1s1s", "whole numbers")]
    #[case("1 s", "whole numbers")]
    #[case("١s", "whole numbers")]
    #[case("99999999999999999999h", "whole numbers")]
    #[case("0s", "longer than zero")]
    #[case("8761h", "8760h")]
    fn bad_durations_say_what_to_write(#[case] text: &str, #[case] mend: &str) {
        let message = parse(text).unwrap_err();
        assert!(message.contains(mend), "{text:?}: {message}");
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "\\PC{0,40}") {
            let _ = parse(&text);
        }

        #[test]
        fn what_is_written_is_what_is_read(h in 0_u64..8000, m in 0_u64..1000, s in 0_u64..1000, ms in 1_u64..1000) {
            let expected = Duration::from_millis(((h * 60 + m) * 60 + s) * 1000 + ms);
            prop_assert_eq!(parse(&format!("{h}h{m}m{s}s{ms}ms")), Ok(expected));
        }
    }
}
