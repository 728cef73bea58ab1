//! Principals: users and service accounts, with their passwords.

use std::collections::HashMap;

use sqlx::{FromRow, QueryBuilder, Sqlite};

use crate::iam::wire::PrincipalKind;
use crate::server::error::Error;

use super::listing::{Column, Columns, Listing, page, push_all};
use super::{Db, new_id, or_conflict};

/// A user or a service account.
#[derive(Clone, Debug, FromRow)]
pub(crate) struct Principal {
    pub(crate) id: String,
    kind: String,
    /// The name of an account, the e-mail address of a user.
    pub(crate) username: String,
    pub(crate) email: Option<String>,
    pub(crate) first_name: Option<String>,
    pub(crate) last_name: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) super_admin: bool,
    pub(crate) restricted: bool,
}

impl Principal {
    pub(crate) fn kind(&self) -> PrincipalKind {
        kind_of(&self.kind)
    }

    pub(crate) fn is_account(&self) -> bool {
        self.kind() == PrincipalKind::ServiceAccount
    }

    /// The name for people to read.
    pub(crate) fn display_name(&self) -> String {
        display_name(
            &self.username,
            self.first_name.as_deref(),
            self.last_name.as_deref(),
        )
    }
}

/// The name for people to read: the full name, or else the login name.
pub(crate) fn display_name(
    username: &str,
    first_name: Option<&str>,
    last_name: Option<&str>,
) -> String {
    let names: Vec<&str> = [first_name, last_name].into_iter().flatten().collect();
    if names.is_empty() {
        username.to_owned()
    } else {
        names.join(" ")
    }
}

/// The kind that a word of the database stands for.
pub(crate) fn kind_of(word: &str) -> PrincipalKind {
    match word {
        "SERVICE_ACCOUNT" => PrincipalKind::ServiceAccount,
        _ => PrincipalKind::Standard,
    }
}

/// What a new principal starts with.
#[derive(Debug)]
pub(crate) struct NewPrincipal {
    pub(crate) kind: PrincipalKind,
    pub(crate) username: String,
    pub(crate) email: Option<String>,
    pub(crate) first_name: Option<String>,
    pub(crate) last_name: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) super_admin: bool,
    pub(crate) restricted: bool,
}

impl NewPrincipal {
    /// A service account.
    pub(crate) fn account(name: String, description: Option<String>) -> Self {
        Self {
            description,
            ..Self::named(PrincipalKind::ServiceAccount, name)
        }
    }

    /// A user, whose login name is the e-mail address.
    pub(crate) fn user(email: String) -> Self {
        Self {
            email: Some(email.clone()),
            ..Self::named(PrincipalKind::Standard, email)
        }
    }

    fn named(kind: PrincipalKind, username: String) -> Self {
        Self {
            kind,
            username,
            email: None,
            first_name: None,
            last_name: None,
            description: None,
            super_admin: false,
            restricted: false,
        }
    }
}

const fn kind_word(kind: PrincipalKind) -> &'static str {
    match kind {
        PrincipalKind::Standard => "STANDARD",
        PrincipalKind::ServiceAccount => "SERVICE_ACCOUNT",
    }
}

const COLUMNS: Columns = Columns {
    fields: &[
        (
            "q",
            Column::AnyOf(&["p.username", "p.first_name", "p.last_name"]),
        ),
        ("id", Column::Text("p.id")),
        ("name", Column::Text("p.username")),
        ("username", Column::Text("p.username")),
        ("email", Column::Text("p.email")),
        ("firstName", Column::Text("p.first_name")),
        ("lastName", Column::Text("p.last_name")),
        ("description", Column::Text("p.description")),
        ("type", Column::Text("p.kind")),
        (
            "superAdmin",
            Column::Text("CASE WHEN p.super_admin THEN 'true' ELSE 'false' END"),
        ),
        (
            "groupList",
            Column::In {
                from: "memberships m WHERE m.principal_id = p.id",
                value: "m.group_id",
            },
        ),
    ],
    order: "p.seq",
};

/// Every principal of a kind, whatever tenants it may enter.
pub(crate) async fn list(
    db: &mut Db,
    kind: PrincipalKind,
    listing: &Listing,
) -> Result<(Vec<Principal>, i64), Error> {
    let of_kind = |sql: &mut QueryBuilder<Sqlite>| {
        sql.push("FROM principals p WHERE p.kind = ")
            .push_bind(kind_word(kind));
    };
    page(db, "SELECT p.*", of_kind, &COLUMNS, listing).await
}

/// The principals that may enter a tenant.
pub(crate) async fn list_in_tenant(
    db: &mut Db,
    tenant: &str,
    kind: Option<PrincipalKind>,
    listing: &Listing,
) -> Result<(Vec<Principal>, i64), Error> {
    let of_tenant = |sql: &mut QueryBuilder<Sqlite>| {
        sql.push(
            "FROM tenant_access a JOIN principals p ON p.id = a.principal_id WHERE a.tenant_id = ",
        );
        sql.push_bind(tenant.to_owned());
        if let Some(kind) = kind {
            sql.push(" AND p.kind = ").push_bind(kind_word(kind));
        }
    };
    page(db, "SELECT p.*", of_tenant, &COLUMNS, listing).await
}

