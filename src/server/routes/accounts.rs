//! `/api/v1/{tenant}/service-accounts`: the accounts that may enter a tenant, and their tokens.

use axum::extract::Path;
use axum::routing::{delete, get};
use axum::{Json, Router};

use crate::iam::model::PrincipalId;
use crate::iam::wire::{
    ApiToken, GroupRef, Page, PrincipalKind, ServiceAccount, ServiceAccountRequest, TenantMember,
};
use crate::server::app::App;
use crate::server::error::Error;
use crate::server::http::answer::page;
use crate::server::http::body::Body;
use crate::server::http::path::{ById, TokenOf};
use crate::server::http::query::ListQuery;
use crate::server::http::session::InTenant;
use crate::server::rules::{names, rights};
use crate::server::store::principals::{self, NewPrincipal, Principal};
use crate::server::store::{Db, access, bindings, members, tenants};

use super::tokens::{self, Issued};
use super::user_groups::replace_groups;
use super::{instance_accounts, tenant_access};

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/api/v1/{tenant}/service-accounts", get(list).post(create))
        .route(
            "/api/v1/{tenant}/service-accounts/{id}",
            get(show).put(replace).delete(remove),
        )
        .route(
            "/api/v1/{tenant}/service-accounts/{id}/api-tokens",
            get(list_tokens).post(issue_token),
        )
        .route(
            "/api/v1/{tenant}/service-accounts/{id}/api-tokens/{tokenId}",
            delete(revoke_token),
        )
}

async fn list(at: InTenant, query: ListQuery) -> Result<Json<Page<TenantMember>>, Error> {
    at.require(&rights::ACCOUNT_LIST)?;
    let listing = query.listing()?;
    let mut db = at.app.store().read().await?;
    let accounts = Some(PrincipalKind::ServiceAccount);
    let (found, total) =
        principals::list_in_tenant(&mut db, &at.tenant, accounts, &listing).await?;
    let members = tenant_access::members(&mut db, &at.tenant, found).await?;
    Ok(page(members, total))
}

async fn create(at: InTenant, body: Body) -> Result<Json<ServiceAccount>, Error> {
    at.require(&rights::ACCOUNT_CREATE)?;
    let request: ServiceAccountRequest = body.parse()?;
    let super_admin = wanted_flag(&at, &request)?.unwrap_or(false);
    let name = names::label("name", request.name)?;
    let description = names::optional("description", request.description)?;
    let groups = ids(request.groups);
    let mut change = at.change().await?;
    let new = NewPrincipal {
        super_admin,
        ..NewPrincipal::account(name, description)
    };
    let account = principals::insert(&mut change, new).await?;
    access::put(&mut change, &at.tenant, &account.id).await?;
    replace_groups(&at, &mut change, &account, &groups).await?;
    let answer = answer(&mut change, &at.tenant, &account).await?;
    change.commit(&[&account.id]).await?;
    Ok(Json(answer))
}

async fn show(at: InTenant, Path(ById { id }): Path<ById>) -> Result<Json<ServiceAccount>, Error> {
    at.require(&rights::ACCOUNT_READ)?;
    let mut db = at.app.store().read().await?;
    let account = account_in_tenant(&mut db, &at.tenant, &id).await?;
    answer(&mut db, &at.tenant, &account).await.map(Json)
}

/// Full replacement: groups that are absent are none. An account of no tenant is taken into this one.
async fn replace(
    at: InTenant,
    Path(ById { id }): Path<ById>,
    body: Body,
) -> Result<Json<ServiceAccount>, Error> {
    at.require(&rights::ACCOUNT_UPDATE)?;
    let request: ServiceAccountRequest = body.parse()?;
    let super_admin = request.superadmin();
    let name = names::label("name", request.name)?;
    let description = names::optional("description", request.description)?;
    let groups = ids(request.groups);
    let mut change = at.change().await?;
    let mut account = account_or_stray(&mut change, &at.tenant, &id).await?;
    at.require_standing_over(&account)?;
    account.username = name;
    account.description = description;
    principals::update(&mut change, &account).await?;
    if let Some(flag) = super_admin.filter(|flag| *flag != account.super_admin) {
        only_superadmins_flag(&at)?;
        instance_accounts::set_superadmin(&mut change, &mut account, flag).await?;
    }
    tenant_access::admit(&at, &mut change, &id).await?;
    replace_groups(&at, &mut change, &account, &groups).await?;
    let answer = answer(&mut change, &at.tenant, &account).await?;
    change.commit(&[]).await?;
    Ok(Json(answer))
}

