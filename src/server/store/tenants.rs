//! Tenants.

use std::collections::HashMap;

use sqlx::{FromRow, QueryBuilder, Sqlite};

use crate::server::error::Error;
use crate::server::options::Compat;
use crate::server::rules::managed;

use super::listing::{Column, Columns, Listing, page, push_all};
use super::{Db, access, bindings, or_conflict, roles};

/// A tenant.
#[derive(Clone, Debug, FromRow)]
pub(crate) struct Tenant {
    pub(crate) id: String,
    pub(crate) name: String,
}

const COLUMNS: Columns = Columns {
    fields: &[
        ("q", Column::AnyOf(&["t.id", "t.name"])),
        ("id", Column::Text("t.id")),
        ("name", Column::Text("t.name")),
    ],
    order: "t.seq",
};

pub(crate) async fn get(db: &mut Db, id: &str) -> Result<Option<Tenant>, Error> {
    let found = sqlx::query_as("SELECT id, name FROM tenants WHERE id = $1");
    Ok(found.bind(id).fetch_optional(db).await?)
}

pub(crate) async fn ids(db: &mut Db) -> Result<Vec<String>, Error> {
    let ids = sqlx::query_scalar("SELECT id FROM tenants ORDER BY seq");
    Ok(ids.fetch_all(db).await?)
}

pub(crate) async fn list(db: &mut Db, listing: &Listing) -> Result<(Vec<Tenant>, i64), Error> {
    let all = |sql: &mut QueryBuilder<Sqlite>| {
        sql.push("FROM tenants t WHERE TRUE");
    };
    page(db, "SELECT t.id, t.name", all, &COLUMNS, listing).await
}

pub(crate) async fn insert(db: &mut Db, id: &str, name: &str) -> Result<(), Error> {
    sqlx::query("INSERT INTO tenants (id, name) VALUES ($1, $2)")
        .bind(id)
        .bind(name)
        .execute(db)
        .await
        .map_err(|error| or_conflict(error, || format!("tenant '{id}' exists")))?;
    Ok(())
}

/// Makes a tenant with its managed roles unless it is there.
pub(crate) async fn ensure(
    db: &mut Db,
    compat: Compat,
    id: &str,
    name: Option<&str>,
) -> Result<(), Error> {
    if get(db, id).await?.is_none() {
        insert(db, id, name.unwrap_or(id)).await?;
        roles::put_managed(db, compat, id).await?;
    }
    Ok(())
}

/// Lets a principal in and gives it the managed role Admin, unless it has both.
pub(crate) async fn make_admin(db: &mut Db, id: &str, principal: &str) -> Result<(), Error> {
    access::put(db, id, principal).await?;
    bindings::ensure(db, id, principal, &managed::admin_of(id)).await
}

pub(crate) async fn rename(db: &mut Db, id: &str, name: &str) -> Result<bool, Error> {
    let renamed = sqlx::query("UPDATE tenants SET name = $2 WHERE id = $1")
        .bind(id)
        .bind(name)
        .execute(db)
        .await?;
    Ok(renamed.rows_affected() > 0)
}

/// Removes the tenant with all that belongs to it.
pub(crate) async fn delete(db: &mut Db, id: &str) -> Result<bool, Error> {
    let deleted = sqlx::query("DELETE FROM tenants WHERE id = $1")
        .bind(id)
        .execute(db)
        .await?;
    Ok(deleted.rows_affected() > 0)
}

#[derive(FromRow)]
struct Entered {
    principal_id: String,
    #[sqlx(flatten)]
    tenant: Tenant,
}

/// The tenants that these principals may enter, by principal.
pub(crate) async fn of_principals(
    db: &mut Db,
    principals: &[&str],
) -> Result<HashMap<String, Vec<Tenant>>, Error> {
    let mut sql = QueryBuilder::new(
        "SELECT a.principal_id, t.id, t.name FROM tenant_access a JOIN tenants t ON t.id = a.tenant_id
         WHERE a.principal_id IN (",
    );
    push_all(&mut sql, principals);
    sql.push(") ORDER BY t.seq");
    let rows: Vec<Entered> = sql.build_query_as().fetch_all(db).await?;
    let mut by_principal: HashMap<String, Vec<Tenant>> = HashMap::new();
    for row in rows {
        by_principal
            .entry(row.principal_id)
            .or_default()
            .push(row.tenant);
    }
    Ok(by_principal)
}

/// The tenants that a principal may enter.
pub(crate) async fn of_principal(db: &mut Db, principal: &str) -> Result<Vec<Tenant>, Error> {
    let all = of_principals(db, &[principal]).await?;
    Ok(all.into_values().next().unwrap_or_default())
}
