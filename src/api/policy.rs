//! What happens to things of the backend that were there before an object, or stay after it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What to do about something of the same name that exists at the backend already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum AdoptionPolicy {
    /// Leave it alone and say `NameConflict`.
    #[default]
    Never,
    /// Take it over only if it carries our mark of the same cluster and the same namespace and name.
    IfOwned,
    /// Take it over whatever it is, as far as the instance's guardrails allow.
    TakeOver,
}

/// What to do about a token when the permissions of its account change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum PermissionChangePolicy {
    /// Leave it: the token has the new permissions all the same.
    #[default]
    Ignore,
    /// Replace it.
    Rotate,
}

/// What becomes of the value that a new token replaces in its Secret.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum PreviousValuePolicy {
    /// It leaves the Secret.
    #[default]
    Omit,
    /// It stays there as `token.previous` until its token is revoked.
    Keep,
}

/// What to do at the backend when the object is deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum DeletionPolicy {
    /// Delete what the object made.
    #[default]
    Delete,
    /// Leave everything at the backend, and Secrets as they are.
    Orphan,
}
