//! How often an object is looked at because somebody edits it.

use std::time::Duration;

use tokio::time::Instant;

/// Edits beyond the first few are gathered: there is one look for all of them in this time.
const INTERVAL: Duration = Duration::from_millis(500);

/// So many edits in a row are looked at without a wait.
const BURST: u32 = 4;

/// The looks at the edits of one object so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edits {
    /// The generation that was looked at last.
    generation: i64,
    /// When all looks so far would have happened at one in each interval.
    spent: Instant,
}

impl Edits {
    /// Whether an object of this generation may be looked at `now`, and what is to be remembered of that.
    ///
    /// # Errors
    /// How long to wait first.
    pub fn admit(before: Option<Self>, generation: i64, now: Instant) -> Result<Self, Duration> {
        let Some(before) = before else {
            return Ok(Self {
                generation,
                spent: now,
            });
        };
        if before.generation == generation {
            return Ok(before);
        }
        let ahead = before.spent.saturating_duration_since(now);
        let wait = ahead.saturating_sub(INTERVAL * BURST);
        if !wait.is_zero() {
            return Err(wait);
        }
        Ok(Self {
            generation,
            spent: before.spent.max(now) + INTERVAL,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many of the edits that come every millisecond are looked at.
    fn looks(edits: Option<Edits>, start: Instant, millis: u64) -> (usize, Option<Edits>) {
        let (mut looks, mut edits) = (0, edits);
        for millis in 1..=millis {
            let now = start + Duration::from_millis(millis);
            if let Ok(admitted) = Edits::admit(edits, i64::try_from(millis).unwrap(), now) {
                (looks, edits) = (looks + 1, Some(admitted));
            }
        }
        (looks, edits)
    }

    #[test]
    fn a_few_edits_are_looked_at_at_once_and_then_two_a_second() {
        let start = Instant::now();
        let burst = usize::try_from(BURST).unwrap();
        assert_eq!(looks(None, start, 100).0, 2 + burst);
        assert_eq!(looks(None, start, 10_000).0, 2 + burst + 20 - 1);
    }

    #[test]
    fn who_waits_is_told_for_how_long() {
        let start = Instant::now();
        let (_, edits) = looks(None, start, 100);
        let now = start + Duration::from_millis(100);
        let wait = Edits::admit(edits, -1, now).unwrap_err();
        assert!(Edits::admit(edits, -1, now + wait).is_ok());
    }

    #[test]
    fn without_an_edit_nothing_waits() {
        let start = Instant::now();
        let (_, edits) = looks(None, start, 100);
        let same = edits.unwrap().generation;
        let now = start + Duration::from_millis(100);
        assert_eq!(Edits::admit(edits, same, now).ok(), edits);
    }
}
