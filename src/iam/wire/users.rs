//! Bodies about users, tenants and the instance: what the embedded server speaks and the operator hardly needs.

use serde::{Deserialize, Serialize};

use super::{Auth, TenantRef};
use crate::iam::model::{GroupId, PrincipalId, TokenValue};

/// Body of POST, PUT and PATCH of a user. What is absent stays as it is.
#[derive(Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UserRequest {
    /// Required at POST and PUT; also the login name.
    #[serde(default)]
    pub email: Option<String>,
    /// Given name.
    #[serde(default)]
    pub first_name: Option<String>,
    /// Family name.
    #[serde(default)]
    pub last_name: Option<String>,
    /// Lets the user log in by name and password.
    #[serde(default)]
    pub password: Option<TokenValue>,
    /// 1.x's word for the owner of the whole instance.
    #[serde(default)]
    pub super_admin: Option<bool>,
    /// 2.x's word for the same.
    #[serde(default)]
    pub instance_owner: Option<bool>,
    /// A user of a demonstration.
    #[serde(default)]
    pub restricted: Option<bool>,
    /// Tenants that the user may enter.
    #[serde(default)]
    pub tenants: Option<Vec<String>>,
    /// Groups of any tenant, in the order in which they are answered.
    #[serde(default)]
    pub groups: Option<Vec<String>>,
}

impl UserRequest {
    /// Whether it makes a superadmin, in either word.
    #[must_use]
    pub fn superadmin(&self) -> Option<bool> {
        self.super_admin.or(self.instance_owner)
    }
}

/// A user.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct User {
    /// Server-made id.
    pub id: PrincipalId,
    /// The login name: the e-mail address.
    pub username: String,
    /// For people to read.
    pub display_name: String,
    /// Given name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_name: Option<String>,
    /// Family name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_name: Option<String>,
    /// E-mail address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// Tenants that the user may enter.
    #[serde(default)]
    pub tenants: Vec<TenantRef>,
    /// Ways to authenticate other than tokens.
    #[serde(default)]
    pub auths: Vec<Auth>,
    /// Groups of all tenants, in the order in which they were sent.
    #[serde(default)]
    pub groups: Vec<UserGroup>,
    /// 1.x's word for the owner of the whole instance.
    #[serde(default)]
    pub super_admin: bool,
    /// 2.x's word for the same.
    #[serde(default)]
    pub instance_owner: bool,
    /// A user of a demonstration.
    #[serde(default)]
    pub restricted: bool,
}

/// A user as lists show it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UserSummary {
    /// The user's id.
    pub id: PrincipalId,
    /// The login name.
    pub username: String,
    /// For people to read.
    pub display_name: String,
    /// Tenants that the user may enter.
    #[serde(default)]
    pub tenants: Vec<TenantRef>,
    /// Ways to authenticate other than tokens.
    #[serde(default)]
    pub auths: Vec<Auth>,
    /// 1.x's word for the owner of the whole instance.
    #[serde(default)]
    pub super_admin: bool,
    /// 2.x's word for the same.
    #[serde(default)]
    pub instance_owner: bool,
}

/// A group of a user, with its tenant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UserGroup {
    /// The group.
    pub id: GroupId,
    /// Its tenant.
    pub tenant_id: String,
}

/// Body of PATCH of one flag; which member is read depends on the route.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FlagRequest {
    /// 1.x's word for the owner of the whole instance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub super_admin: Option<bool>,
    /// 2.x's word for the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance_owner: Option<bool>,
    /// A user of a demonstration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restricted: Option<bool>,
}

impl FlagRequest {
    /// Whether it makes a superadmin, in either word.
    #[must_use]
    pub fn superadmin(&self) -> Option<bool> {
        self.super_admin.or(self.instance_owner)
    }
}

/// Body of PATCH of a user's password.
#[derive(Clone, Deserialize)]
pub struct PasswordRequest {
    /// The new one.
    pub password: TokenValue,
}

/// Body of PUT of one's own password.
#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OwnPasswordRequest {
    /// The one that counts until now.
    pub old_password: TokenValue,
    /// The one that counts from now on.
    pub new_password: TokenValue,
}

/// Body of PUT of a user's groups in one tenant: the whole list.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UserGroupsRequest {
    /// The ids.
    pub group_ids: Vec<GroupId>,
}

/// Body of POST of access to a tenant, for a user known by e-mail address.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TenantAccessRequest {
    /// The address.
    pub email: String,
}

/// A tenant, in requests and in answers.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Tenant {
    /// The path segment of its API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Its display name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// False in every answer: a tenant that is deleted is gone.
    #[serde(default)]
    pub deleted: bool,
}

/// Body of POST of the first user of a fresh instance.
#[derive(Clone, Deserialize)]
pub struct SetupRequest {
    /// The login name: an e-mail address.
    #[serde(default)]
    pub username: Option<String>,
    /// The password.
    pub password: TokenValue,
    /// The tenant that the user administers; `main` if absent.
    #[serde(default)]
    pub tenant: Option<TenantRef>,
}

/// Body of an `autocomplete`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Autocomplete {
    /// A part of the name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub q: Option<String>,
    /// What has to be among the results in any case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ids: Option<Vec<String>>,
    /// A part of the login name, for tenant access.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
}

/// Body of an `ids`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Ids {
    /// The ids.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ids: Option<Vec<String>>,
}
