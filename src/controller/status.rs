//! From the outcome of a pass to the conditions of a status.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use super::outcome::{Blocked, Down, Stop};
use crate::api::condition::{self, ConditionType, Finding, Reason, Truth};

/// The conditions that stay as they were if a pass says nothing of them, in the order in which they are shown.
const STANDING: [ConditionType; 5] = [
    ConditionType::Ready,
    ConditionType::Accepted,
    ConditionType::ResolvedRefs,
    ConditionType::Synced,
    ConditionType::TokenIssued,
];

/// What people have to know although everything is in order.
const WARNINGS: [ConditionType; 3] = [
    ConditionType::Expiring,
    ConditionType::RetiredTokenInUse,
    ConditionType::WindowUnmet,
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
mod tests {
    use super::*;
    use crate::controller::error::Error;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn pass<'a>(old: &'a [Condition], stop: Option<&'a Stop>) -> Pass<'a> {
        Pass {
            generation: Some(2),
            old,
            old_generation: Some(2),
            stop,
            findings: &[],
            tokens_live: TokensLive::All,
        }
    }

    fn shown(conditions: &[Condition]) -> Vec<String> {
        conditions
            .iter()
            .map(|c| format!("{}={}/{}", c.type_, c.status, c.reason))
            .collect()
    }

    fn failed() -> Stop {
        Stop::Failed(Error::Silence {
            operation: "read the Secret",
        })
    }

    #[test]
    fn a_pass_that_comes_through_is_ready() {
        let conditions = conditions(&pass(&[], None), at(1));
        assert_eq!(
            shown(&conditions),
            [
                "Ready=True/Synced",
                "Accepted=True/Synced",
                "ResolvedRefs=True/Synced",
                "Synced=True/Synced"
            ]
        );
    }

    #[test]
    fn what_waits_says_for_what_and_what_was_passed() {
        let stop = Stop::Blocked(Blocked::unresolved(
            Reason::ReferenceNotFound,
            "Group bots is not there",
        ));
        let conditions = conditions(&pass(&[], Some(&stop)), at(1));
        assert_eq!(
            shown(&conditions),
            [
                "Ready=False/ReferenceNotFound",
                "Accepted=True/Synced",
                "ResolvedRefs=False/ReferenceNotFound",
                "Stalled=True/ReferenceNotFound"
            ]
        );
    }

    #[test]
    fn what_waits_says_nothing_of_what_it_did_not_come_to() {
        let ready = conditions(&pass(&[], None), at(1));
        let blocked = Blocked::unresolved(Reason::ReferenceNotFound, "Group bots is not there");
        let stop = Stop::Blocked(blocked);
        let after = conditions(&pass(&ready, Some(&stop)), at(2));
        let synced = "Synced=Unknown/ReferenceNotFound".to_owned();
        assert!(shown(&after).contains(&synced), "{:?}", shown(&after));
        let again = conditions(&pass(&after, Some(&stop)), at(3));
        assert_eq!(again, after, "said once");
        let back = conditions(&pass(&after, None), at(4));
        assert!(condition::is_true(&back, ConditionType::Synced));
    }

    #[test]
    fn a_failure_leaves_what_was_ready_for_this_spec_ready() {
        let ready = conditions(&pass(&[], None), at(1));
        let stop = failed();
        let after = conditions(&pass(&ready, Some(&stop)), at(2));
        assert!(condition::is_true(&after, ConditionType::Ready));
        assert!(condition::is_true(&after, ConditionType::Reconciling));
        let outdated = Pass {
            generation: Some(3),
            ..pass(&ready, Some(&stop))
        };
        assert!(!condition::is_true(
            &conditions(&outdated, at(2)),
            ConditionType::Ready
        ));
        let expired = Pass {
            tokens_live: TokensLive::NotAll,
            ..pass(&ready, Some(&stop))
        };
        assert!(!condition::is_true(
            &conditions(&expired, at(2)),
            ConditionType::Ready
        ));
    }

    fn down(reason: Reason) -> Stop {
        Stop::Down(Down {
            reason,
            message: "waits".into(),
        })
    }

    #[test]
    fn an_instance_that_is_down_leaves_what_was_ready_ready() {
        let ready = conditions(&pass(&[], None), at(1));
        let stop = down(Reason::BackendUnavailable);
        let after = conditions(&pass(&ready, Some(&stop)), at(2));
        assert_eq!(
            shown(&after),
            [
                "Ready=True/Synced",
                "Accepted=True/Synced",
                "ResolvedRefs=True/Synced",
                "Synced=False/BackendUnavailable",
                "Reconciling=True/BackendUnavailable"
            ]
        );
        let new = conditions(&pass(&[], Some(&stop)), at(2));
        assert!(!condition::is_true(&new, ConditionType::Ready));
        let stop = down(Reason::CredentialMissing);
        let after = conditions(&pass(&ready, Some(&stop)), at(2));
        assert!(condition::is_true(&after, ConditionType::Ready));
        assert!(condition::is_true(&after, ConditionType::Stalled));
    }

    #[test]
    fn another_backend_has_nothing_ready() {
        let ready = conditions(&pass(&[], None), at(1));
        let stop = down(Reason::InstanceChanged);
        let after = conditions(&pass(&ready, Some(&stop)), at(2));
        assert!(!condition::is_true(&after, ConditionType::Ready));
        assert!(condition::is_true(&after, ConditionType::Stalled));
    }

    #[test]
    fn people_are_told_once_of_each_turn() {
        let told = |old: &[Condition], new: &[Condition]| {
            shown(&news(old, new).into_iter().cloned().collect::<Vec<_>>())
        };
        let well = conditions(&pass(&[], None), at(1));
        assert_eq!(told(&[], &well), ["Ready=True/Synced"]);
        assert_eq!(told(&well, &well), [""; 0]);
        let stop = failed();
        let failing = conditions(&pass(&well, Some(&stop)), at(2));
        let expected = "Reconciling=True/KubernetesUnavailable";
        assert_eq!(told(&well, &failing), [expected]);
        assert_eq!(told(&failing, &failing), [""; 0]);
        let stop = Stop::Blocked(Blocked::refused(Reason::NotAllowed, "closed"));
        let refused = conditions(&pass(&failing, Some(&stop)), at(3));
        assert_eq!(told(&failing, &refused), ["Ready=False/NotAllowed"]);
    }

    #[test]
    fn people_are_told_once_of_a_warning_too() {
        let well = conditions(&pass(&[], None), at(1));
        let expiring = Finding::new(ConditionType::Expiring, true, Reason::TokenExpired, "soon");
        let warned = Pass {
            findings: &[expiring],
            ..pass(&well, None)
        };
        let warned = conditions(&warned, at(2));
        let told: Vec<_> = news(&well, &warned).into_iter().cloned().collect();
        assert_eq!(shown(&told), ["Expiring=True/TokenExpired"]);
        assert!(news(&warned, &warned).is_empty());
    }

    #[test]
    fn warnings_go_when_nothing_finds_them_any_more() {
        let stop = failed();
        let failing = conditions(&pass(&[], Some(&stop)), at(1));
        let well = conditions(&pass(&failing, None), at(2));
        assert!(condition::find(&well, ConditionType::Reconciling).is_none());
    }

    #[test]
    fn what_stands_holds_for_the_newest_spec_once_a_pass_came_through() {
        let issued = Finding::new(ConditionType::TokenIssued, true, Reason::Issued, "a token");
        let first = Pass {
            generation: Some(1),
            findings: &[issued],
            ..pass(&[], None)
        };
        let first = conditions(&first, at(1));
        let of = |conditions: &[Condition]| {
            let issued = condition::find(conditions, ConditionType::TokenIssued);
            issued.and_then(|condition| condition.observed_generation)
        };
        let stop = failed();
        assert_eq!(of(&conditions(&pass(&first, Some(&stop)), at(2))), Some(1));
        assert_eq!(of(&conditions(&pass(&first, None), at(2))), Some(2));
    }

    #[test]
    fn the_same_pass_again_changes_nothing() {
        let first = conditions(&pass(&[], None), at(1));
        assert_eq!(conditions(&pass(&first, None), at(99)), first);
    }
}
