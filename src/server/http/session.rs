//! Who calls, and where: what handlers take as their first argument decides what they are authorised for.

use std::ops::Deref;
use std::sync::Arc;

use axum::extract::{FromRequestParts, RawPathParams};
use axum::http::request::Parts;
use jiff::Timestamp;

use crate::server::app::App;
use crate::server::error::Error;
use crate::server::rules::access::{Access, Grant};
use crate::server::rules::rights::Right;
use crate::server::store::principals::Principal;
use crate::server::store::{Db, access, tenants};

use super::change::Change;
use super::credentials::authenticate;
use super::trail::Trail;

/// A request of somebody who is known.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) app: App,
    pub(crate) caller: Principal,
    /// The instant of this request; the clock is read once.
    pub(crate) now: Timestamp,
    pub(crate) trail: Arc<Trail>,
}

impl FromRequestParts<App> for Session {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Error> {
        let trail = trail_of(parts)?;
        let caller = authenticate(app, &parts.headers, trail.now).await?;
        trail.name(&caller);
        Ok(Self {
            app: app.clone(),
            caller,
            now: trail.now,
            trail,
        })
    }
}

/// The trail that [`super::trail::follow`] laid.
fn trail_of(parts: &Parts) -> Result<Arc<Trail>, Error> {
    let trail = parts.extensions.get::<Arc<Trail>>();
    trail.cloned().ok_or(Error::Corrupt("trail"))
}

impl Session {
    /// Begins a change.
    pub(crate) async fn change(&self) -> Result<Change, Error> {
        Change::begin(&self.app, &self.trail).await
    }

    /// Refuses unless the caller may hand out all that `other` has, in every tenant: whoever hands out a credential
    /// hands out its owner's rights.
    pub(crate) async fn require_giving_all_of(
        &self,
        db: &mut Db,
        other: &Principal,
    ) -> Result<(), Error> {
        self.require_standing_over(other)?;
        if self.caller.super_admin || self.caller.id == other.id {
            return Ok(());
        }
        let compat = self.app.compat();
        for tenant in tenants::of_principal(db, &other.id).await? {
            let theirs = access::of(db, compat, &tenant.id, other).await?;
            let ours = access::of(db, compat, &tenant.id, &self.caller).await?;
            if !ours.may_give_all_of(&theirs) {
                return Err(too_much());
            }
        }
        Ok(())
    }

    /// Refuses to touch a superadmin unless the caller is one.
    pub(crate) fn require_standing_over(&self, other: &Principal) -> Result<(), Error> {
        if other.super_admin && !self.caller.super_admin {
            let only = "only a superadmin may change a superadmin";
            return Err(Error::Forbidden(only.to_owned()));
        }
        Ok(())
    }
}

/// A request of a superadmin: the routes of the instance.
#[derive(Debug)]
pub(crate) struct Owner(Session);

impl FromRequestParts<App> for Owner {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Error> {
        let session = Session::from_request_parts(parts, app).await?;
        if session.caller.super_admin {
            Ok(Self(session))
        } else {
            Err(Error::Forbidden("only for superadmins".to_owned()))
        }
    }
}

impl Deref for Owner {
    type Target = Session;

    fn deref(&self) -> &Session {
        &self.0
    }
}

/// A request inside a tenant that exists. What it may do is asked by [`InTenant::require`].
#[derive(Debug)]
pub(crate) struct InTenant {
    session: Session,
    pub(crate) tenant: String,
    access: Access,
}

impl FromRequestParts<App> for InTenant {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Error> {
        let session = Session::from_request_parts(parts, app).await?;
        let tenant = tenant_in_path(parts, app).await?;
        let mut db = app.store().read().await?;
        if tenants::get(&mut db, &tenant).await?.is_none() {
            return Err(Error::not_found("tenant", &tenant));
        }
        let access = access::of(&mut db, app.compat(), &tenant, &session.caller).await?;
        Ok(Self {
            session,
            tenant,
            access,
        })
    }
}

async fn tenant_in_path(parts: &mut Parts, app: &App) -> Result<String, Error> {
    let params = RawPathParams::from_request_parts(parts, app)
        .await
        .map_err(|_| Error::Malformed("the path cannot be read".to_owned()))?;
    let tenant = params.iter().find(|(name, _)| *name == "tenant");
    tenant
        .map(|(_, id)| id.to_owned())
        .ok_or(Error::Corrupt("route"))
}

impl Deref for InTenant {
    type Target = Session;

    fn deref(&self) -> &Session {
        &self.session
    }
}

impl InTenant {
    /// Refuses unless the caller has this right in the tenant.
    pub(crate) fn require(&self, right: &Right) -> Result<(), Error> {
        if self.may(right) {
            return Ok(());
        }
        let compat = self.app.compat();
        Err(Error::Forbidden(format!(
            "{} in tenant '{}' is needed",
            right.describe(compat),
            self.tenant
        )))
    }

    /// Whether the caller has this right in the tenant.
    pub(crate) fn may(&self, right: &Right) -> bool {
        self.access.allows(right)
    }

    /// Refuses unless the caller has all of this: nobody grants more than they hold.
    pub(crate) fn require_giving(&self, grants: &[Grant]) -> Result<(), Error> {
        if grants.iter().all(|grant| self.access.may_give(grant)) {
            Ok(())
        } else {
            Err(too_much())
        }
    }
}

fn too_much() -> Error {
    Error::Forbidden("this grants more than you hold".to_owned())
}
