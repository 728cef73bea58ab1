//! Why a token is issued, and with what number and history.

use super::*;

fn reason(seen: &Observed, now: Timestamp) -> Reason {
    issued(&decide(seen, now)).reason
}

#[test]
fn a_steady_token_is_left_alone() {
    let plan = decide(&steady(), START + HOUR);
    assert_eq!((&plan.step, plan.hold), (&None, None));
}

#[test]
fn without_a_secret_the_first_token_is_issued() {
    let mut seen = steady();
    (seen.secret, seen.recorded) = (SecretSeen::Absent, None);
    seen.listed = Some(Vec::new());
    let plan = decide(&seen, START);
    let issue = issued(&plan);
    assert_eq!((issue.reason, issue.generation), (Reason::Issued, 1));
    assert!(issue.unscheduled.is_empty(), "the first one is in turn");
}

#[test]
fn a_secret_that_is_gone_is_missing() {
    let mut seen = steady();
    seen.secret = SecretSeen::Absent;
    seen.listed = Some(vec![listed("t2", 2, START)]);
    let plan = decide(&seen, START + HOUR * 2);
    let issue = issued(&plan);
    assert_eq!((issue.reason, issue.generation), (Reason::SecretMissing, 3));
    assert_eq!(ids(&issue.retired), [("t2", End::Overlap)]);
}

#[test]
fn a_renamed_secret_is_no_damage() {
    let mut seen = steady();
    (seen.secret, seen.secret_name) = (SecretSeen::Absent, Some("other".into()));
    seen.listed = Some(vec![listed("t2", 2, START)]);
    let plan = decide(&seen, START + HOUR * 2);
    let issue = issued(&plan);
    assert_eq!(issue.reason, Reason::Issued);
    assert_eq!(ids(&issue.retired), [("t2", End::Overlap)]);
}

#[test]
fn a_foreign_secret_is_left_alone_until_somebody_acts() {
    let mut seen = steady();
    seen.secret = SecretSeen::Foreign;
    seen.requests.compromised = Some("now".into());
    let plan = decide(&seen, START + HOUR * 200);
    assert_eq!((&plan.step, plan.next), (&None, None));
    assert_eq!(held(&plan), (Reason::SecretConflict, None));
}

/// What is damaged is first written down as seen, then repaired in the same pass.
fn repaired(mut seen: Observed, now: Timestamp) -> Reason {
    assert_eq!(
        decide(&seen, now).step,
        Some(Step::Accept(Integrity::Damaged))
    );
    seen.sighting = Sighting::Recorded;
    reason(&seen, now)
}

#[test]
fn a_history_that_cannot_be_read_is_tampered_with() {
    let mut seen = touched(steady());
    seen.secret = ours(None);
    assert_eq!(repaired(seen, START), Reason::SecretTampered);
}

#[test]
fn a_history_older_than_the_newest_publish_is_tampered_with() {
    let mut seen = touched(steady());
    seen.check = Some(Check::Works);
    seen.recorded.as_mut().unwrap().generation = 3;
    assert_eq!(repaired(seen, START), Reason::SecretTampered);
}

#[test]
fn a_value_with_another_prefix_is_tampered_with() {
    let mut seen = touched(steady());
    seen.check = Some(Check::Works);
    if let SecretSeen::Ours { prefix_holds, .. } = &mut seen.secret {
        *prefix_holds = Some(false);
    }
    assert_eq!(repaired(seen, START), Reason::SecretTampered);
}

#[test]
fn a_newer_history_than_the_status_knows_is_fine() {
    let mut seen = touched(steady());
    seen.check = Some(Check::Works);
    seen.recorded.as_mut().unwrap().generation = 1;
    let plan = decide(&seen, START);
    assert_eq!(plan.step, Some(Step::Accept(Integrity::Intact)));
}

#[test]
fn a_value_is_lost_after_two_refusals_half_a_minute_apart() {
    let second = SignedDuration::from_secs(1);
    let mut seen = steady();
    seen.listed = Some(Vec::new());
    (seen.check, seen.refused_since) = (Some(Check::Refused), Some(START));
    let plan = decide(&seen, START + second * 29);
    assert_eq!(held(&plan), (Reason::TokenLost, None));
    assert_eq!(plan.next, Some(START + second * 30));
    assert_eq!(reason(&seen, START + second * 30), Reason::TokenLost);
}

