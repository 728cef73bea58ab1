//! `/api/v1/{tenant}/groups/{id}/members`.
//!
//! An owner of a group manages its members without any permission; nobody lets somebody into a group that carries more
//! than they hold themselves.

use axum::extract::{Path, Query};
use axum::routing::{get, put};
use axum::{Json, Router};
use serde::Deserialize;

use crate::iam::model::PrincipalId;
use crate::iam::wire::{GroupMember, Membership, MembershipKind, Page};
use crate::server::app::App;
use crate::server::error::Error;
use crate::server::http::answer::page;
use crate::server::http::path::{ById, MemberOf};
use crate::server::http::query::ListQuery;
use crate::server::http::session::InTenant;
use crate::server::options::Compat;
use crate::server::rules::rights::{self, Right};
use crate::server::store::groups::{self, Group};
use crate::server::store::principals::{self, Principal};
use crate::server::store::{Db, access, members};

use super::tenant_access::admit;

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/api/v1/{tenant}/groups/{id}/members", get(list))
        .route(
            "/api/v1/{tenant}/groups/{id}/members/{userId}",
            put(add).delete(remove),
        )
        .route(
            "/api/v1/{tenant}/groups/{id}/members/membership/{userId}",
            put(set_kind),
        )
}

async fn list(
    at: InTenant,
    Path(ById { id }): Path<ById>,
    query: ListQuery,
) -> Result<Json<Page<GroupMember>>, Error> {
    let mut db = at.app.store().read().await?;
    let group = group_to_manage(&at, &mut db, &id, &rights::MEMBER_LIST).await?;
    let listing = query.listing()?;
    let (found, total) = principals::list_in_group(&mut db, &group.id, &listing).await?;
    let ids: Vec<&str> = found.iter().map(|member| member.id.as_str()).collect();
    let mut groups = members::of_many(&mut db, &at.tenant, &ids).await?;
    let shown = found.iter().map(|member| {
        let groups = groups.remove(&member.id).unwrap_or_default();
        answer(member, groups)
    });
    Ok(page(shown.collect(), total))
}

async fn add(at: InTenant, Path(member): Path<MemberOf>) -> Result<Json<GroupMember>, Error> {
    let mut change = at.change().await?;
    let group = group_to_manage(&at, &mut change, &member.id, &rights::MEMBER_ADD).await?;
    let principal = principal(&at, &mut change, &member.user).await?;
    if !join(&at, &mut change, &group, &principal).await? {
        return Err(Error::Conflict(
            "is a member of the group already".to_owned(),
        ));
    }
    let answer = shown(&mut change, &at, &principal).await?;
    change.commit(&[]).await?;
    Ok(Json(answer))
}

/// 1.x takes the access to the tenant away together with the last group.
async fn remove(at: InTenant, Path(member): Path<MemberOf>) -> Result<Json<GroupMember>, Error> {
    let mut change = at.change().await?;
    let group = group_to_manage(&at, &mut change, &member.id, &rights::MEMBER_REMOVE).await?;
    let principal = principal(&at, &mut change, &member.user).await?;
    if !members::remove(&mut change, &group.id, &principal.id).await? {
        return Err(no_member());
    }
    let answer = shown(&mut change, &at, &principal).await?;
    if at.app.compat() == Compat::V1 && answer.groups.is_empty() {
        access::delete(&mut change, &at.tenant, &principal.id).await?;
    }
    change.commit(&[]).await?;
    Ok(Json(answer))
}

#[derive(Deserialize)]
struct Wanted {
    membership: MembershipKind,
}

async fn set_kind(
    at: InTenant,
    Path(member): Path<MemberOf>,
    wanted: Result<Query<Wanted>, axum::extract::rejection::QueryRejection>,
) -> Result<Json<GroupMember>, Error> {
    let mut change = at.change().await?;
    let group = group_to_manage(&at, &mut change, &member.id, &rights::MEMBER_CHANGE).await?;
    let Query(wanted) =
        wanted.map_err(|_| Error::invalid("membership", "must be OWNER or MEMBER"))?;
    let principal = principal(&at, &mut change, &member.user).await?;
    if !members::set_kind(&mut change, &group.id, &principal.id, wanted.membership).await? {
        return Err(no_member());
    }
    let answer = shown(&mut change, &at, &principal).await?;
    change.commit(&[]).await?;
    Ok(Json(answer))
}

/// The group, if the caller has the right or owns it.
async fn group_to_manage(
    at: &InTenant,
    db: &mut Db,
    id: &str,
    right: &Right,
) -> Result<Group, Error> {
    if !at.may(right) {
        let own = members::kind(db, id, &at.caller.id).await?;
        let may_enter = access::exists(db, &at.tenant, &at.caller.id).await?;
        if own != Some(MembershipKind::Owner) || !may_enter {
            at.require(right)?;
        }
    }
    groups::get(db, &at.tenant, id).await
}

/// Makes a principal a member; false if it is one. 1.x lets it into the tenant by the way, 2.x asks for that first.
pub(super) async fn join(
    at: &InTenant,
    db: &mut Db,
    group: &Group,
    principal: &Principal,
) -> Result<bool, Error> {
    let granted = access::granted_by_group(db, at.app.compat(), &at.tenant, &group.id).await?;
    at.require_giving(&granted)?;
    match at.app.compat() {
        Compat::V1 => {
            admit(at, db, &principal.id).await?;
        }
        Compat::V2 if access::exists(db, &at.tenant, &principal.id).await? => {}
        Compat::V2 => {
            return Err(Error::not_found(
                "user with access to the tenant",
                &principal.id,
            ));
        }
    }
    members::add(db, &group.id, &principal.id).await
}

/// A member to be, by id; 2.x takes the login name as well.
async fn principal(at: &InTenant, db: &mut Db, id: &str) -> Result<Principal, Error> {
    let mut found = principals::find(db, id).await?;
    if found.is_none() && at.app.compat() == Compat::V2 {
        found = principals::find_by_name(db, id).await?;
    }
    found.ok_or_else(|| Error::not_found("user", id))
}

fn no_member() -> Error {
    Error::Conflict("is not a member of the group".to_owned())
}

async fn shown(db: &mut Db, at: &InTenant, principal: &Principal) -> Result<GroupMember, Error> {
    let groups = members::of(db, &at.tenant, &principal.id).await?;
    Ok(answer(principal, groups))
}

fn answer(principal: &Principal, groups: Vec<Membership>) -> GroupMember {
    GroupMember {
        id: PrincipalId(principal.id.clone()),
        username: Some(principal.username.clone()),
        display_name: Some(principal.display_name()),
        groups,
    }
}
