//! `GET /api/v1/auditlogs/search`: who changed what, for superadmins; the newest first.

use axum::routing::get;
use axum::{Json, Router};
use jiff::Timestamp;
use serde::Serialize;

use crate::iam::wire::Page;
use crate::server::app::App;
use crate::server::error::Error;
use crate::server::http::answer::page;
use crate::server::http::query::ListQuery;
use crate::server::http::session::Owner;
use crate::server::store::audit::{self, Recorded};

pub(super) fn routes() -> Router<App> {
    Router::new().route("/api/v1/auditlogs/search", get(search))
}

/// One entry: who, what, on whom, when, from where, and how it ended.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    id: String,
    date: Timestamp,
    user_id: String,
    username: String,
    action: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant: Option<String>,
    details: String,
    source: String,
    status: String,
}

async fn search(owner: Owner, query: ListQuery) -> Result<Json<Page<Entry>>, Error> {
    let listing = query.listing()?;
    let mut db = owner.app.store().read().await?;
    let (found, total) = audit::list(&mut db, &listing).await?;
    let entries: Result<Vec<Entry>, Error> = found.into_iter().map(entry).collect();
    Ok(page(entries?, total))
}

fn entry(recorded: Recorded) -> Result<Entry, Error> {
    Ok(Entry {
        date: recorded.at()?,
        id: recorded.id.to_string(),
        user_id: recorded.actor_id,
        username: recorded.actor_name,
        action: recorded.operation,
        tenant: recorded.tenant_id,
        details: recorded.target,
        source: recorded.source,
        status: recorded.result,
    })
}
