//! From the outcome of a pass to the conditions of a status.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use super::outcome::{Blocked, Down, Stop};
use crate::api::condition::{self, ConditionType, Finding, Reason, Truth};

/// The conditions that stay as they were if a pass says nothing of them, in the order in which they are shown.
const STANDING: [ConditionType; 6] = [
    ConditionType::Ready,
    ConditionType::Accepted,
    ConditionType::ResolvedRefs,
    ConditionType::Synced,
    ConditionType::TokenIssued,
    // The brake itself says when it is on.
    ConditionType::DeletionBraked,
];

/// What people have to know although everything is in order.
const WARNINGS: [ConditionType; 4] = [
    ConditionType::Expiring,
    ConditionType::RetiredTokenInUse,
    ConditionType::WindowUnmet,
    ConditionType::DeletionBraked,
];

/// What a pass found, as conditions see it.
#[derive(Debug)]
pub struct Pass<'a> {
    /// The generation of the spec that was looked at.
    pub generation: Option<i64>,
    /// The conditions as they are.
    pub old: &'a [Condition],
    /// The generation that they speak of.
    pub old_generation: Option<i64>,
    /// Why it stopped before its end, if it did.
    pub stop: Option<&'a Stop>,
    /// Findings of the kind's own; they win over what follows from `stop`.
    pub findings: &'a [Finding],
    /// Whether every token that the status names still works by its expiry.
    pub tokens_live: TokensLive,
}

/// Whether every token that the status names still works by its expiry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokensLive {
    /// All of them, or there are none.
    All,
    /// At least one has expired.
    NotAll,
}

/// The conditions after a pass.
#[must_use]
pub fn conditions(pass: &Pass<'_>, now: Timestamp) -> Vec<Condition> {
    let mut findings = match pass.stop {
        None => well(),
        Some(Stop::Blocked(blocked)) => waiting(pass, blocked),
        Some(Stop::Down(down)) => down_with(pass, down),
        Some(Stop::Failed(error)) => failing(pass, error),
    };
    for finding in pass.findings {
        findings.retain(|other| other.kind != finding.kind);
        findings.push(finding.clone());
    }
    settle(pass, &findings, now)
}

/// What people are to be told of: where the object stands if that has changed, and each warning when it comes up.
#[must_use]
pub fn news<'c>(old: &[Condition], new: &'c [Condition]) -> Vec<&'c Condition> {
    let warnings = WARNINGS
        .into_iter()
        .filter(|kind| condition::is_true(new, *kind) && !condition::is_true(old, *kind));
    let warnings = warnings.filter_map(|kind| condition::find(new, kind));
    turn(old, new).into_iter().chain(warnings).collect()
}

/// The condition that explains where the object stands, if that has changed.
fn turn<'c>(old: &[Condition], new: &'c [Condition]) -> Option<&'c Condition> {
    let told = |condition: &Condition| {
        let Condition {
            type_,
            status,
            reason,
            ..
        } = condition;
        (type_.clone(), status.clone(), reason.clone())
    };
    let (before, after) = (headline(old), headline(new)?);
    (before.map(told) != Some(told(after))).then_some(after)
}

/// Not being ready comes first, then what went wrong though it is ready, then that all is well.
fn headline(conditions: &[Condition]) -> Option<&Condition> {
    let ready = condition::find(conditions, ConditionType::Ready)?;
    if !condition::is_true(conditions, ConditionType::Ready) {
        return Some(ready);
    }
    let trouble = [ConditionType::Stalled, ConditionType::Reconciling];
    let mut trouble = trouble
        .into_iter()
        .filter(|kind| condition::is_true(conditions, *kind));
    trouble
        .next()
        .and_then(|kind| condition::find(conditions, kind))
        .or(Some(ready))
}

fn well() -> Vec<Finding> {
    let holds = |kind, message| Finding::new(kind, true, Reason::Synced, message);
    vec![
        holds(ConditionType::Ready, "everything is as declared"),
        holds(ConditionType::Accepted, "valid and permitted"),
        holds(
            ConditionType::ResolvedRefs,
            "everything it refers to was found",
        ),
        holds(ConditionType::Synced, "the backend equals the spec"),
    ]
}

