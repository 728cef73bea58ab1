//! The wall clock of a process under test, driven by a file.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};

use crate::scratch::Scratch;

/// How far the clock of a process is ahead of the system's. Processes that are to agree share one.
#[derive(Debug)]
pub struct DrivenClock {
    scratch: Scratch,
    offset_millis: AtomicI64,
}

impl DrivenClock {
    /// A clock that agrees with the system's.
    pub fn new() -> Result<Self> {
        let clock = Self {
            scratch: Scratch::new("clock")?,
            offset_millis: AtomicI64::new(0),
        };
        clock.set(0)?;
        Ok(clock)
    }

    /// The arguments that put a process on this clock: `--clock-offset-file FILE`.
    #[must_use]
    pub fn args(&self) -> [PathBuf; 2] {
        [PathBuf::from("--clock-offset-file"), self.file()]
    }

    /// Moves the clock forward.
    pub fn advance(&self, by: Duration) -> Result<()> {
        let by = i64::try_from(by.as_millis()).context("further than any clock goes")?;
        self.set(self.offset_millis.load(Ordering::SeqCst).saturating_add(by))
    }

    /// Puts the clock this many milliseconds ahead of the system's, or behind it if they are negative.
    pub fn set(&self, offset_millis: i64) -> Result<()> {
        let next = self.scratch.file("next");
        fs::write(&next, offset_millis.to_string())?;
        // Nobody reads half a number.
        fs::rename(&next, self.file())?;
        self.offset_millis.store(offset_millis, Ordering::SeqCst);
        Ok(())
    }

    fn file(&self) -> PathBuf {
        self.scratch.file("offset")
    }
}
