//! `/api/v1/{tenant}/roles`. Nobody makes a role that allows more than they hold; managed roles stay as they are.

use axum::extract::Path;
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};

use crate::iam::model::RoleId;
use crate::iam::wire::{self, Autocomplete, Ids, Page, RoleRequest, RoleSummary};
use crate::server::app::App;
use crate::server::error::Error;
use crate::server::http::answer::page;
use crate::server::http::body::Body;
use crate::server::http::path::ById;
use crate::server::http::query::{ListQuery, by_ids, completing};
use crate::server::http::session::InTenant;
use crate::server::options::Compat;
use crate::server::rules::access::Grant;
use crate::server::rules::{names, rights};
use crate::server::store::Db;
use crate::server::store::roles::{self, Draft, Role};

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/api/v1/{tenant}/roles", post(create))
        .route("/api/v1/{tenant}/roles/search", get(search))
        .route("/api/v1/{tenant}/roles/autocomplete", post(autocomplete))
        .route("/api/v1/{tenant}/roles/ids", post(list_ids))
        .route(
            "/api/v1/{tenant}/roles/{id}",
            get(show).put(replace).delete(remove),
        )
}

async fn create(at: InTenant, body: Body) -> Result<Json<wire::Role>, Error> {
    at.require(&rights::ROLE_CREATE)?;
    let draft = draft(&at, &body)?;
    let mut change = at.change().await?;
    let role = roles::insert(&mut change, &at.tenant, &draft).await?;
    change.commit(&[&role.id]).await?;
    answer(role).map(Json)
}

async fn search(at: InTenant, query: ListQuery) -> Result<Json<Page<RoleSummary>>, Error> {
    at.require(&rights::ROLE_LIST)?;
    let listing = query.listing()?;
    let mut db = at.app.store().read().await?;
    let (found, total) = roles::list(&mut db, &at.tenant, &listing).await?;
    let summaries: Result<Vec<_>, Error> = found.iter().map(|role| summary(&at, role)).collect();
    Ok(page(summaries?, total))
}

async fn autocomplete(at: InTenant, body: Body) -> Result<Json<Vec<RoleSummary>>, Error> {
    at.require(&rights::ROLE_LIST)?;
    let request: Autocomplete = body.parse()?;
    let mut db = at.app.store().read().await?;
    let mut found = Vec::new();
    for listing in completing(request)? {
        found.extend(roles::list(&mut db, &at.tenant, &listing).await?.0);
    }
    found.sort_by(|a, b| (&a.name, &a.id).cmp(&(&b.name, &b.id)));
    found.dedup_by(|a, b| a.id == b.id);
    let summaries: Result<Vec<_>, Error> = found.iter().map(|role| summary(&at, role)).collect();
    summaries.map(Json)
}

/// Whole roles, unlike the other lists.
async fn list_ids(at: InTenant, body: Body) -> Result<Json<Vec<wire::Role>>, Error> {
    at.require(&rights::ROLE_LIST)?;
    let request: Ids = body.parse()?;
    let listing = by_ids(request.ids)?;
    let mut db = at.app.store().read().await?;
    let (found, _) = roles::list(&mut db, &at.tenant, &listing).await?;
    let whole = found.into_iter().map(|role| {
        let deleted = Some(false);
        Ok(wire::Role {
            deleted,
            ..answer(role)?
        })
    });
    whole.collect::<Result<Vec<_>, Error>>().map(Json)
}

async fn show(at: InTenant, Path(ById { id }): Path<ById>) -> Result<Json<wire::Role>, Error> {
    at.require(&rights::ROLE_READ)?;
    let mut db = at.app.store().read().await?;
    answer(roles::get(&mut db, &at.tenant, &id).await?).map(Json)
}

/// Full replacement. Who holds the role already gets what it becomes, so that counts as granting it.
async fn replace(
    at: InTenant,
    Path(ById { id }): Path<ById>,
    body: Body,
) -> Result<Json<wire::Role>, Error> {
    at.require(&rights::ROLE_UPDATE)?;
    let draft = draft(&at, &body)?;
    let mut change = at.change().await?;
    own_role(&at, &mut change, &id).await?;
    let role = roles::update(&mut change, &at.tenant, &id, &draft).await?;
    change.commit(&[]).await?;
    answer(role).map(Json)
}

async fn remove(at: InTenant, Path(ById { id }): Path<ById>) -> Result<StatusCode, Error> {
    at.require(&rights::ROLE_DELETE)?;
    let mut change = at.change().await?;
    own_role(&at, &mut change, &id).await?;
    roles::delete(&mut change, &at.tenant, &id).await?;
    change.commit(&[]).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn own_role(at: &InTenant, db: &mut Db, id: &str) -> Result<(), Error> {
    if roles::get(db, &at.tenant, id).await?.is_managed {
        let read_only = "managed roles cannot be changed";
        return Err(Error::Forbidden(read_only.to_owned()));
    }
    Ok(())
}

fn draft(at: &InTenant, body: &Body) -> Result<Draft, Error> {
    let request: RoleRequest = body.parse()?;
    let name = names::required("name", request.name)?;
    let description = names::optional("description", request.description)?;
    let permissions = request
        .permissions
        .filter(|permissions| !permissions.is_empty())
        .ok_or_else(|| Error::invalid("permissions", "a role needs at least one"))?;
    let gift = Grant::of(at.app.compat(), permissions.clone(), None);
    at.require_giving(&[gift])?;
    Ok(Draft {
        name,
        description,
        permissions,
        is_default: request.is_default.unwrap_or(false),
    })
}

fn answer(role: Role) -> Result<wire::Role, Error> {
    Ok(wire::Role {
        permissions: role.permissions()?,
        id: RoleId(role.id),
        name: role.name,
        description: role.description,
        is_default: role.is_default,
        is_managed: role.is_managed,
        deleted: None,
    })
}

/// 2.x tells the number of permissions too.
fn summary(at: &InTenant, role: &Role) -> Result<RoleSummary, Error> {
    let permission_count = match at.app.compat() {
        Compat::V1 => None,
        Compat::V2 => Some(role.permissions()?.values().map(Vec::len).sum()),
    };
    Ok(RoleSummary {
        id: RoleId(role.id.clone()),
        name: Some(role.name.clone()),
        is_default: role.is_default,
        is_managed: role.is_managed,
        permission_count,
    })
}
