//! `Role`: a set of permissions.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::CustomResource;
use schemars::{JsonSchema, Schema};
use serde::{Deserialize, Serialize};

use super::policy::{AdoptionPolicy, DeletionPolicy};
use super::reference::InstanceRef;
use super::schema::{
    description, free_text, items, list_map, list_set, max_length, must, set_once, unchanged,
    values,
};

/// The role at the backend and its permissions.
#[derive(
    CustomResource, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema,
)]
#[kube(
    group = "kestra-iam.dev",
    version = "v1alpha1",
    kind = "Role",
    namespaced,
    status = "RoleStatus",
    derive = "PartialEq",
    shortname = "krole",
    category = "kestra-iam",
    doc = "A role at a Kestra instance: a set of permissions that accounts and groups can be given.",
    selectable = ".spec.instanceRef.kind",
    selectable = ".spec.instanceRef.name",
    selectable = ".spec.roleName"
)]
#[serde(rename_all = "camelCase")]
#[schemars(transform = set_once("roleName"))]
pub struct RoleSpec {
    /// The backend that the role lives at. Default: the ClusterInstance called default. Set once.
    #[serde(default)]
    #[schemars(transform = unchanged)]
    pub instance_ref: InstanceRef,
    /// The role's name at the backend. Default: the name of this object. Set once.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = free_text)]
    pub role_name: Option<String>,
    /// What the role is for, as the backend shows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = description)]
    pub description: Option<String>,
    /// The actions that the role allows on each resource, such as `FLOW: [READ]`. Both are handed to the backend as they
    /// are written here; what it knows depends on its version.
    #[schemars(
        extend("maxProperties" = 128),
        transform = permission_resources,
        transform = values(permission_actions)
    )]
    pub permissions: BTreeMap<String, Vec<String>>,
    /// What to do if a role of that name exists already: Never leaves it alone, IfOwned takes it over if it was made for
    /// an object of this cluster, namespace and name, TakeOver takes it over as far as the instance allows.
    #[serde(default)]
    pub adoption_policy: AdoptionPolicy,
    /// What to do when this object is deleted: Delete removes the role, Orphan leaves it.
    #[serde(default)]
    pub deletion_policy: DeletionPolicy,
    /// True stops all changes until it is false again; deletion still goes ahead.
    #[serde(default)]
    pub suspend: bool,
}

/// What is known about the role.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RoleStatus {
    /// The generation of the spec that this status speaks of; -1 before the first pass.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Where the object stands: Ready first, then what explains it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(transform = list_map(&["type"]))]
    pub conditions: Vec<Condition>,
    /// The role's id at the backend.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The role's name at the backend.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role_name: Option<String>,
    /// True if the role was there before this object and was adopted.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub adopted: bool,
    /// The description that an adopted role had before; it gets it back when this object goes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub former_description: Option<String>,
    /// The permissions that an adopted role had before; it gets them back when this object goes.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub former_permissions: BTreeMap<String, Vec<String>>,
    /// The permissions that were last sent to the backend.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub applied_permissions: BTreeMap<String, Vec<String>>,
    /// What the backend made of them, where it answered with others: a newer line of Kestra has words of its own. Only a
    /// difference from these is drift.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub answered_permissions: BTreeMap<String, Vec<String>>,
}

/// A word of the backend's permissions. Its vocabulary is left to the backend.
const WORD: &str = "^[A-Z][A-Z0-9_]*$";

fn permission_resources(schema: &mut Schema) {
    must(
        "self.size() > 0",
        "name at least one permission, such as FLOW: [READ]",
    )(schema);
    must(
        format!("self.all(resource, resource.size() <= 63 && resource.matches('{WORD}'))"),
        "write resources as the backend does, such as FLOW or KVSTORE: at most 63 capital letters, digits and '_'",
    )(schema);
}

fn permission_actions(schema: &mut Schema) {
    schema.insert("maxItems".into(), 64.into());
    list_set(schema);
    must(
        "self.size() > 0",
        "name at least one action, such as READ, or leave the resource out",
    )(schema);
    items(permission_action)(schema);
}

fn permission_action(schema: &mut Schema) {
    max_length(schema, 512);
    must(
        format!("self.size() <= 63 && self.matches('{WORD}')"),
        "write actions as the backend does, such as READ or EXECUTE: at most 63 capital letters, digits and '_'",
    )(schema);
}
