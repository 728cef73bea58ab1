//! When a token is replaced.

use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};

use super::window;
use super::{Current, Policy, Renewal};

/// How many percent of the validity the jitter takes at most.
const JITTER_PERCENT: u32 = 10;

/// Over how many percent of an opening the rotations in it are spread: what is due at its end would be late for it.
const OPENING_PERCENT: u32 = 90;

/// What is kept for failures and retries when a rotation waits for a window, if half of the lead is as long.
const RESERVE: SignedDuration = SignedDuration::from_hours(1);

/// When a token is replaced, and what it was granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// The instant of its replacement; `None` = on request only.
    pub due: Option<Timestamp>,
    /// How that instant goes with the windows.
    pub fit: Fit,
    /// When it expires; `None` = never.
    pub expires: Option<Timestamp>,
    /// From when on its replacement waits for no overlap: the time that is left then is for failures and retries. `None` = it
    /// never expires.
    pub deadline: Option<Timestamp>,
    /// Whether less validity was granted than was asked for.
    pub capped: bool,
}

/// How the instant of a rotation goes with the windows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fit {
    /// There are none.
    Free,
    /// It is in one.
    Open,
    /// It is in none: those before the deadline have passed without it, or the next one opens between deadline and
    /// expiry.
    Missed,
    /// It is in none: none opens between the instant at which it is due and the expiry.
    Unsatisfiable,
}

/// What one rule says: replaced at `due`, or later if a window wants it, but at `deadline` in any case.
#[derive(Clone, Copy)]
struct Rule {
    due: Timestamp,
    deadline: Timestamp,
}

/// The schedule of a token: `min(expiry − renewBefore, issue + interval)`, earlier by a jitter that is a function of
/// the token's identity and generation, but never before half of its validity. Windows move it to later, up to a
/// deadline.
///
/// `expires` is the expiry as it is now (it moves for extended tokens); `seed` the entry's identity. `now` matters only
/// once an opening has passed in which the token should have been replaced: then the next one counts.
#[must_use]
pub fn schedule(
    policy: &Policy,
    current: &Current,
    expires: Option<Timestamp>,
    seed: &str,
    now: Timestamp,
) -> Schedule {
    let granted = current
        .expires
        .map(|expiry| expiry.duration_since(current.issued));
    let validity = granted.or(policy.interval).unwrap_or_default();
    let spread = Spread {
        most: scaled(validity, JITTER_PERCENT),
        fraction: fraction(seed, current.generation),
    };
    let by_expiry = expires
        .zip(granted)
        .map(|(expires, granted)| by_expiry(policy, expires, granted, spread));
    let by_age = policy
        .interval
        .map(|interval| by_age(current, interval, granted, spread));
    let rules = [by_expiry, by_age].into_iter().flatten();
    let rule = rules.reduce(Rule::sooner);
    let placed = rule.map(|rule| place(policy, rule, expires, spread, now));
    Schedule {
        deadline: by_expiry.map(|rule| rule.deadline),
        due: placed.map(|(due, _)| due),
        fit: placed.map_or(Fit::Free, |(_, fit)| fit),
        expires,
        capped: is_capped(current, granted),
    }
}

/// A lifetime that was granted shorter than it was asked for. Backends store whole seconds or less: a second is no cap.
fn is_capped(current: &Current, granted: Option<SignedDuration>) -> bool {
    let Some(granted) = granted else {
        return false;
    };
    let asked = current.asked.map(SignedDuration::from_secs);
    asked.is_none_or(|asked| granted + SignedDuration::from_secs(2) < asked)
}

fn by_expiry(policy: &Policy, expires: Timestamp, granted: SignedDuration, spread: Spread) -> Rule {
    let lead = lead(policy.renewal, granted);
    let reserve = (lead / 4).max(RESERVE.min(lead / 2));
    Rule {
        due: spread.before(before(expires, lead), before(expires, granted / 2)),
        deadline: before(expires, reserve),
    }
}

/// A token that never expires loses nothing by waiting, but its age is not to grow without bounds either.
fn by_age(
    current: &Current,
    interval: SignedDuration,
    granted: Option<SignedDuration>,
    spread: Spread,
) -> Rule {
    let earliest = after(current.issued, granted.unwrap_or(interval) / 2);
    let due = after(current.issued, interval);
    Rule {
        due: spread.before(due, earliest),
        deadline: after(due, interval / 4).max(earliest),
    }
}

impl Rule {
    fn sooner(self, other: Self) -> Self {
        let due = self.due.min(other.due);
        Self {
            due,
            deadline: self.deadline.min(other.deadline).max(due),
        }
    }
}

/// When a rule is followed, with regard to the windows.
fn place(
    policy: &Policy,
    rule: Rule,
    expires: Option<Timestamp>,
    spread: Spread,
    now: Timestamp,
) -> (Timestamp, Fit) {
    let Rule { due, deadline } = rule;
    let windows = &policy.windows;
    if windows.is_empty() {
        return (due, Fit::Free);
    }
    let before_end = |from: Timestamp, end: Timestamp| {
        window::first(windows, due, from).filter(|opening| opening.from < end)
    };
    if let Some(opening) = before_end(due.max(now), deadline) {
        let from = opening.from.max(due);
        let room = opening.until.min(deadline).duration_since(from);
        return (
            after(from, spread.share(scaled(room, OPENING_PERCENT))),
            Fit::Open,
        );
    }
    let fit = match before_end(due, expires.unwrap_or(deadline)) {
        Some(_) => Fit::Missed,
        None => Fit::Unsatisfiable,
    };
    (spread.before(deadline, due), fit)
}

/// How rotations that would come at the same instant are spread: a function of identity and generation.
#[derive(Clone, Copy)]
struct Spread {
    /// The longest jitter.
    most: SignedDuration,
    /// Thousandths of it for this token.
    fraction: i32,
}

