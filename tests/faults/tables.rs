//! What the IAM server has in its tables, read past the server.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use kestra_iam_operator::plan::mark::Mark;
use sqlx::sqlite::{SqliteConnectOptions, SqliteRow};
use sqlx::{ConnectOptions, Connection, FromRow, SqliteConnection};
use testbed::IamServer;

/// The tables of one server. Each look opens them anew, so that a restored file is seen.
#[derive(Clone, Debug)]
pub struct Tables(PathBuf);

/// A token.
#[derive(Clone, Debug, FromRow)]
pub struct Token {
    /// Its id.
    pub id: String,
    /// The user name of its owner.
    pub owner: String,
    /// Its description: the mark of ours.
    pub description: String,
    /// SHA-256 of its value in hexadecimal.
    pub hash: String,
    /// When it expires, in milliseconds since the epoch; `None` = never.
    pub exp: Option<i64>,
    /// The lifetime that was asked for, in milliseconds.
    pub max_age: Option<i64>,
    /// Whether its use prolongs it.
    pub extended: bool,
}

impl Token {
    /// Our mark on it; `None` for tokens of others.
    pub fn mark(&self) -> Option<Mark> {
        Mark::parse(&self.description)
    }

    /// Whether it was issued for one of these objects, each as `Kind/namespace/name`.
    pub fn is_of(&self, objects: &BTreeSet<String>) -> bool {
        let entry = self.entry().unwrap_or_default();
        let object = entry.split(' ').next();
        object.is_some_and(|object| objects.contains(object))
    }

    /// The entry that it was issued for, as `Kind/namespace/name entry`; `None` for tokens of others.
    pub fn entry(&self) -> Option<String> {
        let mark = self.mark()?;
        let object = mark.object;
        let entry = mark.token?.entry;
        Some(format!(
            "{}/{}/{} {entry}",
            object.kind, object.namespace, object.name
        ))
    }
}

impl Tables {
    /// Those of this server.
    pub fn of(server: &IamServer) -> Self {
        Self(server.data().join("iam.db"))
    }

    /// All tokens that authenticate at this instant, in milliseconds since the epoch.
    pub async fn live(&self, now: i64) -> Result<Vec<Token>, sqlx::Error> {
        let query =
            "SELECT t.id, p.username AS owner, t.description, t.hash, t.exp, t.max_age, t.extended
                     FROM tokens t JOIN principals p ON p.id = t.principal_id ORDER BY t.seq";
        let tokens: Vec<Token> = sqlx::query_as(query)
            .fetch_all(&mut self.open().await?)
            .await?;
        let is_live = |token: &Token| token.exp.is_none_or(|exp| exp > now);
        Ok(tokens.into_iter().filter(is_live).collect())
    }

    /// How many changes were ever made, whoever made them.
    pub async fn changes(&self) -> Result<i64, sqlx::Error> {
        let query = "SELECT COALESCE(MAX(id), 0) FROM audit_log";
        sqlx::query_scalar(query)
            .fetch_one(&mut self.open().await?)
            .await
    }

    /// The changes after the first so many, as `operation target result`.
    pub async fn changes_since(&self, first: i64) -> Result<Vec<String>, sqlx::Error> {
        let query = "SELECT operation || ' ' || target || ' ' || result FROM audit_log WHERE id > $1 ORDER BY id";
        let changes = sqlx::query_scalar(query).bind(first);
        changes.fetch_all(&mut self.open().await?).await
    }

    /// The rows of a query whose first column is text.
    pub async fn texts(&self, query: &'static str) -> Result<Vec<String>, sqlx::Error> {
        let rows: Vec<SqliteRow> = sqlx::query(query)
            .fetch_all(&mut self.open().await?)
            .await?;
        rows.iter().map(|row| sqlx::Row::try_get(row, 0)).collect()
    }

    async fn open(&self) -> Result<SqliteConnection, sqlx::Error> {
        let options = SqliteConnectOptions::new()
            .filename(&self.0)
            .read_only(true);
        let options = options
            .busy_timeout(Duration::from_secs(30))
            .disable_statement_logging();
        SqliteConnection::connect_with(&options).await
    }
}
