//! The values that labels may have: closed sets, so that the number of series is bounded.

use std::sync::Arc;

use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};

/// Declares an enum whose members are label values.
macro_rules! label_values {
    ($(#[$doc:meta])* $name:ident { $($(#[$member_doc:meta])* $member:ident = $value:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[$member_doc])* $member,)+
        }

        impl $name {
            /// All values, as they are written.
            pub const VALUES: &[&str] = &[$($value,)+];

            const fn value(self) -> &'static str {
                match self {
                    $(Self::$member => $value,)+
                }
            }
        }

        impl EncodeLabelValue for $name {
            fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> std::fmt::Result {
                self.value().encode(encoder)
            }
        }
    };
}

label_values! {
    /// A kind of custom resource.
    Kind {
        /// `ClusterInstance`
        ClusterInstance = "ClusterInstance",
        /// `Instance`
        Instance = "Instance",
        /// `ServiceAccount`
        ServiceAccount = "ServiceAccount",
        /// `Group`
        Group = "Group",
        /// `Role`
        Role = "Role",
        /// `RoleBinding`
        RoleBinding = "RoleBinding",
        /// `ApiToken`
        ApiToken = "ApiToken",
        /// `Revocation`
        Revocation = "Revocation",
    }
}

label_values! {
    /// How one pass over an object ended.
    Outcome {
        /// The backend, the Secrets and the status are as they should be.
        Done = "done",
        /// It comes back by itself, such as when the budget of the instance grants the next call.
        Deferred = "deferred",
        /// An error, which the errors' counter knows by its reason.
        Failed = "failed",
    }
}

label_values! {
    /// How a backend answered, by class.
    Answer {
        /// 2xx.
        Success = "success",
        /// 404.
        Gone = "gone",
        /// 409.
        Conflict = "conflict",
        /// 401.
        Unauthorized = "unauthorized",
        /// 402, 403.
        Forbidden = "forbidden",
        /// 400, 413, 422.
        Invalid = "invalid",
        /// 429.
        Throttled = "throttled",
        /// 5xx, no connection, no answer in time.
        Unavailable = "unavailable",
        /// An answer that makes no sense.
        Protocol = "protocol",
    }
}

/// A value of a closed set that is defined elsewhere, such as a condition's reason.
pub(super) type Reason = &'static str;

/// The name of an instance: `default` for a `ClusterInstance`, `namespace/name` for an `Instance`.
pub(super) type Instance = Arc<str>;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct OfPass {
    pub(super) kind: Kind,
    pub(super) outcome: Outcome,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct OfKind {
    pub(super) kind: Kind,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct OfError {
    pub(super) kind: Kind,
    pub(super) reason: Reason,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct OfToken {
    pub(super) instance: Instance,
    pub(super) reason: Reason,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct OfInstance {
    pub(super) instance: Instance,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct OfRequest {
    pub(super) instance: Instance,
    pub(super) answer: Answer,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct OfLine {
    pub(super) instance: Instance,
    pub(super) kind: Kind,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct OfBuild {
    pub(super) version: &'static str,
}
