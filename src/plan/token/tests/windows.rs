//! How a rotation is moved into a window.

use proptest::prelude::*;

use super::openings::{ZONES, at, daily, within};
use super::*;
use crate::api::duration::Duration;
use crate::plan::token::window;

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
