//! Groups.

use sqlx::{FromRow, QueryBuilder, Sqlite};

use crate::server::error::Error;

use super::listing::{Column, Columns, Listing, page};
use super::{Db, new_id, or_conflict};

/// A group of one tenant.
#[derive(Clone, Debug, FromRow)]
pub(crate) struct Group {
    pub(crate) id: String,
    pub(crate) tenant_id: String,
    pub(crate) name: String,
    pub(crate) description: Option<String>,
}

const COLUMNS: Columns = Columns {
    fields: &[
        ("q", Column::AnyOf(&["g.name", "g.description"])),
        ("id", Column::Text("g.id")),
        ("name", Column::Text("g.name")),
        ("description", Column::Text("g.description")),
    ],
    order: "g.seq",
};

pub(crate) async fn list(
    db: &mut Db,
    tenant: &str,
    listing: &Listing,
) -> Result<(Vec<Group>, i64), Error> {
    let of_tenant = |sql: &mut QueryBuilder<Sqlite>| {
        sql.push("FROM user_groups g WHERE g.tenant_id = ");
        sql.push_bind(tenant.to_owned());
    };
    page(db, "SELECT g.*", of_tenant, &COLUMNS, listing).await
}

/// A group wherever it is.
pub(crate) async fn find(db: &mut Db, id: &str) -> Result<Option<Group>, Error> {
    let found = sqlx::query_as("SELECT * FROM user_groups WHERE id = $1");
    Ok(found.bind(id).fetch_optional(db).await?)
}

/// A group of this tenant, or 404.
pub(crate) async fn get(db: &mut Db, tenant: &str, id: &str) -> Result<Group, Error> {
    let found = find(db, id)
        .await?
        .filter(|found| found.tenant_id == tenant);
    found.ok_or_else(|| Error::not_found("group", id))
}

pub(crate) async fn insert(
    db: &mut Db,
    tenant: &str,
    name: &str,
    description: Option<&str>,
) -> Result<Group, Error> {
    sqlx::query_as(
        "INSERT INTO user_groups (id, tenant_id, name, description)
         VALUES ($1, $2, $3, $4) RETURNING *",
    )
    .bind(new_id()?)
    .bind(tenant)
    .bind(name)
    .bind(description)
    .fetch_one(db)
    .await
    .map_err(|error| or_conflict(error, || taken(name)))
}

pub(crate) async fn update(db: &mut Db, group: &Group) -> Result<(), Error> {
    sqlx::query("UPDATE user_groups SET name = $2, description = $3 WHERE id = $1")
        .bind(&group.id)
        .bind(&group.name)
        .bind(&group.description)
        .execute(db)
        .await
        .map_err(|error| or_conflict(error, || taken(&group.name)))?;
    Ok(())
}

/// Removes a group with its bindings; members keep their access to the tenant.
pub(crate) async fn delete(db: &mut Db, id: &str) -> Result<(), Error> {
    sqlx::query("DELETE FROM user_groups WHERE id = $1")
        .bind(id)
        .execute(db)
        .await?;
    Ok(())
}

fn taken(name: &str) -> String {
    format!("a group named '{name}' exists")
}
