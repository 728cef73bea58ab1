//! When windows open, also where clocks move, and which cannot be.

use proptest::prelude::*;
use rstest::rstest;

use super::*;
use crate::plan::token::window;

pub(super) const ZONES: [&str; 5] = [
    "UTC",
    "Europe/Paris",
    "America/New_York",
    "Australia/Lord_Howe",
    "Asia/Kathmandu",
];

/// What holds for the tokens of these tests: 100 hours, due 33 h 20 min before the end, 10 hours of jitter at most, and
/// a deadline 8 h 20 min before the end.
pub(super) fn within(windows: &serde_json::Value) -> Policy {
    policy(json!({"lifetime": "100h", "rotation": {"windows": windows}}))
}

pub(super) fn daily(schedule: &str, duration: &str) -> Policy {
    within(&json!([{"schedule": schedule, "duration": duration}]))
}

pub(super) fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// The first times after an instant that a window of a minute opens.
fn openings(schedule: &str, zone: &str, after: &str, count: usize) -> Vec<String> {
    let window = json!({"schedule": schedule, "duration": "1m", "timeZone": zone});
    let windows = within(&json!([window])).windows;
    let mut instant = at(after);
    let mut next = || {
        let opening = window::first(&windows, Timestamp::MIN, instant).unwrap();
        instant = opening.until;
        opening.from.to_string()
    };
    (0..count).map(|_| next()).collect()
}

#[rstest]
#[case::gap("Europe/Paris", "30 2 * * *", "2027-03-27T00:00:00Z", ["2027-03-27T01:30:00Z", "2027-03-28T01:30:00Z", "2027-03-29T00:30:00Z"])]
#[case::fold("Europe/Paris", "30 2 * * *", "2027-10-30T00:00:00Z", ["2027-10-30T00:30:00Z", "2027-10-31T00:30:00Z", "2027-11-01T01:30:00Z"])]
#[case::gap("America/New_York", "30 2 * * *", "2027-03-13T00:00:00Z", ["2027-03-13T07:30:00Z", "2027-03-14T07:30:00Z", "2027-03-15T06:30:00Z"])]
#[case::fold("America/New_York", "30 1 * * *", "2027-11-06T00:00:00Z", ["2027-11-06T05:30:00Z", "2027-11-07T05:30:00Z", "2027-11-08T06:30:00Z"])]
#[case::half_an_hour("Australia/Lord_Howe", "15 2 * * *", "2027-10-01T12:00:00Z", ["2027-10-01T15:45:00Z", "2027-10-02T15:45:00Z", "2027-10-03T15:15:00Z"])]
#[case::half_an_hour("Australia/Lord_Howe", "45 1 * * *", "2027-04-02T12:00:00Z", ["2027-04-02T14:45:00Z", "2027-04-03T14:45:00Z", "2027-04-04T15:15:00Z"])]
#[case::not_in_the_order_of_the_wall("Australia/Lord_Howe", "15,30 2 * * *", "2027-10-02T12:00:00Z", ["2027-10-02T15:30:00Z", "2027-10-02T15:45:00Z", "2027-10-03T15:15:00Z"])]
#[case::leap_day("UTC", "0 0 29 2 *", "2027-01-01T00:00:00Z", ["2028-02-29T00:00:00Z", "2032-02-29T00:00:00Z", "2036-02-29T00:00:00Z"])]
#[case::a_century_without("UTC", "0 0 29 2 *", "2093-01-01T00:00:00Z", ["2096-02-29T00:00:00Z", "2104-02-29T00:00:00Z", "2108-02-29T00:00:00Z"])]
#[case::either_day("UTC", "0 0 13 * FRI", "2027-08-07T00:00:00Z", ["2027-08-13T00:00:00Z", "2027-08-20T00:00:00Z", "2027-08-27T00:00:00Z"])]
fn a_window_opens(
    #[case] zone: &str,
    #[case] schedule: &str,
    #[case] after: &str,
    #[case] expected: [&str; 3],
) {
    assert_eq!(openings(schedule, zone, after, 3), expected);
}

