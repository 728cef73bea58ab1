//! Bodies about what somebody may do in a tenant, and by what.

use serde::{Deserialize, Serialize};

use super::{Membership, if_known, or_default};
use crate::iam::model::{PrincipalId, RoleId};

/// The effective access of one principal to one tenant.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TenantAccess {
    /// The tenant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant_id: Option<String>,
    /// The principal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<PrincipalId>,
    /// Login or account name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// For people to read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    /// Memberships in this tenant.
    #[serde(default, deserialize_with = "or_default")]
    pub groups: Vec<Membership>,
    /// Roles with where they come from.
    #[serde(default, deserialize_with = "or_default")]
    pub roles: Vec<EffectiveRole>,
    /// 1.x's word for the owner of the whole instance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub super_admin: Option<bool>,
    /// 2.x's word for the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance_owner: Option<bool>,
}

/// A role that a principal has, and why.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EffectiveRole {
    /// The role.
    pub id: RoleId,
    /// Its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The Kestra namespace; absent = the whole tenant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Bound directly, or through a group.
    #[serde(
        default,
        deserialize_with = "if_known",
        skip_serializing_if = "Option::is_none"
    )]
    pub origin: Option<Origin>,
    /// The id of the binding or of the group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_id: Option<String>,
    /// What it allows, in the words of the server's version.
    #[serde(default, deserialize_with = "or_default")]
    pub permissions: Vec<EffectivePermission>,
}

/// Where an effective role comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Origin {
    /// A binding of the principal itself.
    Binding,
    /// A binding of one of its groups.
    Group,
}

/// One resource with the actions allowed on it; 1.x says `permission`, 2.x `resource`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct EffectivePermission {
    /// 1.x's word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permission: Option<String>,
    /// 2.x's word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource: Option<String>,
    /// What may be done.
    #[serde(default, deserialize_with = "or_default")]
    pub actions: Vec<String>,
}

impl EffectivePermission {
    /// What the actions are allowed on, by the word of either version.
    #[must_use]
    pub fn on(&self) -> Option<&str> {
        self.resource.as_deref().or(self.permission.as_deref())
    }
}