/// Takes the account out of the tenant; with the last tenant goes the account itself, and its tokens with it.
async fn remove(at: InTenant, Path(ById { id }): Path<ById>) -> Result<(), Error> {
    at.require(&rights::ACCOUNT_DELETE)?;
    let mut change = at.change().await?;
    let account = account_in_tenant(&mut change, &at.tenant, &id).await?;
    at.require_standing_over(&account)?;
    access::delete(&mut change, &at.tenant, &id).await?;
    bindings::delete_of(&mut change, &at.tenant, &id).await?;
    members::remove_all(&mut change, &at.tenant, &id).await?;
    if tenants::of_principal(&mut change, &id).await?.is_empty() {
        instance_accounts::delete_principal(&mut change, &account).await?;
    }
    change.commit(&[]).await
}

async fn list_tokens(
    at: InTenant,
    Path(ById { id }): Path<ById>,
) -> Result<Json<Page<ApiToken>>, Error> {
    at.require(&rights::ACCOUNT_READ)?;
    let mut db = at.app.store().read().await?;
    account_in_tenant(&mut db, &at.tenant, &id).await?;
    drop(db);
    tokens::list(&at, &id).await
}

/// Asks for UPDATE, not CREATE; and a token hands out all that its account may do, in every tenant.
async fn issue_token(
    at: InTenant,
    Path(ById { id }): Path<ById>,
    body: Body,
) -> Result<Issued, Error> {
    at.require(&rights::ACCOUNT_UPDATE)?;
    let mut db = at.app.store().read().await?;
    let account = account_in_tenant(&mut db, &at.tenant, &id).await?;
    at.require_giving_all_of(&mut db, &account).await?;
    drop(db);
    tokens::issue(&at, &id, body.parse()?).await
}

async fn revoke_token(at: InTenant, Path(token): Path<TokenOf>) -> Result<(), Error> {
    at.require(&rights::ACCOUNT_DELETE)?;
    let mut db = at.app.store().read().await?;
    let account = account_in_tenant(&mut db, &at.tenant, &token.id).await?;
    at.require_standing_over(&account)?;
    drop(db);
    tokens::revoke(&at, &token.id, &token.token).await
}

/// An account that may enter the tenant; others are not to be known here.
async fn account_in_tenant(db: &mut Db, tenant: &str, id: &str) -> Result<Principal, Error> {
    let account = principals::get(db, PrincipalKind::ServiceAccount, id).await?;
    if access::exists(db, tenant, id).await? {
        Ok(account)
    } else {
        Err(Error::not_found("service account", id))
    }
}

/// The same, or an account that may enter no tenant at all.
async fn account_or_stray(db: &mut Db, tenant: &str, id: &str) -> Result<Principal, Error> {
    let account = principals::get(db, PrincipalKind::ServiceAccount, id).await?;
    let tenants = tenants::of_principal(db, id).await?;
    if tenants.is_empty() || tenants.iter().any(|known| known.id == tenant) {
        Ok(account)
    } else {
        Err(Error::not_found("service account", id))
    }
}

fn wanted_flag(at: &InTenant, request: &ServiceAccountRequest) -> Result<Option<bool>, Error> {
    let flag = request.superadmin();
    if flag == Some(true) {
        only_superadmins_flag(at)?;
    }
    Ok(flag)
}

fn only_superadmins_flag(at: &InTenant) -> Result<(), Error> {
    if at.caller.super_admin {
        return Ok(());
    }
    let only = "superAdmin: only a superadmin may set it";
    Err(Error::Forbidden(only.to_owned()))
}

fn ids(groups: Option<Vec<GroupRef>>) -> Vec<String> {
    let groups = groups.unwrap_or_default().into_iter();
    groups.map(|group| group.id.0).collect()
}

async fn answer(db: &mut Db, tenant: &str, account: &Principal) -> Result<ServiceAccount, Error> {
    let groups = members::of(db, tenant, &account.id).await?;
    let groups = groups.into_iter().map(|group| GroupRef { id: group.id });
    Ok(ServiceAccount {
        id: PrincipalId(account.id.clone()),
        name: account.username.clone(),
        description: account.description.clone(),
        groups: Some(groups.collect()),
        tenants: None,
        super_admin: Some(account.super_admin),
        instance_owner: Some(account.super_admin),
    })
}