#[test]
fn a_refused_value_that_was_never_found_to_work_is_no_working_token_meanwhile() {
    let mut seen = touched(steady());
    (seen.check, seen.refused_since) = (Some(Check::Refused), Some(START));
    let plan = decide(&seen, START);
    assert_eq!(plan.step, None, "it is tried again first");
    assert_eq!(held(&plan), (Reason::TokenLost, Some(Reason::TokenLost)));
}

#[test]
fn a_value_that_works_again_was_not_lost() {
    let mut seen = steady();
    seen.check = Some(Check::Works);
    assert_eq!(decide(&seen, START + HOUR).step, None);
}

#[test]
fn absence_in_a_list_is_no_loss() {
    let mut seen = steady();
    (seen.listed, seen.check) = (Some(Vec::new()), Some(Check::Works));
    assert_eq!(decide(&seen, START + HOUR).step, None);
}

#[test]
fn a_token_is_replaced_when_it_has_expired() {
    let mut seen = steady();
    // Nothing else makes it due: replaced in the last hour only.
    edit(&mut seen).current.expires = Some(START + HOUR);
    seen.listed = Some(vec![Listed {
        expires: Some(START + HOUR),
        ..listed("t2", 2, START)
    }]);
    let plan = decide(&seen, START + HOUR);
    let issue = issued(&plan);
    assert_eq!(issue.reason, Reason::TokenExpired);
    assert_eq!(issue.unscheduled, [START + HOUR], "out of turn");
}

#[test]
fn another_lifetime_needs_another_token() {
    let seen = steady();
    let reason = |spec| {
        let plan = plan(&policy(spec), &seen, MINUTE, START);
        issued(&plan).reason
    };
    assert_eq!(reason(json!({"lifetime": "90h"})), Reason::LifetimeChanged);
    let extended = json!({"lifetime": "100h", "extended": true});
    assert_eq!(reason(extended), Reason::LifetimeChanged);
    assert_eq!(
        reason(json!({"neverExpires": true})),
        Reason::LifetimeChanged
    );
}

#[test]
fn a_request_is_handled_once() {
    let mut seen = steady();
    seen.requests.rotate = Some("a".into());
    let plan = decide(&seen, START);
    let issue = issued(&plan);
    assert_eq!(issue.reason, Reason::RotateRequested);
    assert_eq!(issue.rotate.as_deref(), Some("a"));
    edit(&mut seen).rotate = Some("a".into());
    assert_eq!(decide(&seen, START).step, None, "the Secret says so");
    edit(&mut seen).rotate = None;
    seen.recorded.as_mut().unwrap().rotate = Some("a".into());
    assert_eq!(decide(&seen, START).step, None, "the status says so");
    seen.requests.rotate = Some("b".into());
    assert_eq!(reason(&seen, START), Reason::RotateRequested, "a new value");
}

#[test]
fn any_issue_answers_what_is_asked_for_and_remembers_what_was() {
    let mut seen = steady();
    seen.secret = SecretSeen::Absent;
    seen.listed = Some(Vec::new());
    seen.requests.rotate = Some("a".into());
    seen.recorded.as_mut().unwrap().compromised = Some("old".into());
    let plan = decide(&seen, START);
    let issue = issued(&plan);
    assert_eq!(issue.reason, Reason::SecretMissing);
    assert_eq!(issue.rotate.as_deref(), Some("a"));
    assert_eq!(issue.compromised.as_deref(), Some("old"));
}

#[test]
fn a_compromise_condemns_every_older_token() {
    let mut seen = rotated();
    seen.requests.compromised = Some("leak".into());
    let plan = decide(&seen, START);
    let issue = issued(&plan);
    assert_eq!((issue.reason, issue.condemned), (Reason::Compromised, 3));
    assert_eq!(
        ids(&issue.retired),
        [("t1", End::Overlap), ("t2", End::Overlap)]
    );
}

#[test]
fn there_is_nothing_to_compromise_before_the_first_token() {
    let mut seen = steady();
    (seen.secret, seen.recorded) = (SecretSeen::Absent, None);
    seen.listed = Some(Vec::new());
    seen.requests.compromised = Some("leak".into());
    let plan = decide(&seen, START);
    assert_eq!(issued(&plan).reason, Reason::Issued);
    assert_eq!(issued(&plan).compromised.as_deref(), Some("leak"));
}

/// The rights of the owner of `steady`'s token when it was issued, and now.
fn with_rights(then: Option<&str>, now: Option<&str>) -> Observed {
    let mut seen = steady();
    edit(&mut seen).current.rights = then.map(str::to_owned);
    seen.rights = now.map(str::to_owned);
    seen
}

