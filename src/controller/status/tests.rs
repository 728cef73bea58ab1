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
