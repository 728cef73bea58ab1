//! `ClusterInstance` and `Instance`: a backend, shared by many namespaces or for one.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, LabelSelector, Time};
use kube::CustomResource;
use kube::core::Rule;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::guardrails::Guardrails;
use super::is_default;
use super::schema::{items, list_map, list_set, object_name};
use super::settings::InstanceSettings;
use super::token_status::TokenStatus;

/// The backend, its credential, and who may use it for what.
#[derive(CustomResource, Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "kestra-iam.dev",
    version = "v1alpha1",
    kind = "ClusterInstance",
    status = "InstanceStatus",
    derive = "PartialEq",
    shortname = "kci",
    category = "kestra-iam",
    validation = name_fits_label(),
    doc = "A Kestra instance, or an embedded IAM server, that the namespaces named here may use."
)]
#[serde(rename_all = "camelCase")]
pub struct ClusterInstanceSpec {
    /// The backend and its credential.
    #[serde(flatten)]
    pub settings: InstanceSettings,
    /// Namespaces whose objects may refer to this instance. Without it: none.
    #[serde(default, skip_serializing_if = "is_default")]
    pub allowed_namespaces: AllowedNamespaces,
    /// What those objects may do. Without it they may have an account of their own, and no role and no group.
    #[serde(default, skip_serializing_if = "is_default")]
    pub guardrails: Guardrails,
}

/// The Secret with the operator's own token carries the instance's name as a label.
fn name_fits_label() -> Rule {
    Rule::new("!has(self.spec.credentials.rotation) || self.metadata.name.size() <= 63").message(
        "metadata.name is at most 63 characters with spec.credentials.rotation, because the Secret carries it as a label",
    )
}

/// Namespaces by name or by label; a namespace that fits either is allowed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AllowedNamespaces {
    /// Names of namespaces.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 1024), transform = list_set, transform = items(object_name))]
    pub names: Vec<String>,
    /// Labels of namespaces. An empty selector ({}) fits every namespace, none at all fits no namespace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub selector: Option<LabelSelector>,
}

/// The backend and its credential.
#[derive(CustomResource, Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "kestra-iam.dev",
    version = "v1alpha1",
    kind = "Instance",
    namespaced,
    status = "InstanceStatus",
    derive = "PartialEq",
    shortname = "ki",
    category = "kestra-iam",
    validation = name_fits_label(),
    doc = "A Kestra instance, or an embedded IAM server, for one namespace. Ignored unless the operator runs with \
           --namespaced-instances."
)]
#[serde(rename_all = "camelCase")]
pub struct InstanceSpec {
    /// The backend and its credential.
    #[serde(flatten)]
    pub settings: InstanceSettings,
}

/// What is known about the backend.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct InstanceStatus {
    /// The generation of the spec that this status speaks of; -1 before the first pass.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Where the object stands: Ready first, then what explains it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(transform = list_map(&["type"]))]
    pub conditions: Vec<Condition>,
    /// The version that the backend says it has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The edition that the backend says it is, such as EE.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub edition: Option<String>,
    /// Which line of the protocol the backend speaks, as its answers show: 1.x or 2.x.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub protocol: Option<String>,
    /// The uuid of the backend that objects were made at. If another one answers, nothing is changed there until the
    /// annotation kestra-iam.dev/acknowledged-uuid names it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uuid: Option<String>,
    /// The tenant that objects were made in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// Who the operator is at the backend.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub identity: Option<Identity>,
    /// When the credential that the operator uses expires; absent if never or not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credential_expiration_time: Option<Time>,
    /// The token that the operator keeps alive for itself, with credentials.rotation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credential: Option<TokenStatus>,
    /// The last deletions of objects of this instance that the brake on mass deletion counts: those that it let go, and
    /// those that put it on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(transform = list_map(&["uid"]))]
    pub recent_deletions: Vec<RecentDeletion>,
}

/// An object that was deleted a short while ago.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RecentDeletion {
    /// The uid of the object.
    pub uid: String,
    /// When it was deleted.
    pub deletion_time: Time,
}

/// Who the operator is at the backend. This account or user is never adopted, bound, given a token or deleted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Identity {
    /// Its id at the backend.
    pub id: String,
    /// Its name at the backend.
    pub name: String,
    /// True if it is superadmin (2.x: instance owner).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub super_admin: bool,
}
