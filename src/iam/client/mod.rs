//! The client of Kestra's IAM API, one per instance.
//!
//! It speaks 1.x and 2.x by what the server answers, not by the version it claims: searches are hints and names are
//! matched here, routes that may be missing have another way, and both versions' words are read. A call is sent once:
//! whether and when to send it again is the caller's budget and plan.

mod access;
mod accounts;
mod bindings;
mod body;
mod config;
mod counts;
mod error;
mod fault;
mod find;
mod groups;
mod headers;
mod me;
mod offset;
mod pace;
mod paging;
mod request;
mod roles;
mod tokens;
mod transport;
mod url;
mod version;
mod walk;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use reqwest::Url;
use reqwest::header::HeaderValue;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::Instant;

pub use accounts::{Account, AccountSpec};
pub use bindings::{Made, Subject};
pub use config::{Config, Credential};
pub use counts::Counts;
pub use error::{Class, Error};
pub use fault::{Breach, Call, Flaw, Outage, TlsProblem};
pub use me::Check;
pub use paging::Pages;
pub use tokens::{NewToken, Owner};
pub use version::Line;
pub use walk::Listed;

use crate::clock::Clock;
use counts::Counters;
use offset::Sample;
use pace::Pace;

/// A client of one instance and tenant, with one credential. Clones are cheap and share everything.
#[derive(Clone)]
pub struct Client(Arc<Inner>);

struct Inner {
    http: reqwest::Client,
    base: Url,
    tenant: String,
    authorization: HeaderValue,
    timeout: Duration,
    clock: Clock,
    permits: Semaphore,
    pace: Pace,
    counters: Counters,
    /// What answers taught us.
    learnt: Mutex<Learnt>,
}

#[derive(Clone, Copy, Default)]
struct Learnt {
    offset: Option<SignedDuration>,
    superadmin: Option<bool>,
    /// Until when, and by which status, the backend asked to be left alone.
    closed: Option<(Instant, u16)>,
}

/// What became of a deletion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deletion {
    /// Deleted by this call.
    Done,
    /// 404: the object was not there, or the server is not the instance it was. The caller decides which.
    AlreadyGone,
}

/// What became of a change to a state that may be there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Changed by this call.
    Done,
    /// It was so before, as a look confirmed.
    AlreadySo,
}

impl Client {
    /// Makes a client; nothing is sent yet.
    ///
    /// # Errors
    /// [`Error::Config`] names the field that cannot work.
    pub fn new(config: &Config) -> Result<Self, Error> {
        let base = url::base(&config.url)?;
        let inner = Inner {
            tenant: url::tenant(&config.tenant)?,
            authorization: config::authorization(&config.credential)?,
            http: config::http(config, &base)?,
            base,
            timeout: config.timeout,
            clock: config.clock.clone(),
            permits: Semaphore::new(config.in_flight.min(Semaphore::MAX_PERMITS)),
            pace: Pace::new(config.requests_per_second),
            counters: Counters::default(),
            learnt: Mutex::default(),
        };
        Ok(Self(Arc::new(inner)))
    }

    /// The tenant that tenant-level calls go to.
    #[must_use]
    pub fn tenant(&self) -> &str {
        &self.0.tenant
    }

    /// How far the backend's clock is ahead of ours, by its `Date` headers; absent until it has answered once.
    #[must_use]
    pub fn clock_offset(&self) -> Option<SignedDuration> {
        self.learnt().offset
    }

    /// The present instant on the backend's clock, as far as it is known.
    #[must_use]
    pub fn backend_now(&self) -> Timestamp {
        let now = self.clock().now();
        let offset = self.clock_offset().unwrap_or(SignedDuration::ZERO);
        now.saturating_add(offset).unwrap_or(now)
    }

    /// How many requests ended how, since the client was made or the counts were taken.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.0.counters.read()
    }

    /// The same since the last call of this function, for whoever adds them up elsewhere.
    #[must_use]
    pub fn take_counts(&self) -> Counts {
        self.0.counters.take()
    }

    fn counters(&self) -> &Counters {
        &self.0.counters
    }

    fn http(&self) -> &reqwest::Client {
        &self.0.http
    }

    fn base(&self) -> &Url {
        &self.0.base
    }

    fn authorization(&self) -> HeaderValue {
        self.0.authorization.clone()
    }

    fn timeout(&self) -> Duration {
        self.0.timeout
    }

    fn clock(&self) -> &Clock {
        &self.0.clock
    }

    /// Waits for a place among the requests under way, and for its turn at the pace; `None` if neither comes in time.
    async fn permit(&self, deadline: Instant) -> Option<SemaphorePermit<'_>> {
        let place = tokio::time::timeout_at(deadline, self.0.permits.acquire()).await;
        // The semaphore is never closed.
        let place = place.ok()?.ok()?;
        tokio::time::sleep_until(self.0.pace.reserve(Instant::now(), deadline)?).await;
        Some(place)
    }

    /// How long the backend still wants to be left alone, and by which status it said so.
    fn closed(&self) -> Option<(Duration, u16)> {
        let (until, status) = self.learnt().closed?;
        let left = until.saturating_duration_since(Instant::now());
        (!left.is_zero()).then_some((left, status))
    }

    fn close(&self, pause: Duration, status: u16) {
        let until = Instant::now() + pause;
        self.learn(|learnt| {
            let later = learnt.closed.is_none_or(|(known, _)| known < until);
            if later {
                learnt.closed = Some((until, status));
            }
        });
    }

    fn learnt(&self) -> Learnt {
        *self.0.learnt.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn learn(&self, change: impl FnOnce(&mut Learnt)) {
        change(&mut self.0.learnt.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn learn_offset(&self, sample: Sample) {
        self.learn(|learnt| learnt.offset = Some(sample.refine(learnt.offset)));
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("url", &self.0.base.as_str())
            .field("tenant", &self.0.tenant)
            .finish_non_exhaustive()
    }
}
