//! The ids in paths; the tenant is read by [`super::session::InTenant`].

use serde::Deserialize;

/// `…/{id}`
#[derive(Deserialize)]
pub(crate) struct ById {
    pub(crate) id: String,
}

/// `…/{id}/api-tokens/{tokenId}`
#[derive(Deserialize)]
pub(crate) struct TokenOf {
    pub(crate) id: String,
    #[serde(rename = "tokenId")]
    pub(crate) token: String,
}

/// `…/me/api-tokens/{tokenId}`
#[derive(Deserialize)]
pub(crate) struct OwnToken {
    #[serde(rename = "tokenId")]
    pub(crate) token: String,
}

/// `…/{id}/members/{userId}`
#[derive(Deserialize)]
pub(crate) struct MemberOf {
    pub(crate) id: String,
    #[serde(rename = "userId")]
    pub(crate) user: String,
}

/// `…/{id}/auths/{auth}`
#[derive(Deserialize)]
pub(crate) struct AuthOf {
    pub(crate) id: String,
    pub(crate) auth: String,
}

/// `…/{userId}`
#[derive(Deserialize)]
pub(crate) struct ByUser {
    #[serde(rename = "userId")]
    pub(crate) user: String,
}
