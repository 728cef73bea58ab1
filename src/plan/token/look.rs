//! What to look at next. A steady entry needs no look at all.

use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};

use super::{Dress, Observed, Policy, SecretSeen, consumers, due, retire};

/// Something that costs a request and that the decision needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// The backend's list of this owner's tokens.
    List,
    /// The workloads that are rolled after a rotation, and their pods.
    Consumers,
    /// The Secret's value, by an uncached read, and whether it authenticates.
    Value,
}

/// The next thing to look at before [`super::plan()`] can decide, or `None` when it can.
#[must_use]
pub fn look(policy: &Policy, seen: &Observed, now: Timestamp) -> Option<Look> {
    if matches!(seen.secret, SecretSeen::Foreign) {
        return None;
    }
    if seen.listed.is_none() && needs_list(policy, seen, now) {
        return Some(Look::List);
    }
    if seen.check.is_none() && needs_value(seen) {
        return Some(Look::Value);
    }
    (seen.consumers.is_none() && consumers::matter(policy, seen)).then_some(Look::Consumers)
}

fn needs_list(policy: &Policy, seen: &Observed, now: Timestamp) -> bool {
    !seen.is_accepted()
        || seen.refused_since.is_some()
        || now >= seen.next_look
        || due::cause(policy, seen, now).is_some()
        || retire::is_ripe(policy, seen, now)
}

/// A Secret that someone touched is read; so is one whose token the list lacks, and one that may have to be rewritten.
fn needs_value(seen: &Observed) -> bool {
    let SecretSeen::Ours {
        history: Some(history),
        dress,
        ..
    } = &seen.secret
    else {
        return false;
    };
    let is_missed = seen.listed.is_some() && !seen.shows(&history.current.id);
    !seen.is_accepted() || seen.refused_since.is_some() || is_missed || *dress == Dress::Outdated
}

/// The first instant after `since` at which an identity has its turn, if each has one in every interval.
#[must_use]
pub fn turn(seed: &str, since: Timestamp, interval: SignedDuration) -> Timestamp {
    let digest = Sha256::digest(seed);
    let interval = interval.as_secs().max(1);
    let hash = i64::from(u32::from_be_bytes([
        digest[0], digest[1], digest[2], digest[3],
    ]));
    let (since, offset) = (since.as_second(), hash % interval);
    let next = since - (since - offset).rem_euclid(interval) + interval;
    Timestamp::from_second(next).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn each_identity_has_one_turn_in_every_interval(
            seed in "[a-z/]{1,20}", since in 0i64..4_000_000_000, interval in 1i64..100_000,
        ) {
            let interval = SignedDuration::from_secs(interval);
            let since = Timestamp::from_second(since).unwrap();
            let next = turn(&seed, since, interval);
            prop_assert!(next > since && next.duration_since(since) <= interval);
            prop_assert_eq!(turn(&seed, next, interval).duration_since(next), interval);
        }
    }
}
