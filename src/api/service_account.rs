//! `ServiceAccount`: an account, its groups, its direct roles, its tokens.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::CustomResource;
use kube::core::Rule;
use schemars::{JsonSchema, Schema};
use serde::{Deserialize, Serialize};

use super::grant::{GrantedBinding, GrantedGroup};
use super::policy::{AdoptionPolicy, DeletionPolicy};
use super::reference::{GroupRef, InstanceRef, RoleGrant};
use super::schema::{account_name, description, list_atomic, list_map, must, set_once, unchanged};
use super::token::TokenEntry;
use super::token_status::TokenEntryStatus;

/// The account at the backend, what it may do, and its tokens.
#[derive(
    CustomResource, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema,
)]
#[kube(
    group = "kestra-iam.dev",
    version = "v1alpha1",
    kind = "ServiceAccount",
    namespaced,
    status = "ServiceAccountStatus",
    derive = "PartialEq",
    shortname = "ksa",
    category = "kestra-iam",
    doc = "An account for a program at a Kestra instance: its groups, its roles, and API tokens that are kept alive in \
           Secrets.",
    selectable = ".spec.instanceRef.kind",
    selectable = ".spec.instanceRef.name",
    selectable = ".spec.accountName",
    validation = name_fits_label(),
    validation = name_fits_account(),
    validation = generated_secrets_are_distinct(),
)]
#[serde(rename_all = "camelCase")]
#[schemars(transform = set_once("accountName"))]
pub struct ServiceAccountSpec {
    /// The backend that the account lives at. Default: the ClusterInstance called default. Set once.
    #[serde(default)]
    #[schemars(transform = unchanged)]
    pub instance_ref: InstanceRef,
    /// The account's name at the backend: at most 63 lower-case letters, digits and single hyphens. Default: what the
    /// instance's accountNameTemplate makes of namespace and name. Set once.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = account_name)]
    pub account_name: Option<String>,
    /// What the account is for, as the backend shows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = description)]
    pub description: Option<String>,
    /// Groups that the account is a member of. Memberships that others granted are left alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), transform = list_map(&["kind", "name"]))]
    pub groups: Vec<GroupRef>,
    /// Roles that the account has by itself. Grants that others made are left alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), transform = list_map(&["kind", "name"]))]
    pub roles: Vec<RoleGrant>,
    /// Tokens of the account, each in a Secret of its own. A new value of the annotation
    /// kestra-iam.dev/rotate-requested-at has each replaced, a new value of kestra-iam.dev/compromised revokes the older
    /// ones at once as well; a value of the form entry=value is for the entry of that name alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 16), transform = list_map(&["name"]), transform = named_secrets_are_distinct
    )]
    pub tokens: Vec<TokenEntry>,
    /// What to do if an account of that name exists already: Never leaves it alone, IfOwned takes it over if it was made
    /// for an object of this cluster, namespace and name, TakeOver takes it over as far as the instance allows.
    #[serde(default)]
    pub adoption_policy: AdoptionPolicy,
    /// What to do when this object is deleted: Delete removes the account, its grants and its tokens, Orphan leaves them
    /// and the Secrets as they are.
    #[serde(default)]
    pub deletion_policy: DeletionPolicy,
    /// True stops all changes, rotation included, until it is false again. Deletion and the annotation
    /// kestra-iam.dev/compromised still go ahead.
    #[serde(default)]
    pub suspend: bool,
}

/// What is known about the account and its tokens.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ServiceAccountStatus {
    /// The generation of the spec that this status speaks of; -1 before the first pass.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Where the object stands: Ready first, then what explains it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(transform = list_map(&["type"]))]
    pub conditions: Vec<Condition>,
    /// The account's id at the backend.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The account's name at the backend.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account_name: Option<String>,
    /// True if the account was there before this object and was adopted.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub adopted: bool,
    /// The description that an adopted account had before; it gets it back when this object goes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub former_description: Option<String>,
    /// The tokens, one for each entry of spec.tokens, and removed ones until they are revoked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(transform = list_map(&["name"]))]
    pub tokens: Vec<TokenEntryStatus>,
    /// When the first of the current tokens expires, or `never`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires: Option<String>,
    /// When the first of the current tokens expires; absent if none does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub soonest_expiration_time: Option<Time>,
    /// When the next of the current tokens is replaced.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_rotation_time: Option<Time>,
    /// Memberships that this object brought about.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(transform = list_map(&["id"]))]
    pub groups: Vec<GrantedGroup>,
    /// Role bindings that this object brought about.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(transform = list_atomic)]
    pub bindings: Vec<GrantedBinding>,
    /// How many tokens the account has that are not ours; they are never touched.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub foreign_tokens: Option<i64>,
}

/// Secrets carry the object's name as a label.
pub(super) fn name_fits_label() -> Rule {
    Rule::new("self.metadata.name.size() <= 63")
        .message("metadata.name is at most 63 characters, because Secrets carry it as a label")
}

fn name_fits_account() -> Rule {
    Rule::new(
        "has(self.spec.accountName) || self.metadata.name.matches('^[a-z0-9]+(-[a-z0-9]+)*$')",
    )
    .message(
        "metadata.name becomes part of the account's name: write lower-case letters, digits and single hyphens, \
             or set spec.accountName",
    )
}

/// The API server does not bound the length of `metadata.name` in its estimates, so nothing may be made of it: the name
/// of a Secret is taken apart instead.
fn generated_secrets_are_distinct() -> Rule {
    Rule::new(
        "!has(self.spec.tokens) || self.spec.tokens.all(t, !has(t.secret) || !has(t.secret.name) || \
         t.secret.name.size() <= self.metadata.name.size() || \
         t.secret.name.substring(0, self.metadata.name.size()) != self.metadata.name || \
         !self.spec.tokens.exists(u, (!has(u.secret) || !has(u.secret.name)) && \
         '-' + u.name == t.secret.name.substring(self.metadata.name.size())))",
    )
    .field_path(".spec.tokens")
    .message(SAME_SECRET)
}

fn named_secrets_are_distinct(schema: &mut Schema) {
    must(
        "self.all(t, !has(t.secret) || !has(t.secret.name) || self.exists_one(u, \
         has(u.secret) && has(u.secret.name) && u.secret.name == t.secret.name))",
        SAME_SECRET,
    )(schema);
}

const SAME_SECRET: &str =
    "two tokens would be written into the same Secret: give each a secret.name of its own";
