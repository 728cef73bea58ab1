//! The audit log: rows are added and never touched again, which triggers of the database hold.

use jiff::Timestamp;
use sqlx::{FromRow, QueryBuilder, Sqlite};

use crate::server::error::Error;

use super::listing::{Column, Columns, Listing, page};
use super::{Db, instant};

/// One thing that somebody did, or was refused.
#[derive(Debug)]
pub(crate) struct Entry<'a> {
    pub(crate) actor_id: &'a str,
    pub(crate) actor_name: &'a str,
    /// Method and route, e.g. `POST /api/v1/{tenant}/groups`.
    pub(crate) operation: &'a str,
    pub(crate) tenant: Option<&'a str>,
    /// Ids of what it was done to, separated by spaces.
    pub(crate) target: &'a str,
    /// Where the request came from.
    pub(crate) source: &'a str,
    /// `SUCCESS`, or the status that refused it.
    pub(crate) result: &'a str,
}

/// An entry as it was stored.
#[derive(Debug, FromRow)]
pub(crate) struct Recorded {
    pub(crate) id: i64,
    at: i64,
    pub(crate) actor_id: String,
    pub(crate) actor_name: String,
    pub(crate) operation: String,
    pub(crate) tenant_id: Option<String>,
    pub(crate) target: String,
    pub(crate) source: String,
    pub(crate) result: String,
}

impl Recorded {
    pub(crate) fn at(&self) -> Result<Timestamp, Error> {
        instant(self.at)
    }
}

const COLUMNS: Columns = Columns {
    fields: &[
        (
            "q",
            Column::AnyOf(&["l.operation", "l.actor_name", "l.target"]),
        ),
        ("userId", Column::Text("l.actor_id")),
        ("username", Column::Text("l.actor_name")),
        ("action", Column::Text("l.operation")),
        ("tenant", Column::Text("l.tenant_id")),
        ("details", Column::Text("l.target")),
        ("source", Column::Text("l.source")),
        ("status", Column::Text("l.result")),
    ],
    order: "l.id DESC",
};

pub(crate) async fn list(db: &mut Db, listing: &Listing) -> Result<(Vec<Recorded>, i64), Error> {
    let all = |sql: &mut QueryBuilder<Sqlite>| {
        sql.push("FROM audit_log l WHERE TRUE");
    };
    page(db, "SELECT l.*", all, &COLUMNS, listing).await
}

pub(crate) async fn append(db: &mut Db, entry: &Entry<'_>, now: Timestamp) -> Result<(), Error> {
    sqlx::query(
        "INSERT INTO audit_log (at, actor_id, actor_name, operation, tenant_id, target, source, result)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind(now.as_millisecond())
    .bind(entry.actor_id)
    .bind(entry.actor_name)
    .bind(entry.operation)
    .bind(entry.tenant)
    .bind(entry.target)
    .bind(entry.source)
    .bind(entry.result)
    .execute(db)
    .await?;
    Ok(())
}
