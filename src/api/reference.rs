//! References between objects, and to what only the backend knows. None has a namespace: an object refers to objects
//! of its own namespace, or to a `ClusterInstance`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::schema::{free_text, kestra_namespaces, object_name, reference_name};

/// The kind of an [`InstanceRef`].
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    JsonSchema,
)]
pub enum InstanceKind {
    /// A `ClusterInstance`, shared by many namespaces.
    #[default]
    ClusterInstance,
    /// An `Instance` of the object's own namespace.
    Instance,
}

/// The backend that this object lives at.
#[derive(
    Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(default)]
pub struct InstanceRef {
    /// ClusterInstance for one that the cluster's administrators share, Instance for one of this namespace.
    pub kind: InstanceKind,
    /// Name of the ClusterInstance or Instance.
    #[schemars(transform = object_name)]
    pub name: String,
}

impl Default for InstanceRef {
    fn default() -> Self {
        Self {
            kind: InstanceKind::ClusterInstance,
            name: "default".to_owned(),
        }
    }
}

/// The kind of a [`GroupRef`].
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    JsonSchema,
)]
pub enum GroupKind {
    /// A `Group` of the object's own namespace.
    #[default]
    Group,
    /// A group that only the backend knows.
    External,
}

/// A group that an account is a member of.
#[derive(
    Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[schemars(transform = reference_name)]
pub struct GroupRef {
    /// Group for a Group of this namespace, External for a group that only the backend knows.
    pub kind: GroupKind,
    /// Name of the Group object, or the group's own name at the backend for kind External.
    #[schemars(transform = free_text)]
    pub name: String,
}

/// The kind of a [`RoleRef`] or [`RoleGrant`].
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    JsonSchema,
)]
pub enum RoleKind {
    /// A `Role` of the object's own namespace.
    #[default]
    Role,
    /// A role that only the backend knows, managed ones such as `Launcher` included.
    External,
}

/// A role.
#[derive(
    Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[schemars(transform = reference_name)]
pub struct RoleRef {
    /// Role for a Role of this namespace, External for a role that only the backend knows, such as Launcher.
    pub kind: RoleKind,
    /// Name of the Role object, or the role's own name at the backend for kind External.
    #[schemars(transform = free_text)]
    pub name: String,
}

/// A role together with the Kestra namespaces in which it is granted.
#[derive(
    Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[schemars(transform = reference_name)]
pub struct RoleGrant {
    /// Role for a Role of this namespace, External for a role that only the backend knows, such as Launcher.
    pub kind: RoleKind,
    /// Name of the Role object, or the role's own name at the backend for kind External.
    #[schemars(transform = free_text)]
    pub name: String,
    /// Kestra namespaces in which the role is granted; each covers its children (company covers company.team).
    /// Without this list the role is granted in the whole tenant.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), transform = kestra_namespaces)]
    pub namespaces: Vec<String>,
}

impl RoleGrant {
    /// The role without its scope.
    #[must_use]
    pub fn role(&self) -> RoleRef {
        RoleRef {
            kind: self.kind,
            name: self.name.clone(),
        }
    }
}

/// The kind of a [`Subject`].
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    JsonSchema,
)]
pub enum SubjectKind {
    /// A `ServiceAccount` of the object's own namespace.
    #[default]
    ServiceAccount,
    /// A `Group` of the object's own namespace.
    Group,
    /// A service account that only the backend knows.
    ExternalServiceAccount,
    /// A group that only the backend knows.
    ExternalGroup,
    /// A user; users are never objects here.
    ExternalUser,
}

/// Whom a role binding is for.
#[derive(
    Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[schemars(transform = reference_name)]
pub struct Subject {
    /// ServiceAccount or Group for an object of this namespace; ExternalServiceAccount, ExternalGroup or ExternalUser
    /// for one that only the backend knows.
    pub kind: SubjectKind,
    /// Name of the object, or for an External kind the name at the backend; a user's is the e-mail address.
    #[schemars(transform = free_text)]
    pub name: String,
}

/// A `ServiceAccount` of the object's own namespace.
#[derive(
    Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
pub struct ServiceAccountRef {
    /// Name of a ServiceAccount of this namespace.
    #[schemars(transform = object_name)]
    pub name: String,
}

/// A Secret of the object's own namespace, or of the operator's namespace for a `ClusterInstance`.
#[derive(
    Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
pub struct SecretRef {
    /// Name of the Secret.
    #[schemars(transform = object_name)]
    pub name: String,
}
