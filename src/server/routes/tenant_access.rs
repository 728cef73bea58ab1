//! `/api/v1/{tenant}/tenant-access`: who may enter a tenant, and what that comes to.

use axum::extract::Path;
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};

use crate::iam::model::{PrincipalId, RoleId};
use crate::iam::wire::{
    Auth, Autocomplete, EffectivePermission, EffectiveRole, Membership, Origin, Page, TenantAccess,
    TenantAccessRequest, TenantMember,
};
use crate::server::app::App;
use crate::server::error::Error;
use crate::server::http::answer::page;
use crate::server::http::body::Body;
use crate::server::http::path::ByUser;
use crate::server::http::query::{ListQuery, completing};
use crate::server::http::session::InTenant;
use crate::server::options::Compat;
use crate::server::rules::{rights, words};
use crate::server::store::access::{self, Bound};
use crate::server::store::principals::{self, Principal};
use crate::server::store::{Db, members};

use super::users::password_auth;

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route(
            "/api/v1/{tenant}/tenant-access",
            get(list).post(grant_by_email),
        )
        .route(
            "/api/v1/{tenant}/tenant-access/autocomplete",
            post(autocomplete),
        )
        .route(
            "/api/v1/{tenant}/tenant-access/{userId}",
            get(show).put(grant).delete(revoke),
        )
}

async fn list(at: InTenant, query: ListQuery) -> Result<Json<Page<TenantMember>>, Error> {
    at.require(&rights::ACCESS_LIST)?;
    // 2.x dropped the parameter in favour of `filters[type]`.
    let own: &[&str] = match at.app.compat() {
        Compat::V1 => &["type"],
        Compat::V2 => &[],
    };
    let listing = query.listing_with(own)?;
    let mut db = at.app.store().read().await?;
    let (found, total) = principals::list_in_tenant(&mut db, &at.tenant, None, &listing).await?;
    Ok(page(members(&mut db, &at.tenant, found).await?, total))
}

async fn autocomplete(at: InTenant, body: Body) -> Result<Json<Vec<TenantMember>>, Error> {
    at.require(&rights::ACCESS_LIST)?;
    let request: Autocomplete = body.parse()?;
    let mut db = at.app.store().read().await?;
    let mut found = Vec::new();
    for listing in completing(request)? {
        let (some, _) = principals::list_in_tenant(&mut db, &at.tenant, None, &listing).await?;
        found.extend(some);
    }
    found.sort_by(|a, b| (&a.username, &a.id).cmp(&(&b.username, &b.id)));
    found.dedup_by(|a, b| a.id == b.id);
    members(&mut db, &at.tenant, found).await.map(Json)
}