#[test]
fn a_window_over_midnight_is_open_on_both_days() {
    let windows = daily("0 22 * * *", "4h").windows;
    let open = |instant| {
        let instant = at(instant);
        window::first(&windows, instant, instant).filter(|opening| opening.from <= instant)
    };
    assert_eq!(open("2027-01-18T21:59:59Z"), None);
    for instant in [
        "2027-01-18T22:00:00Z",
        "2027-01-18T23:30:00Z",
        "2027-01-19T01:59:59Z",
    ] {
        let opening = open(instant).unwrap();
        assert_eq!(opening.from, at("2027-01-18T22:00:00Z"));
        assert_eq!(opening.until, at("2027-01-19T02:00:00Z"));
    }
    assert_eq!(open("2027-01-19T02:00:00Z"), None, "the end is not in it");
}

fn check(rotation: serde_json::Value) -> String {
    let rotation = serde_json::from_value(rotation).unwrap();
    check_windows(&rotation).map_or_else(|invalid| invalid.to_string(), |()| String::new())
}

#[test]
fn what_no_window_can_be_is_told_by_its_field() {
    let good =
        json!({"schedule": "0 2 * * MON-FRI", "duration": "1h", "timeZone": "Asia/Kathmandu"});
    assert_eq!(check(json!({"windows": [good]})), "");
    let said = |fields: serde_json::Value| {
        let mut bad = good.clone();
        bad.as_object_mut()
            .unwrap()
            .extend(fields.as_object().unwrap().clone());
        check(json!({"windows": [good, bad]}))
    };
    let zone = said(json!({"timeZone": "Europe/Pris"}));
    assert!(
        zone.starts_with("rotation.windows[1].timeZone is Europe/Pris, "),
        "{zone}"
    );
    for unknown in ["Etc/Unknown", "Local", "CEST"] {
        assert_ne!(said(json!({"timeZone": unknown})), "", "{unknown}");
    }
    for wrong in [
        "61 2 * * *",
        "0 24 * * *",
        "0 2 32 * *",
        "0 2 * 13 *",
        "0 2 * * 8",
        "0 2 * * ABC",
        "0 5-2 * * *",
        "*/0 * * * *",
    ] {
        let schedule = said(json!({"schedule": wrong}));
        let expected =
            format!("rotation.windows[1].schedule is {wrong}, which is not on any clock");
        assert!(schedule.starts_with(&expected), "{schedule}");
    }
    for never in ["0 2 30 2 *", "0 2 31 4,6,9,11 *"] {
        let schedule = said(json!({"schedule": never}));
        assert!(schedule.contains("a day that no year has"), "{schedule}");
    }
    // Without the one that is wrong, the other is kept to.
    let windows = json!([good, {"schedule": "0 2 30 2 *", "duration": "1h"}]);
    assert_eq!(within(&windows).windows.len(), 1);
}

/// Minutes and hours of a daily schedule.
fn times() -> impl Strategy<Value = (Vec<u8>, Vec<u8>)> {
    (
        prop::collection::vec(0u8..60, 1..4),
        prop::collection::vec(0u8..6, 1..4),
    )
}

proptest! {
    /// Against a look at every minute of six days around the changes of clocks.
    #[test]
    fn a_window_opens_when_a_look_at_every_minute_says_so(
        (minutes, hours) in times(), zone in prop::sample::select(&ZONES[..]),
        day in prop::sample::select(vec!["2027-03-14", "2027-03-28", "2027-04-04", "2027-10-03", "2027-10-31", "2027-11-07"]),
        second in -86_400i64..86_400,
    ) {
        let list = |numbers: &[u8]| numbers.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
        let schedule = format!("{} {} * * *", list(&minutes), list(&hours));
        let midday: jiff::civil::Date = day.parse().unwrap();
        let instant = midday.at(0, 0, 0, 0).in_tz("UTC").unwrap().timestamp() + SignedDuration::from_secs(second);
        let tz = jiff::tz::TimeZone::get(zone).unwrap();
        let start = midday.yesterday().unwrap().yesterday().unwrap().at(0, 0, 0, 0);
        let walls = (0..6 * 1440).map(|minute| start + SignedDuration::from_mins(minute));
        let fits = walls.filter(|wall| {
            let is_in = |numbers: &[u8], number: i8| numbers.iter().any(|n| i8::try_from(*n) == Ok(number));
            is_in(&minutes, wall.minute()) && is_in(&hours, wall.hour())
        });
        let opens = fits.map(|wall| tz.to_timestamp(wall).unwrap());
        let expected = opens.filter(|opens| *opens > instant - MINUTE).min().unwrap();
        prop_assert_eq!(&openings(&schedule, zone, &instant.to_string(), 1)[0], &expected.to_string());
    }
}
