//! `RoleBinding`: role × subjects × Kestra namespaces.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::CustomResource;
use schemars::{JsonSchema, Schema};
use serde::{Deserialize, Serialize};

use super::grant::GrantedBinding;
use super::policy::DeletionPolicy;
use super::reference::{InstanceRef, RoleRef, Subject};
use super::schema::{kestra_namespaces, list_atomic, list_map, must, unchanged};

/// A role, whom it is given to, and where.
#[derive(
    CustomResource, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema,
)]
#[kube(
    group = "kestra-iam.dev",
    version = "v1alpha1",
    kind = "RoleBinding",
    namespaced,
    status = "RoleBindingStatus",
    derive = "PartialEq",
    shortname = "krb",
    category = "kestra-iam",
    doc = "Gives a role at a Kestra instance to accounts, groups and users, in the whole tenant or in some of its \
           namespaces.",
    selectable = ".spec.instanceRef.kind",
    selectable = ".spec.instanceRef.name",
    selectable = ".spec.roleRef.kind",
    selectable = ".spec.roleRef.name"
)]
#[serde(rename_all = "camelCase")]
pub struct RoleBindingSpec {
    /// The backend that the binding lives at. Default: the ClusterInstance called default. Set once.
    #[serde(default)]
    #[schemars(transform = unchanged)]
    pub instance_ref: InstanceRef,
    /// The role that is given.
    pub role_ref: RoleRef,
    /// Whom the role is given to.
    #[schemars(
        length(max = 256), transform = list_map(&["kind", "name"]), transform = some_subject
    )]
    pub subjects: Vec<Subject>,
    /// Kestra namespaces in which the role is given; each covers its children (company covers company.team). Without
    /// this list it is given in the whole tenant.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), transform = kestra_namespaces)]
    pub namespaces: Vec<String>,
    /// What to do when this object is deleted: Delete removes its bindings, Orphan leaves them.
    #[serde(default)]
    pub deletion_policy: DeletionPolicy,
    /// True stops all changes until it is false again; deletion still goes ahead.
    #[serde(default)]
    pub suspend: bool,
}

/// What is known about the bindings.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RoleBindingStatus {
    /// The generation of the spec that this status speaks of; -1 before the first pass.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Where the object stands: Ready first, then what explains it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(transform = list_map(&["type"]))]
    pub conditions: Vec<Condition>,
    /// Role bindings that this object brought about.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(transform = list_atomic)]
    pub bindings: Vec<GrantedBinding>,
}

fn some_subject(schema: &mut Schema) {
    must(
        "self.size() > 0",
        "name at least one subject, or delete the object",
    )(schema);
}
