//! The custom resources of `kestra-iam.dev/v1alpha1`: types, validation, condition and reason constants.
//!
//! What one object alone can decide is refused at admission by CEL. Whatever the API server accepts can be read into
//! these types.
//!
//! | Kind | Type, spec, status |
//! |---|---|
//! | `ClusterInstance` | [`instance::ClusterInstance`], [`instance::ClusterInstanceSpec`], [`instance::InstanceStatus`] |
//! | `Instance` | [`instance::Instance`], [`instance::InstanceSpec`], [`instance::InstanceStatus`] |
//! | `ServiceAccount` | [`ServiceAccount`], [`service_account::ServiceAccountSpec`], [`service_account::ServiceAccountStatus`] |
//! | `Group` | [`Group`], [`group::GroupSpec`], [`group::GroupStatus`] |
//! | `Role` | [`Role`], [`role::RoleSpec`], [`role::RoleStatus`] |
//! | `RoleBinding` | [`RoleBinding`], [`role_binding::RoleBindingSpec`], [`role_binding::RoleBindingStatus`] |
//! | `ApiToken` | [`ApiToken`], [`api_token::ApiTokenSpec`], [`api_token::ApiTokenStatus`] |
//! | `Revocation` | [`Revocation`], [`revocation::RevocationSpec`], [`revocation::RevocationStatus`] |

#![expect(
    clippy::doc_markdown,
    reason = "field docs are the descriptions that `kubectl explain` prints as plain text"
)]

pub mod api_token;
pub mod condition;
mod crd;
pub mod duration;
pub mod grant;
pub mod group;
pub mod guardrails;
pub mod instance;
pub mod names;
pub mod pattern;
pub mod policy;
pub mod reference;
pub mod revocation;
pub mod role;
pub mod role_binding;
mod schema;
pub mod service_account;
pub mod settings;
pub mod token;
pub mod token_status;

pub use api_token::ApiToken;
pub use crd::{crds, to_yaml};
pub use duration::Duration;
pub use group::Group;
pub use instance::{ClusterInstance, Instance};
pub use revocation::Revocation;
pub use role::Role;
pub use role_binding::RoleBinding;
pub use service_account::ServiceAccount;

/// Whether a value need not be written because reading gives it back anyway.
fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
