//! `POST /api/v1/setup`: the first user of an instance in which nobody is yet.

use std::sync::Arc;

use axum::extract::{Extension, State};
use axum::routing::post;
use axum::{Json, Router};

use crate::iam::model::TokenValue;
use crate::iam::wire::{SetupRequest, User};
use crate::server::app::App;
use crate::server::error::Error;
use crate::server::http::body::Body;
use crate::server::http::change::Change;
use crate::server::http::trail::Trail;
use crate::server::rules::names;
use crate::server::store::principals::{self, NewPrincipal};
use crate::server::store::tenants;

use super::users::answer;

pub(super) fn routes() -> Router<App> {
    Router::new().route("/api/v1/setup", post(set_up))
}

/// Who is to be made, and where.
struct Founder {
    email: String,
    password: TokenValue,
    tenant: String,
    tenant_name: Option<String>,
}

impl Founder {
    fn read(request: SetupRequest) -> Result<Self, Error> {
        names::password("password", request.password.expose())?;
        let (tenant, tenant_name) = match request.tenant {
            Some(tenant) => (tenant.id, tenant.name),
            None => ("main".to_owned(), None),
        };
        Ok(Self {
            email: names::email("username", request.username)?,
            password: request.password,
            tenant: names::tenant("tenant.id", Some(tenant))?,
            tenant_name: names::optional("tenant.name", tenant_name)?,
        })
    }
}

/// Makes a superadmin who administers a tenant. Once anybody is there, a user or an account, it is closed for good.
async fn set_up(
    State(app): State<App>,
    Extension(trail): Extension<Arc<Trail>>,
    body: Body,
) -> Result<Json<User>, Error> {
    require_nobody(&app).await?;
    let founder = Founder::read(body.parse()?)?;
    let hash = app.hasher().hash(founder.password).await?;
    let mut change = Change::begin(&app, &trail).await?;
    // Of two at once the second finds somebody here.
    if principals::anybody(&mut change).await? {
        return Err(closed());
    }
    let new = NewPrincipal {
        super_admin: true,
        ..NewPrincipal::user(founder.email)
    };
    let user = principals::insert(&mut change, new).await?;
    principals::set_password(&mut change, &user.id, &hash).await?;
    let (tenant, name) = (founder.tenant, founder.tenant_name);
    tenants::ensure(&mut change, app.compat(), &tenant, name.as_deref()).await?;
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
