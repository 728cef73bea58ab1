//! What a caller shows, and whose it is.

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;

use crate::iam::model::TokenValue;
use crate::server::app::App;
use crate::server::error::Error;
use crate::server::rules::token::{Use, hash, judge_use};
use crate::server::store::principals::{self, Principal};
use crate::server::store::tokens;
use crate::server::usage::Mark;

/// The credential in a request.
enum Shown {
    Token(TokenValue),
    Password { name: String, password: TokenValue },
}

/// Finds out who calls. Everything that does not work is the same 401.
pub(crate) async fn authenticate(
    app: &App,
    headers: &HeaderMap,
    now: Timestamp,
) -> Result<Principal, Error> {
    match shown(headers).ok_or(Error::Unauthorized)? {
        Shown::Token(value) => by_token(app, &value, now).await,
        Shown::Password { name, password } => by_password(app, &name, password).await,
    }
}

fn shown(headers: &HeaderMap) -> Option<Shown> {
    let header = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, rest) = header.split_once(' ')?;
    let rest = rest.trim();
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(Shown::Token(TokenValue::new(rest.to_owned())));
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8(STANDARD.decode(rest).ok()?).ok()?;
    let (name, password) = decoded.split_once(':')?;
    Some(Shown::Password {
        name: name.to_owned(),
        password: TokenValue::new(password.to_owned()),
    })
}

async fn by_token(app: &App, value: &TokenValue, now: Timestamp) -> Result<Principal, Error> {
    let mut db = app.store().read().await?;
    let found = tokens::by_hash(&mut db, &hash(value.expose())).await?;
    drop(db);
    let tokens::Owned { token, owner } = found.ok_or(Error::Unauthorized)?;
    let noted = app.usage().of(&token.id).and_then(|mark| mark.exp);
    let exp = match judge_use(token.lifetime()?, noted, now) {
        Use::Refused => return Err(Error::Unauthorized),
        Use::Granted { exp } => exp,
        Use::Prolonged { exp } => {
            let mark = Mark {
                last_used: now,
                exp: Some(exp),
            };
            // Revoked while we looked: nobody is told that it works.
            if !tokens::prolong(app.store(), &token.id, mark).await? {
                return Err(Error::Unauthorized);
            }
            Some(exp)
        }
    };
    let mark = Mark {
        last_used: now,
        exp,
    };
    app.usage().note(&token.id, mark);
    Ok(owner)
}

async fn by_password(app: &App, name: &str, password: TokenValue) -> Result<Principal, Error> {
    let mut db = app.store().read().await?;
    let user = principals::find_by_name(&mut db, name)
        .await?
        .filter(|found| !found.is_account());
    let stored = match &user {
        Some(user) => principals::password(&mut db, &user.id).await?,
        None => None,
    };
    drop(db);
    let fits = app
        .hasher()
        .verify(password, stored.map(|stored| stored.hash))
        .await?;
    user.filter(|_| fits).ok_or(Error::Unauthorized)
}
