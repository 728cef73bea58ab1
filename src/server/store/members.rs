//! Membership of principals in groups.

use std::collections::HashMap;

use sqlx::{FromRow, QueryBuilder};

use crate::iam::model::GroupId;
use crate::iam::wire::{Membership, MembershipKind};
use crate::server::error::Error;

use super::Db;
use super::listing::push_all;

#[derive(Debug, FromRow)]
struct Row {
    principal_id: String,
    group_id: String,
    name: String,
    membership: String,
}

impl Row {
    fn membership(self) -> Membership {
        Membership {
            id: GroupId(self.group_id),
            name: Some(self.name),
            external: false,
            membership: Some(kind_of(&self.membership)),
        }
    }
}

fn kind_of(word: &str) -> MembershipKind {
    match word {
        "OWNER" => MembershipKind::Owner,
        _ => MembershipKind::Member,
    }
}

const fn kind_word(kind: MembershipKind) -> &'static str {
    match kind {
        MembershipKind::Member => "MEMBER",
        MembershipKind::Owner => "OWNER",
    }
}

/// How a principal belongs to a group, if it does.
pub(crate) async fn kind(
    db: &mut Db,
    group: &str,
    principal: &str,
) -> Result<Option<MembershipKind>, Error> {
    let found: Option<String> = sqlx::query_scalar(
        "SELECT membership FROM memberships WHERE group_id = $1 AND principal_id = $2",
    )
    .bind(group)
    .bind(principal)
    .fetch_optional(db)
    .await?;
    Ok(found.as_deref().map(kind_of))
}

/// Adds a member; false if it is one already.
pub(crate) async fn add(db: &mut Db, group: &str, principal: &str) -> Result<bool, Error> {
    let added = sqlx::query(
        "INSERT INTO memberships (group_id, principal_id, membership, position)
         SELECT $1, $2, 'MEMBER', COALESCE(MAX(position), 0) + 1 FROM memberships WHERE principal_id = $2
         ON CONFLICT (group_id, principal_id) DO NOTHING",
    )
    .bind(group)
    .bind(principal)
    .execute(db)
    .await?;
    Ok(added.rows_affected() > 0)
}

/// Removes a member; false if it is none.
pub(crate) async fn remove(db: &mut Db, group: &str, principal: &str) -> Result<bool, Error> {
    let removed = sqlx::query("DELETE FROM memberships WHERE group_id = $1 AND principal_id = $2")
        .bind(group)
        .bind(principal)
        .execute(db)
        .await?;
    Ok(removed.rows_affected() > 0)
}

/// Removes a principal from all groups of a tenant.
pub(crate) async fn remove_all(db: &mut Db, tenant: &str, principal: &str) -> Result<(), Error> {
    sqlx::query(
        "DELETE FROM memberships WHERE principal_id = $2
         AND group_id IN (SELECT id FROM user_groups WHERE tenant_id = $1)",
    )
    .bind(tenant)
    .bind(principal)
    .execute(db)
    .await?;
    Ok(())
}

/// Makes a member an owner or the reverse; false if it is no member.
pub(crate) async fn set_kind(
    db: &mut Db,
    group: &str,
    principal: &str,
    kind: MembershipKind,
) -> Result<bool, Error> {
    let set = sqlx::query(
        "UPDATE memberships SET membership = $3 WHERE group_id = $1 AND principal_id = $2",
    )
    .bind(group)
    .bind(principal)
    .bind(kind_word(kind))
    .execute(db)
    .await?;
    Ok(set.rows_affected() > 0)
}

/// The groups of a principal in a tenant, in the order in which they were sent.
pub(crate) async fn of(
    db: &mut Db,
    tenant: &str,
    principal: &str,
) -> Result<Vec<Membership>, Error> {
    let all = of_many(db, tenant, &[principal]).await?;
    Ok(all.into_values().next().unwrap_or_default())
}

/// The same for many principals at once, by principal.
pub(crate) async fn of_many(
    db: &mut Db,
    tenant: &str,
    principals: &[&str],
) -> Result<HashMap<String, Vec<Membership>>, Error> {
    let mut sql = QueryBuilder::new(
        "SELECT m.principal_id, m.group_id, g.name, m.membership
         FROM memberships m JOIN user_groups g ON g.id = m.group_id WHERE g.tenant_id = ",
    );
    sql.push_bind(tenant.to_owned())
        .push(" AND m.principal_id IN (");
    push_all(&mut sql, principals);
    sql.push(") ORDER BY m.position, m.group_id");
    let rows: Vec<Row> = sql.build_query_as().fetch_all(db).await?;
    let mut by_principal: HashMap<String, Vec<Membership>> = HashMap::new();
    for row in rows {
        let groups = by_principal.entry(row.principal_id.clone()).or_default();
        groups.push(row.membership());
    }
    Ok(by_principal)
}

/// The groups of a principal in all tenants, as pairs of group and tenant, in the order in which they were sent.
pub(crate) async fn everywhere(
    db: &mut Db,
    principal: &str,
) -> Result<Vec<(String, String)>, Error> {
    let groups = sqlx::query_as(
        "SELECT g.id, g.tenant_id FROM memberships m JOIN user_groups g ON g.id = m.group_id
         WHERE m.principal_id = $1 ORDER BY m.position, g.id",
    );
    Ok(groups.bind(principal).fetch_all(db).await?)
}

/// Puts a principal's groups into this order.
pub(crate) async fn arrange(db: &mut Db, principal: &str, groups: &[String]) -> Result<(), Error> {
    for (group, position) in groups.iter().zip(1_i64..) {
        sqlx::query(
            "UPDATE memberships SET position = $3 WHERE group_id = $1 AND principal_id = $2",
        )
        .bind(group)
        .bind(principal)
        .bind(position)
        .execute(&mut *db)
        .await?;
    }
    Ok(())
}
