//! Workloads that take the token at their start: which of them still run with an older one.

use jiff::{SignedDuration, Timestamp};

use super::schedule::after;
use super::{Activity, End, Observed, Policy, pending};
use crate::api::token::Workload;

/// A workload that is to be rolled after a rotation, as it was seen in this pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Consumer {
    /// Which.
    pub workload: Workload,
    /// Which token its pods have.
    pub rollout: Rollout,
}

/// Which token the pods of a workload have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rollout {
    /// None of them runs since before the current token was published.
    Done,
    /// It was rolled for the current token, and pods from before still run.
    Running,
    /// Pods from before run, and nobody has rolled it.
    Outdated,
    /// It is not there, or may not be looked at or changed.
    Unknown,
}

impl Rollout {
    /// Whether pods with an older token run that will go.
    #[must_use]
    pub const fn lags(self) -> bool {
        matches!(self, Self::Running | Self::Outdated)
    }
}

/// A pod of a workload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pod {
    /// For which token its workload was rolled last when it was made.
    pub mark: Option<String>,
    /// When it was made, on our clock.
    pub created: Timestamp,
}

/// A pod made so soon after the publish may hold the token before: clocks differ, and a Secret takes its time to the node.
const MARGIN: SignedDuration = SignedDuration::from_mins(1);

/// How often pods are looked at while a workload is being rolled.
pub(super) const POLL: SignedDuration = SignedDuration::from_secs(15);

/// Which token the pods of a workload have, whose template bears `mark`. `wanted` is the mark of the current token, which
/// was `published` then, on our clock.
#[must_use]
pub fn rollout(mark: Option<&str>, wanted: &str, pods: &[Pod], published: Timestamp) -> Rollout {
    let is_old =
        |pod: &Pod| pod.mark.as_deref() != Some(wanted) && pod.created <= after(published, MARGIN);
    if !pods.iter().any(is_old) {
        Rollout::Done
    } else if mark == Some(wanted) {
        Rollout::Running
    } else {
        Rollout::Outdated
    }
}

/// Whether the workloads matter now: the Secret is known to hold a later token than the first, and the one before is still
/// to be revoked.
pub(super) fn matter(policy: &Policy, seen: &Observed) -> bool {
    let is_later = seen.current().is_some_and(|current| current.generation > 1);
    let mut pending = pending(seen).into_iter();
    !policy.restart.is_empty()
        && seen.activity == Activity::Active
        && seen.is_accepted()
        && is_later
        && pending.any(|retired| retired.end == End::Overlap)
}

/// A workload that is to be rolled.
pub(super) fn outdated(seen: &Observed) -> Option<&Workload> {
    let mut consumers = seen.consumers.iter().flatten();
    let outdated = consumers.find(|consumer| consumer.rollout == Rollout::Outdated)?;
    Some(&outdated.workload)
}

/// Whether any workload lags.
pub(super) fn lag(seen: &Observed) -> bool {
    let mut consumers = seen.consumers.iter().flatten();
    consumers.any(|consumer| consumer.rollout.lags())
}
