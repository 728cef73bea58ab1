//! The intervals of an election and what must hold between them.

use std::time::Duration;

/// A longest lease: also the most that the duration in somebody else's record is believed.
pub(super) const LONGEST: Duration = Duration::from_mins(10);

/// A shortest lease: one second in a record marks one that was released.
pub(super) const SHORTEST: Duration = Duration::from_secs(2);

/// The intervals of an election, in an order that keeps two candidates from leading at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    lease_duration: Duration,
    renew_deadline: Duration,
    renew_interval: Duration,
    retry_period: Duration,
}

/// Intervals that cannot work together; names the flags.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum BadTiming {
    /// The lease is too short or too long.
    #[error("--lease-duration is {0:?}: choose from 2s to 10m")]
    Lease(Duration),
    /// A leader would go on when another may lead already.
    #[error(
        "--renew-deadline ({deadline:?}) must be shorter than --lease-duration ({lease:?}): two thirds of it is usual"
    )]
    Deadline {
        /// The deadline asked for.
        deadline: Duration,
        /// The lease that it must stay under.
        lease: Duration,
    },
    /// No time for a second try before the deadline.
    #[error(
        "--renew-interval ({interval:?}) plus 1.2 times --retry-period ({retry:?}) must be shorter than --renew-deadline ({deadline:?})"
    )]
    Interval {
        /// The time between renewals asked for.
        interval: Duration,
        /// The time between tries asked for.
        retry: Duration,
        /// The deadline that they must stay under.
        deadline: Duration,
    },
    /// A candidate would ask without a pause.
    #[error("--retry-period is {0:?}: choose 50ms or more")]
    Retry(Duration),
}

impl Timing {
    /// Checks the intervals against each other.
    ///
    /// - `lease_duration`: a candidate takes over when the record has not changed for that long on its own clock.
    /// - `renew_deadline`: a leader acts for that long after the sending of its last renewal that succeeded.
    /// - `renew_interval`: a leader renews that often.
    /// - `retry_period`: a candidate looks, and a failed request is repeated, that often.
    pub fn new(
        lease_duration: Duration,
        renew_deadline: Duration,
        renew_interval: Duration,
        retry_period: Duration,
    ) -> Result<Self, BadTiming> {
        if !(SHORTEST..=LONGEST).contains(&lease_duration) {
            return Err(BadTiming::Lease(lease_duration));
        }
        if renew_deadline >= lease_duration {
            return Err(BadTiming::Deadline {
                deadline: renew_deadline,
                lease: lease_duration,
            });
        }
        if retry_period < Duration::from_millis(50) {
            return Err(BadTiming::Retry(retry_period));
        }
        if renew_interval.saturating_add(stretched(retry_period, 1.0)) >= renew_deadline {
            return Err(BadTiming::Interval {
                interval: renew_interval,
                retry: retry_period,
                deadline: renew_deadline,
            });
        }
        Ok(Self {
            lease_duration,
            renew_deadline,
            renew_interval,
            retry_period,
        })
    }

    /// How long a record must stand still before another candidate takes over.
    #[must_use]
    pub const fn lease_duration(&self) -> Duration {
        self.lease_duration
    }

    /// How long a leader may act on one renewal.
    #[must_use]
    pub const fn renew_deadline(&self) -> Duration {
        self.renew_deadline
    }

    /// How often a leader renews.
    #[must_use]
    pub const fn renew_interval(&self) -> Duration {
        self.renew_interval
    }

    /// How long one request may take: two of them fit between a renewal that is due and the deadline.
    #[must_use]
    pub fn attempt(&self) -> Duration {
        self.renew_deadline.saturating_sub(self.renew_interval) / 2
    }

    /// The pause before the next try, up to a fifth longer so that candidates don't march in step; `jitter` is from 0
    /// to 1.
    #[must_use]
    pub fn pause(&self, jitter: f64) -> Duration {
        stretched(self.retry_period, jitter)
    }
}

fn stretched(period: Duration, jitter: f64) -> Duration {
    period.mul_f64(1.0 + jitter.clamp(0.0, 1.0) / 5.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn timing(intervals: [u64; 4]) -> Result<Timing, BadTiming> {
        let [lease, deadline, interval, retry] = intervals.map(Duration::from_millis);
        Timing::new(lease, deadline, interval, retry)
    }

    #[rstest]
    #[case([1_999, 1_000, 500, 100], "--lease-duration")]
    #[case([600_001, 10_000, 5_000, 2_000], "--lease-duration")]
    #[case([15_000, 15_000, 5_000, 2_000], "--renew-deadline")]
    #[case([15_000, 10_000, 8_000, 2_000], "--renew-interval")]
    #[case([15_000, 10_000, 5_000, 49], "--retry-period")]
    fn intervals_that_cannot_work_are_refused_by_the_flag_s_name(
        #[case] intervals: [u64; 4],
        #[case] flag: &str,
    ) {
        let message = timing(intervals).unwrap_err().to_string();
        assert!(message.starts_with(flag), "{message}");
    }

    #[test]
    fn two_attempts_fit_between_a_renewal_and_the_deadline() {
        let usual = timing([15_000, 10_000, 5_000, 2_000]).unwrap();
        assert_eq!(usual.attempt(), Duration::from_millis(2_500));
    }

    #[test]
    fn pauses_are_a_fifth_longer_at_most() {
        let usual = timing([15_000, 10_000, 5_000, 2_000]).unwrap();
        assert_eq!(usual.pause(0.0), Duration::from_secs(2));
        assert_eq!(usual.pause(1.0), Duration::from_millis(2_400));
    }
}
