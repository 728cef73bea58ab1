//! What the instance says of itself.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};

use crate::server::app::App;
use crate::server::error::Error;
use crate::server::http::credentials::authenticate;
use crate::server::http::session::Session;
use crate::server::options::Compat;
use crate::server::store::principals;

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/health", get(health))
        .route("/api/v1/configs", get(configs))
        .route("/api/v1/configs/login", get(login_configs))
        .route("/api/v1/license-info", get(license))
}

/// Up means that the database answers.
async fn health(State(app): State<App>) -> Result<Json<Value>, Error> {
    app.store().uuid().await?;
    Ok(Json(json!({"status": "UP"})))
}

/// 1.x tells everybody, 2.x only those who authenticate.
async fn configs(State(app): State<App>, headers: HeaderMap) -> Result<Json<Value>, Error> {
    if app.compat() == Compat::V2 {
        authenticate(&app, &headers, app.now()).await?;
    }
    Ok(Json(json!({
        "uuid": app.uuid(),
        "version": app.compat().version(),
        "edition": "EE",
        "isBasicAuthInitialized": initialised(&app).await?,
        "tenants": {"storageByTenant": false, "secretByTenant": false},
        "secretsEnabled": false,
        "inMaintenance": false,
        "features": [],
    })))
}

async fn login_configs(State(app): State<App>) -> Result<Json<Value>, Error> {
    let initialised = initialised(&app).await?;
    Ok(Json(json!({"isBasicAuthInitialized": initialised})))
}

async fn initialised(app: &App) -> Result<bool, Error> {
    let mut db = app.store().read().await?;
    principals::anybody(&mut db).await
}

/// There is nothing to buy and nothing that expires.
async fn license(_session: Session) -> Json<Value> {
    Json(json!({
        "type": "EMBEDDED",
        "expired": false,
        "standalone": true,
        "workerGroups": false,
        "online": false,
    }))
}
