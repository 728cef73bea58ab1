//! What is kept. The statements are in SQL that SQLite and PostgreSQL share, each file one family of them; the schema in
//! `migrations` is written for SQLite.
//!
//! Reads go to a pool of connections, writes to a single one: SQLite has one writer at a time, and here it never waits
//! for a lock.

use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use rand::rngs::SysRng;
use sqlx::pool::PoolConnection;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePool, SqlitePoolOptions,
    SqliteSynchronous,
};
use sqlx::{Connection, Sqlite, Transaction};

use super::error::Error;
use super::options::Compat;
use super::rules::token::fresh_id;

pub(crate) mod access;
pub(crate) mod audit;
pub(crate) mod bindings;
pub(crate) mod groups;
pub(crate) mod instance;
pub(crate) mod listing;
pub(crate) mod members;
pub(crate) mod principals;
pub(crate) mod roles;
pub(crate) mod tenants;
pub(crate) mod tokens;

/// A connection, inside a transaction or not.
pub(crate) type Db = SqliteConnection;

const READERS: u32 = 8;
/// The tenant that always exists.
const MAIN: &str = "main";

/// The database could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The directory cannot be made.
    #[error("cannot make the data directory {dir}: {source}")]
    Directory {
        /// The directory.
        dir: String,
        /// Why.
        source: std::io::Error,
    },
    /// The file is not a database of ours, or cannot be read or written.
    #[error("cannot open the database: {0}")]
    Database(#[from] sqlx::Error),
    /// The file was written by another version.
    #[error("cannot bring the database to this version's form: {0}")]
    Migrate(#[from] sqlx::migrate::MigrateError),
    /// The first content cannot be written.
    #[error("cannot fill the database: {0}")]
    Fill(#[from] Error),
}

/// The database.
#[derive(Debug)]
pub(crate) struct Store {
    readers: SqlitePool,
    writer: SqlitePool,
}

impl Store {
    pub(crate) async fn open(dir: &Path, compat: Compat) -> Result<Self, OpenError> {
        make_private(dir).map_err(|source| OpenError::Directory {
            dir: dir.display().to_string(),
            source,
        })?;
        let options = connect_options(dir);
        let writer = SqlitePoolOptions::new()
            .max_connections(1)
            .before_acquire(|connection, _| Box::pin(async move { Ok(is_clean(connection)) }))
            .connect_with(options.clone())
            .await?;
        sqlx::migrate!("src/server/migrations").run(&writer).await?;
        let readers = SqlitePoolOptions::new()
            .max_connections(READERS)
            .connect_with(options.pragma("query_only", "ON"))
            .await?;
        let store = Self { readers, writer };
        store.fill(compat).await?;
        Ok(store)
    }

    /// A connection that reads what is committed.
    pub(crate) async fn read(&self) -> Result<PoolConnection<Sqlite>, Error> {
        Ok(self.readers.acquire().await?)
    }

    /// The one transaction that may write; the next one waits until this one ends.
    pub(crate) async fn write(&self) -> Result<Transaction<'static, Sqlite>, Error> {
        Ok(self.writer.begin().await?)
    }

    /// What tells this instance from others.
    pub(crate) async fn uuid(&self) -> Result<String, Error> {
        let mut db = self.read().await?;
        instance::uuid(&mut db).await
    }

    /// Makes what always exists: the instance's uuid, the tenant `main`, and the managed roles in the words of this
    /// line, which may be another one than last time.
    async fn fill(&self, compat: Compat) -> Result<(), Error> {
        let mut tx = self.write().await?;
        instance::ensure(&mut tx).await?;
        tenants::ensure(&mut tx, compat, MAIN, None).await?;
        for tenant in tenants::ids(&mut tx).await? {
            roles::put_managed(&mut tx, compat, &tenant).await?;
        }
        Ok(tx.commit().await?)
    }
}

/// Whether no transaction is open on an idle connection. One is left behind by a commit that failed, as on a full disk:
/// whatever came next would become a part of it, be acknowledged, and never be stored.
fn is_clean(connection: &SqliteConnection) -> bool {
    !connection.is_in_transaction()
}

fn connect_options(dir: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(dir.join("iam.db"))
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        // A revoked token must not come back to life after a power cut.
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(Duration::from_secs(5))
        .statement_cache_capacity(200)
}

/// The directory holds hashes of credentials: nobody else has to read it.
pub(crate) fn make_private(dir: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
}

/// A new id.
pub(crate) fn new_id() -> Result<String, Error> {
    Ok(fresh_id(&mut SysRng)?)
}

/// An instant as it was stored.
pub(crate) fn instant(millis: i64) -> Result<Timestamp, Error> {
    Timestamp::from_millisecond(millis).map_err(|_| Error::Corrupt("instant"))
}

/// A unique constraint that was hit is a conflict; everything else stays what it is.
pub(crate) fn or_conflict(error: sqlx::Error, message: impl FnOnce() -> String) -> Error {
    match &error {
        sqlx::Error::Database(cause) if cause.is_unique_violation() => Error::Conflict(message()),
        _ => Error::Database(error),
    }
}
