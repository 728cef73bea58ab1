//! `/api/v1/users`: the people of the instance, for superadmins.

use axum::extract::Path;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Json, Router};

use crate::iam::model::{GroupId, PrincipalId};
use crate::iam::wire::{Auth, Page, PrincipalKind, User, UserGroup, UserRequest, UserSummary};
use crate::server::app::App;
use crate::server::error::Error;
use crate::server::http::answer::page;
use crate::server::http::body::Body;
use crate::server::http::path::ById;
use crate::server::http::query::ListQuery;
use crate::server::http::session::Owner;
use crate::server::rules::names;
use crate::server::store::principals::{self, NewPrincipal, Password, Principal};
use crate::server::store::tenants::{self, Tenant};
use crate::server::store::{Db, access, bindings, groups, members, roles};

use super::instance_accounts::{delete_principal, enter, set_superadmin};
use super::user_credentials::hashed;

pub(super) const USER: PrincipalKind = PrincipalKind::Standard;

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/api/v1/users", get(list).post(create))
        .route(
            "/api/v1/users/{id}",
            get(show).put(replace).patch(patch).delete(remove),
        )
}

async fn list(owner: Owner, query: ListQuery) -> Result<Json<Page<UserSummary>>, Error> {
    let listing = query.listing()?;
    let mut db = owner.app.store().read().await?;
    let (found, total) = principals::list(&mut db, USER, &listing).await?;
    let ids: Vec<&str> = found.iter().map(|user| user.id.as_str()).collect();
    let mut tenants = tenants::of_principals(&mut db, &ids).await?;
    let passwords = principals::passwords(&mut db, &ids).await?;
    let users = found.iter().map(|user| {
        let tenants = tenants.remove(&user.id).unwrap_or_default();
        summary(user, tenants, passwords.get(&user.id))
    });
    Ok(page(users.collect(), total))
}

async fn create(owner: Owner, body: Body) -> Result<impl IntoResponse, Error> {
    let mut request: UserRequest = body.parse()?;
    let hash = hashed(&owner, request.password.take()).await?;
    let (tenants, groups) = (request.tenants.take(), request.groups.take());
    let mut change = owner.change().await?;
    let user = principals::insert(&mut change, draft(request)?).await?;
    if let Some(hash) = hash {
        principals::set_password(&mut change, &user.id, &hash).await?;
    }
    for tenant in tenants.unwrap_or_default() {
        enter(&mut change, &tenant, &user.id).await?;
    }
    set_groups(&mut change, &user.id, &groups.unwrap_or_default()).await?;
    give_default_roles(&mut change, &user.id).await?;
    let answer = answer(&mut change, &user).await?;
    change.commit(&[&user.id]).await?;
    Ok((StatusCode::CREATED, Json(answer)))
}

fn draft(request: UserRequest) -> Result<NewPrincipal, Error> {
    Ok(NewPrincipal {
        super_admin: request.superadmin().unwrap_or(false),
        restricted: request.restricted.unwrap_or(false),
        first_name: names::optional("firstName", request.first_name)?,
        last_name: names::optional("lastName", request.last_name)?,
        ..NewPrincipal::user(names::email("email", request.email)?)
    })
}

async fn show(owner: Owner, Path(ById { id }): Path<ById>) -> Result<Json<User>, Error> {
    let mut db = owner.app.store().read().await?;
    let user = principals::get(&mut db, USER, &id).await?;
    answer(&mut db, &user).await.map(Json)
}

/// Replaces what is sent. Password, tenants and flags that are left out stay: clients leave them out.
async fn replace(
    owner: Owner,
    Path(ById { id }): Path<ById>,
    body: Body,
) -> Result<Json<User>, Error> {
    let mut request: UserRequest = body.parse()?;
    names::email("email", request.email.clone())?;
    let hash = hashed(&owner, request.password.take()).await?;
    let (tenants, groups) = (request.tenants.take(), request.groups.take());
    let mut change = owner.change().await?;
    let user = replace_record(&mut change, &id, request).await?;
    if let Some(hash) = hash {
        principals::set_password(&mut change, &id, &hash).await?;
    }
    if let Some(tenants) = tenants {
        set_tenants(&mut change, &id, &tenants).await?;
    }
    if let Some(groups) = groups {
        set_groups(&mut change, &id, &groups).await?;
    }
    let answer = answer(&mut change, &user).await?;
    change.commit(&[]).await?;
    Ok(Json(answer))
}

async fn replace_record(db: &mut Db, id: &str, request: UserRequest) -> Result<Principal, Error> {
    let mut user = principals::get(db, USER, id).await?;
    user.first_name = None;
    user.last_name = None;
    user.restricted = request.restricted.unwrap_or(user.restricted);
    let flag = request.superadmin().unwrap_or(user.super_admin);
    apply_names(&mut user, request)?;
    set_superadmin(db, &mut user, flag).await?;
    Ok(user)
}

