//! When to look at all deletions: once nobody asks for it any more.

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
pub(super) struct Gathering {
    poked: Notify,
}

impl Gathering {
    /// Asks for a look.
    pub(super) fn poke(&self) {
        self.poked.notify_one();
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
}

#[cfg(test)]
mod tests {
    use tokio::task::yield_now;
    use tokio::time::{advance, sleep};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn who_was_stopped_while_gathering_gathers_anew() {
        let asked = Gathering::default();
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
        let asked = Gathering::default();
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
}
