//! The replaced value beside the current one: when it stays, and when it goes.

use super::*;

fn keeping() -> Policy {
    policy(json!({"lifetime": "100h", "secret": {"previousValuePolicy": "Keep"}}))
}

/// `t1`, whose overlap is from 1 to 24 hours, is in the Secret beside `t2`.
fn both() -> Observed {
    let mut seen = rotated();
    edit(&mut seen).previous = Some(Previous {
        id: "t1".into(),
        prefix: None,
    });
    seen.listed_at = Some(START + HOUR);
    seen
}

fn step(policy: &Policy, seen: &Observed, now: Timestamp) -> Option<Step> {
    plan(policy, seen, MINUTE, now).step
}

/// The history as it is, without the replaced value.
fn forgotten(seen: &Observed) -> Step {
    let history = seen.history().unwrap().clone();
    Step::Rewrite(Box::new(History {
        previous: None,
        ..history
    }))
}

#[test]
fn it_leaves_the_secret_right_before_its_token_is_revoked() {
    let mut seen = both();
    assert_eq!(step(&keeping(), &seen, START + MINUTE), None);
    let end = START + HOUR;
    assert_eq!(step(&keeping(), &seen, end), Some(forgotten(&seen)));
    edit(&mut seen).previous = None;
    let revoked = step(&keeping(), &seen, end);
    assert!(matches!(revoked, Some(Step::Revoke { .. })), "{revoked:?}");
}

#[test]
fn it_stays_as_long_as_somebody_uses_it() {
    let mut seen = both();
    let used = START + MINUTE * 59;
    seen.listed.as_mut().unwrap()[0].last_used = Some(used);
    assert_eq!(step(&keeping(), &seen, START + HOUR), None);
    let latest = START + HOUR * 24;
    assert_eq!(step(&keeping(), &seen, latest), Some(forgotten(&seen)));
}

#[test]
fn it_goes_with_a_token_that_somebody_else_revoked_and_with_the_policy() {
    let mut seen = both();
    assert_eq!(
        step(&usual(), &seen, START + MINUTE),
        Some(forgotten(&seen))
    );
    seen.listed = Some(vec![listed("t2", 2, START)]);
    seen.recorded.as_mut().unwrap().retired.clear();
    assert_eq!(
        step(&keeping(), &seen, START + MINUTE),
        Some(forgotten(&seen))
    );
    seen.activity = Activity::Suspended;
    assert_eq!(step(&keeping(), &seen, START + MINUTE), None);
    let unknown = touched(both());
    let accepted = step(&keeping(), &unknown, START + HOUR);
    assert!(matches!(accepted, Some(Step::Accept(_))), "{accepted:?}");
}

#[test]
fn it_is_kept_if_the_token_works_on_and_the_spec_wants_it() {
    let mut seen = steady();
    edit(&mut seen).current.prefix = Some("abc".into());
    seen.requests.rotate = Some("a".into());
    let kept_by = |policy: &Policy, seen: &Observed| {
        let plan = plan(policy, seen, MINUTE, START + HOUR);
        kept(policy, seen, issued(&plan))
    };
    let expected = Previous {
        id: "t2".into(),
        prefix: Some("abc".into()),
    };
    assert_eq!(kept_by(&keeping(), &seen), Some(expected));
    assert_eq!(kept_by(&usual(), &seen), None);
    let mut compromised = seen.clone();
    compromised.requests.compromised = Some("leak".into());
    assert_eq!(kept_by(&keeping(), &compromised), None);
    let mut lost = seen.clone();
    (lost.check, lost.refused_since) = (Some(Check::Refused), Some(START));
    assert_eq!(kept_by(&keeping(), &lost), None);
    let mut missing = seen;
    missing.secret = SecretSeen::Absent;
    assert_eq!(kept_by(&keeping(), &missing), None);
}

#[test]
fn nothing_is_kept_whose_token_ends_at_once() {
    let issue = |retired: Vec<Retired>, condemned| Issue {
        reason: Reason::Rotated,
        generation: 3,
        retired,
        rotate: None,
        compromised: None,
        condemned,
        unscheduled: Vec::new(),
    };
    let (first, second) = (retired("t1", 1, START), retired("t2", 2, START));
    let unheld = Retired {
        end: End::Settled,
        ..second.clone()
    };
    let is_kept = |issue: &Issue| kept(&keeping(), &rotated(), issue).is_some();
    assert!(is_kept(&issue(vec![first.clone(), second.clone()], 0)));
    assert!(!is_kept(&issue(vec![first.clone(), unheld], 0)));
    assert!(
        !is_kept(&issue(vec![first.clone(), second], 3)),
        "condemned"
    );
    assert!(!is_kept(&issue(vec![first], 0)), "of another token");
}

#[test]
fn what_is_gone_is_stale_only_by_a_look_at_its_secret() {
    let mut seen = both();
    seen.listed = Some(vec![listed("t2", 2, START)]);
    seen.recorded.as_mut().unwrap().retired.clear();
    edit(&mut seen).previous.as_mut().unwrap().id = "t2".into();
    // The current one is no former one, whatever a history says.
    assert_eq!(
        step(&keeping(), &seen, START + MINUTE),
        Some(forgotten(&seen))
    );
    edit(&mut seen).previous.as_mut().unwrap().id = "t1".into();
    seen.recorded.as_mut().unwrap().retired = vec![("t1".into(), START)];
    assert_eq!(
        step(&keeping(), &seen, START + MINUTE),
        None,
        "it still works"
    );
}
