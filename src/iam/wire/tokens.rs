//! Bodies about API tokens.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::or_default;
use crate::iam::model::{TokenId, TokenValue};

/// Body of POST of an API token.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ApiTokenRequest {
    /// Required: `^(?=.{1,63}$)[a-z0-9]+(?:-[a-z0-9]+)*$`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Free text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Lifetime as a `java.time.Duration` (`PT720H`); absent = never expires.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_age: Option<String>,
    /// Every use moves the expiry to `maxAge` from then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extended: Option<bool>,
}

/// The one answer that holds a token's value. Only read here: the server writes it by a type of its own.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct IssuedToken {
    /// The new token's id.
    pub id: TokenId,
    /// Its name as sent.
    #[serde(default, deserialize_with = "or_default")]
    pub name: Option<String>,
    /// Shown this once.
    pub full_token: TokenValue,
}

/// An API token as lists show it: never its value.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ApiToken {
    /// The token's id.
    pub id: TokenId,
    /// Perhaps not unique.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Always sent, empty if none: Terraform fails without it.
    #[serde(default, deserialize_with = "or_default")]
    pub description: String,
    /// The first characters of the value, to tell tokens apart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    /// Issued at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iat: Option<Timestamp>,
    /// Expires at; absent = never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exp: Option<Timestamp>,
    /// Last authenticated with; absent = never.
    #[serde(default, rename = "lastUsed", skip_serializing_if = "Option::is_none")]
    pub last_used: Option<Timestamp>,
    /// Every use moves the expiry.
    #[serde(default, deserialize_with = "or_default")]
    pub extended: bool,
    /// Past its expiry.
    #[serde(default, deserialize_with = "or_default")]
    pub expired: bool,
}
