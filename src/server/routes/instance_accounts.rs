//! `/api/v1/service-accounts`: all accounts of the instance, for superadmins.

use axum::extract::Path;
use axum::http::StatusCode;
use axum::routing::{delete, get, patch};
use axum::{Json, Router};

use crate::iam::model::PrincipalId;
use crate::iam::wire::{
    ApiToken, FlagRequest, Page, PrincipalKind, ServiceAccount, ServiceAccountRequest,
};
use crate::server::app::App;
use crate::server::error::Error;
use crate::server::http::answer::page;
use crate::server::http::body::Body;
use crate::server::http::path::{ById, TokenOf};
use crate::server::http::query::ListQuery;
use crate::server::http::session::Owner;
use crate::server::rules::names;
use crate::server::store::principals::{self, NewPrincipal, Principal};
use crate::server::store::tenants::{self, Tenant};
use crate::server::store::{Db, access};

use super::tokens::{self, Issued};

const ACCOUNT: PrincipalKind = PrincipalKind::ServiceAccount;

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/api/v1/service-accounts", get(list).post(create))
        .route(
            "/api/v1/service-accounts/{id}",
            get(show).patch(update).delete(remove),
        )
        .route("/api/v1/service-accounts/{id}/superadmin", patch(flag))
        .route("/api/v1/service-accounts/{id}/instanceowner", patch(flag))
        .route(
            "/api/v1/service-accounts/{id}/api-tokens",
            get(list_tokens).post(issue_token),
        )
        .route(
            "/api/v1/service-accounts/{id}/api-tokens/{tokenId}",
            delete(revoke_token),
        )
}

async fn list(owner: Owner, query: ListQuery) -> Result<Json<Page<ServiceAccount>>, Error> {
    let listing = query.listing()?;
    let mut db = owner.app.store().read().await?;
    let (found, total) = principals::list(&mut db, ACCOUNT, &listing).await?;
    let ids: Vec<&str> = found.iter().map(|account| account.id.as_str()).collect();
    let mut tenants = tenants::of_principals(&mut db, &ids).await?;
    let accounts = found.iter().map(|account| {
        let tenants = tenants.remove(&account.id).unwrap_or_default();
        shown(account, tenants)
    });
    Ok(page(accounts.collect(), total))
}

async fn create(owner: Owner, body: Body) -> Result<Json<ServiceAccount>, Error> {
    let request: ServiceAccountRequest = body.parse()?;
    let super_admin = request.superadmin().unwrap_or(false);
    let name = names::label("name", request.name)?;
    let description = names::optional("description", request.description)?;
    let mut change = owner.change().await?;
    let new = NewPrincipal {
        super_admin,
        ..NewPrincipal::account(name, description)
    };
    let account = principals::insert(&mut change, new).await?;
    for tenant in request.tenants.unwrap_or_default() {
        enter(&mut change, &tenant, &account.id).await?;
    }
    let answer = answer(&mut change, &account).await?;
    change.commit(&[&account.id]).await?;
    Ok(Json(answer))
}

async fn show(owner: Owner, Path(ById { id }): Path<ById>) -> Result<Json<ServiceAccount>, Error> {
    let mut db = owner.app.store().read().await?;
    let account = principals::get(&mut db, ACCOUNT, &id).await?;
    answer(&mut db, &account).await.map(Json)
}

/// Changes what is sent; the name is required.
async fn update(
    owner: Owner,
    Path(ById { id }): Path<ById>,
    body: Body,
) -> Result<Json<ServiceAccount>, Error> {
    let request: ServiceAccountRequest = body.parse()?;
    let name = names::label("name", request.name)?;
    let mut change = owner.change().await?;
    let mut account = principals::get(&mut change, ACCOUNT, &id).await?;
    account.username = name;
    if request.description.is_some() {
        account.description = names::optional("description", request.description)?;
    }
    principals::update(&mut change, &account).await?;
    let answer = answer(&mut change, &account).await?;
    change.commit(&[]).await?;
    Ok(Json(answer))
}

