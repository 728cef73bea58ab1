//! `Group`: a group and the roles that its members share.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::grant::GrantedBinding;
use super::policy::{AdoptionPolicy, DeletionPolicy};
use super::reference::{InstanceRef, RoleGrant};
use super::schema::{description, free_text, list_atomic, list_map, set_once, unchanged};

/// The group at the backend, and the roles that its members share.
#[derive(
    CustomResource, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema,
)]
#[kube(
    group = "kestra-iam.dev",
    version = "v1alpha1",
    kind = "Group",
    namespaced,
    status = "GroupStatus",
    derive = "PartialEq",
    shortname = "kgrp",
    category = "kestra-iam",
    doc = "A group at a Kestra instance: what it may do, all its members may do. Members are declared by the accounts.",
    selectable = ".spec.instanceRef.kind",
    selectable = ".spec.instanceRef.name",
    selectable = ".spec.groupName"
)]
#[serde(rename_all = "camelCase")]
#[schemars(transform = set_once("groupName"))]
pub struct GroupSpec {
    /// The backend that the group lives at. Default: the ClusterInstance called default. Set once.
    #[serde(default)]
    #[schemars(transform = unchanged)]
    pub instance_ref: InstanceRef,
    /// The group's name at the backend. Default: the name of this object. Set once.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = free_text)]
    pub group_name: Option<String>,
    /// What the group is for, as the backend shows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = description)]
    pub description: Option<String>,
    /// Roles that all members have through this group. Grants that others made are left alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), transform = list_map(&["kind", "name"]))]
    pub roles: Vec<RoleGrant>,
    /// What to do if a group of that name exists already: Never leaves it alone, IfOwned takes it over if it was made for
    /// an object of this cluster, namespace and name, TakeOver takes it over as far as the instance allows.
    #[serde(default)]
    pub adoption_policy: AdoptionPolicy,
    /// What to do when this object is deleted: Delete removes the group and its grants, Orphan leaves them.
    #[serde(default)]
    pub deletion_policy: DeletionPolicy,
    /// True stops all changes until it is false again; deletion still goes ahead.
    #[serde(default)]
    pub suspend: bool,
}

/// What is known about the group.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GroupStatus {
    /// The generation of the spec that this status speaks of; -1 before the first pass.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Where the object stands: Ready first, then what explains it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(transform = list_map(&["type"]))]
    pub conditions: Vec<Condition>,
    /// The group's id at the backend.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The group's name at the backend.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group_name: Option<String>,
    /// True if the group was there before this object and was adopted.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub adopted: bool,
    /// The description that an adopted group had before; it gets it back when this object goes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub former_description: Option<String>,
    /// Role bindings that this object brought about.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(transform = list_atomic)]
    pub bindings: Vec<GrantedBinding>,
}
