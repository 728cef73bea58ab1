//! The routes: one family of endpoints, one file. Each handler authorises before it reads a body or the store.

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::{from_fn, from_fn_with_state};
use tower_http::catch_panic::CatchPanicLayer;

use super::app::App;
use super::http::{answer, log, trail};

mod accounts;
mod acls;
mod audit;
mod bindings;
mod groups;
mod instance_accounts;
mod me;
mod members;
mod misc;
mod roles;
mod setup;
mod tenant_access;
mod tenants;
mod tokens;
mod user_credentials;
mod user_groups;
mod users;

/// All routes with what surrounds them.
pub(super) fn router(app: &App) -> Router {
    families()
        .route_layer(from_fn_with_state(app.clone(), trail::follow))
        .layer(DefaultBodyLimit::max(app.settings().max_body))
        .layer(CatchPanicLayer::new())
        .layer(from_fn_with_state(app.clone(), answer::finish))
        .layer(from_fn(log::tell))
        .with_state(app.clone())
}

fn families() -> Router<App> {
    Router::new()
        .merge(misc::routes())
        .merge(setup::routes())
        .merge(me::routes())
        .merge(instance_accounts::routes())
        .merge(users::routes())
        .merge(user_credentials::routes())
        .merge(tenants::routes())
        .merge(audit::routes())
        .merge(accounts::routes())
        .merge(groups::routes())
        .merge(members::routes())
        .merge(user_groups::routes())
        .merge(roles::routes())
        .merge(bindings::routes())
        .merge(tenant_access::routes())
        .merge(acls::routes())
}
