//! The HTTP bodies of Kestra's IAM API, shared by client and server.
//!
//! Shapes and spellings follow the OpenAPI documents of Kestra 1.3 and 2.0. Members that are absent are left out,
//! never sent as null: official clients fail on null. Unknown members are ignored in both directions.

mod users;

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};

use super::model::{BindingId, GroupId, PrincipalId, RoleId, TokenId, TokenValue};

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

/// A reference by id alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupRef {
    /// The group's id.
    pub id: GroupId,
}

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

/// Body of POST of an API token.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ApiTokenRequest {
    /// Required: `^(?=.{1,63}$)[a-z0-9]+(?:-[a-z0-9]+)*$`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Free text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Lifetime as a `java.time.Duration` (`PT720H`); absent = never expires.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_age: Option<String>,
    /// Every use moves the expiry to `maxAge` from then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extended: Option<bool>,
}

/// The one answer that holds a token's value. Only read here: the server writes it by a type of its own.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct IssuedToken {
    /// The new token's id.
    pub id: TokenId,
    /// Its name as sent.
    #[serde(default, deserialize_with = "or_default")]
    pub name: Option<String>,
    /// Shown this once.
    pub full_token: TokenValue,
}

/// An API token as lists show it: never its value.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ApiToken {
    /// The token's id.
    pub id: TokenId,
    /// Perhaps not unique.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Always sent, empty if none: Terraform fails without it.
    #[serde(default, deserialize_with = "or_default")]
    pub description: String,
    /// The first characters of the value, to tell tokens apart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    /// Issued at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iat: Option<Timestamp>,
    /// Expires at; absent = never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exp: Option<Timestamp>,
    /// Last authenticated with; absent = never.
    #[serde(default, rename = "lastUsed", skip_serializing_if = "Option::is_none")]
    pub last_used: Option<Timestamp>,
    /// Every use moves the expiry.
    #[serde(default, deserialize_with = "or_default")]
    pub extended: bool,
    /// Past its expiry.
    #[serde(default, deserialize_with = "or_default")]
    pub expired: bool,
}

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

impl ServiceAccountRequest {
    /// Whether it makes a superadmin, in either word.
    #[must_use]
    pub fn superadmin(&self) -> Option<bool> {
        self.super_admin.or(self.instance_owner)
    }
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

impl EffectivePermission {
    /// What the actions are allowed on, by the word of either version.
    #[must_use]
    pub fn on(&self) -> Option<&str> {
        self.resource.as_deref().or(self.permission.as_deref())
    }
}

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
