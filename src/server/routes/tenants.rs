//! `/api/v1/tenants`, for superadmins.

use axum::extract::Path;
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};

use crate::iam::wire::{self, Page, TenantRef};
use crate::server::app::App;
use crate::server::error::Error;
use crate::server::http::answer::page;
use crate::server::http::body::Body;
use crate::server::http::path::ById;
use crate::server::http::query::ListQuery;
use crate::server::http::session::Owner;
use crate::server::rules::names;
use crate::server::store::roles;
use crate::server::store::tenants::{self, Tenant};

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/api/v1/tenants", post(create))
        .route("/api/v1/tenants/search", get(search))
        .route("/api/v1/tenants/{id}", get(show).put(rename).delete(remove))
}

/// Whoever makes a tenant administers it.
async fn create(owner: Owner, body: Body) -> Result<Json<wire::Tenant>, Error> {
    let request: wire::Tenant = body.parse()?;
    let id = names::tenant("id", request.id)?;
    let name = names::required("name", request.name)?;
    let mut change = owner.change().await?;
    tenants::insert(&mut change, &id, &name).await?;
    roles::put_managed(&mut change, owner.app.compat(), &id).await?;
    tenants::make_admin(&mut change, &id, &owner.caller.id).await?;
    change.commit(&[&id]).await?;
    Ok(Json(answer(Tenant { id, name })))
}

async fn search(owner: Owner, query: ListQuery) -> Result<Json<Page<wire::Tenant>>, Error> {
    let listing = query.listing()?;
    let mut db = owner.app.store().read().await?;
    let (found, total) = tenants::list(&mut db, &listing).await?;
    Ok(page(found.into_iter().map(answer).collect(), total))
}

async fn show(owner: Owner, Path(ById { id }): Path<ById>) -> Result<Json<wire::Tenant>, Error> {
    let mut db = owner.app.store().read().await?;
    let found = tenants::get(&mut db, &id).await?;
    let found = found.ok_or_else(|| Error::not_found("tenant", &id))?;
    Ok(Json(answer(found)))
}

async fn rename(
    owner: Owner,
    Path(ById { id }): Path<ById>,
    body: Body,
) -> Result<Json<wire::Tenant>, Error> {
    let request: wire::Tenant = body.parse()?;
    let name = names::required("name", request.name)?;
    let mut change = owner.change().await?;
    if !tenants::rename(&mut change, &id, &name).await? {
        return Err(Error::not_found("tenant", &id));
    }
    change.commit(&[]).await?;
    Ok(Json(answer(Tenant { id, name })))
}

async fn remove(owner: Owner, Path(ById { id }): Path<ById>) -> Result<StatusCode, Error> {
    let mut change = owner.change().await?;
    if !tenants::delete(&mut change, &id).await? {
        return Err(Error::not_found("tenant", &id));
    }
    change.commit(&[]).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn answer(tenant: Tenant) -> wire::Tenant {
    wire::Tenant {
        id: Some(tenant.id),
        name: Some(tenant.name),
        deleted: false,
    }
}

/// A tenant as other answers name it.
pub(super) fn reference(tenant: Tenant) -> TenantRef {
    TenantRef {
        id: tenant.id,
        name: Some(tenant.name),
    }
}