impl Spread {
    fn share(self, room: SignedDuration) -> SignedDuration {
        room / 1000 * self.fraction
    }

    /// An instant that is earlier by the jitter, but not before `earliest`.
    fn before(self, instant: Timestamp, earliest: Timestamp) -> Timestamp {
        before(instant, self.share(self.most)).max(earliest)
    }
}

/// How long before its expiry a token of this validity is replaced.
fn lead(renewal: Renewal, granted: SignedDuration) -> SignedDuration {
    match renewal {
        Renewal::Before(before) => before.min(granted / 2),
        Renewal::Percentage(percent) => scaled(granted, percent),
        Renewal::Third => granted / 3,
    }
}

fn scaled(duration: SignedDuration, percent: u32) -> SignedDuration {
    duration / 100 * i32::try_from(percent).unwrap_or(100)
}

/// An instant so much later, at the end of time at the latest.
pub(super) fn after(instant: Timestamp, by: SignedDuration) -> Timestamp {
    instant.checked_add(by).unwrap_or(Timestamp::MAX)
}

/// An instant so much earlier, at the beginning of time at the earliest.
pub(super) fn before(instant: Timestamp, by: SignedDuration) -> Timestamp {
    instant.checked_sub(by).unwrap_or(Timestamp::MIN)
}

/// A number in thousandths that stands for this seed and generation.
fn fraction(seed: &str, generation: i64) -> i32 {
    let digest = Sha256::digest(format!("{seed}\n{generation}"));
    i32::from(u16::from_be_bytes([digest[0], digest[1]]) % 1000)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    const HOUR: SignedDuration = SignedDuration::from_hours(1);

    fn policy(spec: serde_json::Value) -> Policy {
        Policy::new(&serde_json::from_value(spec).unwrap(), SignedDuration::ZERO)
    }

    fn token(granted: Option<SignedDuration>, asked: Option<SignedDuration>) -> Current {
        let issued = Timestamp::UNIX_EPOCH;
        Current {
            id: "t1".into(),
            generation: 1,
            prefix: None,
            issued,
            expires: granted.map(|granted| issued + granted),
            published: issued,
            asked: asked.map(|asked| asked.as_secs()),
            extended: false,
            rights: None,
            farewell: 0,
        }
    }

    fn due_after(
        spec: serde_json::Value,
        granted: Option<SignedDuration>,
    ) -> Option<SignedDuration> {
        let current = token(granted, granted);
        let due = schedule(
            &policy(spec),
            &current,
            current.expires,
            "seed",
            current.issued,
        )
        .due;
        due.map(|due| due.duration_since(current.issued))
    }

    #[test]
    fn the_rule_and_a_tenth_of_jitter_set_the_instant() {
        let within = |spec, granted, rule: SignedDuration, validity: SignedDuration| {
            let due = due_after(spec, granted).unwrap();
            assert!(
                due <= rule && due >= rule - validity / 10,
                "{due:?} against {rule:?}"
            );
        };
        within(
            json!({"lifetime": "30h"}),
            Some(HOUR * 30),
            HOUR * 20,
            HOUR * 30,
        );
        let quarter = json!({"lifetime": "100h", "rotation": {"renewBeforePercentage": 25}});
        within(quarter, Some(HOUR * 100), HOUR * 75, HOUR * 100);
        let before = json!({"lifetime": "100h", "rotation": {"renewBefore": "10h"}});
        within(before, Some(HOUR * 100), HOUR * 90, HOUR * 100);
        let aged = json!({"neverExpires": true, "rotation": {"interval": "50h"}});
        within(aged, None, HOUR * 50, HOUR * 50);
        let both = json!({"lifetime": "100h", "rotation": {"interval": "60h"}});
        within(both, Some(HOUR * 100), HOUR * 60, HOUR * 100);
        assert_eq!(due_after(json!({"neverExpires": true}), None), None);
    }

    #[test]
    fn a_shorter_grant_than_asked_is_seen_and_scheduled_by() {
        let current = token(Some(HOUR), Some(HOUR * 100));
        let policy = policy(json!({"lifetime": "100h", "rotation": {"renewBefore": "50h"}}));
        let schedule = schedule(&policy, &current, current.expires, "seed", current.issued);
        assert!(schedule.capped);
        assert_eq!(
            schedule.due,
            Some(current.issued + HOUR / 2),
            "half of what was granted"
        );
    }

    #[test]
    fn an_expiry_that_moved_moves_the_schedule() {
        let current = token(Some(HOUR * 10), Some(HOUR * 10));
        let policy = policy(json!({"lifetime": "10h", "extended": true}));
        let due = |expires| {
            schedule(&policy, &current, expires, "seed", current.issued)
                .due
                .unwrap()
        };
        let moved = current.expires.map(|expires| expires + HOUR);
        assert_eq!(due(moved), due(current.expires) + HOUR);
    }

    proptest! {
        #[test]
        fn never_in_the_first_half_never_after_the_expiry(
            granted in 60i64..1_000_000, percent in 1u32..=50, generation in 1i64..1000, seed in "[a-z]{1,8}",
        ) {
            let granted = SignedDuration::from_secs(granted);
            let current = Current { generation, ..token(Some(granted), Some(granted)) };
            let policy = Policy { renewal: Renewal::Percentage(percent), ..policy(json!({"lifetime": "60s"})) };
            let due = schedule(&policy, &current, current.expires, &seed, current.issued).due.unwrap();
            prop_assert!(due >= current.issued + granted / 2);
            prop_assert!(due < current.issued + granted);
            prop_assert_eq!(Some(due), schedule(&policy, &current, current.expires, &seed, current.issued).due);
        }
    }
}
