//! Changes: a transaction that carries its own entry of the audit log.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use sqlx::{Sqlite, SqliteConnection, Transaction};

use crate::server::app::App;
use crate::server::error::Error;

use super::trail::Trail;

/// A change under way. Dropped without [`Change::commit`] it has not happened.
pub(crate) struct Change {
    tx: Transaction<'static, Sqlite>,
    trail: Arc<Trail>,
}

impl Change {
    pub(crate) async fn begin(app: &App, trail: &Arc<Trail>) -> Result<Self, Error> {
        Ok(Self {
            tx: app.store().write().await?,
            trail: Arc::clone(trail),
        })
    }

    /// Makes the change and its record lasting, both or neither. `about` are the ids that the path does not tell.
    pub(crate) async fn commit(mut self, about: &[&str]) -> Result<(), Error> {
        self.trail.succeeded(&mut self.tx, about).await?;
        Ok(self.tx.commit().await?)
    }
}

impl Deref for Change {
    type Target = SqliteConnection;

    fn deref(&self) -> &SqliteConnection {
        &self.tx
    }
}

impl DerefMut for Change {
    fn deref_mut(&mut self) -> &mut SqliteConnection {
        &mut self.tx
    }
}