fn waiting(pass: &Pass<'_>, blocked: &Blocked) -> Vec<Finding> {
    let Blocked {
        condition,
        reason,
        message,
    } = blocked;
    let order = [
        ConditionType::Accepted,
        ConditionType::ResolvedRefs,
        ConditionType::Synced,
    ];
    let passed = order.into_iter().take_while(|kind| kind != condition);
    let mut findings: Vec<Finding> = well()
        .into_iter()
        .filter(|finding| passed.clone().any(|kind| kind == finding.kind))
        .collect();
    // What earlier passes said of the rest need not be so any more.
    let beyond = order.into_iter().skip_while(|kind| kind != condition);
    let beyond = beyond.filter(|kind| condition::find(pass.old, *kind).is_some());
    findings.extend(beyond.map(|kind| Finding::new(kind, Truth::Unknown, *reason, message)));
    findings.retain(|finding| finding.kind != *condition);
    for kind in [*condition, ConditionType::Ready] {
        findings.push(Finding::new(kind, false, *reason, message));
    }
    findings.push(Finding::new(ConditionType::Stalled, true, *reason, message));
    findings
}

/// The instance cannot be worked with: what was ready for this spec stays so while its tokens work, unless another
/// backend answers.
fn down_with(pass: &Pass<'_>, down: &Down) -> Vec<Finding> {
    let Down { reason, message } = down;
    let mut findings = troubled(*reason, message);
    if *reason == Reason::InstanceChanged || !stays_ready(pass) {
        findings.push(Finding::new(ConditionType::Ready, false, *reason, message));
    }
    findings
}

/// That an object is refused: told also where something that is left to do about it fails.
#[must_use]
pub fn refusal(refused: &Blocked) -> Vec<Finding> {
    let Blocked {
        reason, message, ..
    } = refused;
    let finding = |kind, truth| Finding::new(kind, truth, *reason, message.as_str());
    vec![
        finding(ConditionType::Accepted, false),
        finding(ConditionType::Ready, false),
        finding(ConditionType::Stalled, true),
    ]
}

/// What was ready for this spec stays so while its tokens work.
fn failing(pass: &Pass<'_>, error: &super::error::Error) -> Vec<Finding> {
    let reason = error.reason();
    let message = format!("{error}; {}", mend(reason));
    let mut findings = troubled(reason, &message);
    if !stays_ready(pass) {
        findings.push(Finding::new(ConditionType::Ready, false, reason, message));
    }
    findings
}

fn stays_ready(pass: &Pass<'_>) -> bool {
    condition::is_true(pass.old, ConditionType::Ready)
        && pass.old_generation == pass.generation
        && pass.tokens_live == TokensLive::All
}

/// What a failure means for all but `Ready`.
pub(super) fn troubled(reason: Reason, message: &str) -> Vec<Finding> {
    vec![
        Finding::new(ConditionType::Synced, false, reason, message),
        Finding::new(trouble(reason), true, reason, message),
    ]
}

/// Whether it passes by itself, or somebody has to change something (kstatus).
const fn trouble(reason: Reason) -> ConditionType {
    match reason {
        Reason::Unauthorized
        | Reason::Forbidden
        | Reason::Invalid
        | Reason::NameConflict
        | Reason::CredentialMissing
        | Reason::InstanceChanged
        | Reason::NotAllowed
        | Reason::KubernetesRefused
        | Reason::ReferenceNotFound => ConditionType::Stalled,
        _ => ConditionType::Reconciling,
    }
}

/// What to do about a failure.
pub(super) const fn mend(reason: Reason) -> &'static str {
    match reason {
        Reason::Unauthorized => {
            "put a credential that works into the Secret that the instance names"
        }
        Reason::Forbidden => {
            "give the operator's credential this right at the backend, or ask for less in the spec"
        }
        Reason::Invalid => "correct the spec to what the backend takes",
        Reason::KubernetesRefused => {
            "see to the namespace's quotas, to admission webhooks and to the rights of the operator's service account; \
             tried again by itself"
        }
        Reason::BackendUnavailable => {
            "check that the backend runs at the instance's spec.url; tried again by itself"
        }
        _ => "tried again by itself",
    }
}

fn settle(pass: &Pass<'_>, findings: &[Finding], now: Timestamp) -> Vec<Condition> {
    let mut conditions = pass.old.to_vec();
    conditions.retain(|condition| {
        let standing = STANDING.iter().any(|kind| kind.as_str() == condition.type_);
        standing
            || findings
                .iter()
                .any(|finding| finding.kind.as_str() == condition.type_)
    });
    if pass.stop.is_none() {
        // What a pass that came through did not touch holds for the spec that it looked at.
        for condition in &mut conditions {
            condition.observed_generation = pass.generation;
        }
    }
    for finding in findings {
        condition::set(&mut conditions, finding, pass.generation, now);
    }
    let place = |condition: &Condition| {
        let order = ConditionType::ALL.iter();
        order
            .clone()
            .position(|kind| kind.as_str() == condition.type_)
            .unwrap_or(order.len())
    };
    conditions.sort_by_key(place);
    conditions
}

#[cfg(test)]
mod tests;
