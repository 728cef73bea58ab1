//! How far the backend's clock is ahead of ours.

use jiff::{SignedDuration, Timestamp};

/// When a request was sent and its answer received, on our clock, and what the answer's `Date` says.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sample {
    pub(super) sent: Timestamp,
    pub(super) received: Timestamp,
    /// Cut to the second by the server.
    pub(super) date: Timestamp,
}

impl Sample {
    /// The offset after this sample, given the one before it.
    ///
    /// The answer was made between `sent` and `received`, and the server's clock then stood between `date` and a
    /// second later: that bounds the offset on both sides. The estimate moves only as far as the bounds force it, so
    /// it does not flicker with each answer, and clocks that agree have an offset of exactly zero.
    pub(super) fn refine(self, before: Option<SignedDuration>) -> SignedDuration {
        let lowest = self.date.duration_since(self.received);
        let highest = self.date.duration_since(self.sent) + SignedDuration::from_secs(1);
        before
            .unwrap_or(SignedDuration::ZERO)
            .max(lowest)
            .min(highest.max(lowest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(sent: i64, received: i64, date: i64) -> Sample {
        let at = |millis| Timestamp::from_millisecond(millis).unwrap();
        Sample {
            sent: at(sent),
            received: at(received),
            date: at(date),
        }
    }

    #[test]
    fn clocks_that_agree_have_no_offset() {
        let answer = sample(10_900, 10_950, 10_000);
        assert_eq!(answer.refine(None), SignedDuration::ZERO);
    }

    #[test]
    fn the_offset_settles_within_a_second_and_stays() {
        let mut offset = None;
        for start in (0..20_000).step_by(170) {
            // The server is 90.4 s ahead and cuts to the second.
            let date = (start + 20 + 90_400) / 1000 * 1000;
            offset = Some(sample(start, start + 40, date).refine(offset));
        }
        let settled = offset.unwrap().as_millis();
        assert!((90_300..=90_500).contains(&settled), "{settled} ms");
    }

    #[test]
    fn a_jump_of_the_clock_is_followed_at_once() {
        let before = Some(SignedDuration::from_secs(5));
        let after = sample(100_000, 100_010, 40_000).refine(before);
        assert!(
            (-60_010..=-58_990).contains(&after.as_millis()),
            "{after:?}"
        );
    }

    #[test]
    fn a_local_clock_that_ran_backwards_does_not_break_it() {
        let odd = sample(50_000, 10_000, 20_000).refine(None);
        assert_eq!(odd, SignedDuration::from_secs(10));
    }
}
