//! What the status of an object says about the memberships and bindings that we made.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A membership that this object brought about.
#[derive(
    Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "camelCase")]
pub struct GrantedGroup {
    /// The group's id at the backend.
    pub id: String,
    /// The group's name at the backend.
    pub name: String,
    /// True until the backend has answered: written before the request, so that no crash makes it look like someone
    /// else's.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub pending: bool,
}

/// A role binding that this object brought about. It is known by subject, role and namespace.
#[derive(
    Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "camelCase")]
pub struct GrantedBinding {
    /// The binding's id at the backend; absent until the backend has answered: the rest is written before the request,
    /// so that no crash makes it look like someone else's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The id of the account, user or group at the backend.
    pub subject_id: String,
    /// The id of the role at the backend.
    pub role_id: String,
    /// The role's name at the backend.
    pub role_name: String,
    /// The Kestra namespace; absent for the whole tenant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
}
