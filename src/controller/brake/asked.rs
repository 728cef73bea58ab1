//! When to look at all deletions, and which of them may be let go then.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

/// Deletions are counted once none has come for so long: who deletes many things does so within moments, and none of them
/// is to go before the last one is seen.
const GATHER: Duration = Duration::from_secs(1);

/// And after so long in any case: too many of them are seen by then.
const GATHERED: Duration = Duration::from_secs(5);

/// It is waited in slices, to tell time in which nothing came from time in which nothing could be seen.
const SLICE: Duration = Duration::from_millis(100);

/// A slice that took so much longer: the process was stopped. On a busy machine each is a little late.
const STOPPED: Duration = Duration::from_millis(500);

/// Who asks for a look.
#[derive(Default)]
pub(super) struct Asked {
    poked: Notify,
    /// Since when whose verdict is waited for, by uid.
    since: Mutex<HashMap<String, Instant>>,
}

impl Asked {
    /// Asks for a look.
    pub(super) fn poke(&self) {
        self.poked.notify_one();
    }

    /// Asks for the verdict on an object.
    pub(super) fn ask(&self, uid: &str) {
        let mut since = self.lock();
        since.entry(uid.to_owned()).or_insert_with(Instant::now);
        self.poke();
    }

    /// Whether its verdict had been waited for long enough when the deletions were looked at. A look may be asked for by
    /// anybody, right before many deletions.
    pub(super) fn is_ripe(&self, uid: &str, at: Instant) -> bool {
        let since = self.lock();
        since.get(uid).is_some_and(|since| has_waited(*since, at))
    }

    /// Forgets whoever has gone, and has those looked at again who were not ripe. A pass may have seen its object before the
    /// stores show that it was deleted: who has just asked is not gone.
    pub(super) fn keep(&self, uids: &HashSet<&String>, at: Instant) {
        let mut since = self.lock();
        since.retain(|uid, since| uids.contains(uid) || !has_waited(*since, at));
        if since.values().any(|since| !has_waited(*since, at)) {
            self.poke();
        }
    }

    /// Waits until somebody asks for a look, and then until nobody does.
    pub(super) async fn gather(&self) {
        self.poked.notified().await;
        let mut now = Instant::now();
        let (mut quiet, mut latest) = (now + GATHER, now + GATHERED);
        while now < quiet.min(latest) {
            let slice = (now + SLICE).min(quiet).min(latest);
            let asked = timeout_at(slice, self.poked.notified()).await;
            now = Instant::now();
            if now > slice + STOPPED {
                (quiet, latest) = (now + GATHER, now + GATHERED);
            } else if asked.is_ok() {
                quiet = now + GATHER;
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Instant>> {
        self.since.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn has_waited(since: Instant, at: Instant) -> bool {
    at.duration_since(since) >= GATHER
}

#[cfg(test)]
mod tests {
    use tokio::task::yield_now;
    use tokio::time::{advance, sleep};

    use super::*;

    /// How long it is gathered by a process that is stopped for so long once it has begun.
    async fn gathered_despite(stop: Duration) -> Duration {
        let asked = Asked::default();
        asked.poke();
        let start = Instant::now();
        let gathered = async {
            asked.gather().await;
            start.elapsed()
        };
        let stopped = async {
            yield_now().await;
            advance(stop).await;
        };
        tokio::join!(gathered, stopped).0
    }

    #[tokio::test(start_paused = true)]
    async fn who_was_stopped_while_gathering_gathers_anew() {
        let gathered = gathered_despite(GATHERED * 2).await;
        assert_eq!(gathered, GATHERED * 2 + GATHER);
    }

    #[tokio::test(start_paused = true)]
    async fn a_stop_counts_for_nothing_and_a_little_delay_counts() {
        for (late, expected) in [(GATHER * 9 / 10, GATHER * 19 / 10), (SLICE * 3, GATHER)] {
            assert_eq!(gathered_despite(late).await, expected, "{late:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_look_waits_for_quiet_but_not_for_ever() {
        let asked = Asked::default();
        asked.poke();
        let start = Instant::now();
        asked.gather().await;
        assert_eq!(start.elapsed(), GATHER, "nobody asks again");
        let asking = async {
            loop {
                asked.poke();
                sleep(GATHER / 2).await;
            }
        };
        let start = Instant::now();
        tokio::select! {
            () = asked.gather() => {}
            () = asking => {}
        }
        assert_eq!(start.elapsed(), GATHERED, "somebody always does");
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_goes_in_a_look_that_others_asked_for_before() {
        let asked = Asked::default();
        asked.poke();
        advance(GATHER / 2).await;
        asked.ask("late");
        asked.gather().await;
        let at = Instant::now();
        assert!(!asked.is_ripe("nobody", at));
        assert!(asked.is_ripe("late", at));
        asked.ask("later");
        asked.poked.notified().await;
        let at = Instant::now();
        asked.keep(&HashSet::from([&"later".to_owned()]), at);
        assert!(!asked.is_ripe("late", at), "it has gone");
        asked.gather().await;
        assert!(!asked.is_ripe("later", at), "however long a look takes");
        let now = Instant::now();
        assert!(asked.is_ripe("later", now), "looked at again unasked");
    }
}
