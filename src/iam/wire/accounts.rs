//! Bodies about service accounts and whoever else may enter a tenant.

use serde::{Deserialize, Serialize};

use super::{GroupRef, Membership, or_default};
use crate::iam::model::PrincipalId;

/// A tenant as other objects name it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TenantRef {
    /// The tenant's id, the path segment of its API.
    pub id: String,
    /// Its display name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// A service account as both levels answer it; `tenants` at instance level, `groups` at tenant level.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServiceAccount {
    /// Server-made id.
    pub id: PrincipalId,
    /// `^(?=.{1,63}$)[a-z0-9]+(?:-[a-z0-9]+)*$`.
    pub name: String,
    /// Free text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Groups in the tenant that was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub groups: Option<Vec<GroupRef>>,
    /// Tenants that it may enter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenants: Option<Vec<TenantRef>>,
    /// 1.x's word for the owner of the whole instance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub super_admin: Option<bool>,
    /// 2.x's word for the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance_owner: Option<bool>,
}

/// Body of POST and PUT at tenant level and of POST at instance level.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServiceAccountRequest {
    /// Required.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Free text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Tenant level: the whole list; absent at PUT is taken as empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub groups: Option<Vec<GroupRef>>,
    /// Instance level, at creation only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenants: Option<Vec<String>>,
    /// 1.x's word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub super_admin: Option<bool>,
    /// 2.x's word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance_owner: Option<bool>,
}

/// One way in which a principal authenticates.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Auth {
    /// The id of this credential.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// What it is called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What it is, e.g. `BASIC_AUTH`.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
}

/// One principal of a tenant, as the lists of tenant access and of the tenant's service accounts answer it.
/// The name of a service account is in `username` here.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TenantMember {
    /// The principal's id.
    pub id: PrincipalId,
    /// The login name, or the name of a service account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// Seen in place of `username` in one SDK.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// For people to read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    /// Free text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Memberships in this tenant.
    #[serde(default, deserialize_with = "or_default")]
    pub groups: Vec<Membership>,
    /// Ways to authenticate.
    #[serde(default, deserialize_with = "or_default")]
    pub auths: Vec<Auth>,
}

impl ServiceAccountRequest {
    /// Whether it makes a superadmin, in either word.
    #[must_use]
    pub fn superadmin(&self) -> Option<bool> {
        self.super_admin.or(self.instance_owner)
    }
}
