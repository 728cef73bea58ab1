//! How many requests may be sent per second: each takes the next free instant, first come, first served.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// A rate with a burst of one second's worth (the generic cell rate algorithm). Reservations in the order of their
/// coming keep late ones from overtaking, and no waiter looks twice.
#[derive(Debug)]
pub(super) struct Pace {
    interval: Duration,
    burst: Duration,
    next: Mutex<Option<Instant>>,
}

impl Pace {
    /// So many per second; 0 counts as 1.
    pub(super) fn new(per_second: u32) -> Self {
        let interval = Duration::from_secs(1) / per_second.max(1);
        Self {
            interval,
            burst: Duration::from_secs(1).saturating_sub(interval),
            next: Mutex::default(),
        }
    }

    /// The instant at which one more may be sent; `None`, and nothing reserved, if it is after `deadline`.
    pub(super) fn reserve(&self, now: Instant, deadline: Instant) -> Option<Instant> {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let due = next.map_or(now, |next| next.max(now));
        let at = due.checked_sub(self.burst).unwrap_or(now).max(now);
        if at > deadline {
            return None;
        }
        *next = Some(due + self.interval);
        Some(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn a_second_worth_comes_at_once_and_the_rest_at_the_rate() {
        let (pace, now) = (Pace::new(10), Instant::now());
        let far = now + Duration::from_mins(1);
        let waits: Vec<Duration> = (0..13)
            .map(|_| pace.reserve(now, far).unwrap() - now)
            .collect();
        assert_eq!(waits[..10], [Duration::ZERO; 10]);
        assert_eq!(waits[10..], [millis(100), millis(200), millis(300)]);
    }

    #[test]
    fn a_pause_gives_back_one_second_worth_and_no_more() {
        let (pace, start) = (Pace::new(2), Instant::now());
        let far = start + Duration::from_mins(10);
        pace.reserve(start, far);
        let later = start + Duration::from_mins(1);
        let waits: Vec<Duration> = (0..3)
            .map(|_| pace.reserve(later, far).unwrap() - later)
            .collect();
        assert_eq!(waits, [Duration::ZERO, Duration::ZERO, millis(500)]);
    }

    #[test]
    fn what_would_come_too_late_reserves_nothing() {
        let (pace, now) = (Pace::new(1), Instant::now());
        assert_eq!(pace.reserve(now, now), Some(now));
        assert_eq!(pace.reserve(now, now + millis(999)), None);
        let soon = now + Duration::from_secs(1);
        assert_eq!(
            pace.reserve(now, soon),
            Some(soon),
            "the place is still free"
        );
    }
}
