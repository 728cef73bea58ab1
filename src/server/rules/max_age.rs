//! `maxAge`: the lifetime of a token, in the form that `java.time.Duration` parses.
//!
//! That is `PnDTnHnMn.nS`, a day being 24 hours; months, years and weeks are not durations there.

use jiff::SignedDuration;

use crate::server::error::Error;

/// A century: beyond it, leave `maxAge` out.
const LONGEST: SignedDuration = SignedDuration::from_hours(100 * 366 * 24);
const DATE_UNITS: &[(u8, i64)] = &[(b'D', 24 * 60 * 60)];
const TIME_UNITS: &[(u8, i64)] = &[(b'H', 60 * 60), (b'M', 60), (b'S', 1)];

/// The lifetime that a request asks for; absent or empty means that the token never expires.
pub(crate) fn max_age(text: Option<&str>) -> Result<Option<SignedDuration>, Error> {
    let Some(text) = text.filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    let age = parse(text).ok_or_else(|| {
        let mend = "is not a duration of days, hours, minutes and seconds: write e.g. P30D or PT1H";
        Error::invalid("maxAge", mend)
    })?;
    if age < SignedDuration::from_secs(1) {
        return Err(Error::invalid("maxAge", "must be a second or more"));
    }
    if age > LONGEST {
        let mend = "is longer than a century: leave it out for a token that never expires";
        return Err(Error::invalid("maxAge", mend));
    }
    Ok(Some(age))
}

fn parse(text: &str) -> Option<SignedDuration> {
    let upper = text.to_ascii_uppercase();
    let (negative, rest) = sign(&upper);
    let rest = rest.strip_prefix('P')?;
    let (date, time) = match rest.split_once('T') {
        Some((_, "")) => return None,
        Some((date, time)) => (date, time),
        None => (rest, ""),
    };
    if rest.is_empty() {
        return None;
    }
    let sum = components(date, DATE_UNITS)?.checked_add(components(time, TIME_UNITS)?)?;
    if negative {
        sum.checked_neg()
    } else {
        Some(sum)
    }
}

/// Reads numbers with their units; each unit at most once and in order.
fn components(mut text: &str, mut units: &[(u8, i64)]) -> Option<SignedDuration> {
    let mut sum = SignedDuration::ZERO;
    while !text.is_empty() {
        let end = text.find(|c: char| c.is_ascii_uppercase())?;
        let unit = text.as_bytes()[end];
        let at = units.iter().position(|(name, _)| *name == unit)?;
        let seconds = units[at].1;
        let amount = number(&text[..end], unit == b'S')?;
        sum = sum.checked_add(scale(amount, seconds)?)?;
        units = &units[at + 1..];
        text = &text[end + 1..];
    }
    Some(sum)
}

fn number(text: &str, fraction_allowed: bool) -> Option<SignedDuration> {
    let (negative, digits) = sign(text);
    let (whole, fraction) = match digits.split_once(['.', ',']) {
        Some(parts) if fraction_allowed => parts,
        Some(_) => return None,
        None => (digits, ""),
    };
    let all_digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() || !all_digits(whole) || !all_digits(fraction) || fraction.len() > 9 {
        return None;
    }
    let nanos = format!("{fraction:0<9}").parse().ok()?;
    let amount = SignedDuration::new(whole.parse().ok()?, nanos);
    Some(if negative { -amount } else { amount })
}

fn scale(amount: SignedDuration, seconds: i64) -> Option<SignedDuration> {
    if seconds == 1 {
        return Some(amount);
    }
    Some(SignedDuration::from_secs(
        amount.as_secs().checked_mul(seconds)?,
    ))
}

fn sign(text: &str) -> (bool, &str) {
    match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("P1D", 86_400)]
    #[case("P30D", 30 * 86_400)]
    #[case("PT1H", 3_600)]
    #[case("PT720H", 720 * 3_600)]
    #[case("PT2M", 120)]
    #[case("PT90S", 90)]
    #[case("P1DT2H3M4S", 93_784)]
    #[case("pt1h", 3_600)]
    #[case("PT1H-30M", 1_800)]
    #[case("+PT5S", 5)]
    fn a_duration_of_java(#[case] text: &str, #[case] seconds: i64) {
        let age = max_age(Some(text)).unwrap().unwrap();
        assert_eq!(age, SignedDuration::from_secs(seconds));
    }

    #[test]
    fn seconds_may_have_a_fraction() {
        let age = max_age(Some("PT1.5S")).unwrap().unwrap();
        assert_eq!(age, SignedDuration::from_millis(1_500));
    }

    #[rstest]
    #[case("P1M")]
    #[case("P1Y")]
    #[case("P1W")]
    #[case("1h")]
    #[case("P")]
    #[case("PT")]
    #[case("P1DT")]
    #[case("PT1D")]
    #[case("PT1M1H")]
    #[case("PT1H1H")]
    #[case("PT1.5H")]
    #[case("PT0S")]
    #[case("PT-1H")]
    #[case("-PT1H")]
    #[case("PT0.4S")]
    #[case("P36601D")]
    #[case("P99999999999999999999D")]
    #[case("PT9223372036854775807H")]
    #[case("P9223372036854775807D")]
    #[case("forever")]
    #[case("PT１H")]
    fn refused_with_the_name_of_the_field(#[case] text: &str) {
        let error = max_age(Some(text)).unwrap_err().to_string();
        assert!(error.starts_with("maxAge: "), "{error}");
    }

    #[test]
    fn absent_or_empty_never_expires() {
        assert_eq!(max_age(None).unwrap(), None);
        assert_eq!(max_age(Some("")).unwrap(), None);
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "\\PC{0,40}|[-+PTDHMS0-9.,]{0,24}") {
            let _ = max_age(Some(&text));
        }

        #[test]
        fn whole_seconds_are_read_as_they_were_written(days in 0_i64..1_000, seconds in 1_i64..1_000_000) {
            let age = max_age(Some(&format!("P{days}DT{seconds}S"))).unwrap().unwrap();
            prop_assert_eq!(age.as_secs(), days * 86_400 + seconds);
        }
    }
}
