//! Windows: when they open where clocks move, and how a rotation is moved into one.

use proptest::prelude::*;
use rstest::rstest;

use super::*;
use crate::api::duration::Duration;
use crate::plan::token::window;

/// What holds for the tokens of these tests: 100 hours, due 33 h 20 min before the end, 10 hours of jitter at most, and
/// a deadline 8 h 20 min before the end.
fn within(windows: &serde_json::Value) -> Policy {
    policy(json!({"lifetime": "100h", "rotation": {"windows": windows}}))
}

fn daily(schedule: &str, duration: &str) -> Policy {
    within(&json!([{"schedule": schedule, "duration": duration}]))
}

fn at(text: &str) -> Timestamp {
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

fn scheduled(policy: &Policy, now: Timestamp) -> Schedule {
    let current = current("t2", 2, START);
    schedule(policy, &current, current.expires, &steady().seed, now)
}

/// When the token of `within` is due without windows, and its deadline.
fn span() -> (Timestamp, Timestamp) {
    let due = scheduled(&usual(), START).due.unwrap();
    (due, START + HOUR * 100 - MINUTE * 500)
}

#[test]
fn a_rotation_is_moved_into_the_window_that_opens_first() {
    // 2027-01-15T08:00Z; due in the evening of the 17th or the night to the 18th.
    let (due, deadline) = span();
    let night = daily("0 4 * * *", "2h");
    let moved = scheduled(&night, START);
    assert_eq!(moved.fit, Fit::Open);
    let moved = moved.due.unwrap();
    assert!(due < moved && moved < deadline);
    assert!(
        at("2027-01-18T04:00:00Z") <= moved && moved < at("2027-01-18T06:00:00Z"),
        "{moved}"
    );
    let both = within(&json!([
        {"schedule": "0 5 * * *", "duration": "1h"},
        {"schedule": "0 5 * * *", "duration": "1h", "timeZone": "Europe/Paris"},
    ]));
    let first = scheduled(&both, START).due.unwrap();
    assert!(
        at("2027-01-18T04:00:00Z") <= first && first < at("2027-01-18T05:00:00Z"),
        "{first}"
    );
    // Always open is as good as no window at all, but for the jitter.
    let always = scheduled(&daily("* * * * *", "1h"), START).due.unwrap();
    assert!(due <= always && always <= due + HOUR);
}

#[test]
fn a_window_that_was_missed_leaves_the_next_one_and_then_the_deadline() {
    let policy = daily("0 4 * * *", "2h");
    let (_, deadline) = span();
    let now = at("2027-01-18T06:00:00Z");
    let next = scheduled(&policy, now);
    // The deadline is at 03:40 of the 19th.
    assert_eq!(deadline, at("2027-01-19T03:40:00Z"));
    assert_eq!(next.fit, Fit::Missed);
    assert!(next.due.unwrap() <= deadline);
    let policy = daily("0 2 * * *", "1h");
    let next = scheduled(&policy, at("2027-01-18T03:00:00Z"));
    assert_eq!(next.fit, Fit::Open);
    assert!(next.due.unwrap() >= at("2027-01-19T02:00:00Z"));
    let last = scheduled(&policy, at("2027-01-19T03:00:00Z"));
    assert_eq!(last.fit, Fit::Missed);
}

#[test]
fn an_opening_ends_with_the_deadline_for_this_token() {
    let (_, deadline) = span();
    let policy = daily("0 3 * * *", "5h");
    let next = scheduled(&policy, at("2027-01-18T08:00:00Z"));
    assert_eq!(next.fit, Fit::Open);
    let due = next.due.unwrap();
    assert!(at("2027-01-19T03:00:00Z") <= due && due < deadline, "{due}");
}

#[test]
fn a_window_that_opens_between_deadline_and_expiry_is_missed() {
    // The token expires at noon of the 19th.
    let missed = scheduled(&daily("0 10 19 * *", "1h"), START);
    assert_eq!(missed.fit, Fit::Missed);
    let (due, deadline) = span();
    let instant = missed.due.unwrap();
    assert!(due <= instant && instant <= deadline);
}

#[test]
fn no_window_before_the_expiry_is_told_from_the_beginning() {
    let never = daily("0 2 1 6 *", "168h");
    let told = scheduled(&never, START);
    assert_eq!(told.fit, Fit::Unsatisfiable);
    let instant = told.due.unwrap();
    let (due, deadline) = span();
    assert!(due <= instant && instant <= deadline);
    let plan = plan(&never, &steady(), MINUTE, START);
    assert_eq!(plan.step, None);
    assert_eq!(plan.schedule.unwrap().fit, Fit::Unsatisfiable);
}

#[test]
fn a_token_that_never_expires_waits_a_quarter_longer_at_most() {
    let interval = |windows| {
        policy(json!({"neverExpires": true, "rotation": {"interval": "100h", "windows": windows}}))
    };
    let mut token = current("t2", 2, START);
    (token.expires, token.asked) = (None, None);
    let scheduled = |policy: &Policy, now| schedule(policy, &token, None, "seed", now);
    let night = interval(json!([{"schedule": "0 4 * * *", "duration": "2h"}]));
    assert_eq!(scheduled(&night, START).fit, Fit::Open);
    let rare = interval(json!([{"schedule": "0 4 1 6 *", "duration": "2h"}]));
    let told = scheduled(&rare, START);
    assert_eq!(told.fit, Fit::Unsatisfiable);
    let age = told.due.unwrap().duration_since(START);
    assert!(HOUR * 90 <= age && age <= HOUR * 125, "{age:?}");
    let on_request = policy(json!({"neverExpires": true}));
    let told = scheduled(&on_request, START);
    assert_eq!((told.due, told.fit), (None, Fit::Free));
}

#[test]
fn a_rotation_in_a_window_is_one_on_schedule_and_one_outside_says_so() {
    let policy = daily("0 4 * * *", "2h");
    let due = scheduled(&policy, START).due.unwrap();
    let before = plan(
        &policy,
        &steady(),
        MINUTE,
        due - SignedDuration::from_millis(1),
    );
    assert_eq!((&before.step, before.next), (&None, Some(due)));
    let rotated = plan(&policy, &steady(), MINUTE, due);
    assert_eq!(issued(&rotated).reason, Reason::Rotated);
    // Nobody was there, and the next window is too late.
    let late = at("2027-01-18T06:00:00Z");
    let waits = plan(&policy, &steady(), MINUTE, late);
    assert_eq!(waits.step, None, "not outside, as long as it can wait");
    let missed = plan(&policy, &steady(), MINUTE, waits.next.unwrap());
    assert_eq!(issued(&missed).reason, Reason::WindowMissed);
    assert!(
        issued(&missed).unscheduled.is_empty(),
        "it counts as one on schedule"
    );
}

#[test]
fn what_cannot_wait_and_what_somebody_asks_for_waits_for_no_window() {
    let policy = daily("0 4 * * *", "2h");
    let reason = |seen: &Observed| issued(&plan(&policy, seen, MINUTE, START + HOUR)).reason;
    let mut seen = steady();
    seen.requests.rotate = Some("a".into());
    assert_eq!(reason(&seen), Reason::RotateRequested);
    seen.requests.compromised = Some("leak".into());
    assert_eq!(reason(&seen), Reason::Compromised);
    let mut seen = steady();
    seen.secret = SecretSeen::Absent;
    assert_eq!(reason(&seen), Reason::SecretMissing);
    let mut seen = steady();
    edit(&mut seen).current.asked = Some(60);
    assert_eq!(reason(&seen), Reason::LifetimeChanged);
}

/// Ten thousand identities whose tokens were issued in the same minute: when each is due, by so many parts of the span.
fn herd(policy: &Policy, from: Timestamp, until: Timestamp) -> Vec<usize> {
    let mut parts = vec![0; 100];
    for number in 0..10_000 {
        let issued = START + SignedDuration::from_millis(6 * number);
        let token = current("t2", 2, issued);
        let seed = format!("ServiceAccount/team-a/bot-{number}/default");
        let due = schedule(policy, &token, token.expires, &seed, START)
            .due
            .unwrap();
        assert!(from <= due && due <= until, "{due}");
        let share =
            due.duration_since(from).as_millis() * 100 / until.duration_since(from).as_millis();
        parts[usize::try_from(share).unwrap().min(99)] += 1;
    }
    parts
}

#[test]
fn a_herd_spreads_over_all_of_the_span() {
    let rule = START + MINUTE * 4000;
    let free = herd(&usual(), rule - HOUR * 10, rule + MINUTE);
    assert!(free.iter().all(|&part| part < 150), "{free:?}");
    // All of them are due before the window opens, and its last tenth is left free.
    let opens = at("2027-01-18T04:00:00Z");
    let window = herd(&daily("0 4 * * *", "2h"), opens, opens + MINUTE * 108);
    assert!(
        window.iter().all(|&part| (50..150).contains(&part)),
        "{window:?}"
    );
    let deadline = START + MINUTE * 5500;
    let never = herd(
        &daily("0 4 1 6 *", "2h"),
        deadline - HOUR * 10,
        deadline + MINUTE,
    );
    assert!(never.iter().all(|&part| part < 150), "{never:?}");
}

const ZONES: [&str; 5] = [
    "UTC",
    "Europe/Paris",
    "America/New_York",
    "Australia/Lord_Howe",
    "Asia/Kathmandu",
];

/// Minutes and hours of a daily schedule.
fn times() -> impl Strategy<Value = (Vec<u8>, Vec<u8>)> {
    (
        prop::collection::vec(0u8..60, 1..4),
        prop::collection::vec(0u8..6, 1..4),
    )
}

fn any_windows() -> impl Strategy<Value = serde_json::Value> {
    let schedule = prop_oneof![
        Just("* * * * *"),
        Just("*/20 * * * *"),
        Just("0 2 * * *"),
        Just("30 1,2 * * SAT,SUN"),
        Just("0 22 * * MON"),
        Just("0 0 29 2 *"),
        Just("15 3 1 * *"),
    ];
    let window = (schedule, 1u32..20_000, prop::sample::select(&ZONES[..])).prop_map(
        |(schedule, minutes, zone)| {
            let duration = format!("{}m", minutes.min(10_080));
            json!({"schedule": schedule, "duration": duration, "timeZone": zone})
        },
    );
    prop::collection::vec(window, 1..4).prop_map(serde_json::Value::from)
}

fn any_policy() -> impl Strategy<Value = Policy> {
    let lifetime = prop_oneof![60u32..4000, 4000u32..100_000, 100_000u32..31_000_000];
    let interval = prop::option::of(50u32..200);
    (lifetime, 1u32..=50, interval, any_windows()).prop_map(
        |(lifetime, share, interval, windows)| {
            let mut rotation = json!({"renewBeforePercentage": share, "windows": windows});
            if let Some(percent) = interval {
                rotation["interval"] = json!(Duration::from_secs(lifetime / 100 * percent + 60));
            }
            policy(json!({"lifetime": Duration::from_secs(lifetime), "rotation": rotation}))
        },
    )
}

fn token_of(policy: &Policy, generation: i64) -> Current {
    let lifetime = policy.lifetime.max_age().unwrap();
    Current {
        expires: Some(START + lifetime),
        asked: Some(lifetime.as_secs()),
        ..current("t2", generation, START)
    }
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

    #[test]
    fn a_rotation_is_in_a_window_or_says_that_it_is_not_and_never_late(
        policy in any_policy(), generation in 1i64..100, seed in "[a-z]{1,8}", late in 0u32..=100,
    ) {
        let token = token_of(&policy, generation);
        let validity = policy.lifetime.max_age().unwrap();
        let end = START + validity;
        let now = START + validity / 100 * i32::try_from(late).unwrap();
        let told = schedule(&policy, &token, token.expires, &seed, now);
        let due = told.due.unwrap();
        let Renewal::Percentage(share) = policy.renewal else {
            unreachable!("all of these have one");
        };
        let lead = validity / 100 * i32::try_from(share).unwrap();
        prop_assert!(due >= START + validity / 2);
        prop_assert!(due <= end - lead / 4, "no time for retries");
        let without = Policy { windows: Vec::new(), ..policy.clone() };
        let free = schedule(&without, &token, token.expires, &seed, now);
        prop_assert!(due >= free.due.unwrap(), "windows move nothing to earlier");
        prop_assert_eq!(free.fit, Fit::Free);
        let open = window::first(&policy.windows, due, due).is_some_and(|opening| opening.from <= due);
        match told.fit {
            Fit::Open => prop_assert!(open),
            Fit::Unsatisfiable => prop_assert!(!open),
            Fit::Missed | Fit::Free => {}
        }
    }

    /// What is told before is what happens: at no instant until then does the answer change, whoever asks.
    #[test]
    fn the_next_instant_is_exact_and_the_plan_changes_at_it(
        policy in any_policy(), generation in 3i64..100, late in 0u32..=100, part in 0u32..=1000,
    ) {
        let mut seen = steady();
        edit(&mut seen).current = token_of(&policy, generation);
        seen.recorded.as_mut().unwrap().generation = generation;
        seen.next_look = START + HOUR * 100_000;
        let validity = policy.lifetime.max_age().unwrap();
        let now = START + validity / 100 * i32::try_from(late).unwrap();
        let first = plan(&policy, &seen, SignedDuration::ZERO, now);
        if first.step.is_some() {
            return Ok(());
        }
        let due = first.schedule.unwrap().due.unwrap();
        prop_assert!(due > now);
        prop_assert_eq!(first.next, Some(due));
        let between = now + due.duration_since(now) / 1000 * i32::try_from(part).unwrap();
        let again = plan(&policy, &seen, SignedDuration::ZERO, between);
        if between < due {
            prop_assert_eq!(&again, &first);
        }
        let then = plan(&policy, &seen, SignedDuration::ZERO, due);
        prop_assert!(matches!(then.step, Some(Step::Issue(_))), "{:?}", then);
    }
}
