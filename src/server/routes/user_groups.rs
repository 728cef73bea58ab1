//! `PUT /api/v1/{tenant}/users/{id}/groups`: all groups of a principal in one tenant at once.

use axum::Router;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::routing::put;

use crate::iam::wire::UserGroupsRequest;
use crate::server::app::App;
use crate::server::error::Error;
use crate::server::http::body::Body;
use crate::server::http::path::ById;
use crate::server::http::session::InTenant;
use crate::server::rules::rights;
use crate::server::store::principals::{self, Principal};
use crate::server::store::{Db, groups, members};

use super::members::join;

pub(super) fn routes() -> Router<App> {
    Router::new().route("/api/v1/{tenant}/users/{id}/groups", put(replace))
}

/// A body that cannot be read is 400 here, and only here.
async fn replace(
    at: InTenant,
    Path(ById { id }): Path<ById>,
    body: Body,
) -> Result<StatusCode, Error> {
    at.require(&rights::MEMBERSHIPS_REPLACE)?;
    let request: UserGroupsRequest = body
        .parse()
        .map_err(|error: Error| Error::Malformed(error.to_string()))?;
    let wanted: Vec<String> = request.group_ids.into_iter().map(|id| id.0).collect();
    let mut change = at.change().await?;
    let found = principals::find(&mut change, &id).await?;
    let principal = found.ok_or_else(|| Error::not_found("user", &id))?;
    replace_groups(&at, &mut change, &principal, &wanted).await?;
    change.commit(&[]).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Gives a principal exactly these groups of the tenant, in this order. Memberships that stay keep their kind.
pub(super) async fn replace_groups(
    at: &InTenant,
    db: &mut Db,
    principal: &Principal,
    wanted: &[String],
) -> Result<(), Error> {
    for held in members::of(db, &at.tenant, &principal.id).await? {
        if !wanted.contains(&held.id.0) {
            members::remove(db, held.id.as_str(), &principal.id).await?;
        }
    }
    for id in wanted {
        let group = groups::get(db, &at.tenant, id).await?;
        if members::kind(db, id, &principal.id).await?.is_none() {
            join(at, db, &group, principal).await?;
        }
    }
    members::arrange(db, &principal.id, wanted).await
}
