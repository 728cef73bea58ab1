//! `/api/v1/{tenant}/acls`: the words of permissions. Everybody in the tenant may know them.

use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};

use crate::server::app::App;
use crate::server::error::Error;
use crate::server::http::session::InTenant;
use crate::server::options::Compat;
use crate::server::rules::{managed, words};

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/api/v1/{tenant}/acls/permissions", get(permissions))
        .route("/api/v1/{tenant}/acls/actions", get(actions))
        .route("/api/v1/{tenant}/acls/templates", get(templates))
}

/// A list in 1.x; in 2.x each resource with its actions.
async fn permissions(at: InTenant) -> Json<Value> {
    Json(match at.app.compat() {
        Compat::V1 => json!(words::resources(Compat::V1)),
        Compat::V2 => json!(words::everything(Compat::V2)),
    })
}

/// 2.x does not have this any more.
async fn actions(at: InTenant) -> Result<Json<Value>, Error> {
    match at.app.compat() {
        Compat::V1 => Ok(Json(json!(words::actions(Compat::V1)))),
        Compat::V2 => Err(unknown()),
    }
}

/// 1.x does not have this yet.
async fn templates(at: InTenant) -> Result<Json<Value>, Error> {
    match at.app.compat() {
        Compat::V1 => Err(unknown()),
        Compat::V2 => Ok(Json(
            managed::roles(Compat::V2)
                .into_iter()
                .map(|role| (role.template(), json!(role.permissions)))
                .collect(),
        )),
    }
}

fn unknown() -> Error {
    Error::NotFound("this version has no such route".to_owned())
}
