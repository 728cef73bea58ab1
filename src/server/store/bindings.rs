//! Bindings of roles to principals and groups. They are never changed, only made and removed.

use sqlx::{FromRow, QueryBuilder, Sqlite};

use crate::iam::model::PrincipalId;
use crate::iam::wire::{BoundUser, SubjectKind};
use crate::server::error::Error;

use super::listing::{Column, Columns, Listing, page};
use super::principals::{display_name, kind_of};
use super::{Db, new_id, or_conflict};

/// A binding with the names of what it binds.
#[derive(Debug, FromRow)]
pub(crate) struct Binding {
    pub(crate) id: String,
    /// Empty for the whole tenant.
    pub(crate) namespace: String,
    pub(crate) role_id: String,
    pub(crate) role_name: String,
    pub(crate) group_id: Option<String>,
    pub(crate) group_name: Option<String>,
    pub(crate) principal_id: Option<String>,
    pub(crate) username: Option<String>,
    pub(crate) first_name: Option<String>,
    pub(crate) last_name: Option<String>,
    pub(crate) principal_kind: Option<String>,
}

impl Binding {
    /// The principal that is bound, unless it is a group.
    pub(crate) fn user(&self) -> Option<BoundUser> {
        let id = self.principal_id.clone()?;
        let username = self.username.clone()?;
        let display_name = display_name(
            &username,
            self.first_name.as_deref(),
            self.last_name.as_deref(),
        );
        Some(BoundUser {
            id: PrincipalId(id),
            username: Some(username),
            display_name: Some(display_name),
            kind: self.principal_kind.as_deref().map(kind_of),
        })
    }
}

/// What a new binding is to bind.
#[derive(Clone, Debug)]
pub(crate) struct NewBinding {
    pub(crate) subject: SubjectKind,
    pub(crate) subject_id: String,
    pub(crate) role_id: String,
    pub(crate) namespace: Option<String>,
}

const SELECT: &str = "SELECT b.id, b.namespace, b.role_id, r.name AS role_name, b.group_id, g.name AS group_name, \
                      b.principal_id, p.username, p.first_name, p.last_name, p.kind AS principal_kind";
const FROM: &str = "FROM bindings b JOIN roles r ON r.id = b.role_id \
                    LEFT JOIN user_groups g ON g.id = b.group_id \
                    LEFT JOIN principals p ON p.id = b.principal_id WHERE b.tenant_id = ";
const KIND: &str = "CASE WHEN b.group_id IS NULL THEN 'USER' ELSE 'GROUP' END";

const COLUMNS: Columns = Columns {
    fields: &[
        (
            "q",
            Column::AnyOf(&["r.name", "g.name", "p.username", "b.namespace"]),
        ),
        ("id", Column::Text("COALESCE(b.group_id, b.principal_id)")),
        (
            "externalId",
            Column::Text("COALESCE(b.group_id, b.principal_id)"),
        ),
        ("type", Column::Text(KIND)),
        ("namespace", Column::Text("b.namespace")),
        ("roleId", Column::Text("b.role_id")),
        ("name", Column::Text("r.name")),
        ("username", Column::Text("p.username")),
    ],
    order: "b.seq",
};

pub(crate) async fn list(
    db: &mut Db,
    tenant: &str,
    listing: &Listing,
) -> Result<(Vec<Binding>, i64), Error> {
    let of_tenant = |sql: &mut QueryBuilder<Sqlite>| {
        sql.push(FROM).push_bind(tenant.to_owned());
    };
    page(db, SELECT, of_tenant, &COLUMNS, listing).await
}

/// A binding of this tenant, or 404.
pub(crate) async fn get(db: &mut Db, tenant: &str, id: &str) -> Result<Binding, Error> {
    let mut sql = QueryBuilder::new(SELECT);
    sql.push(" ").push(FROM).push_bind(tenant.to_owned());
    sql.push(" AND b.id = ").push_bind(id.to_owned());
    let found = sql.build_query_as().fetch_optional(db).await?;
    found.ok_or_else(|| Error::not_found("binding", id))
}

/// Makes a binding between things that exist.
pub(crate) async fn insert(db: &mut Db, tenant: &str, new: &NewBinding) -> Result<String, Error> {
    let (principal, group) = match new.subject {
        SubjectKind::User => (Some(&new.subject_id), None),
        SubjectKind::Group => (None, Some(&new.subject_id)),
    };
    let id = new_id()?;
    sqlx::query(
        "INSERT INTO bindings (id, tenant_id, principal_id, group_id, role_id, namespace)
         VALUES ($1, $2, $3, $4, $5, $6)",
    )
    .bind(&id)
    .bind(tenant)
    .bind(principal)
    .bind(group)
    .bind(&new.role_id)
    .bind(new.namespace.as_deref().unwrap_or_default())
    .execute(db)
    .await
    .map_err(|error| or_conflict(error, || "this binding exists".to_owned()))?;
    Ok(id)
}

/// Binds a principal to a role in the whole tenant unless it is bound already.
pub(crate) async fn ensure(
    db: &mut Db,
    tenant: &str,
    principal: &str,
    role: &str,
) -> Result<(), Error> {
    sqlx::query(
        "INSERT INTO bindings (id, tenant_id, principal_id, role_id, namespace)
         VALUES ($1, $2, $3, $4, '')
         ON CONFLICT (tenant_id, principal_id, role_id, namespace) DO NOTHING",
    )
    .bind(new_id()?)
    .bind(tenant)
    .bind(principal)
    .bind(role)
    .execute(db)
    .await?;
    Ok(())
}

pub(crate) async fn delete(db: &mut Db, tenant: &str, id: &str) -> Result<bool, Error> {
    let deleted = sqlx::query("DELETE FROM bindings WHERE tenant_id = $1 AND id = $2")
        .bind(tenant)
        .bind(id)
        .execute(db)
        .await?;
    Ok(deleted.rows_affected() > 0)
}

/// Removes what binds a principal directly in a tenant.
pub(crate) async fn delete_of(db: &mut Db, tenant: &str, principal: &str) -> Result<(), Error> {
    sqlx::query("DELETE FROM bindings WHERE tenant_id = $1 AND principal_id = $2")
        .bind(tenant)
        .bind(principal)
        .execute(db)
        .await?;
    Ok(())
}
