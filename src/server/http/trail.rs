//! Who did what: the trail of one request, which ends in the audit log.
//!
//! A change writes its entry in its own transaction, so that none is made without one. What was refused to somebody who
//! is known is written after the answer is clear. What was refused to nobody in particular (401) is a line in the log:
//! a stranger must not be able to fill the database.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use axum::extract::{ConnectInfo, MatchedPath, RawPathParams, Request, State};
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::Response;
use jiff::Timestamp;

use crate::server::app::App;
use crate::server::error::Error;
use crate::server::store::Db;
use crate::server::store::audit::{Entry, append};
use crate::server::store::principals::Principal;

/// Ids are shorter; anything longer in a path is no id and might be a secret that went astray.
const LONGEST_ID: usize = 36;

/// What is known of a request before it is answered.
#[derive(Debug)]
pub(crate) struct Trail {
    /// The instant of the request; the clock is read once.
    pub(crate) now: Timestamp,
    operation: String,
    tenant: Option<String>,
    /// The ids in the path, in order.
    target: Vec<String>,
    source: String,
    actor: OnceLock<(String, String)>,
}

impl Trail {
    fn of(request: &Request, params: &RawPathParams, now: Timestamp) -> Self {
        let route = request.extensions().get::<MatchedPath>();
        let path = route.map_or("", MatchedPath::as_str);
        let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
        let ids = params.iter().map(|(name, value)| (name, harmless(value)));
        let (tenant, target): (Vec<_>, Vec<_>) = ids.partition(|(name, _)| *name == "tenant");
        Self {
            now,
            operation: format!("{} {path}", request.method()),
            tenant: tenant.into_iter().next().map(|(_, id)| id),
            target: target.into_iter().map(|(_, id)| id).collect(),
            source: peer.map_or_else(|| "unknown".to_owned(), |peer| peer.0.ip().to_string()),
            actor: OnceLock::new(),
        }
    }

    /// Tells who is behind the request; the first to be named stays.
    pub(crate) fn name(&self, actor: &Principal) {
        let _ = self.actor.set((actor.id.clone(), actor.username.clone()));
    }

    /// The name of whoever is behind the request, once that is known.
    pub(crate) fn actor_name(&self) -> Option<&str> {
        self.actor.get().map(|(_, name)| name.as_str())
    }

    /// Records a change that succeeds with the transaction it is in; `about` are ids that the path does not tell.
    pub(crate) async fn succeeded(&self, db: &mut Db, about: &[&str]) -> Result<(), Error> {
        self.record(db, about, "SUCCESS").await
    }

    async fn refused(&self, app: &App, status: StatusCode) -> Result<(), Error> {
        let mut tx = app.store().write().await?;
        self.record(&mut tx, &[], status.as_str()).await?;
        Ok(tx.commit().await?)
    }

    async fn record(&self, db: &mut Db, about: &[&str], result: &str) -> Result<(), Error> {
        let Some((actor_id, actor_name)) = self.actor.get() else {
            return Ok(());
        };
        let known = self.target.iter().map(String::as_str);
        let target: Vec<&str> = known.chain(about.iter().copied()).collect();
        let entry = Entry {
            actor_id,
            actor_name,
            operation: &self.operation,
            tenant: self.tenant.as_deref(),
            target: &target.join(" "),
            source: &self.source,
            result,
        };
        append(db, &entry, self.now).await
    }
}

/// Lays the trail of each request and records what is refused.
pub(crate) async fn follow(
    State(app): State<App>,
    params: RawPathParams,
    mut request: Request,
    next: Next,
) -> Response {
    let trail = Arc::new(Trail::of(&request, &params, app.now()));
    let changes = !matches!(*request.method(), Method::GET | Method::HEAD);
    request.extensions_mut().insert(Arc::clone(&trail));
    let mut response = next.run(request).await;
    let status = response.status();
    if changes
        && status.as_u16() >= 400
        && let Err(error) = trail.refused(&app, status).await
    {
        tracing::error!(%error, "a refusal could not be written into the audit log");
    }
    response.extensions_mut().insert(trail);
    response
}

/// An id, or a word in place of what is too long to be one.
pub(super) fn harmless(id: &str) -> String {
    if id.len() <= LONGEST_ID {
        id.to_owned()
    } else {
        "(no id)".to_owned()
    }
}