#[test]
fn other_permissions_replace_a_token_if_the_spec_wants_it() {
    let rotate = json!({"lifetime": "100h", "rotation": {"permissionChangePolicy": "Rotate"}});
    let policy = policy(rotate);
    let decide = |seen: &Observed| plan(&policy, seen, MINUTE, START + HOUR);
    let changed = with_rights(Some("reads"), Some("writes"));
    let plan = decide(&changed);
    assert_eq!(issued(&plan).reason, Reason::PermissionsChanged);
    assert_eq!(issued(&plan).unscheduled.len(), 1, "out of turn");
    assert_eq!(
        decide(&with_rights(Some("reads"), Some("reads"))).step,
        None
    );
    assert_eq!(decide(&with_rights(Some("reads"), None)).step, None);
    let ignored = super::decide(&changed, START + HOUR);
    assert_eq!(ignored.step, None, "not by default");
    let mut overlapping = rotated();
    edit(&mut overlapping).current.rights = Some("reads".into());
    overlapping.rights = Some("writes".into());
    let waits = (Reason::OverlapInProgress, Some(Reason::PermissionsChanged));
    assert_eq!(held(&decide(&overlapping)), waits, "two are the most");
}

#[test]
fn permissions_count_from_when_they_are_written_down() {
    let seen = with_rights(None, Some("reads"));
    let Some(Step::Enter(entered)) = decide(&seen, START + HOUR).step else {
        panic!("not entered");
    };
    let mut expected = seen.history().unwrap().clone();
    expected.current.rights = Some("reads".into());
    assert_eq!(*entered, expected);
    let suspended = Observed {
        activity: Activity::Suspended,
        ..seen.clone()
    };
    assert_eq!(decide(&suspended, START + HOUR).step, None);
    assert_ne!(
        decide(&touched(seen), START + HOUR).step,
        Some(Step::Enter(entered))
    );
}

#[test]
fn a_token_is_replaced_on_schedule() {
    let seen = steady();
    let due = decide(&seen, START).schedule.unwrap().due.unwrap();
    let before = decide(&seen, due - SignedDuration::from_millis(1));
    assert_eq!((&before.step, before.next), (&None, Some(due)));
    let plan = decide(&seen, due);
    assert_eq!(issued(&plan).reason, Reason::Rotated);
    assert!(issued(&plan).unscheduled.is_empty());
}

#[test]
fn an_extended_token_that_was_used_is_not_due_yet() {
    let policy = policy(json!({"lifetime": "100h", "extended": true}));
    let mut seen = steady();
    edit(&mut seen).current.extended = true;
    let due = |seen: &Observed| plan(&policy, seen, MINUTE, START).schedule.unwrap().due;
    let first = due(&seen).unwrap();
    seen.listed = Some(vec![Listed {
        expires: Some(START + HOUR * 130),
        ..listed("t2", 2, START)
    }]);
    assert_eq!(due(&seen), Some(first + HOUR * 30));
    assert_eq!(plan(&policy, &seen, MINUTE, first).step, None);
    seen.listed = None;
    seen.moved = Some(("t2".into(), START + HOUR * 130));
    assert_eq!(due(&seen), Some(first + HOUR * 30), "remembered");
    seen.moved = Some(("t1".into(), START + HOUR * 130));
    assert_eq!(due(&seen), Some(first), "of another token");
}

#[test]
fn the_next_number_is_above_all_that_were_ever_seen() {
    let mut seen = steady();
    seen.secret = SecretSeen::Absent;
    let number = |seen: &Observed| issued(&decide(seen, START + HOUR * 2)).generation;
    seen.listed = Some(vec![listed("t9", 9, START)]);
    assert_eq!(number(&seen), 10, "of the backend");
    seen.recorded.as_mut().unwrap().generation = 20;
    assert_eq!(number(&seen), 21, "of the status");
    let mut seen = rotated();
    edit(&mut seen).retired[0].generation = 30;
    seen.requests.compromised = Some("leak".into());
    assert_eq!(number(&seen), 31, "of the history");
}

#[test]
fn a_secret_in_which_nothing_was_published_is_not_missed() {
    let mut seen = steady();
    seen.secret = SecretSeen::Absent;
    let reason = |seen: &Observed| due::cause(&usual(), seen, START).map(|cause| cause.reason);
    assert_eq!(reason(&seen), Some(Reason::SecretMissing));
    seen.recorded.as_mut().unwrap().generation = 0;
    assert_eq!(reason(&seen), Some(Reason::Issued));
}
