//! Tenant access, and what it comes to together with bindings and groups.

use sqlx::FromRow;

use crate::iam::wire::Permissions;
use crate::server::error::Error;
use crate::server::options::Compat;
use crate::server::rules::access::{Access, Grant};
use crate::server::rules::managed;

use super::Db;
use super::principals::Principal;

/// A binding as it counts for somebody: directly, or through a group.
#[derive(Debug, FromRow)]
pub(crate) struct Bound {
    pub(crate) binding_id: String,
    pub(crate) group_id: Option<String>,
    /// Empty for the whole tenant.
    namespace: String,
    pub(crate) role_id: String,
    pub(crate) role_name: String,
    permissions: String,
}

impl Bound {
    pub(crate) fn namespace(&self) -> Option<String> {
        Some(self.namespace.clone()).filter(|namespace| !namespace.is_empty())
    }

    pub(crate) fn permissions(&self) -> Result<Permissions, Error> {
        read_permissions(&self.permissions)
    }

    fn grant(&self, compat: Compat, tenant: &str) -> Result<Grant, Error> {
        grant(
            compat,
            tenant,
            &self.role_id,
            &self.permissions,
            self.namespace(),
        )
    }
}

/// What a binding to this role grants.
pub(crate) fn grant(
    compat: Compat,
    tenant: &str,
    role: &str,
    permissions: &str,
    namespace: Option<String>,
) -> Result<Grant, Error> {
    if role == managed::admin_of(tenant) {
        return Ok(Grant::everything(namespace));
    }
    Ok(Grant::of(compat, read_permissions(permissions)?, namespace))
}

/// A role's permissions as they are stored.
pub(crate) fn read_permissions(json: &str) -> Result<Permissions, Error> {
    serde_json::from_str(json).map_err(|_| Error::Corrupt("permissions"))
}

pub(crate) async fn exists(db: &mut Db, tenant: &str, principal: &str) -> Result<bool, Error> {
    let exists = sqlx::query_scalar(
        "SELECT EXISTS (SELECT 1 FROM tenant_access WHERE tenant_id = $1 AND principal_id = $2)",
    );
    Ok(exists.bind(tenant).bind(principal).fetch_one(db).await?)
}

/// Lets a principal into a tenant; false if it was in already.
pub(crate) async fn put(db: &mut Db, tenant: &str, principal: &str) -> Result<bool, Error> {
    let put = sqlx::query(
        "INSERT INTO tenant_access (tenant_id, principal_id) VALUES ($1, $2)
         ON CONFLICT (tenant_id, principal_id) DO NOTHING",
    )
    .bind(tenant)
    .bind(principal)
    .execute(db)
    .await?;
    Ok(put.rows_affected() > 0)
}

/// Shuts a principal out of a tenant; false if it was not in.
pub(crate) async fn delete(db: &mut Db, tenant: &str, principal: &str) -> Result<bool, Error> {
    let deleted =
        sqlx::query("DELETE FROM tenant_access WHERE tenant_id = $1 AND principal_id = $2")
            .bind(tenant)
            .bind(principal)
            .execute(db)
            .await?;
    Ok(deleted.rows_affected() > 0)
}

/// The bindings that count for a principal in a tenant, its own and those of its groups.
pub(crate) async fn bound(db: &mut Db, tenant: &str, principal: &str) -> Result<Vec<Bound>, Error> {
    let bound = sqlx::query_as(
        "SELECT b.id AS binding_id, b.group_id, b.namespace, r.id AS role_id, r.name AS role_name, r.permissions
         FROM bindings b JOIN roles r ON r.id = b.role_id
         WHERE b.tenant_id = $1 AND b.principal_id = $2
         UNION ALL
         SELECT b.id, b.group_id, b.namespace, r.id, r.name, r.permissions
         FROM memberships m JOIN bindings b ON b.group_id = m.group_id JOIN roles r ON r.id = b.role_id
         WHERE b.tenant_id = $1 AND m.principal_id = $2",
    );
    Ok(bound.bind(tenant).bind(principal).fetch_all(db).await?)
}

/// What membership in a group grants.
pub(crate) async fn granted_by_group(
    db: &mut Db,
    compat: Compat,
    tenant: &str,
    group: &str,
) -> Result<Vec<Grant>, Error> {
    let bound: Vec<Bound> = sqlx::query_as(
        "SELECT b.id AS binding_id, b.group_id, b.namespace, r.id AS role_id, r.name AS role_name, r.permissions
         FROM bindings b JOIN roles r ON r.id = b.role_id
         WHERE b.tenant_id = $1 AND b.group_id = $2",
    )
    .bind(tenant)
    .bind(group)
    .fetch_all(db)
    .await?;
    bound
        .iter()
        .map(|bound| bound.grant(compat, tenant))
        .collect()
}

/// What is bound to a principal in a tenant, whether or not it may enter.
pub(crate) async fn granted_to(
    db: &mut Db,
    compat: Compat,
    tenant: &str,
    principal: &str,
) -> Result<Vec<Grant>, Error> {
    let bound = bound(db, tenant, principal).await?;
    bound
        .iter()
        .map(|bound| bound.grant(compat, tenant))
        .collect()
}

/// What a principal has in a tenant.
pub(crate) async fn of(
    db: &mut Db,
    compat: Compat,
    tenant: &str,
    principal: &Principal,
) -> Result<Access, Error> {
    let grants = if exists(db, tenant, &principal.id).await? {
        granted_to(db, compat, tenant, &principal.id).await?
    } else {
        Vec::new()
    };
    Ok(Access {
        compat,
        is_superadmin: principal.super_admin,
        grants,
    })
}
