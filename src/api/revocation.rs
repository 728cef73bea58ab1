//! `Revocation`: what a deleted object left at the backend, and the operator still has to remove.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::CustomResource;
use schemars::{JsonSchema, Schema};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::reference::InstanceRef;
use super::schema::{list_map, max_length, object_name, unchanged, values};

/// What is to be removed, and where.
#[derive(CustomResource, Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "kestra-iam.dev",
    version = "v1alpha1",
    kind = "Revocation",
    namespaced,
    status = "RevocationStatus",
    derive = "PartialEq",
    shortname = "krev",
    category = "kestra-iam",
    doc = "What a deleted object left at a Kestra instance that could not be reached: its tokens, grants and account are \
           removed as soon as the instance answers, then this object goes. Written by the operator alone, in its own \
           namespace; whoever deletes one gives up what it stands for.",
    selectable = ".spec.object.kind",
    selectable = ".spec.object.namespace",
    selectable = ".spec.object.name"
)]
#[serde(rename_all = "camelCase")]
pub struct RevocationSpec {
    /// The backend where it is to be removed. An Instance is one of the namespace that the object was in.
    #[schemars(transform = unchanged)]
    pub instance_ref: InstanceRef,
    /// The object that is gone.
    #[schemars(transform = unchanged)]
    pub object: Departed,
    /// When the object was deleted.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = |schema: &mut Schema| max_length(schema, 64))]
    pub deletion_time: Option<Time>,
    /// What the object was when it went.
    pub was: Former,
}

/// An object that is gone.
#[derive(
    Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
pub struct Departed {
    /// Its kind, which tells what it left.
    pub kind: DepartedKind,
    /// The namespace that it was in.
    #[schemars(transform = object_name)]
    pub namespace: String,
    /// The name that it had.
    #[schemars(transform = object_name)]
    pub name: String,
    /// Its uid, which tells it from a later object of its name.
    #[schemars(length(max = 128))]
    pub uid: String,
}

/// The kinds whose objects leave something at the backend.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
pub enum DepartedKind {
    /// A `ServiceAccount`: its tokens, bindings, memberships and account.
    ServiceAccount,
    /// A `Group`: its bindings and the group.
    Group,
    /// A `Role`: its bindings and the role.
    Role,
    /// A `RoleBinding`: its bindings.
    RoleBinding,
    /// An `ApiToken`: its tokens.
    ApiToken,
}

/// So long all annotations of an object are together, in characters at most (Kubernetes counts bytes).
const MOST: u32 = 262_144;

/// An object as it was: names and ids by which the backend knows what it made. No token's value is among them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Former {
    /// Annotations that the operator had written.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 64), transform = values(|text| max_length(text, MOST)))]
    pub annotations: BTreeMap<String, String>,
    /// The spec as it was last.
    #[schemars(transform = any_members)]
    pub spec: Map<String, Value>,
    /// The status as it was last, without conditions.
    #[schemars(transform = any_members)]
    pub status: Map<String, Value>,
}

/// Where the removal stands.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RevocationStatus {
    /// The generation of the spec that this status speaks of; -1 before the first pass.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// What the removal waits for. Ready is never true: an object whose work is done is gone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(transform = list_map(&["type"]))]
    pub conditions: Vec<Condition>,
}

/// An object whose members are those of another kind, which has a schema of its own.
fn any_members(schema: &mut Schema) {
    schema.remove("additionalProperties");
    schema.insert("type".to_owned(), json!("object"));
    schema.insert(
        "x-kubernetes-preserve-unknown-fields".to_owned(),
        json!(true),
    );
}
