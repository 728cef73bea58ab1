//! API tokens, the same three shapes wherever they hang: under accounts, users and `me`.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use rand::rngs::SysRng;
use serde::Serialize;

use crate::iam::model::{TokenId, TokenValue};
use crate::iam::wire::{ApiToken, ApiTokenRequest, Page};
use crate::server::error::Error;
use crate::server::http::answer::page;
use crate::server::http::session::Session;
use crate::server::rules::max_age::max_age;
use crate::server::rules::names;
use crate::server::rules::token::{Lifetime, fresh_value, hash, prefix};
use crate::server::store::tokens::{self, NewToken, Token};

/// A new token: the one answer that holds its value.
pub(super) struct Issued {
    id: String,
    name: String,
    value: TokenValue,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct IssuedBody<'a> {
    id: &'a str,
    name: &'a str,
    full_token: &'a str,
}

impl IntoResponse for Issued {
    fn into_response(self) -> Response {
        let body = IssuedBody {
            id: &self.id,
            name: &self.name,
            full_token: self.value.expose(),
        };
        Json(body).into_response()
    }
}

impl Issued {
    /// For the routes that answer 201.
    pub(super) fn created(self) -> Response {
        (StatusCode::CREATED, self).into_response()
    }
}

/// Issues a token for `owner`, which the caller was found to be allowed to.
pub(super) async fn issue(
    session: &Session,
    owner: &str,
    request: ApiTokenRequest,
) -> Result<Issued, Error> {
    let name = names::label("name", request.name)?;
    let description = names::optional("description", request.description)?.unwrap_or_default();
    let max_age = max_age(request.max_age.as_deref())?;
    let exp = match max_age {
        Some(age) => Some(expiry(session, age)?),
        None => None,
    };
    let value = fresh_value(&mut SysRng)?;
    let new = NewToken {
        owner,
        name: &name,
        description: &description,
        prefix: &prefix(&value),
        hash: &hash(value.expose()),
        lifetime: Lifetime {
            exp,
            max_age,
            extended: request.extended.unwrap_or(false),
        },
    };
    let mut change = session.change().await?;
    let id = tokens::insert(&mut change, &new, session.now).await?;
    change.commit(&[owner, &id]).await?;
    Ok(Issued { id, name, value })
}

fn expiry(session: &Session, age: jiff::SignedDuration) -> Result<jiff::Timestamp, Error> {
    let exp = session.now.checked_add(age);
    exp.map_err(|_| Error::invalid("maxAge", "ends beyond the calendar: use less"))
}

/// All tokens of `owner`, the oldest first; a use shows at once, before it is written down.
pub(super) async fn list(session: &Session, owner: &str) -> Result<Json<Page<ApiToken>>, Error> {
    let mut db = session.app.store().read().await?;
    let stored = tokens::of(&mut db, owner).await?;
    let shown: Result<Vec<ApiToken>, Error> = stored
        .into_iter()
        .map(|token| show(session, token))
        .collect();
    let shown = shown?;
    let total = i64::try_from(shown.len()).unwrap_or(i64::MAX);
    Ok(page(shown, total))
}

fn show(session: &Session, token: Token) -> Result<ApiToken, Error> {
    let noted = session.app.usage().of(&token.id);
    // Never expiring (absent) stays so; otherwise the later instant counts.
    let exp = token.lifetime()?.exp.map(|exp| {
        noted
            .and_then(|mark| mark.exp)
            .map_or(exp, |noted| noted.max(exp))
    });
    let last_used = token.last_used()?.max(noted.map(|mark| mark.last_used));
    Ok(ApiToken {
        iat: Some(token.iat()?),
        id: TokenId(token.id),
        name: Some(token.name),
        description: token.description,
        prefix: Some(token.prefix),
        exp,
        last_used,
        extended: token.extended,
        expired: exp.is_some_and(|exp| exp <= session.now),
    })
}

/// Revokes a token of `owner`: from the answer on it does not work.
pub(super) async fn revoke(session: &Session, owner: &str, id: &str) -> Result<(), Error> {
    let mut change = session.change().await?;
    if !tokens::delete(&mut change, owner, id).await? {
        return Err(Error::not_found("token", id));
    }
    change.commit(&[owner]).await
}
