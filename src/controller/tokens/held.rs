//! The token in a Secret of ours, for the operator that uses it itself.

use jiff::Timestamp;

use super::TokenHolder;
use super::secret::{self, HISTORY};
use crate::controller::error::Error;
use crate::controller::kind::Pass;
use crate::iam::model::TokenValue;
use crate::plan::token::History;

/// A token of ours. It must not outlive the pass.
pub struct Held {
    /// Its value.
    pub value: TokenValue,
    /// When it was issued, if its history tells.
    pub issued: Option<Timestamp>,
}

/// The token in the Secret of this name; `None` if there is none, or the Secret is not the entry's.
pub async fn held<K: TokenHolder>(
    pass: &Pass<K>,
    entry: &str,
    name: &str,
) -> Result<Option<Held>, Error> {
    let secret = secret::read(&pass.context, pass.namespace(), name).await?;
    let Some(secret) = secret.filter(|it| secret::is_of(pass, entry, &it.metadata)) else {
        return Ok(None);
    };
    let annotations = secret.metadata.annotations.as_ref();
    let history = annotations.and_then(|annotations| annotations.get(HISTORY));
    let history = history.and_then(|text| History::parse(text));
    let value = secret::value(&secret).filter(TokenValue::is_well_formed);
    Ok(value.map(|value| Held {
        value,
        issued: history.map(|history| history.current.issued),
    }))
}
