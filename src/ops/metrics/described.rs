//! Name, help and labels of every metric: what `/metrics` serves and the reference documents.

use super::labels::{Answer, Kind, Outcome};

/// A metric as it is documented.
#[derive(Clone, Copy, Debug)]
pub struct Described {
    /// The name, without the suffix that the format adds to it.
    pub name: &'static str,
    /// Counter, gauge, histogram or info.
    pub kind: &'static str,
    /// One sentence, units included.
    pub help: &'static str,
    /// The labels.
    pub labels: &'static [Label],
}

/// A label of a metric.
#[derive(Clone, Copy, Debug)]
pub struct Label {
    /// The label's name.
    pub name: &'static str,
    /// What its values stand for.
    pub of: &'static str,
    /// The values, where the set is closed here.
    pub values: &'static [&'static str],
}

const KIND: Label = Label {
    name: "kind",
    of: "the kind of the custom resource",
    values: Kind::VALUES,
};
const OUTCOME: Label = Label {
    name: "outcome",
    of: "how the pass ended",
    values: Outcome::VALUES,
};
const ANSWER: Label = Label {
    name: "answer",
    of: "the class of the answer",
    values: Answer::VALUES,
};
const REASON: Label = Label {
    name: "reason",
    of: "a reason as conditions and Events have it",
    values: &[],
};
const INSTANCE: Label = Label {
    name: "instance",
    of: "the name of a ClusterInstance, or namespace/name of an Instance",
    values: &[],
};
const VERSION: Label = Label {
    name: "version",
    of: "the version of the operator",
    values: &[],
};

pub(super) const RECONCILES: Described = Described {
    name: "kestra_iam_reconciles",
    kind: "counter",
    help: "Passes over custom resources",
    labels: &[KIND, OUTCOME],
};
pub(super) const RECONCILE_DURATION: Described = Described {
    name: "kestra_iam_reconcile_duration_seconds",
    kind: "histogram",
    help: "How long a pass over a custom resource took, in seconds",
    labels: &[KIND],
};
pub(super) const ERRORS: Described = Described {
    name: "kestra_iam_errors",
    kind: "counter",
    help: "Passes that failed, by reason",
    labels: &[KIND, REASON],
};
pub(super) const TOKENS_ISSUED: Described = Described {
    name: "kestra_iam_tokens_issued",
    kind: "counter",
    help: "API tokens created at the backend, by why they were needed",
    labels: &[INSTANCE, REASON],
};
pub(super) const TOKENS_ROTATED: Described = Described {
    name: "kestra_iam_tokens_rotated",
    kind: "counter",
    help: "API tokens published in place of an older one, by why that was replaced",
    labels: &[INSTANCE, REASON],
};
pub(super) const TOKENS_REVOKED: Described = Described {
    name: "kestra_iam_tokens_revoked",
    kind: "counter",
    help: "API tokens deleted at the backend, by why they had to go",
    labels: &[INSTANCE, REASON],
};
pub(super) const SOONEST_EXPIRY: Described = Described {
    name: "kestra_iam_token_soonest_expiry_timestamp_seconds",
    kind: "gauge",
    help: "When the first of all published tokens expires, in Unix seconds; absent when none does",
    labels: &[],
};
pub(super) const OBJECTS_WAITING: Described = Described {
    name: "kestra_iam_objects_waiting",
    kind: "gauge",
    help: "Custom resources that wait for their turn at an instance",
    labels: &[INSTANCE, KIND],
};
pub(super) const REVOCATIONS_OWED: Described = Described {
    name: "kestra_iam_revocations_owed",
    kind: "gauge",
    help: "Deleted objects whose tokens, grants and accounts are still to be removed from a backend",
    labels: &[],
};
pub(super) const DELETIONS_BRAKED: Described = Described {
    name: "kestra_iam_deletions_braked",
    kind: "gauge",
    help: "Deleted objects of which nothing is removed until somebody acknowledges that so many were deleted",
    labels: &[INSTANCE],
};
pub(super) const CHANGES_WITHHELD: Described = Described {
    name: "kestra_iam_changes_withheld",
    kind: "gauge",
    help: "Objects for which something would be done if the operator did not run with --observe-only",
    labels: &[],
};
pub(super) const BACKEND_REQUESTS: Described = Described {
    name: "kestra_iam_backend_requests",
    kind: "counter",
    help: "Requests to backends, by class of the answer",
    labels: &[INSTANCE, ANSWER],
};
pub(super) const LEADER: Described = Described {
    name: "kestra_iam_leader",
    kind: "gauge",
    help: "1 while this process leads, 0 while it stands by",
    labels: &[],
};
pub(super) const BUILD: Described = Described {
    name: "kestra_iam_build",
    kind: "info",
    help: "The version of the operator",
    labels: &[VERSION],
};

/// All metrics, in the order of the reference.
pub const ALL: &[Described] = &[
    RECONCILES,
    RECONCILE_DURATION,
    ERRORS,
    TOKENS_ISSUED,
    TOKENS_ROTATED,
    TOKENS_REVOKED,
    SOONEST_EXPIRY,
    OBJECTS_WAITING,
    REVOCATIONS_OWED,
    DELETIONS_BRAKED,
    CHANGES_WITHHELD,
    BACKEND_REQUESTS,
    LEADER,
    BUILD,
];

impl Described {
    /// The name as a query has it: with the suffix that the format adds.
    #[must_use]
    pub fn queried(&self) -> String {
        let suffix = match self.kind {
            "counter" => "_total",
            "info" => "_info",
            _ => "",
        };
        format!("{}{suffix}", self.name)
    }
}
