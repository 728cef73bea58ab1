//! The brake on mass deletion: whether what was deleted may be taken away, or so much was deleted within minutes that
//! somebody has to agree first.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};

/// Deletions so far apart are not counted together.
pub const WINDOW: SignedDuration = SignedDuration::from_mins(5);

/// An object that was deleted; the earlier one is the smaller.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deletion {
    /// When, on the API server's clock, in whole seconds.
    pub time: Timestamp,
    /// The object's uid.
    pub uid: String,
}

/// The deletions of one instance.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Of which something is still to be removed.
    pub waiting: Vec<Deletion>,
    /// What a review before wrote down.
    pub recent: Vec<Deletion>,
    /// Somebody agreed to what was deleted until then.
    pub acknowledged: Option<Timestamp>,
}

/// What to do about them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Review {
    /// These wait until somebody agrees; none = the brake is off, and all may go.
    pub held: BTreeSet<Deletion>,
    /// What counts from now on, to be written down before anything goes: what goes, or what put the brake on, for that
    /// counts also if some of it has another way out.
    pub recent: BTreeSet<Deletion>,
}

impl Review {
    /// The instant until which deletions have to be acknowledged; `None` = nothing waits.
    #[must_use]
    pub fn latest(&self) -> Option<Timestamp> {
        self.held.last().map(|deletion| deletion.time)
    }
}

/// Holds all that waits once more than `limit` objects (0 = no limit) were deleted within [`WINDOW`]. Only the instants of
/// the deletions count, so that the answer is the same at any later time, and after a restart.
#[must_use]
pub fn review(limit: usize, seen: &Seen, now: Timestamp) -> Review {
    if limit == 0 {
        return Review::default();
    }
    let agreed = seen.agreed(now);
    let is_open = |deletion: &&Deletion| agreed.is_none_or(|until| deletion.time > until);
    let waiting: BTreeSet<_> = seen.waiting.iter().filter(is_open).cloned().collect();
    let recent: BTreeSet<_> = seen.recent.iter().filter(is_open).cloned().collect();
    let Some(first) = waiting.first() else {
        return let_go(recent);
    };
    let recent = since(first.time, recent);
    let counted = &waiting | &recent;
    let mass = mass(limit, &counted);
    if mass.is_empty() {
        return let_go(counted);
    }
    Review {
        held: waiting,
        recent: &recent | &mass,
    }
}

fn let_go(counted: BTreeSet<Deletion>) -> Review {
    let latest = counted.last().map(|last| last.time);
    Review {
        recent: since(latest.unwrap_or(Timestamp::MIN), counted),
        held: BTreeSet::new(),
    }
}

impl Seen {
    /// Until when deletions are agreed to. Nobody agrees to what is still to come.
    fn agreed(&self, now: Timestamp) -> Option<Timestamp> {
        let latest = self.waiting.iter().map(|deletion| deletion.time).max();
        let latest = latest.unwrap_or(now).max(now);
        self.acknowledged.filter(|until| *until <= latest)
    }
}

/// The first deletions that are too many within [`WINDOW`]: one more than the limit, or none.
fn mass(limit: usize, counted: &BTreeSet<Deletion>) -> BTreeSet<Deletion> {
    let beyond = counted.iter().skip(limit);
    let mut pairs = counted.iter().zip(beyond);
    let found = pairs.find(|(first, last)| last.time.duration_since(first.time) <= WINDOW);
    let Some((first, last)) = found else {
        return BTreeSet::new();
    };
    counted.range(first..=last).cloned().collect()
}

