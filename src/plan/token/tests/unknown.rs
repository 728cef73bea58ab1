//! Tokens of ours that the history does not name.

use super::*;

/// A list shows a token that the history does not name, issued then; the history is known since [`START`].
fn with_unknown(issued: Timestamp) -> Observed {
    let mut seen = steady();
    seen.recorded.as_mut().unwrap().history_since = Some(START);
    seen.listed = Some(vec![listed("t2", 2, START), listed("x", 3, issued)]);
    seen
}

fn entered(plan: &Plan) -> Vec<(&str, End)> {
    match &plan.step {
        Some(Step::Enter(history)) => ids(&history.retired),
        other => panic!("nothing entered: {other:?}"),
    }
}

#[test]
fn one_issued_since_the_history_is_known_was_never_published() {
    let plan = decide(&with_unknown(START), START + MINUTE);
    assert_eq!(entered(&plan), [("x", End::Settled)]);
}

#[test]
fn one_issued_before_may_be_held_by_somebody() {
    let before = START - SignedDuration::from_millis(1);
    let plan = decide(&with_unknown(before), START + MINUTE);
    assert_eq!(entered(&plan), [("x", End::Overlap)]);
}

#[test]
fn it_is_entered_before_a_rotation_and_holds_it_back() {
    let mut seen = with_unknown(START - MINUTE);
    seen.requests.rotate = Some("a".into());
    let plan = decide(&seen, START + MINUTE);
    let Some(Step::Enter(history)) = plan.step else {
        panic!("{:?}", plan.step);
    };
    *edit(&mut seen) = *history;
    let recorded = seen.recorded.as_mut().unwrap();
    recorded.retired.push(("x".into(), START + MINUTE));
    let plan = decide(&seen, START + MINUTE);
    assert_eq!(held(&plan).0, Reason::OverlapInProgress);
}

#[test]
fn a_condemned_one_ends_as_soon_as_it_is_settled() {
    let mut seen = with_unknown(START - MINUTE);
    edit(&mut seen).condemned = 4;
    let plan = decide(&seen, START + MINUTE);
    assert_eq!(entered(&plan), [("x", End::Settled)]);
}

#[test]
fn a_compromise_condemns_unknown_ones_too() {
    let mut seen = with_unknown(START - MINUTE);
    seen.requests.compromised = Some("leak".into());
    let plan = decide(&seen, START + MINUTE);
    assert_eq!(
        ids(&issued(&plan).retired),
        [("t2", End::Overlap), ("x", End::Settled)]
    );
    assert_eq!(issued(&plan).condemned, 4, "above all that were seen");
}

#[test]
fn when_the_secret_is_gone_all_may_be_held_by_somebody() {
    let mut seen = with_unknown(START + MINUTE);
    seen.secret = SecretSeen::Absent;
    let plan = decide(&seen, START + HOUR);
    assert_eq!(
        ids(&issued(&plan).retired),
        [("t2", End::Overlap), ("x", End::Overlap)]
    );
}

#[test]
fn when_the_secret_was_touched_all_may_be_held_by_somebody() {
    let mut seen = touched(with_unknown(START + MINUTE));
    seen.secret = ours(None);
    seen.sighting = Sighting::Recorded;
    let plan = decide(&seen, START + HOUR);
    assert_eq!(
        ids(&issued(&plan).retired),
        [("t2", End::Overlap), ("x", End::Overlap)]
    );
}

#[test]
fn nothing_unknown_is_judged_before_the_secret_is_accepted() {
    let mut seen = touched(with_unknown(START));
    seen.check = Some(Check::Works);
    let plan = decide(&seen, START + MINUTE);
    assert_eq!(plan.step, Some(Step::Accept(Integrity::Intact)));
}

#[test]
fn suspension_leaves_unknown_ones_unless_they_are_condemned() {
    let mut seen = with_unknown(START);
    seen.activity = Activity::Suspended;
    assert_eq!(decide(&seen, START + MINUTE).step, None);
    edit(&mut seen).condemned = 4;
    assert_eq!(
        entered(&decide(&seen, START + MINUTE)),
        [("x", End::Settled)]
    );
}

#[test]
fn an_extended_one_has_no_end_of_its_own() {
    let mut seen = with_unknown(START - MINUTE);
    seen.listed.as_mut().unwrap()[1].extended = true;
    let plan = decide(&seen, START + MINUTE);
    let Some(Step::Enter(history)) = &plan.step else {
        panic!("{:?}", plan.step);
    };
    assert_eq!(history.retired[0].expires, None);
}

#[test]
fn entering_drops_what_was_revoked_and_counts_issues_in_vain() {
    let mut seen = with_unknown(START);
    edit(&mut seen).retired.push(retired("t1", 1, START));
    let plan = decide(&seen, START + MINUTE);
    assert_eq!(entered(&plan), [("x", End::Settled)]);
    let Some(Step::Enter(history)) = &plan.step else {
        panic!("{:?}", plan.step);
    };
    assert_eq!(history.unscheduled, [START]);
}
