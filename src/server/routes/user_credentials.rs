//! What a user authenticates with, and the flags beside it, for superadmins.

use axum::extract::Path;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{delete, get, patch};
use axum::{Json, Router};

use crate::iam::model::TokenValue;
use crate::iam::wire::{ApiToken, FlagRequest, Page, PasswordRequest, User};
use crate::server::app::App;
use crate::server::error::Error;
use crate::server::http::body::Body;
use crate::server::http::path::{AuthOf, ById, TokenOf};
use crate::server::http::session::{Owner, Session};
use crate::server::rules::names;
use crate::server::store::principals;

use super::instance_accounts::{required_flag, set_superadmin};
use super::tokens;
use super::users::{USER, answer};

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/api/v1/users/{id}/password", patch(change_password))
        .route("/api/v1/users/{id}/superadmin", patch(flag))
        .route("/api/v1/users/{id}/instanceowner", patch(flag))
        .route("/api/v1/users/{id}/restricted", patch(restrict))
        .route("/api/v1/users/{id}/auths/{auth}", delete(remove_auth))
        .route(
            "/api/v1/users/{id}/refresh-token",
            delete(remove_refresh_token),
        )
        .route(
            "/api/v1/users/{id}/api-tokens",
            get(list_tokens).post(issue_token),
        )
        .route(
            "/api/v1/users/{id}/api-tokens/{tokenId}",
            delete(revoke_token),
        )
}

async fn change_password(
    owner: Owner,
    Path(ById { id }): Path<ById>,
    body: Body,
) -> Result<Json<User>, Error> {
    let request: PasswordRequest = body.parse()?;
    names::password("password", request.password.expose())?;
    let hash = owner.app.hasher().hash(request.password).await?;
    let mut change = owner.change().await?;
    let user = principals::get(&mut change, USER, &id).await?;
    principals::set_password(&mut change, &id, &hash).await?;
    let answer = answer(&mut change, &user).await?;
    change.commit(&[]).await?;
    Ok(Json(answer))
}

/// The hash of a new password, if there is one; an empty one counts as none.
pub(super) async fn hashed(
    session: &Session,
    password: Option<TokenValue>,
) -> Result<Option<String>, Error> {
    let Some(password) = password.filter(|password| !password.expose().is_empty()) else {
        return Ok(None);
    };
    names::password("password", password.expose())?;
    session.app.hasher().hash(password).await.map(Some)
}

/// Both versions' routes take both versions' words.
async fn flag(owner: Owner, Path(ById { id }): Path<ById>, body: Body) -> Result<(), Error> {
    let flag = required_flag(&body)?;
    let mut change = owner.change().await?;
    let mut user = principals::get(&mut change, USER, &id).await?;
    set_superadmin(&mut change, &mut user, flag).await?;
    change.commit(&[]).await
}

async fn restrict(owner: Owner, Path(ById { id }): Path<ById>, body: Body) -> Result<(), Error> {
    let request: FlagRequest = body.parse()?;
    let flag = request.restricted;
    let flag = flag.ok_or_else(|| Error::invalid("restricted", "is required"))?;
    let mut change = owner.change().await?;
    let mut user = principals::get(&mut change, USER, &id).await?;
    user.restricted = flag;
    principals::update(&mut change, &user).await?;
    change.commit(&[]).await
}

async fn remove_auth(owner: Owner, Path(at): Path<AuthOf>) -> Result<Json<User>, Error> {
    let mut change = owner.change().await?;
    let user = principals::get(&mut change, USER, &at.id).await?;
    if !principals::delete_password(&mut change, &at.id, &at.auth).await? {
        return Err(Error::not_found("auth", &at.auth));
    }
    let answer = answer(&mut change, &user).await?;
    change.commit(&[]).await?;
    Ok(Json(answer))
}

/// There are no sessions here, so there is nothing to remove, and that is a success.
async fn remove_refresh_token(
    owner: Owner,
    Path(ById { id }): Path<ById>,
) -> Result<StatusCode, Error> {
    require_user(&owner, &id).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn list_tokens(
    owner: Owner,
    Path(ById { id }): Path<ById>,
) -> Result<Json<Page<ApiToken>>, Error> {
    require_user(&owner, &id).await?;
    tokens::list(&owner, &id).await
}

async fn issue_token(
    owner: Owner,
    Path(ById { id }): Path<ById>,
    body: Body,
) -> Result<Response, Error> {
    require_user(&owner, &id).await?;
    let issued = tokens::issue(&owner, &id, body.parse()?).await?;
    Ok(issued.created())
}

async fn revoke_token(owner: Owner, Path(at): Path<TokenOf>) -> Result<StatusCode, Error> {
    require_user(&owner, &at.id).await?;
    tokens::revoke(&owner, &at.id, &at.token).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn require_user(owner: &Owner, id: &str) -> Result<(), Error> {
    let mut db = owner.app.store().read().await?;
    principals::get(&mut db, USER, id).await?;
    Ok(())
}
