//! Workloads that take the token at their start.

use super::*;
use crate::api::token::{Workload, WorkloadKind};
use crate::plan::token::consumers::POLL;
use crate::plan::token::{Consumer, Pod, Rollout, rollout};

const WANTED: &str = "ci g2 t2";

fn pod(mark: Option<&str>, created: Timestamp) -> Pod {
    Pod {
        mark: mark.map(str::to_owned),
        created,
    }
}

fn workload() -> Workload {
    Workload {
        kind: WorkloadKind::Deployment,
        name: "bot".into(),
    }
}

fn rolling() -> Policy {
    Policy {
        restart: vec![workload()],
        ..usual()
    }
}

/// Right after a rotation, with the workload seen so.
fn seen(rollout: Rollout) -> Observed {
    let consumer = Consumer {
        workload: workload(),
        rollout,
    };
    Observed {
        consumers: Some(vec![consumer]),
        ..rotated()
    }
}

fn step(seen: &Observed, now: Timestamp) -> Option<Step> {
    plan(&rolling(), seen, MINUTE, now).step
}

#[test]
fn pods_from_before_the_publish_have_the_token_before() {
    let old = pod(None, START - HOUR);
    assert_eq!(rollout(None, WANTED, &[old], START), Rollout::Outdated);
    assert_eq!(rollout(None, WANTED, &[], START), Rollout::Done);
}

#[test]
fn younger_pods_are_left_alone() {
    let young = pod(None, START + MINUTE * 2);
    assert_eq!(rollout(None, WANTED, &[young], START), Rollout::Done);
    // Clocks differ, and the kubelet is not told at once.
    let close = pod(None, START + SignedDuration::from_secs(30));
    assert_eq!(rollout(None, WANTED, &[close], START), Rollout::Outdated);
}

#[test]
fn what_was_rolled_for_this_token_is_not_rolled_again() {
    let old = pod(Some("ci g1 t1"), START - HOUR);
    let new = pod(Some(WANTED), START + SignedDuration::from_secs(1));
    let both = [old, new.clone()];
    assert_eq!(
        rollout(Some(WANTED), WANTED, &both, START),
        Rollout::Running
    );
    assert_eq!(rollout(Some(WANTED), WANTED, &[new], START), Rollout::Done);
}

#[test]
fn a_workload_is_looked_at_only_while_a_replaced_token_lives() {
    assert_eq!(look(&rolling(), &rotated(), START), Some(Look::Consumers));
    assert_eq!(look(&usual(), &rotated(), START), None, "nobody asks");
    assert_eq!(look(&rolling(), &steady(), START), None, "nothing overlaps");
    let suspended = Observed {
        activity: Activity::Suspended,
        ..rotated()
    };
    assert_eq!(look(&rolling(), &suspended, START), None);
    let unknown = Observed {
        recorded: None,
        check: Some(Check::Works),
        ..rotated()
    };
    assert_eq!(look(&rolling(), &unknown, START), None, "not surely new");
}

#[test]
fn an_outdated_workload_is_rolled_before_anything_is_revoked() {
    let late = START + HOUR * 2;
    let expected = Some(Step::Restart(workload()));
    assert_eq!(step(&seen(Rollout::Outdated), START), expected);
    assert_eq!(step(&seen(Rollout::Outdated), late), expected);
}

#[test]
fn a_replaced_token_outlives_the_rollout() {
    let late = START + HOUR * 2;
    let plan = plan(&rolling(), &seen(Rollout::Running), MINUTE, late);
    assert_eq!(plan.step, None);
    assert_eq!(plan.next, Some(late + POLL), "looked at again soon");
    let done = step(&seen(Rollout::Done), late);
    assert!(matches!(done, Some(Step::Revoke { .. })), "{done:?}");
}

#[test]
fn a_rollout_that_never_ends_holds_a_token_to_the_overlaps_maximum() {
    let end = START + HOUR * 24;
    assert_eq!(step(&seen(Rollout::Running), end - MINUTE), None);
    let step = step(&seen(Rollout::Running), end);
    assert!(matches!(step, Some(Step::Revoke { .. })), "{step:?}");
}

#[test]
fn what_cannot_be_rolled_holds_nothing() {
    let step = step(&seen(Rollout::Unknown), START + HOUR * 2);
    assert!(matches!(step, Some(Step::Revoke { .. })), "{step:?}");
}

#[test]
fn a_compromised_token_waits_for_no_rollout() {
    let mut seen = seen(Rollout::Running);
    edit(&mut seen).condemned = 2;
    let revoked = step(&seen, START);
    assert!(matches!(revoked, Some(Step::Revoke { .. })), "{revoked:?}");
    seen.consumers.as_mut().unwrap()[0].rollout = Rollout::Outdated;
    let first = step(&seen, START);
    assert_eq!(
        first,
        Some(Step::Restart(workload())),
        "but it is rolled first"
    );
}

#[test]
fn nobody_is_rolled_for_a_first_token() {
    let mut seen = rotated();
    edit(&mut seen).current.generation = 1;
    assert_ne!(look(&rolling(), &seen, START), Some(Look::Consumers));
    edit(&mut seen).current.generation = 2;
    assert_eq!(look(&rolling(), &seen, START), Some(Look::Consumers));
}
