//! Bodies about roles and what they allow.

use serde::{Deserialize, Serialize};

use super::{Permissions, or_default};
use crate::iam::model::RoleId;

/// A role with its permissions.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Role {
    /// Server-made id; `<name>_<tenant>` for managed ones.
    pub id: RoleId,
    /// Not unique by contract.
    pub name: String,
    /// Free text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// What it allows, as it was sent.
    #[serde(default, deserialize_with = "or_default")]
    pub permissions: Permissions,
    /// Given to new users; one per tenant.
    #[serde(default, deserialize_with = "or_default")]
    pub is_default: bool,
    /// Kestra's own: cannot be changed.
    #[serde(default, deserialize_with = "or_default")]
    pub is_managed: bool,
    /// Only in the answer of `roles/ids`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deleted: Option<bool>,
}

/// A role as lists name it: without permissions.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RoleSummary {
    /// The role's id.
    pub id: RoleId,
    /// Its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Given to new users.
    #[serde(default, deserialize_with = "or_default")]
    pub is_default: bool,
    /// Kestra's own.
    #[serde(default, deserialize_with = "or_default")]
    pub is_managed: bool,
    /// How many permissions it has; 2.x only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permission_count: Option<usize>,
}

/// Body of POST and PUT of a role: full replacement.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RoleRequest {
    /// Required.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Free text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Required, at least one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permissions: Option<Permissions>,
    /// Whether new users get it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub is_default: Option<bool>,
}
