//! Bodies about whoever asks.

use serde::{Deserialize, Serialize};

use super::{Auth, TenantRef, or_default};
use crate::iam::model::PrincipalId;

/// Who the caller is.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Me {
    /// The caller's own id.
    pub id: PrincipalId,
    /// 1.x's word for the owner of the whole instance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub super_admin: Option<bool>,
    /// 2.x's word for the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance_owner: Option<bool>,
    /// May only do what bindings say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restricted: Option<bool>,
    /// Names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<Profile>,
    /// Ways to authenticate.
    #[serde(default, deserialize_with = "or_default")]
    pub auths: Vec<Auth>,
    /// Tenants that it may enter.
    #[serde(default, deserialize_with = "or_default")]
    pub tenants: Vec<TenantRef>,
}

/// The names of a caller.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Profile {
    /// E-mail address; a user's login.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// Given name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_name: Option<String>,
    /// Family name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_name: Option<String>,
    /// Login or account name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
}
