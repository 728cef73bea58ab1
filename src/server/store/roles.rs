//! Roles.

use sqlx::{FromRow, QueryBuilder, Sqlite};

use crate::iam::wire::Permissions;
use crate::server::error::Error;
use crate::server::options::Compat;
use crate::server::rules::access::Grant;
use crate::server::rules::managed;

use super::access::{grant, read_permissions};
use super::listing::{Column, Columns, Listing, page};
use super::{Db, new_id};

/// A role of one tenant.
#[derive(Clone, Debug, FromRow)]
pub(crate) struct Role {
    pub(crate) id: String,
    pub(crate) tenant_id: String,
    pub(crate) name: String,
    pub(crate) description: Option<String>,
    permissions: String,
    pub(crate) is_default: bool,
    pub(crate) is_managed: bool,
}

impl Role {
    pub(crate) fn permissions(&self) -> Result<Permissions, Error> {
        read_permissions(&self.permissions)
    }

    /// What a binding to it grants.
    pub(crate) fn grant(&self, compat: Compat, namespace: Option<String>) -> Result<Grant, Error> {
        grant(
            compat,
            &self.tenant_id,
            &self.id,
            &self.permissions,
            namespace,
        )
    }
}

/// What a role is to become.
#[derive(Debug)]
pub(crate) struct Draft {
    pub(crate) name: String,
    pub(crate) description: Option<String>,
    pub(crate) permissions: Permissions,
    pub(crate) is_default: bool,
}

const COLUMNS: Columns = Columns {
    fields: &[
        ("q", Column::AnyOf(&["r.name", "r.description"])),
        ("id", Column::Text("r.id")),
        ("name", Column::Text("r.name")),
        ("description", Column::Text("r.description")),
    ],
    order: "r.seq",
};

pub(crate) async fn list(
    db: &mut Db,
    tenant: &str,
    listing: &Listing,
) -> Result<(Vec<Role>, i64), Error> {
    let of_tenant = |sql: &mut QueryBuilder<Sqlite>| {
        sql.push("FROM roles r WHERE r.tenant_id = ");
        sql.push_bind(tenant.to_owned());
    };
    page(db, "SELECT r.*", of_tenant, &COLUMNS, listing).await
}

/// A role of this tenant, or 404.
pub(crate) async fn get(db: &mut Db, tenant: &str, id: &str) -> Result<Role, Error> {
    let found = sqlx::query_as("SELECT * FROM roles WHERE tenant_id = $1 AND id = $2");
    let found: Option<Role> = found.bind(tenant).bind(id).fetch_optional(db).await?;
    found.ok_or_else(|| Error::not_found("role", id))
}

pub(crate) async fn insert(db: &mut Db, tenant: &str, draft: &Draft) -> Result<Role, Error> {
    keep_one_default(db, tenant, draft).await?;
    let inserted = sqlx::query_as(
        "INSERT INTO roles (id, tenant_id, name, description, permissions, is_default, is_managed)
         VALUES ($1, $2, $3, $4, $5, $6, FALSE) RETURNING *",
    )
    .bind(new_id()?)
    .bind(tenant)
    .bind(&draft.name)
    .bind(&draft.description)
    .bind(written(&draft.permissions)?)
    .bind(draft.is_default)
    .fetch_one(db)
    .await?;
    Ok(inserted)
}

pub(crate) async fn update(
    db: &mut Db,
    tenant: &str,
    id: &str,
    draft: &Draft,
) -> Result<Role, Error> {
    keep_one_default(db, tenant, draft).await?;
    let updated = sqlx::query_as(
        "UPDATE roles SET name = $3, description = $4, permissions = $5, is_default = $6
         WHERE tenant_id = $1 AND id = $2 RETURNING *",
    )
    .bind(tenant)
    .bind(id)
    .bind(&draft.name)
    .bind(&draft.description)
    .bind(written(&draft.permissions)?)
    .bind(draft.is_default)
    .fetch_one(db)
    .await?;
    Ok(updated)
}

/// Removes a role with its bindings.
pub(crate) async fn delete(db: &mut Db, tenant: &str, id: &str) -> Result<(), Error> {
    sqlx::query("DELETE FROM roles WHERE tenant_id = $1 AND id = $2")
        .bind(tenant)
        .bind(id)
        .execute(db)
        .await?;
    Ok(())
}

/// The role that new users of a tenant get.
pub(crate) async fn default_of(db: &mut Db, tenant: &str) -> Result<Option<Role>, Error> {
    let found = sqlx::query_as("SELECT * FROM roles WHERE tenant_id = $1 AND is_default");
    Ok(found.bind(tenant).fetch_optional(db).await?)
}

/// Writes the managed roles of a tenant in the words of this line.
pub(crate) async fn put_managed(db: &mut Db, compat: Compat, tenant: &str) -> Result<(), Error> {
    for role in managed::roles(compat) {
        sqlx::query(
            "INSERT INTO roles (id, tenant_id, name, description, permissions, is_default, is_managed)
             VALUES ($1, $2, $3, $4, $5, FALSE, TRUE)
             ON CONFLICT (id) DO UPDATE SET permissions = excluded.permissions",
        )
        .bind(role.id_in(tenant))
        .bind(tenant)
        .bind(role.name)
        .bind(role.description)
        .bind(written(&role.permissions)?)
            .execute(&mut *db)
        .await?;
    }
    Ok(())
}

async fn keep_one_default(db: &mut Db, tenant: &str, draft: &Draft) -> Result<(), Error> {
    if draft.is_default {
        sqlx::query("UPDATE roles SET is_default = FALSE WHERE tenant_id = $1")
            .bind(tenant)
            .execute(db)
            .await?;
    }
    Ok(())
}

fn written(permissions: &Permissions) -> Result<String, Error> {
    serde_json::to_string(permissions).map_err(|_| Error::Corrupt("permissions"))
}
