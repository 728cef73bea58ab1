//! `/api/v1/me`: what everybody may know and do about themselves.

use axum::extract::Path;
use axum::routing::{delete, get, put};
use axum::{Json, Router};
use serde_json::{Value, json};

use crate::iam::model::PrincipalId;
use crate::iam::wire::{self, ApiToken, Me, OwnPasswordRequest, Page, Profile, UserRequest};
use crate::server::app::App;
use crate::server::error::Error;
use crate::server::http::body::Body;
use crate::server::http::path::OwnToken;
use crate::server::http::session::Session;
use crate::server::rules::names;
use crate::server::store::principals::{self, Principal};
use crate::server::store::{Db, tenants};

use super::tokens::{self, Issued};
use super::users::auths;

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/api/v1/me", get(show).patch(patch))
        .route("/api/v1/me/password", put(change_password))
        .route("/api/v1/me/invitations", get(invitations))
        .route("/api/v1/me/api-tokens", get(list_tokens).post(issue_token))
        .route("/api/v1/me/api-tokens/{tokenId}", delete(revoke_token))
}

async fn show(session: Session) -> Result<Json<Me>, Error> {
    let mut db = session.app.store().read().await?;
    answer(&mut db, &session.caller).await.map(Json)
}

async fn answer(db: &mut Db, caller: &Principal) -> Result<Me, Error> {
    let tenants = tenants::of_principal(db, &caller.id).await?;
    Ok(Me {
        id: PrincipalId(caller.id.clone()),
        super_admin: Some(caller.super_admin),
        instance_owner: Some(caller.super_admin),
        restricted: Some(caller.restricted),
        profile: Some(Profile {
            email: caller.email.clone(),
            first_name: caller.first_name.clone(),
            last_name: caller.last_name.clone(),
            username: Some(caller.username.clone()),
        }),
        auths: auths(db, &caller.id).await?,
        tenants: tenants.into_iter().map(super::tenants::reference).collect(),
    })
}

async fn patch(session: Session, body: Body) -> Result<Json<Me>, Error> {
    let mut caller = user(&session)?.clone();
    let request: UserRequest = body.parse()?;
    super::users::apply_names(&mut caller, request)?;
    let mut change = session.change().await?;
    principals::update(&mut change, &caller).await?;
    let me = answer(&mut change, &caller).await?;
    change.commit(&[&caller.id]).await?;
    Ok(Json(me))
}

async fn change_password(session: Session, body: Body) -> Result<Json<Value>, Error> {
    let caller = user(&session)?;
    let request: OwnPasswordRequest = body.parse()?;
    names::password("newPassword", request.new_password.expose())?;
    let mut db = session.app.store().read().await?;
    let stored = principals::password(&mut db, &caller.id).await?;
    drop(db);
    let hasher = session.app.hasher();
    let hash = stored.map(|stored| stored.hash);
    if !hasher.verify(request.old_password, hash).await? {
        return Err(Error::invalid("oldPassword", "is not your password"));
    }
    let hash = hasher.hash(request.new_password).await?;
    let mut change = session.change().await?;
    principals::set_password(&mut change, &caller.id, &hash).await?;
    change.commit(&[&caller.id]).await?;
    Ok(Json(json!({})))
}

/// Service accounts have neither a profile nor a password.
fn user(session: &Session) -> Result<&Principal, Error> {
    if session.caller.is_account() {
        let only = "a service account has neither a profile nor a password";
        return Err(Error::Forbidden(only.to_owned()));
    }
    Ok(&session.caller)
}

/// This server invites nobody.
async fn invitations(_session: Session) -> Json<Vec<Value>> {
    Json(Vec::new())
}

async fn list_tokens(session: Session) -> Result<Json<Page<ApiToken>>, Error> {
    tokens::list(&session, &session.caller.id).await
}

async fn issue_token(session: Session, body: Body) -> Result<Issued, Error> {
    let request: wire::ApiTokenRequest = body.parse()?;
    tokens::issue(&session, &session.caller.id, request).await
}

async fn revoke_token(session: Session, Path(at): Path<OwnToken>) -> Result<(), Error> {
    tokens::revoke(&session, &session.caller.id, &at.token).await
}
