//! How many calls ended how.

use std::sync::atomic::{AtomicU64, Ordering};

use super::{Class, Error};

/// The running counters of one client; shared by its clones.
#[derive(Debug, Default)]
pub(super) struct Counters {
    succeeded: AtomicU64,
    failed: [AtomicU64; Class::ALL.len()],
}

impl Counters {
    pub(super) fn record<T>(&self, result: &Result<T, Error>) {
        let counter = match result {
            Ok(_) => &self.succeeded,
            Err(error) => &self.failed[error.class() as usize],
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn read(&self) -> Counts {
        self.with(|counter| counter.load(Ordering::Relaxed))
    }

    /// What was counted since the last take.
    pub(super) fn take(&self) -> Counts {
        self.with(|counter| counter.swap(0, Ordering::Relaxed))
    }

    fn with(&self, look: impl Fn(&AtomicU64) -> u64) -> Counts {
        Counts {
            succeeded: look(&self.succeeded),
            failed: Class::ALL.map(|class| (class, look(&self.failed[class as usize]))),
        }
    }
}

/// How many requests of a client succeeded and how many failed in which class, since it was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counts {
    /// Answers that were what was asked for.
    pub succeeded: u64,
    /// The others, by class.
    pub failed: [(Class, u64); Class::ALL.len()],
}

impl Counts {
    /// How many failed in one class.
    #[must_use]
    pub fn failed_as(&self, class: Class) -> u64 {
        self.failed[class as usize].1
    }

    /// How many requests there were in all.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.succeeded + self.failed.iter().map(|(_, count)| count).sum::<u64>()
    }
}
