//! `ApiToken`: a token for an existing user, or one more for an account.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::CustomResource;
use schemars::{JsonSchema, Schema};
use serde::{Deserialize, Serialize};

use super::policy::DeletionPolicy;
use super::reference::{InstanceRef, ServiceAccountRef};
use super::schema::{free_text, list_map, must, must_at, unchanged};
use super::service_account::name_fits_label;
use super::token::{TokenSpec, token_rules};
use super::token_status::TokenStatus;

/// Whose token it is, how it lives and where it is written to.
#[derive(
    CustomResource, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema,
)]
#[kube(
    group = "kestra-iam.dev",
    version = "v1alpha1",
    kind = "ApiToken",
    namespaced,
    status = "ApiTokenStatus",
    derive = "PartialEq",
    shortname = "ktok",
    category = "kestra-iam",
    doc = "An API token of a user, or one more of a ServiceAccount, that is kept alive in a Secret.",
    selectable = ".spec.instanceRef.kind",
    selectable = ".spec.instanceRef.name",
    selectable = ".spec.owner.user",
    selectable = ".spec.owner.serviceAccountRef.name",
    validation = name_fits_label(),
)]
#[serde(rename_all = "camelCase")]
#[schemars(transform = token_rules, transform = permissions_of_accounts)]
pub struct ApiTokenSpec {
    /// The backend that the token lives at. Default: the ClusterInstance called default. Set once.
    #[serde(default)]
    #[schemars(transform = unchanged)]
    pub instance_ref: InstanceRef,
    /// Whose token it is. Set once.
    #[schemars(transform = unchanged)]
    pub owner: TokenOwner,
    /// How the token lives and where it is written to.
    #[serde(flatten)]
    pub token: TokenSpec,
    /// What to do when this object is deleted: Delete revokes the token, Orphan leaves it and the Secret as they are.
    #[serde(default)]
    pub deletion_policy: DeletionPolicy,
    /// True stops all changes, rotation included, until it is false again. Deletion and the annotation
    /// kestra-iam.dev/compromised still go ahead.
    #[serde(default)]
    pub suspend: bool,
}

/// The groups of users are not known.
fn permissions_of_accounts(schema: &mut Schema) {
    must_at(
        ".rotation.permissionChangePolicy",
        "!has(self.rotation) || !has(self.rotation.permissionChangePolicy) || \
         self.rotation.permissionChangePolicy != 'Rotate' || has(self.owner.serviceAccountRef)",
        "Rotate is for tokens of accounts alone: leave it out, or set owner.serviceAccountRef",
    )(schema);
}

impl ApiTokenSpec {
    /// The Secret that the token is written into: the one that is named, else `<object>`.
    #[must_use]
    pub fn secret_name(&self, object: &str) -> String {
        let name = self.token.secret.name.clone();
        name.unwrap_or_else(|| object.to_owned())
    }
}

/// Whose token it is: exactly one of the two is there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(transform = must(
    "has(self.user) != has(self.serviceAccountRef)",
    "set either user or serviceAccountRef",
))]
pub struct TokenOwner {
    /// The name of an existing user at the backend, usually an e-mail address. The instance has to allow it
    /// (guardrails.tokenSubjects).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = free_text)]
    pub user: Option<String>,
    /// A ServiceAccount of this namespace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_account_ref: Option<ServiceAccountRef>,
}

/// What is known about the token.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApiTokenStatus {
    /// The generation of the spec that this status speaks of; -1 before the first pass.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Where the object stands: Ready first, then what explains it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(transform = list_map(&["type"]))]
    pub conditions: Vec<Condition>,
    /// The owner's id at the backend.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner_id: Option<String>,
    /// The owner's name at the backend.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner_name: Option<String>,
    /// When the token expires, or `never`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires: Option<String>,
    /// Where the token stands.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<TokenStatus>,
}
