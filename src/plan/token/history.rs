//! The history of an entry's tokens, as the Secret's annotation holds it. It is the memory that survives everything:
//! only what it names is ever revoked.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::iam::model::TokenId;

/// Nobody lives to see so many tokens of an entry: who writes a higher number is not us, and names are made of it.
const MAX_GENERATION: i64 = 1_000_000_000;

/// What is known about the tokens of one entry, written in the same request as the token's value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct History {
    /// The token in this Secret.
    pub current: Current,
    /// The replaced token whose value is in this Secret too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<Previous>,
    /// Tokens that were replaced or never published. Those that were revoked are dropped with the next issue.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub retired: Vec<Retired>,
    /// The value of the annotation `rotate-requested-at` that this token answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rotate: Option<String>,
    /// The value of the annotation `compromised` that this token, or one before it, answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compromised: Option<String>,
    /// All tokens of a generation below this were declared compromised.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub condemned: i64,
    /// When the latest tokens were issued out of turn: what keeps a loop of issues slow.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unscheduled: Vec<Timestamp>,
}

/// The token in a Secret. All times are on the backend's clock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Current {
    /// Its id at the backend.
    pub id: TokenId,
    /// The operator's counter for the entry.
    pub generation: i64,
    /// The first characters of its value, if the backend shows them and they are so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    /// When it was issued.
    pub issued: Timestamp,
    /// When it expires, as granted; absent = never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Timestamp>,
    /// When the request that published it was sent.
    pub published: Timestamp,
    /// The lifetime that was asked for, in seconds; absent = never expires.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked: Option<i64>,
    /// Whether its use prolongs it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub extended: bool,
    /// What its owner's permissions came from when it was issued ([`super::rights()`]), if changes of it matter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rights: Option<String>,
    /// How long it goes on working once its entry is removed, and nobody says so any more: the overlap's minimum, in
    /// seconds.
    #[serde(default)]
    pub farewell: i64,
}

/// A replaced token whose value is still in the Secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Previous {
    /// Its id at the backend.
    pub id: TokenId,
    /// The first characters of its value, if they are known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
}

/// A token that is to be revoked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Retired {
    /// Its id at the backend.
    pub id: TokenId,
    /// The operator's counter for the entry.
    pub generation: i64,
    /// When it was issued.
    pub issued: Timestamp,
    /// When it expires by itself; absent = never, or later with each use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Timestamp>,
    /// When the request that retired it was sent.
    pub retired: Timestamp,
    /// When it may be revoked.
    pub end: End,
}

/// When a retired token may be revoked. One that is condemned besides has no overlap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum End {
    /// After the overlap: somebody may hold it.
    Overlap,
    /// As soon as no publish of it can be under way any more: nobody ever held it, or nobody may.
    Settled,
}

impl History {
    /// Reads the annotation; `None` if it is not as it was written.
    #[must_use]
    pub fn parse(annotation: &str) -> Option<Self> {
        let history: Self = serde_json::from_str(annotation).ok()?;
        let retired = history.retired.iter().map(|retired| retired.generation);
        let mut generations = retired.chain([history.current.generation]);
        let is_plausible = generations.all(|it| (1..=MAX_GENERATION).contains(&it));
        is_plausible.then_some(history)
    }

    /// The annotation's text.
    ///
    /// # Errors
    /// None that can happen: the type has no map keys but strings.
    pub fn to_annotation(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(self)
    }

    /// Whether it names this token at all.
    #[must_use]
    pub fn names(&self, id: &TokenId) -> bool {
        self.current.id == *id || self.retires(id)
    }

    /// Whether it names this token as retired.
    #[must_use]
    pub fn retires(&self, id: &TokenId) -> bool {
        self.retired.iter().any(|retired| retired.id == *id)
    }

    /// The highest generation that it names.
    #[must_use]
    pub fn generation(&self) -> i64 {
        let retired = self.retired.iter().map(|retired| retired.generation);
        retired.fold(self.current.generation, i64::max)
    }
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "the signature that serde asks for"
)]
fn is_zero(number: &i64) -> bool {
    *number == 0
}
