//! The state that all requests share.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use crate::clock::Clock;

use super::error::Error;
use super::options::Compat;
use super::password::Hasher;
use super::store::{OpenError, Store};
use super::usage::Usage;

/// How the server behaves.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The line of Kestra that it behaves like.
    pub compat: Compat,
    /// The largest request body in bytes.
    pub max_body: usize,
    /// How long a whole body may take to arrive.
    pub body_timeout: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            compat: Compat::V1,
            max_body: 1024 * 1024,
            body_timeout: Duration::from_secs(20),
        }
    }
}

/// The server without its listener. Cheap to clone; clones share everything.
#[derive(Clone, Debug)]
pub struct App(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    settings: Settings,
    clock: Clock,
    store: Store,
    usage: Usage,
    hasher: Hasher,
    uuid: String,
}

impl App {
    /// Opens or makes the database `iam.db` in `dir`; afterwards the tenant `main` exists.
    pub async fn open(dir: &Path, settings: Settings, clock: Clock) -> Result<Self, OpenError> {
        let store = Store::open(dir, settings.compat).await?;
        let uuid = store.uuid().await?;
        Ok(Self(Arc::new(Shared {
            settings,
            clock,
            store,
            usage: Usage::default(),
            hasher: Hasher::default(),
            uuid,
        })))
    }

    /// The routes, for a server of one's own or for `tower::ServiceExt::oneshot`.
    pub fn router(&self) -> axum::Router {
        super::routes::router(self)
    }

    /// Writes down when tokens were last used. Happens by itself within ten seconds while [`super::serve()`] runs, and
    /// when it ends.
    pub async fn flush_usage(&self) -> Result<(), Error> {
        self.usage().flush(self.store()).await
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.0.settings
    }

    pub(crate) fn compat(&self) -> Compat {
        self.0.settings.compat
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.0.clock.now()
    }

    pub(crate) fn store(&self) -> &Store {
        &self.0.store
    }

    pub(crate) fn usage(&self) -> &Usage {
        &self.0.usage
    }

    pub(crate) fn hasher(&self) -> &Hasher {
        &self.0.hasher
    }

    pub(crate) fn uuid(&self) -> &str {
        &self.0.uuid
    }
}
