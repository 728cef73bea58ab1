//! `/api/v1/{tenant}/groups`.

use axum::extract::Path;
use axum::routing::{get, post};
use axum::{Json, Router};

use crate::iam::model::GroupId;
use crate::iam::wire::{self, Autocomplete, GroupRequest, GroupSummary, Ids, Page};
use crate::server::app::App;
use crate::server::error::Error;
use crate::server::http::answer::page;
use crate::server::http::body::Body;
use crate::server::http::path::ById;
use crate::server::http::query::{ListQuery, by_ids, completing};
use crate::server::http::session::InTenant;
use crate::server::options::Compat;
use crate::server::rules::{names, rights};
use crate::server::store::groups::{self, Group};
use crate::server::store::principals;

use super::members::join;

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/api/v1/{tenant}/groups", post(create))
        .route("/api/v1/{tenant}/groups/search", get(search))
        .route("/api/v1/{tenant}/groups/autocomplete", post(autocomplete))
        .route("/api/v1/{tenant}/groups/ids", post(list_ids))
        .route(
            "/api/v1/{tenant}/groups/{id}",
            get(show).put(replace).delete(remove),
        )
}

async fn create(at: InTenant, body: Body) -> Result<Json<wire::Group>, Error> {
    at.require(&rights::GROUP_CREATE)?;
    let request: GroupRequest = body.parse()?;
    let name = names::required("name", request.name)?;
    let description = names::optional("description", request.description)?;
    let members = request.members_id.unwrap_or_default();
    if !members.is_empty() {
        at.require(&rights::MEMBER_ADD)?;
    }
    let mut change = at.change().await?;
    let group = groups::insert(&mut change, &at.tenant, &name, description.as_deref()).await?;
    for member in members {
        let found = principals::find(&mut change, &member.0).await?;
        let member = found.ok_or_else(|| Error::not_found("user", &member.0))?;
        join(&at, &mut change, &group, &member).await?;
    }
    change.commit(&[&group.id]).await?;
    Ok(Json(answer(group)))
}

async fn search(at: InTenant, query: ListQuery) -> Result<Json<Page<GroupSummary>>, Error> {
    at.require(&rights::GROUP_LIST)?;
    let listing = query.listing()?;
    let mut db = at.app.store().read().await?;
    let (found, total) = groups::list(&mut db, &at.tenant, &listing).await?;
    let summaries = found.into_iter().map(|group| summary(&at, group));
    Ok(page(summaries.collect(), total))
}

async fn autocomplete(at: InTenant, body: Body) -> Result<Json<Vec<GroupSummary>>, Error> {
    at.require(&rights::GROUP_LIST)?;
    let request: Autocomplete = body.parse()?;
    let mut db = at.app.store().read().await?;
    let mut found = Vec::new();
    for listing in completing(request)? {
        found.extend(groups::list(&mut db, &at.tenant, &listing).await?.0);
    }
    found.sort_by(|a, b| (&a.name, &a.id).cmp(&(&b.name, &b.id)));
    found.dedup_by(|a, b| a.id == b.id);
    Ok(Json(
        found.into_iter().map(|group| summary(&at, group)).collect(),
    ))
}

async fn list_ids(at: InTenant, body: Body) -> Result<Json<Vec<GroupSummary>>, Error> {
    at.require(&rights::GROUP_LIST)?;
    let request: Ids = body.parse()?;
    let listing = by_ids(request.ids)?;
    let mut db = at.app.store().read().await?;
    let (found, _) = groups::list(&mut db, &at.tenant, &listing).await?;
    Ok(Json(
        found.into_iter().map(|group| summary(&at, group)).collect(),
    ))
}

async fn show(at: InTenant, Path(ById { id }): Path<ById>) -> Result<Json<wire::Group>, Error> {
    at.require(&rights::GROUP_READ)?;
    let mut db = at.app.store().read().await?;
    let group = groups::get(&mut db, &at.tenant, &id).await?;
    Ok(Json(answer(group)))
}

async fn replace(
    at: InTenant,
    Path(ById { id }): Path<ById>,
    body: Body,
) -> Result<Json<wire::Group>, Error> {
    at.require(&rights::GROUP_UPDATE)?;
    let request: GroupRequest = body.parse()?;
    let name = names::required("name", request.name)?;
    let description = names::optional("description", request.description)?;
    let mut change = at.change().await?;
    let mut group = groups::get(&mut change, &at.tenant, &id).await?;
    group.name = name;
    group.description = description;
    groups::update(&mut change, &group).await?;
    change.commit(&[]).await?;
    Ok(Json(answer(group)))
}

async fn remove(at: InTenant, Path(ById { id }): Path<ById>) -> Result<(), Error> {
    at.require(&rights::GROUP_DELETE)?;
    let mut change = at.change().await?;
    let group = groups::get(&mut change, &at.tenant, &id).await?;
    groups::delete(&mut change, &group.id).await?;
    change.commit(&[]).await
}

fn answer(group: Group) -> wire::Group {
    wire::Group {
        id: GroupId(group.id),
        name: group.name,
        description: group.description,
    }
}

/// 2.x tells the description in lists too.
fn summary(at: &InTenant, group: Group) -> GroupSummary {
    GroupSummary {
        id: GroupId(group.id),
        name: Some(group.name),
        description: group.description.filter(|_| at.app.compat() == Compat::V2),
    }
}