/// Changes only what is sent.
async fn patch(
    owner: Owner,
    Path(ById { id }): Path<ById>,
    body: Body,
) -> Result<Json<User>, Error> {
    let request: UserRequest = body.parse()?;
    let mut change = owner.change().await?;
    let mut user = principals::get(&mut change, USER, &id).await?;
    apply_names(&mut user, request)?;
    principals::update(&mut change, &user).await?;
    let answer = answer(&mut change, &user).await?;
    change.commit(&[]).await?;
    Ok(Json(answer))
}

async fn remove(owner: Owner, Path(ById { id }): Path<ById>) -> Result<StatusCode, Error> {
    let mut change = owner.change().await?;
    let user = principals::get(&mut change, USER, &id).await?;
    delete_principal(&mut change, &user).await?;
    change.commit(&[]).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Takes over the names that are sent. The e-mail address is the login name.
pub(super) fn apply_names(user: &mut Principal, request: UserRequest) -> Result<(), Error> {
    if request.email.is_some() {
        let email = names::email("email", request.email)?;
        user.username.clone_from(&email);
        user.email = Some(email);
    }
    if request.first_name.is_some() {
        user.first_name = names::optional("firstName", request.first_name)?;
    }
    if request.last_name.is_some() {
        user.last_name = names::optional("lastName", request.last_name)?;
    }
    Ok(())
}

async fn set_tenants(db: &mut Db, user: &str, wanted: &[String]) -> Result<(), Error> {
    for held in tenants::of_principal(db, user).await? {
        if !wanted.contains(&held.id) {
            access::delete(db, &held.id, user).await?;
        }
    }
    for tenant in wanted {
        enter(db, tenant, user).await?;
    }
    Ok(())
}

/// Gives a user exactly these groups of any tenants, in this order, and lets the user into their tenants.
async fn set_groups(db: &mut Db, user: &str, wanted: &[String]) -> Result<(), Error> {
    for (held, _) in members::everywhere(db, user).await? {
        if !wanted.contains(&held) {
            members::remove(db, &held, user).await?;
        }
    }
    for id in wanted {
        let found = groups::find(db, id).await?;
        let group = found.ok_or_else(|| Error::not_found("group", id))?;
        access::put(db, &group.tenant_id, user).await?;
        members::add(db, id, user).await?;
    }
    members::arrange(db, user, wanted).await
}

/// New users get the default role of each tenant that they may enter.
async fn give_default_roles(db: &mut Db, user: &str) -> Result<(), Error> {
    for tenant in tenants::of_principal(db, user).await? {
        if let Some(role) = roles::default_of(db, &tenant.id).await? {
            bindings::ensure(db, &tenant.id, user, &role.id).await?;
        }
    }
    Ok(())
}

/// A user's ways to authenticate other than tokens.
pub(super) async fn auths(db: &mut Db, user: &str) -> Result<Vec<Auth>, Error> {
    let password = principals::password(db, user).await?;
    Ok(password.iter().map(password_auth).collect())
}

/// A password among the ways to authenticate.
pub(super) fn password_auth(password: &Password) -> Auth {
    Auth {
        id: Some(password.id.clone()),
        name: Some("password".to_owned()),
        kind: Some("BASIC_AUTH".to_owned()),
    }
}

/// A user as its own routes show it.
pub(super) async fn answer(db: &mut Db, user: &Principal) -> Result<User, Error> {
    let tenants = tenants::of_principal(db, &user.id).await?;
    let groups = members::everywhere(db, &user.id).await?.into_iter();
    let groups = groups.map(|(id, tenant_id)| UserGroup {
        id: GroupId(id),
        tenant_id,
    });
    Ok(User {
        id: PrincipalId(user.id.clone()),
        username: user.username.clone(),
        display_name: user.display_name(),
        first_name: user.first_name.clone(),
        last_name: user.last_name.clone(),
        email: user.email.clone(),
        tenants: tenants.into_iter().map(super::tenants::reference).collect(),
        auths: auths(db, &user.id).await?,
        groups: groups.collect(),
        super_admin: user.super_admin,
        instance_owner: user.super_admin,
        restricted: user.restricted,
    })
}

fn summary(user: &Principal, tenants: Vec<Tenant>, password: Option<&Password>) -> UserSummary {
    UserSummary {
        id: PrincipalId(user.id.clone()),
        username: user.username.clone(),
        display_name: user.display_name(),
        tenants: tenants.into_iter().map(super::tenants::reference).collect(),
        auths: password.map(password_auth).into_iter().collect(),
        super_admin: user.super_admin,
        instance_owner: user.super_admin,
    }
}