async fn remove(owner: Owner, Path(ById { id }): Path<ById>) -> Result<StatusCode, Error> {
    let mut change = owner.change().await?;
    let account = principals::get(&mut change, ACCOUNT, &id).await?;
    delete_principal(&mut change, &account).await?;
    change.commit(&[]).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Both versions' routes take both versions' words.
async fn flag(owner: Owner, Path(ById { id }): Path<ById>, body: Body) -> Result<(), Error> {
    let flag = required_flag(&body)?;
    let mut change = owner.change().await?;
    let mut account = principals::get(&mut change, ACCOUNT, &id).await?;
    set_superadmin(&mut change, &mut account, flag).await?;
    change.commit(&[]).await
}

async fn list_tokens(
    owner: Owner,
    Path(ById { id }): Path<ById>,
) -> Result<Json<Page<ApiToken>>, Error> {
    require_account(&owner, &id).await?;
    tokens::list(&owner, &id).await
}

async fn issue_token(
    owner: Owner,
    Path(ById { id }): Path<ById>,
    body: Body,
) -> Result<Issued, Error> {
    require_account(&owner, &id).await?;
    tokens::issue(&owner, &id, body.parse()?).await
}

async fn revoke_token(owner: Owner, Path(at): Path<TokenOf>) -> Result<(), Error> {
    require_account(&owner, &at.id).await?;
    tokens::revoke(&owner, &at.id, &at.token).await
}

async fn require_account(owner: &Owner, id: &str) -> Result<(), Error> {
    let mut db = owner.app.store().read().await?;
    principals::get(&mut db, ACCOUNT, id).await?;
    Ok(())
}

/// The flag that a PATCH of `superadmin` or `instanceowner` sets.
pub(super) fn required_flag(body: &Body) -> Result<bool, Error> {
    let request: FlagRequest = body.parse()?;
    let flag = request.superadmin();
    flag.ok_or_else(|| Error::invalid("superAdmin", "is required"))
}

/// Lets a principal into a tenant, or 404 if there is no such tenant.
pub(super) async fn enter(db: &mut Db, tenant: &str, principal: &str) -> Result<(), Error> {
    if tenants::get(db, tenant).await?.is_none() {
        return Err(Error::not_found("tenant", tenant));
    }
    access::put(db, tenant, principal).await?;
    Ok(())
}

/// Makes a superadmin, or the reverse unless it is the last one.
pub(super) async fn set_superadmin(
    db: &mut Db,
    principal: &mut Principal,
    flag: bool,
) -> Result<(), Error> {
    if principal.super_admin && !flag {
        require_another_superadmin(db, principal).await?;
    }
    principal.super_admin = flag;
    principals::update(db, principal).await
}

/// Removes a principal with all that is its own, unless it is the last superadmin.
pub(super) async fn delete_principal(db: &mut Db, principal: &Principal) -> Result<(), Error> {
    if principal.super_admin {
        require_another_superadmin(db, principal).await?;
    }
    principals::delete(db, &principal.id).await
}

async fn require_another_superadmin(db: &mut Db, principal: &Principal) -> Result<(), Error> {
    if principals::other_superadmins(db, &principal.id).await? > 0 {
        return Ok(());
    }
    let last = "this is the last superadmin: make another one first";
    Err(Error::Conflict(last.to_owned()))
}

async fn answer(db: &mut Db, account: &Principal) -> Result<ServiceAccount, Error> {
    let tenants = tenants::of_principal(db, &account.id).await?;
    Ok(shown(account, tenants))
}

fn shown(account: &Principal, tenants: Vec<Tenant>) -> ServiceAccount {
    ServiceAccount {
        id: PrincipalId(account.id.clone()),
        name: account.username.clone(),
        description: account.description.clone(),
        groups: None,
        tenants: Some(tenants.into_iter().map(super::tenants::reference).collect()),
        super_admin: Some(account.super_admin),
        instance_owner: Some(account.super_admin),
    }
}