/// What may count together with a deletion at this instant, or later.
fn since(instant: Timestamp, mut counted: BTreeSet<Deletion>) -> BTreeSet<Deletion> {
    counted.retain(|deletion| instant.duration_since(deletion.time) <= WINDOW);
    counted
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LIMIT: usize = 3;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    /// Deletions at these seconds, each of an object of its own.
    fn deleted(name: &str, seconds: &[i64]) -> Vec<Deletion> {
        let deletions = seconds.iter().enumerate();
        let deletions = deletions.map(|(number, &second)| Deletion {
            time: at(second),
            uid: format!("{name}{number}"),
        });
        deletions.collect()
    }

    fn waiting(seconds: &[i64]) -> Seen {
        Seen {
            waiting: deleted("w", seconds),
            ..Seen::default()
        }
    }

    fn held(seen: &Seen, now: i64) -> usize {
        review(LIMIT, seen, at(now)).held.len()
    }

    #[test]
    fn as_many_as_the_limit_go_and_one_more_waits_with_all_others() {
        assert_eq!(held(&waiting(&[10, 10, 10]), 10), 0);
        assert_eq!(held(&waiting(&[10, 10, 10, 10]), 10), 4);
        assert_eq!(held(&waiting(&[10, 100, 200, 310]), 310), 4);
        assert_eq!(held(&waiting(&[10, 100, 200, 311]), 311), 0);
    }

    #[test]
    fn without_a_limit_everything_goes_and_nothing_is_written_down() {
        let seen = waiting(&[10; 100]);
        assert_eq!(review(0, &seen, at(10)), Review::default());
    }

    #[test]
    fn what_went_already_counts_and_an_object_counts_once() {
        let mut seen = waiting(&[20, 20]);
        seen.recent = deleted("gone", &[10, 10]);
        assert_eq!(held(&seen, 20), 2, "four within the window");
        seen.recent = deleted("w", &[20, 20]);
        assert_eq!(held(&seen, 20), 0, "two that were let go before a crash");
    }

    #[test]
    fn what_goes_is_written_down_for_as_long_as_it_may_count() {
        let mut seen = waiting(&[400]);
        seen.recent = deleted("gone", &[10, 100]);
        let Review { recent, held } = review(LIMIT, &seen, at(400));
        let uids: Vec<_> = recent.iter().map(|it| it.uid.as_str()).collect();
        assert_eq!((uids, held.len()), (vec!["gone1", "w0"], 0));
    }

    #[test]
    fn time_alone_releases_nothing() {
        let mut seen = waiting(&[100, 100]);
        seen.recent = deleted("gone", &[10, 10]);
        let first = review(LIMIT, &seen, at(100));
        assert_eq!(first.held.len(), 2);
        seen.recent = first.recent.iter().cloned().collect();
        let day = 86_400;
        assert_eq!(review(LIMIT, &seen, at(day)), first);
    }

    #[test]
    fn whoever_has_another_way_out_takes_nobody_along() {
        let mut seen = waiting(&[10, 10, 10, 10]);
        let first = review(LIMIT, &seen, at(10));
        seen.recent = first.recent.into_iter().collect();
        seen.waiting.truncate(1);
        assert_eq!(held(&seen, 10), 1);
    }

    #[test]
    fn while_something_waits_what_is_deleted_later_waits_too() {
        assert_eq!(held(&waiting(&[10, 10, 10, 10, 90_000]), 90_000), 5);
    }

    #[test]
    fn what_is_acknowledged_goes_and_what_comes_later_counts_anew() {
        let mut seen = waiting(&[10, 10, 10, 10]);
        seen.acknowledged = review(LIMIT, &seen, at(20)).latest();
        assert_eq!(review(LIMIT, &seen, at(20)), Review::default());
        seen.waiting.extend(deleted("later", &[11, 11, 11]));
        assert_eq!(held(&seen, 20), 0);
        seen.waiting.extend(deleted("more", &[12]));
        assert_eq!(held(&seen, 20), 4, "none of those that may go");
    }

    #[test]
    fn nobody_agrees_to_what_is_still_to_come() {
        let mut seen = waiting(&[10, 10, 10, 10]);
        seen.acknowledged = Some(at(1_000));
        assert_eq!(held(&seen, 999), 4);
        assert_eq!(held(&seen, 1_000), 0);
        seen.acknowledged = Some(at(10));
        assert_eq!(held(&seen, 5), 0, "our clock may be behind");
    }

    proptest! {
        #[test]
        fn a_review_of_what_a_review_left_is_the_same(
            waits in prop::collection::vec(0_i64..2_000, 0..12), went in prop::collection::vec(0_i64..2_000, 0..12),
            acknowledged in prop::option::of(0_i64..2_500), limit in 1_usize..6, now in 0_i64..2_500,
        ) {
            let seen = Seen {
                waiting: deleted("w", &waits),
                recent: deleted("gone", &went),
                acknowledged: acknowledged.map(at),
            };
            let first = review(limit, &seen, at(now));
            let restarted = Seen { recent: first.recent.iter().cloned().collect(), ..seen };
            let again = review(limit, &restarted, at(now));
            prop_assert_eq!(&again, &first);
            prop_assert!(first.recent.len() <= limit.max(went.len()) + limit + 1, "bounded");
        }
    }
}