/// For users only, by their e-mail address.
async fn grant_by_email(at: InTenant, body: Body) -> Result<StatusCode, Error> {
    at.require(&rights::ACCESS_CREATE)?;
    let request: TenantAccessRequest = body.parse()?;
    let mut change = at.change().await?;
    let found = principals::find_by_name(&mut change, &request.email).await?;
    let user = found
        .filter(|found| !found.is_account())
        .ok_or_else(|| Error::not_found("user", &request.email))?;
    let_in(&at, &mut change, &user.id).await?;
    change.commit(&[&user.id]).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// For users and service accounts, by id.
async fn grant(at: InTenant, Path(ByUser { user }): Path<ByUser>) -> Result<StatusCode, Error> {
    at.require(&rights::ACCESS_CREATE)?;
    let mut change = at.change().await?;
    if principals::find(&mut change, &user).await?.is_none() {
        return Err(Error::not_found("user", &user));
    }
    let_in(&at, &mut change, &user).await?;
    change.commit(&[]).await?;
    Ok(StatusCode::CREATED)
}

async fn let_in(at: &InTenant, db: &mut Db, principal: &str) -> Result<(), Error> {
    if admit(at, db, principal).await? {
        return Ok(());
    }
    let known = "has access to the tenant already";
    Err(Error::Conflict(known.to_owned()))
}

/// Lets a principal into the tenant; false if it was in. That wakes what is bound to it, so it counts as granting.
pub(super) async fn admit(at: &InTenant, db: &mut Db, principal: &str) -> Result<bool, Error> {
    if access::exists(db, &at.tenant, principal).await? {
        return Ok(false);
    }
    let dormant = access::granted_to(db, at.app.compat(), &at.tenant, principal).await?;
    at.require_giving(&dormant)?;
    access::put(db, &at.tenant, principal).await
}

/// What was bound to the principal stays and counts for nothing until it may enter again.
async fn revoke(at: InTenant, Path(ByUser { user }): Path<ByUser>) -> Result<StatusCode, Error> {
    at.require(&rights::ACCESS_DELETE)?;
    let mut change = at.change().await?;
    let principal = with_access(&mut change, &at.tenant, &user).await?;
    at.require_standing_over(&principal)?;
    access::delete(&mut change, &at.tenant, &user).await?;
    change.commit(&[]).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn show(
    at: InTenant,
    Path(ByUser { user }): Path<ByUser>,
) -> Result<Json<TenantAccess>, Error> {
    at.require(&rights::ACCESS_READ)?;
    let mut db = at.app.store().read().await?;
    let principal = with_access(&mut db, &at.tenant, &user).await?;
    let groups = members::of(&mut db, &at.tenant, &user).await?;
    let bound = access::bound(&mut db, &at.tenant, &user).await?;
    let compat = at.app.compat();
    let roles: Result<Vec<_>, Error> = bound.iter().map(|bound| role(compat, bound)).collect();
    Ok(Json(TenantAccess {
        tenant_id: Some(at.tenant.clone()),
        user_id: Some(PrincipalId(principal.id.clone())),
        username: Some(principal.username.clone()),
        display_name: Some(principal.display_name()),
        groups: groups.into_iter().map(without_kind).collect(),
        roles: roles?,
        super_admin: Some(principal.super_admin),
        instance_owner: Some(principal.super_admin),
    }))
}

async fn with_access(db: &mut Db, tenant: &str, id: &str) -> Result<Principal, Error> {
    let found = principals::find(db, id).await?;
    match found {
        Some(principal) if access::exists(db, tenant, id).await? => Ok(principal),
        _ => Err(Error::not_found("access of user", id)),
    }
}

/// Both versions' words stand side by side for the resource; actions are those that clients of this line know, since
/// one unknown word spoils the whole answer for them.
fn role(compat: Compat, bound: &Bound) -> Result<EffectiveRole, Error> {
    let permissions = words::known(compat, &bound.permissions()?).into_iter();
    let permissions = permissions.map(|(resource, actions)| EffectivePermission {
        permission: Some(resource.clone()),
        resource: Some(resource),
        actions,
    });
    let (origin, source) = match &bound.group_id {
        Some(group) => (Origin::Group, group.clone()),
        None => (Origin::Binding, bound.binding_id.clone()),
    };
    Ok(EffectiveRole {
        id: RoleId(bound.role_id.clone()),
        name: Some(bound.role_name.clone()),
        namespace: bound.namespace(),
        origin: Some(origin),
        source_id: Some(source),
        permissions: permissions.collect(),
    })
}

/// Principals as the tenant's lists show them.
pub(super) async fn members(
    db: &mut Db,
    tenant: &str,
    found: Vec<Principal>,
) -> Result<Vec<TenantMember>, Error> {
    let ids: Vec<&str> = found.iter().map(|member| member.id.as_str()).collect();
    let mut groups = members::of_many(db, tenant, &ids).await?;
    let passwords = principals::passwords(db, &ids).await?;
    let shown = found.iter().map(|principal| {
        let groups = groups.remove(&principal.id).unwrap_or_default();
        let password = passwords.get(&principal.id);
        member(principal, groups, password.map(password_auth))
    });
    Ok(shown.collect())
}

fn member(principal: &Principal, groups: Vec<Membership>, auth: Option<Auth>) -> TenantMember {
    TenantMember {
        id: PrincipalId(principal.id.clone()),
        username: Some(principal.username.clone()),
        name: None,
        display_name: Some(principal.display_name()),
        description: principal.description.clone(),
        groups: groups.into_iter().map(without_kind).collect(),
        auths: auth.into_iter().collect(),
    }
}

/// Tenant access names groups without the kind of membership.
fn without_kind(membership: Membership) -> Membership {
    Membership {
        membership: None,
        ..membership
    }
}
