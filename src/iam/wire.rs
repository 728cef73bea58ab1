//! The HTTP bodies of Kestra's IAM API, shared by client and server.
//!
//! Shapes and spellings follow the OpenAPI documents of Kestra 1.3 and 2.0. Members that are absent are left out,
//! never sent as null: official clients fail on null. Unknown members are ignored in both directions.

mod access;
mod accounts;
mod bindings;
mod groups;
mod me;
mod roles;
mod tokens;
mod users;

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};

pub use access::{EffectivePermission, EffectiveRole, Origin, TenantAccess};
pub use accounts::{Auth, ServiceAccount, ServiceAccountRequest, TenantMember, TenantRef};
pub use bindings::{
    Binding, BindingRequest, BoundUser, GroupSummary, PrincipalKind, RoleRef, SubjectKind,
};
pub use groups::{Group, GroupMember, GroupRef, GroupRequest, Membership, MembershipKind};
pub use me::{Me, Profile};
pub use roles::{Role, RoleRequest, RoleSummary};
pub use tokens::{ApiToken, ApiTokenRequest, IssuedToken};
pub use users::{
    Autocomplete, FlagRequest, Ids, OwnPasswordRequest, PasswordRequest, SetupRequest, Tenant,
    TenantAccessRequest, User, UserGroup, UserGroupsRequest, UserRequest, UserSummary,
};

/// What a role allows: resource to actions, both free strings, in the order in which they were sent.
pub type Permissions = BTreeMap<String, Vec<String>>;

/// Takes null for a member's default: the backend leaves absent members out, but nothing promises it.
fn or_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

/// Takes a word that is not known yet for an absent one, so that a newer backend does not spoil a whole list.
fn if_known<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned,
{
    let value = serde_json::Value::deserialize(deserializer)?;
    Ok(serde_json::from_value(value).ok())
}

/// One page of a list. `total` counts what matches over all pages.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Page<T> {
    /// The items of this page. Required: an answer without it is no list.
    pub results: Vec<T>,
    /// How many items there are in all; absent in some lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total: Option<i64>,
}

/// What an instance says of itself.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Configs {
    /// Tells instances apart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uuid: Option<String>,
    /// E.g. `1.3.26`, `2.0.0-rc11`, `develop`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// `EE` or `OSS`; the open-source edition has no IAM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edition: Option<String>,
}

/// Micronaut's error body.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct JsonError {
    /// What went wrong, for people.
    #[serde(default, deserialize_with = "or_default")]
    pub message: String,
}

macro_rules! owns_instance {
    ($($answer:ident),+) => {$(
        impl $answer {
            /// Whether it owns the whole instance, by the word of either version.
            #[must_use]
            pub fn is_superadmin(&self) -> bool {
                [self.super_admin, self.instance_owner].contains(&Some(true))
            }
        }
    )+};
}

owns_instance!(ServiceAccount, TenantAccess, Me);

impl Configs {
    /// Whether the instance calls itself the open-source edition, which answers 404 to all of IAM.
    #[must_use]
    pub fn is_open_source(&self) -> bool {
        self.edition.as_deref() == Some("OSS")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_without_results_is_no_empty_list() {
        assert!(serde_json::from_str::<Page<ApiToken>>(r#"{"status":"ok"}"#).is_err());
    }

    #[test]
    fn null_is_taken_for_absent() {
        let member: TenantMember =
            serde_json::from_str(r#"{"id":"a","groups":null,"auths":null}"#).unwrap();
        assert!(member.groups.is_empty() && member.auths.is_empty());
    }

    #[test]
    fn a_word_of_a_newer_version_is_taken_for_absent() {
        let known: Membership = serde_json::from_str(r#"{"id":"g","membership":"OWNER"}"#).unwrap();
        let newer: Membership = serde_json::from_str(r#"{"id":"g","membership":"CHIEF"}"#).unwrap();
        assert_eq!(
            (known.membership, newer.membership),
            (Some(MembershipKind::Owner), None)
        );
    }

    #[test]
    fn either_version_tells_the_owner_of_the_instance() {
        for (body, owner) in [
            (r#"{"id":"a","superAdmin":true}"#, true),
            (r#"{"id":"a","instanceOwner":true}"#, true),
            (
                r#"{"id":"a","superAdmin":false,"instanceOwner":false}"#,
                false,
            ),
            (r#"{"id":"a"}"#, false),
        ] {
            let me: Me = serde_json::from_str(body).unwrap();
            assert_eq!(me.is_superadmin(), owner, "{body}");
        }
    }
}
