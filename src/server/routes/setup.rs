//! `POST /api/v1/setup`: the first user of an instance in which nobody is yet.

use std::sync::Arc;

use axum::extract::{Extension, State};
use axum::routing::post;
use axum::{Json, Router};

use crate::iam::wire::{SetupRequest, User};
use crate::server::app::App;
use crate::server::error::Error;
use crate::server::http::body::Body;
use crate::server::http::change::Change;
use crate::server::http::trail::Trail;
use crate::server::rules::names;
use crate::server::store::{principals, tenants};

use super::users::{USER, answer};

pub(super) fn routes() -> Router<App> {
    Router::new().route("/api/v1/setup", post(set_up))
}

/// Makes a superadmin who administers a tenant. Once anybody is there, a user or an account, it is closed for good.
async fn set_up(
    State(app): State<App>,
    Extension(trail): Extension<Arc<Trail>>,
    body: Body,
) -> Result<Json<User>, Error> {
    require_nobody(&app).await?;
    let request: SetupRequest = body.parse()?;
    let email = names::email("username", request.username)?;
    names::password("password", request.password.expose())?;
    let tenant = request.tenant.map(|tenant| (tenant.id, tenant.name));
    let (tenant, tenant_name) = tenant.unwrap_or_else(|| ("main".to_owned(), None));
    let tenant = names::tenant("tenant.id", Some(tenant))?;
    let hash = app.hasher().hash(request.password).await?;
    let mut change = Change::begin(&app, &trail).await?;
    // Of two at once the second finds somebody here.
    if principals::anybody(&mut change).await? {
        return Err(closed());
    }
    let new = principals::NewPrincipal {
        kind: USER,
        username: email.clone(),
        email: Some(email),
        first_name: None,
        last_name: None,
        description: None,
        super_admin: true,
        restricted: false,
    };
    let user = principals::insert(&mut change, new).await?;
    principals::set_password(&mut change, &user.id, &hash).await?;
    tenants::ensure(&mut change, app.compat(), &tenant, tenant_name.as_deref()).await?;
    tenants::make_admin(&mut change, &tenant, &user.id).await?;
    trail.name(&user);
    let answer = answer(&mut change, &user).await?;
    change.commit(&[&user.id]).await?;
    Ok(Json(answer))
}

async fn require_nobody(app: &App) -> Result<(), Error> {
    let mut db = app.store().read().await?;
    if principals::anybody(&mut db).await? {
        Err(closed())
    } else {
        Ok(())
    }
}

fn closed() -> Error {
    Error::NotAllowed("the instance is set up already")
}
