//! Bodies about groups and who is in them.

use serde::{Deserialize, Serialize};

use super::{if_known, or_default};
use crate::iam::model::{GroupId, PrincipalId};

/// A reference by id alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupRef {
    /// The group's id.
    pub id: GroupId,
}

/// A membership as its member shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Membership {
    /// The group.
    pub id: GroupId,
    /// Its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Comes from an identity provider: not ours to change.
    #[serde(default, deserialize_with = "or_default")]
    pub external: bool,
    /// `MEMBER` or `OWNER`; absent in lists of tenant members.
    #[serde(
        default,
        deserialize_with = "if_known",
        skip_serializing_if = "Option::is_none"
    )]
    pub membership: Option<MembershipKind>,
}

/// Whether a member may manage the group's members.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum MembershipKind {
    /// Has the group's rights.
    Member,
    /// Has the group's rights and manages its members.
    Owner,
}

/// A group.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Group {
    /// Server-made id.
    pub id: GroupId,
    /// Unique in its tenant; free text.
    pub name: String,
    /// Free text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// Body of POST and PUT of a group.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GroupRequest {
    /// Required.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Free text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// First members, at creation only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub members_id: Option<Vec<PrincipalId>>,
}

/// A member as the group shows it; `groups` lists all of the member's groups in the tenant.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GroupMember {
    /// The principal.
    pub id: PrincipalId,
    /// Login or account name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// For people to read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    /// All memberships in this tenant.
    #[serde(default, deserialize_with = "or_default")]
    pub groups: Vec<Membership>,
}
