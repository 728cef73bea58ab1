//! `/api/v1/{tenant}/bindings`. Nobody binds anyone to a role that allows more than they hold.

use axum::extract::Path;
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};

use crate::iam::model::{BindingId, GroupId, RoleId};
use crate::iam::wire::{self, BindingRequest, GroupSummary, Page, RoleRef, SubjectKind};
use crate::server::app::App;
use crate::server::error::Error;
use crate::server::http::answer::page;
use crate::server::http::body::Body;
use crate::server::http::path::ById;
use crate::server::http::query::ListQuery;
use crate::server::http::session::InTenant;
use crate::server::options::Compat;
use crate::server::rules::{names, rights};
use crate::server::store::bindings::{self, Binding, NewBinding};
use crate::server::store::{Db, access, groups, principals, roles};

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/api/v1/{tenant}/bindings", post(create))
        .route("/api/v1/{tenant}/bindings/bulk", post(create_all))
        .route("/api/v1/{tenant}/bindings/search", get(search))
        .route("/api/v1/{tenant}/bindings/{id}", get(show).delete(remove))
}

async fn create(at: InTenant, body: Body) -> Result<Json<wire::Binding>, Error> {
    at.require(&rights::BINDING_CREATE)?;
    let request: BindingRequest = body.parse()?;
    let mut change = at.change().await?;
    let subject = request.external_id.clone();
    let binding = bind(&at, &mut change, request).await?;
    change.commit(&[&binding.id.0, &subject]).await?;
    Ok(Json(binding))
}

/// All of them or none.
async fn create_all(at: InTenant, body: Body) -> Result<Json<Vec<wire::Binding>>, Error> {
    at.require(&rights::BINDING_CREATE)?;
    let requests: Vec<BindingRequest> = body.parse_list()?;
    let mut change = at.change().await?;
    let mut made = Vec::with_capacity(requests.len());
    for request in requests {
        made.push(bind(&at, &mut change, request).await?);
    }
    let ids: Vec<&str> = made.iter().map(|binding| binding.id.as_str()).collect();
    change.commit(&ids).await?;
    Ok(Json(made))
}

async fn bind(at: &InTenant, db: &mut Db, request: BindingRequest) -> Result<wire::Binding, Error> {
    let namespace = names::namespace("namespaceId", request.namespace_id)?;
    require_subject(at, db, request.kind, &request.external_id).await?;
    let role = roles::get(db, &at.tenant, request.role_id.as_str()).await?;
    at.require_giving(&[role.grant(at.app.compat(), namespace.clone())?])?;
    let new = NewBinding {
        subject: request.kind,
        subject_id: request.external_id,
        role_id: role.id,
        namespace,
    };
    let id = bindings::insert(db, &at.tenant, &new).await?;
    Ok(answer(bindings::get(db, &at.tenant, &id).await?))
}

/// 1.x binds a user without access to the tenant and says nothing; 2.x does not find such a one.
async fn require_subject(
    at: &InTenant,
    db: &mut Db,
    kind: SubjectKind,
    id: &str,
) -> Result<(), Error> {
    if kind == SubjectKind::Group {
        groups::get(db, &at.tenant, id).await?;
        return Ok(());
    }
    let is_there = principals::find(db, id).await?.is_some();
    let may_be_bound = match at.app.compat() {
        Compat::V1 => is_there,
        Compat::V2 => is_there && access::exists(db, &at.tenant, id).await?,
    };
    if may_be_bound {
        Ok(())
    } else {
        Err(Error::not_found("user", id))
    }
}

async fn search(at: InTenant, query: ListQuery) -> Result<Json<Page<wire::Binding>>, Error> {
    at.require(&rights::BINDING_LIST)?;
    let listing = query.listing_with(&["type", "id", "namespace"])?;
    let mut db = at.app.store().read().await?;
    let (found, total) = bindings::list(&mut db, &at.tenant, &listing).await?;
    Ok(page(found.into_iter().map(answer).collect(), total))
}

async fn show(at: InTenant, Path(ById { id }): Path<ById>) -> Result<Json<wire::Binding>, Error> {
    at.require(&rights::BINDING_READ)?;
    let mut db = at.app.store().read().await?;
    let found = bindings::get(&mut db, &at.tenant, &id).await?;
    Ok(Json(answer(found)))
}

async fn remove(at: InTenant, Path(ById { id }): Path<ById>) -> Result<StatusCode, Error> {
    at.require(&rights::BINDING_DELETE)?;
    let mut change = at.change().await?;
    if !bindings::delete(&mut change, &at.tenant, &id).await? {
        return Err(Error::not_found("binding", &id));
    }
    change.commit(&[]).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn answer(binding: Binding) -> wire::Binding {
    let user = binding.user();
    let group = binding.group_id.map(|id| GroupSummary {
        id: GroupId(id),
        name: binding.group_name,
        description: None,
    });
    wire::Binding {
        id: BindingId(binding.id),
        kind: if group.is_some() {
            SubjectKind::Group
        } else {
            SubjectKind::User
        },
        namespace: Some(binding.namespace).filter(|namespace| !namespace.is_empty()),
        role: Some(RoleRef {
            id: RoleId(binding.role_id),
            name: Some(binding.role_name),
        }),
        group,
        user,
    }
}
