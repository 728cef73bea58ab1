//! API tokens: hashes, never values.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};
use sqlx::FromRow;

use crate::server::error::Error;
use crate::server::rules::token::Lifetime;
use crate::server::usage::Mark;

use super::principals::Principal;
use super::{Db, Store, instant, new_id};

/// A token as it is stored.
#[derive(Debug, FromRow)]
pub(crate) struct Token {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) prefix: String,
    iat: i64,
    max_age: Option<i64>,
    exp: Option<i64>,
    pub(crate) extended: bool,
    last_used: Option<i64>,
}

impl Token {
    pub(crate) fn iat(&self) -> Result<Timestamp, Error> {
        instant(self.iat)
    }

    pub(crate) fn last_used(&self) -> Result<Option<Timestamp>, Error> {
        self.last_used.map(instant).transpose()
    }

    pub(crate) fn lifetime(&self) -> Result<Lifetime, Error> {
        Ok(Lifetime {
            exp: self.exp.map(instant).transpose()?,
            max_age: self.max_age.map(SignedDuration::from_millis),
            extended: self.extended,
        })
    }
}

/// A token together with its owner.
#[derive(Debug)]
pub(crate) struct Owned {
    pub(crate) token: Token,
    pub(crate) owner: Principal,
}

/// What a new token starts with.
#[derive(Debug)]
pub(crate) struct NewToken<'a> {
    pub(crate) owner: &'a str,
    pub(crate) name: &'a str,
    pub(crate) description: &'a str,
    pub(crate) prefix: &'a str,
    pub(crate) hash: &'a str,
    pub(crate) lifetime: Lifetime,
}

/// The token whose value has this hash, if its owner is still there.
pub(crate) async fn by_hash(db: &mut Db, hash: &str) -> Result<Option<Owned>, Error> {
    let found: Option<Token> = sqlx::query_as("SELECT * FROM tokens WHERE hash = $1")
        .bind(hash)
        .fetch_optional(&mut *db)
        .await?;
    let Some(token) = found else {
        return Ok(None);
    };
    let owner: Option<Principal> = sqlx::query_as(
        "SELECT p.* FROM principals p JOIN tokens t ON t.principal_id = p.id WHERE t.id = $1",
    )
    .bind(&token.id)
    .fetch_optional(db)
    .await?;
    Ok(owner.map(|owner| Owned { token, owner }))
}

/// All tokens of an owner, the oldest first.
pub(crate) async fn of(db: &mut Db, owner: &str) -> Result<Vec<Token>, Error> {
    let tokens = sqlx::query_as("SELECT * FROM tokens WHERE principal_id = $1 ORDER BY seq");
    Ok(tokens.bind(owner).fetch_all(db).await?)
}

pub(crate) async fn insert(
    db: &mut Db,
    new: &NewToken<'_>,
    now: Timestamp,
) -> Result<String, Error> {
    let id = new_id()?;
    sqlx::query(
        "INSERT INTO tokens (id, principal_id, name, description, prefix, hash, iat, max_age, exp, extended)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
    )
    .bind(&id)
    .bind(new.owner)
    .bind(new.name)
    .bind(new.description)
    .bind(new.prefix)
    .bind(new.hash)
    .bind(now.as_millisecond())
    .bind(new.lifetime.max_age.map(millis))
    .bind(new.lifetime.exp.map(Timestamp::as_millisecond))
    .bind(new.lifetime.extended)
    .execute(db)
    .await?;
    Ok(id)
}

/// Revokes a token of this owner.
pub(crate) async fn delete(db: &mut Db, owner: &str, id: &str) -> Result<bool, Error> {
    let deleted = sqlx::query("DELETE FROM tokens WHERE principal_id = $1 AND id = $2")
        .bind(owner)
        .bind(id)
        .execute(db)
        .await?;
    Ok(deleted.rows_affected() > 0)
}

/// Revokes the tokens of this owner that have this name.
pub(crate) async fn delete_named(db: &mut Db, owner: &str, name: &str) -> Result<(), Error> {
    sqlx::query("DELETE FROM tokens WHERE principal_id = $1 AND name = $2")
        .bind(owner)
        .bind(name)
        .execute(db)
        .await?;
    Ok(())
}

/// Stores a use before anyone is told of it; false if the token is gone by now.
pub(crate) async fn prolong(store: &Store, id: &str, mark: Mark) -> Result<bool, Error> {
    let mut tx = store.write().await?;
    let there = write_mark(&mut tx, id, mark).await?;
    tx.commit().await?;
    Ok(there)
}

/// Writes down many uses in one transaction. Tokens that are gone are passed over.
pub(crate) async fn write_usage(store: &Store, marks: &HashMap<String, Mark>) -> Result<(), Error> {
    let mut tx = store.write().await?;
    for (id, mark) in marks {
        write_mark(&mut tx, id, *mark).await?;
    }
    Ok(tx.commit().await?)
}

/// Neither instant ever moves back.
async fn write_mark(db: &mut Db, id: &str, mark: Mark) -> Result<bool, Error> {
    let written = sqlx::query(
        "UPDATE tokens SET last_used = CASE WHEN last_used > $2 THEN last_used ELSE $2 END,
                           exp = CASE WHEN exp < $3 THEN $3 ELSE exp END
         WHERE id = $1",
    )
    .bind(id)
    .bind(mark.last_used.as_millisecond())
    .bind(mark.exp.map(Timestamp::as_millisecond))
    .execute(db)
    .await?;
    Ok(written.rows_affected() > 0)
}

fn millis(age: SignedDuration) -> i64 {
    i64::try_from(age.as_millis()).unwrap_or(i64::MAX)
}
