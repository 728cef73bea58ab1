//! Whether anything may be changed: by a process that leads, and by none that only tells what it would do.

use std::collections::HashMap;
use std::fmt::Display;
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use tracing::info;

use super::error::Error;
use super::outcome::Stop;
use super::referrers::Key;
use crate::ops::lease::Leadership;
use crate::ops::metrics::Metrics;

/// Whether what is decided is carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// It is.
    Act,
    /// It is told by conditions, and nothing is changed (`--observe-only`).
    Observe,
}

/// What each change has to ask. The leadership is within, so that no change can ask for half of it.
pub struct Authority {
    leadership: Leadership,
    mode: Mode,
    /// What would be done for an object next.
    withheld: Mutex<HashMap<Key, String>>,
    metrics: Metrics,
}

impl Authority {
    /// Of a process that leads as this says.
    #[must_use]
    pub fn new(leadership: Leadership, mode: Mode, metrics: Metrics) -> Self {
        Self {
            leadership,
            mode,
            withheld: Mutex::default(),
            metrics,
        }
    }

    /// To be called right before every request that changes something; `step` says what, in words that follow "would".
    pub fn may(&self, step: impl Display) -> Result<(), Error> {
        if self.observes() {
            let step = step.to_string();
            return Err(Error::Withheld { step });
        }
        Ok(self.leadership.guard()?)
    }

    /// To be called right before a status is written, which tells and changes nothing.
    pub fn may_tell(&self) -> Result<(), Error> {
        Ok(self.leadership.guard()?)
    }

    /// Whether nothing is changed, and all that would be is told.
    #[must_use]
    pub fn observes(&self) -> bool {
        self.mode == Mode::Observe
    }

    /// Notes how a pass over an object ended, and has the log tell what would be done if that is news.
    pub fn note(&self, object: &Key, stop: Option<&Stop>) {
        if !self.observes() {
            return;
        }
        let mut withheld = self.withheld.lock().unwrap_or_else(PoisonError::into_inner);
        match stop.filter(|stop| stop.is_withheld()).map(Stop::message) {
            None => drop(withheld.remove(object)),
            Some(told) if withheld.get(object) == Some(&told) => {}
            Some(news) => {
                info!(%object, "{news}");
                withheld.insert(object.clone(), news);
            }
        }
        self.metrics.withholds(withheld.len());
    }

    /// When this process began to lead, if it leads.
    #[must_use]
    pub fn since(&self) -> Option<Timestamp> {
        self.leadership.acquired_at()
    }
}
