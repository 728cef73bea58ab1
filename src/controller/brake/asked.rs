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

/// Whoever is woken so late was stopped, and has not seen yet what was deleted meanwhile.
const LATE: Duration = Duration::from_millis(100);

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

    /// Whether its verdict has been waited for long enough. A look may be asked for by anybody, right before many deletions.
    pub(super) fn is_ripe(&self, uid: &str) -> bool {
        let since = self.lock();
        since
            .get(uid)
            .is_some_and(|since| since.elapsed() >= GATHER)
    }

    /// Forgets whoever has gone, and has those looked at again who are not ripe.
    pub(super) fn keep(&self, uids: &HashSet<&String>) {
        let mut since = self.lock();
        since.retain(|uid, since| uids.contains(uid) || since.elapsed() < GATHER);
        if since.values().any(|since| since.elapsed() < GATHER) {
            self.poke();
        }
    }

    /// Waits until somebody asks for a look, and then until nobody does.
    pub(super) async fn gather(&self) {
        self.poked.notified().await;
        let mut latest = Instant::now() + GATHERED;
        loop {
            let quiet = (Instant::now() + GATHER).min(latest);
            let asked = timeout_at(quiet, self.poked.notified()).await;
            let now = Instant::now();
            if now > quiet + LATE {
                latest = now + GATHERED;
            } else if asked.is_err() || now >= latest {
                return;
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Instant>> {
        self.since.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use tokio::task::yield_now;
    use tokio::time::{advance, sleep};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn who_was_stopped_while_gathering_gathers_anew() {
        let asked = Asked::default();
        asked.poke();
        let start = Instant::now();
        let gathered = async {
            asked.gather().await;
            start.elapsed()
        };
        let stopped = async {
            yield_now().await;
            advance(GATHERED * 2).await;
        };
        let (gathered, ()) = tokio::join!(gathered, stopped);
        assert_eq!(gathered, GATHERED * 2 + GATHER);
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
        assert!(!asked.is_ripe("nobody"));
        assert!(asked.is_ripe("late"));
        asked.ask("later");
        asked.poked.notified().await;
        asked.keep(&HashSet::from([&"later".to_owned()]));
        assert!(!asked.is_ripe("late"), "it has gone");
        assert!(!asked.is_ripe("later"));
        asked.gather().await;
        assert!(
            asked.is_ripe("later"),
            "looked at again, though nobody asks"
        );
    }
}
