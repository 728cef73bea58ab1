//! When a token is replaced.

use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};

use super::{Current, Policy, Renewal};

/// How many percent of the validity the jitter takes at most.
const JITTER_PERCENT: u32 = 10;

/// When a token is replaced, and what it was granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// The instant of its replacement; `None` = on request only.
    pub due: Option<Timestamp>,
    /// When it expires; `None` = never.
    pub expires: Option<Timestamp>,
    /// Whether less validity was granted than was asked for.
    pub capped: bool,
}

/// The schedule of a token: `min(expiry − renewBefore, issue + interval)`, earlier by a jitter that is a function of
/// the token's identity and generation, but never before half of its validity.
///
/// `expires` is the expiry as it is now (it moves for extended tokens); `seed` the entry's identity.
#[must_use]
pub fn schedule(
    policy: &Policy,
    current: &Current,
    expires: Option<Timestamp>,
    seed: &str,
) -> Schedule {
    let granted = current
        .expires
        .map(|expiry| expiry.duration_since(current.issued));
    let by_expiry = expires.zip(granted).map(|(expires, granted)| {
        let lead = lead(policy.renewal, granted);
        (before(expires, lead), before(expires, granted / 2))
    });
    let by_age = policy.interval.map(|interval| {
        let half = granted.unwrap_or(interval) / 2;
        (after(current.issued, interval), after(current.issued, half))
    });
    let validity = granted.or(policy.interval).unwrap_or_default();
    let jitter = scale(
        scaled(validity, JITTER_PERCENT),
        fraction(seed, current.generation),
    );
    let rules = [by_expiry, by_age].into_iter().flatten();
    let due = rules
        .map(|(due, earliest)| before(due, jitter).max(earliest))
        .min();
    let asked = current.asked.map(SignedDuration::from_secs);
    // Backends store whole seconds or less: a second is no cap.
    let capped = granted
        .zip(asked)
        .is_some_and(|(granted, asked)| granted + SignedDuration::from_secs(2) < asked);
    Schedule {
        due,
        expires,
        capped: capped || (asked.is_none() && granted.is_some()),
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

fn before(instant: Timestamp, by: SignedDuration) -> Timestamp {
    instant.checked_sub(by).unwrap_or(Timestamp::MIN)
}

/// A number in thousandths that stands for this seed and generation.
fn fraction(seed: &str, generation: i64) -> i32 {
    let digest = Sha256::digest(format!("{seed}\n{generation}"));
    i32::from(u16::from_be_bytes([digest[0], digest[1]]) % 1000)
}

fn scale(duration: SignedDuration, thousandths: i32) -> SignedDuration {
    duration / 1000 * thousandths
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
            farewell: 0,
        }
    }

    fn due_after(
        spec: serde_json::Value,
        granted: Option<SignedDuration>,
    ) -> Option<SignedDuration> {
        let current = token(granted, granted);
        let due = schedule(&policy(spec), &current, current.expires, "seed").due;
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
        let schedule = schedule(&policy, &current, current.expires, "seed");
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
        let due = |expires| schedule(&policy, &current, expires, "seed").due.unwrap();
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
            let due = schedule(&policy, &current, current.expires, &seed).due.unwrap();
            prop_assert!(due >= current.issued + granted / 2);
            prop_assert!(due < current.issued + granted);
            prop_assert_eq!(Some(due), schedule(&policy, &current, current.expires, &seed).due);
        }
    }
}