/// The members of a group.
pub(crate) async fn list_in_group(
    db: &mut Db,
    group: &str,
    listing: &Listing,
) -> Result<(Vec<Principal>, i64), Error> {
    let of_group = |sql: &mut QueryBuilder<Sqlite>| {
        sql.push(
            "FROM memberships g JOIN principals p ON p.id = g.principal_id WHERE g.group_id = ",
        );
        sql.push_bind(group.to_owned());
    };
    page(db, "SELECT p.*", of_group, &COLUMNS, listing).await
}

pub(crate) async fn find(db: &mut Db, id: &str) -> Result<Option<Principal>, Error> {
    let found = sqlx::query_as("SELECT * FROM principals WHERE id = $1");
    Ok(found.bind(id).fetch_optional(db).await?)
}

pub(crate) async fn find_by_name(db: &mut Db, username: &str) -> Result<Option<Principal>, Error> {
    let found = sqlx::query_as("SELECT * FROM principals WHERE username = $1");
    Ok(found.bind(username).fetch_optional(db).await?)
}

/// A principal of this kind, or 404.
pub(crate) async fn get(db: &mut Db, kind: PrincipalKind, id: &str) -> Result<Principal, Error> {
    let found = find(db, id).await?.filter(|found| found.kind() == kind);
    found.ok_or_else(|| match kind {
        PrincipalKind::Standard => Error::not_found("user", id),
        PrincipalKind::ServiceAccount => Error::not_found("service account", id),
    })
}

pub(crate) async fn insert(db: &mut Db, new: NewPrincipal) -> Result<Principal, Error> {
    let NewPrincipal { username, .. } = &new;
    let taken = || format!("the name '{username}' is taken");
    sqlx::query_as(
        "INSERT INTO principals (id, kind, username, email, first_name, last_name, description, super_admin,
                                 restricted)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) RETURNING *",
    )
    .bind(new_id()?)
    .bind(kind_word(new.kind))
    .bind(username)
    .bind(&new.email)
    .bind(&new.first_name)
    .bind(&new.last_name)
    .bind(&new.description)
    .bind(new.super_admin)
    .bind(new.restricted)
    .fetch_one(db)
    .await
    .map_err(|error| or_conflict(error, taken))
}

/// Writes names, description and flags of a principal that was read and changed.
pub(crate) async fn update(db: &mut Db, principal: &Principal) -> Result<(), Error> {
    sqlx::query(
        "UPDATE principals SET username = $2, email = $3, first_name = $4, last_name = $5, description = $6,
                               super_admin = $7, restricted = $8
         WHERE id = $1",
    )
    .bind(&principal.id)
    .bind(&principal.username)
    .bind(&principal.email)
    .bind(&principal.first_name)
    .bind(&principal.last_name)
    .bind(&principal.description)
    .bind(principal.super_admin)
    .bind(principal.restricted)
    .execute(db)
    .await
    .map_err(|error| or_conflict(error, || format!("the name '{}' is taken", principal.username)))?;
    Ok(())
}

/// Removes a principal with its tokens, memberships, bindings and access.
pub(crate) async fn delete(db: &mut Db, id: &str) -> Result<(), Error> {
    sqlx::query("DELETE FROM principals WHERE id = $1")
        .bind(id)
        .execute(db)
        .await?;
    Ok(())
}

/// How many superadmins there are besides this one.
pub(crate) async fn other_superadmins(db: &mut Db, id: &str) -> Result<i64, Error> {
    let others =
        sqlx::query_scalar("SELECT COUNT(*) FROM principals WHERE super_admin AND id <> $1");
    Ok(others.bind(id).fetch_one(db).await?)
}

/// Whether there is anybody yet.
pub(crate) async fn anybody(db: &mut Db) -> Result<bool, Error> {
    let anybody = sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM principals)");
    Ok(anybody.fetch_one(db).await?)
}

/// A user's password: the id of this way to authenticate, and the hash.
#[derive(Debug, FromRow)]
pub(crate) struct Password {
    principal_id: String,
    pub(crate) id: String,
    pub(crate) hash: String,
}

pub(crate) async fn password(db: &mut Db, principal: &str) -> Result<Option<Password>, Error> {
    let mut all = passwords(db, &[principal]).await?;
    Ok(all.remove(principal))
}

/// The passwords of these principals, by principal.
pub(crate) async fn passwords(
    db: &mut Db,
    principals: &[&str],
) -> Result<HashMap<String, Password>, Error> {
    let mut sql =
        QueryBuilder::new("SELECT principal_id, id, hash FROM passwords WHERE principal_id IN (");
    push_all(&mut sql, principals);
    sql.push(")");
    let found: Vec<Password> = sql.build_query_as().fetch_all(db).await?;
    let by_principal = found
        .into_iter()
        .map(|password| (password.principal_id.clone(), password));
    Ok(by_principal.collect())
}

/// Sets a password or replaces it; the id of this way to authenticate stays.
pub(crate) async fn set_password(db: &mut Db, principal: &str, hash: &str) -> Result<(), Error> {
    sqlx::query(
        "INSERT INTO passwords (id, principal_id, hash) VALUES ($1, $2, $3)
         ON CONFLICT (principal_id) DO UPDATE SET hash = excluded.hash",
    )
    .bind(new_id()?)
    .bind(principal)
    .bind(hash)
    .execute(db)
    .await?;
    Ok(())
}

pub(crate) async fn delete_password(db: &mut Db, principal: &str, id: &str) -> Result<bool, Error> {
    let deleted = sqlx::query("DELETE FROM passwords WHERE principal_id = $1 AND id = $2")
        .bind(principal)
        .bind(id)
        .execute(db)
        .await?;
    Ok(deleted.rows_affected() > 0)
}
