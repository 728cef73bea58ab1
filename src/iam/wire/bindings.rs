//! Bodies about bindings: who has which role where.

use serde::{Deserialize, Serialize};

use super::if_known;
use crate::iam::model::{BindingId, GroupId, PrincipalId, RoleId};

/// What a binding binds. A service account is a `USER`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum SubjectKind {
    /// A user or a service account.
    User,
    /// A group.
    Group,
}

/// What a principal is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum PrincipalKind {
    /// A person.
    Standard,
    /// A program.
    ServiceAccount,
}

/// Body of POST of a binding. A tenant-wide one leaves `namespaceId` out: an empty string breaks Kestra.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BindingRequest {
    /// User or group.
    #[serde(rename = "type")]
    pub kind: SubjectKind,
    /// The id of the subject.
    pub external_id: String,
    /// The role that is granted.
    pub role_id: RoleId,
    /// The Kestra namespace, children included; absent = the whole tenant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace_id: Option<String>,
}

/// A binding. Deleted roles and subjects leave their member out.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Binding {
    /// Server-made id.
    pub id: BindingId,
    /// User or group.
    #[serde(rename = "type")]
    pub kind: SubjectKind,
    /// The Kestra namespace; absent = the whole tenant. (`namespaceId` in requests.)
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// The role that is granted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<RoleRef>,
    /// The subject of a `GROUP` binding.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<GroupSummary>,
    /// The subject of a `USER` binding.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<BoundUser>,
}

/// A role as a binding names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoleRef {
    /// The role's id.
    pub id: RoleId,
    /// Its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// A group as lists and bindings name it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupSummary {
    /// The group's id.
    pub id: GroupId,
    /// Its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Free text; in lists of 2.x only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// A user or service account as a binding names it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BoundUser {
    /// The principal.
    pub id: PrincipalId,
    /// Login or account name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// For people to read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    /// Person or program.
    #[serde(
        default,
        rename = "type",
        deserialize_with = "if_known",
        skip_serializing_if = "Option::is_none"
    )]
    pub kind: Option<PrincipalKind>,
}
