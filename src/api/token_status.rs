//! What the status of an object says about a token.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::is_default;
use super::schema::list_map;

/// What is known about the token of one entry.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TokenEntryStatus {
    /// Name of the entry of spec.tokens.
    pub name: String,
    /// Where the token stands.
    #[serde(flatten)]
    pub token: TokenStatus,
}

/// What is known about a token. The Secret's annotations hold the same history; this mirrors it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TokenStatus {
    /// How many tokens were issued for this entry: the current one is number so many.
    #[serde(default, skip_serializing_if = "is_default")]
    pub generation: i64,
    /// The current token's id at the backend.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The first characters of the current token, as the backend shows them in its lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    /// The Secret that holds the current token, or held the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_name: Option<String>,
    /// The Secret's version that was last found to hold the current token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_resource_version: Option<String>,
    /// When the current token was issued, on the backend's clock.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub issued_time: Option<Time>,
    /// When the current token was written into the Secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub published_time: Option<Time>,
    /// When the current token expires; absent if never. For an extended token it may be later by now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expiration_time: Option<Time>,
    /// When the current token will be replaced; absent if on request only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_rotation_time: Option<Time>,
    /// Replaced tokens that still work.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(transform = list_map(&["id"]))]
    pub retired: Vec<RetiredToken>,
    /// Since when the Secret's history is known without a gap. Tokens of ours that were issued earlier and are not in the
    /// history may still be held by someone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub history_since: Option<Time>,
    /// The value of the annotation kestra-iam.dev/rotate-requested-at that was last acted on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub handled_rotate_request: Option<String>,
    /// The value of the annotation kestra-iam.dev/compromised that was last acted on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub handled_compromised: Option<String>,
    /// All tokens with a number below this were declared compromised.
    #[serde(default, skip_serializing_if = "is_default")]
    pub compromised_generation: i64,
}

impl TokenStatus {
    /// Whether there is a current token that has not expired.
    #[must_use]
    pub fn has_token(&self, now: Timestamp) -> bool {
        let end = self.expiration_time.as_ref().map(|time| time.0);
        self.id.is_some() && end.is_none_or(|end| now < end)
    }
}

/// A replaced token that still works.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RetiredToken {
    /// The token's id at the backend.
    pub id: String,
    /// The number that it had among the tokens of its entry.
    #[serde(default, skip_serializing_if = "is_default")]
    pub generation: i64,
    /// When its successor was written into the Secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retired_time: Option<Time>,
    /// When it is revoked even if it is still being used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revoke_after_time: Option<Time>,
    /// When it expires by itself; absent if never.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expiration_time: Option<Time>,
    /// Since when its use after the overlap's minimum is known and told; absent while nothing of the kind was seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_used_time: Option<Time>,
}

/// When the first of these tokens expires, as a column of `kubectl get` shows it: an instant, `never`, or nothing where
/// there is no token yet.
#[must_use]
pub fn expires<'t>(tokens: impl IntoIterator<Item = &'t TokenStatus>) -> Option<String> {
    let current = tokens.into_iter().filter(|token| token.id.is_some());
    let times: Vec<_> = current
        .map(|token| token.expiration_time.as_ref().map(|time| time.0))
        .collect();
    match times.iter().flatten().min() {
        Some(first) => Some(format!("{first:.0}")),
        None => (!times.is_empty()).then(|| "never".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(expires: Option<i64>) -> TokenStatus {
        let at = |second| Time(Timestamp::from_second(second).unwrap());
        TokenStatus {
            id: Some("t".to_owned()),
            expiration_time: expires.map(at),
            ..TokenStatus::default()
        }
    }

    #[test]
    fn a_token_is_had_until_it_expires() {
        let at = |second| Timestamp::from_second(second).unwrap();
        assert!(token(Some(10)).has_token(at(9)));
        assert!(!token(Some(10)).has_token(at(10)));
        assert!(token(None).has_token(Timestamp::MAX));
        assert!(!TokenStatus::default().has_token(at(0)));
    }

    #[test]
    fn a_column_tells_the_first_end_or_that_there_is_none() {
        let first = [token(None), token(Some(7200)), token(Some(3600))];
        assert_eq!(expires(&first).as_deref(), Some("1970-01-01T01:00:00Z"));
        assert_eq!(expires(&[token(None)]).as_deref(), Some("never"));
        assert_eq!(expires(&[]), None);
        let unpublished = TokenStatus::default();
        assert_eq!(expires(&[unpublished]), None);
    }
}
