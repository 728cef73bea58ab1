//! The one seam for wall time.
//!
//! Wall time is read once per reconcile or request and handed on as `now`; sleeps and timeouts use `tokio::time`.
//! Nothing else in the crate may read a clock (`clippy.toml` refuses it).

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

/// How often a driven clock is looked at for jumps.
const GLANCE: Duration = Duration::from_millis(50);

/// Where wall time comes from. Cheap to clone; clones of a manual clock share their instant.
#[derive(Clone, Debug)]
pub struct Clock(Source);

#[derive(Clone, Debug)]
enum Source {
    System,
    /// The system's time moved by the milliseconds that a file holds; read at every look, so that a test can drive
    /// the clock of a process it started.
    Offset(Arc<PathBuf>),
    Manual(Arc<Mutex<Timestamp>>),
}

impl Clock {
    /// The system's clock.
    #[must_use]
    pub const fn system() -> Self {
        Self(Source::System)
    }

    /// The system's clock plus the signed milliseconds in `file`; a missing or unreadable file counts as zero.
    #[must_use]
    pub fn offset_by(file: PathBuf) -> Self {
        Self(Source::Offset(Arc::new(file)))
    }

    /// A clock that stands still at `start` until it is advanced.
    #[must_use]
    pub fn manual(start: Timestamp) -> Self {
        Self(Source::Manual(Arc::new(Mutex::new(start))))
    }

    /// The present instant.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        match &self.0 {
            Source::System => system_now(),
            Source::Offset(file) => shift(system_now(), offset_in(file)),
            Source::Manual(instant) => *instant.lock().unwrap_or_else(PoisonError::into_inner),
        }
    }

    /// Moves a manual clock; the other kinds follow the system and stay as they are.
    pub fn advance(&self, by: SignedDuration) {
        if let Source::Manual(instant) = &self.0 {
            let mut instant = instant.lock().unwrap_or_else(PoisonError::into_inner);
            *instant = shift(*instant, by);
        }
    }

    /// The jumps of this clock from now on.
    #[must_use]
    pub fn jumps(&self) -> Jumps {
        Jumps {
            clock: self.clone(),
            offset: self.offset(),
        }
    }

    /// How far it was driven away from the system's.
    fn offset(&self) -> Option<SignedDuration> {
        match &self.0 {
            Source::Offset(file) => Some(offset_in(file)),
            Source::System | Source::Manual(_) => None,
        }
    }
}

/// The jumps of a clock that a file drives. Whoever sleeps until an instant has to look again after each.
#[derive(Debug)]
pub struct Jumps {
    clock: Clock,
    offset: Option<SignedDuration>,
}

impl Jumps {
    /// Waits for the next one; for ever if nothing drives the clock.
    pub async fn next(&mut self) {
        if self.offset.is_none() {
            return std::future::pending().await;
        }
        while self.clock.offset() == self.offset {
            tokio::time::sleep(GLANCE).await;
        }
        self.offset = self.clock.offset();
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the one place that reads the system's clock"
)]
fn system_now() -> Timestamp {
    Timestamp::now()
}

fn offset_in(file: &PathBuf) -> SignedDuration {
    let millis = std::fs::read_to_string(file)
        .ok()
        .and_then(|text| text.trim().parse().ok());
    SignedDuration::from_millis(millis.unwrap_or(0))
}

fn shift(instant: Timestamp, by: SignedDuration) -> Timestamp {
    let end = if by.is_negative() {
        Timestamp::MIN
    } else {
        Timestamp::MAX
    };
    instant.checked_add(by).unwrap_or(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clones_of_a_manual_clock_move_together() {
        let clock = Clock::manual(Timestamp::UNIX_EPOCH);
        clock.clone().advance(SignedDuration::from_secs(5));
        assert_eq!(clock.now().as_second(), 5);
    }

    #[test]
    fn a_file_drives_the_clock() {
        let file = std::env::temp_dir().join(format!("clock-{}", std::process::id()));
        std::fs::write(&file, "3600000\n").unwrap();
        let ahead = Clock::offset_by(file.clone())
            .now()
            .duration_since(Clock::system().now());
        std::fs::remove_file(file).unwrap();
        assert_eq!(ahead.as_mins(), 59, "read a moment earlier: {ahead}");
    }

    #[tokio::test]
    async fn a_jump_of_a_driven_clock_is_noticed() {
        let file = std::env::temp_dir().join(format!("clock-jump-{}", std::process::id()));
        std::fs::write(&file, "1000").unwrap();
        let mut jumps = Clock::offset_by(file.clone()).jumps();
        let early = tokio::time::timeout(GLANCE * 2, jumps.next()).await;
        assert!(early.is_err(), "nothing moved yet");
        std::fs::write(&file, "2000").unwrap();
        jumps.next().await;
        std::fs::remove_file(file).unwrap();
    }

    #[test]
    fn a_shift_out_of_range_stops_at_the_end() {
        assert_eq!(
            shift(Timestamp::MAX, SignedDuration::from_hours(1)),
            Timestamp::MAX
        );
        assert_eq!(
            shift(Timestamp::MIN, SignedDuration::from_hours(-1)),
            Timestamp::MIN
        );
    }
}
