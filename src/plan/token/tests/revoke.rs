//! When a retired token is revoked.

use super::*;

fn used(mut seen: Observed, at: Timestamp) -> Observed {
    seen.listed.as_mut().unwrap()[0].last_used = Some(at);
    seen
}

fn revoked(plan: &Plan) -> Option<&str> {
    match &plan.step {
        Some(Step::Revoke { id, .. }) => Some(id.as_str()),
        _ => None,
    }
}

#[test]
fn a_retired_token_works_for_the_minimum() {
    let seen = rotated();
    let plan = decide(&seen, START + HOUR - MINUTE);
    assert_eq!((revoked(&plan), plan.next), (None, Some(START + HOUR)));
    assert_eq!(revoked(&decide(&seen, START + HOUR)), Some("t1"));
}

#[test]
fn a_token_in_use_is_kept_until_it_is_quiet_and_told_of() {
    let seen = used(rotated(), START + MINUTE * 50);
    let now = START + HOUR;
    let plan = decide(&seen, now);
    assert_eq!(
        (revoked(&plan), plan.next),
        (None, Some(START + MINUTE * 65))
    );
    let in_use = plan.in_use.unwrap();
    assert_eq!(in_use.id.as_str(), "t1");
    assert_eq!(in_use.last_used, START + MINUTE * 50);
    assert_eq!(in_use.until, START + HOUR * 24);
    assert_eq!(
        revoked(&decide(&seen, START + MINUTE * 65)),
        Some("t1"),
        "quiet"
    );
}

#[test]
fn a_use_before_it_was_replaced_keeps_it_and_is_told_to_nobody() {
    let mut slow = policy(json!({"lifetime": "90h"}));
    slow.overlap.quiet = HOUR * 2;
    let seen = used(rotated(), START - SignedDuration::from_secs(1));
    let plan = plan(&slow, &seen, MINUTE, START + HOUR);
    assert_eq!((revoked(&plan), plan.in_use.as_ref()), (None, None));
    let seen = used(seen, START + SignedDuration::from_secs(1));
    let plan = super::plan(&slow, &seen, MINUTE, START + HOUR);
    assert!(plan.in_use.is_some());
}

#[test]
fn a_list_tells_nothing_of_uses_after_it_was_asked_for() {
    let mut seen = used(rotated(), START + MINUTE * 50);
    seen.listed_at = Some(START + MINUTE * 64);
    let now = START + MINUTE * 70;
    let plan = decide(&seen, now);
    let again = now + SignedDuration::from_secs(1);
    assert_eq!((revoked(&plan), plan.next), (None, Some(again)));
    seen.listed_at = Some(START + MINUTE * 65);
    assert_eq!(revoked(&decide(&seen, now)), Some("t1"));
}

#[test]
fn nothing_ends_its_overlap_unless_a_list_was_seen() {
    let mut seen = rotated();
    seen.listed = None;
    let now = START + HOUR * 25;
    let plan = decide(&seen, now);
    let again = now + SignedDuration::from_secs(1);
    assert_eq!((revoked(&plan), plan.next), (None, Some(again)));
}

#[test]
fn use_within_the_minimum_is_no_news() {
    let seen = used(rotated(), START + MINUTE * 30);
    assert_eq!(decide(&seen, START + MINUTE * 31).in_use, None);
}

#[test]
fn a_token_in_use_ends_with_the_maximum() {
    let end = START + HOUR * 24;
    let seen = used(rotated(), end - MINUTE);
    let plan = decide(&seen, end - SignedDuration::from_secs(1));
    assert_eq!((revoked(&plan), plan.next), (None, Some(end)));
    assert_eq!(revoked(&decide(&seen, end)), Some("t1"));
}

#[test]
fn a_token_that_expired_by_itself_is_cleared_away() {
    let mut seen = used(rotated(), START + MINUTE * 29);
    edit(&mut seen).retired[0].expires = Some(START + MINUTE * 30);
    let plan = decide(&seen, START + MINUTE * 29);
    assert_eq!(
        (revoked(&plan), plan.next),
        (None, Some(START + MINUTE * 30))
    );
    assert_eq!(revoked(&decide(&seen, START + MINUTE * 30)), Some("t1"));
}

#[test]
fn compromised_tokens_go_at_once_through_suspension_and_use() {
    let mut seen = used(rotated(), START);
    edit(&mut seen).condemned = 2;
    seen.activity = Activity::Suspended;
    assert_eq!(revoked(&decide(&seen, START)), Some("t1"));
}

#[test]
fn suspension_keeps_the_other_retired_tokens() {
    let mut seen = rotated();
    seen.activity = Activity::Suspended;
    let plan = decide(&seen, START + HOUR * 30);
    assert_eq!((&plan.step, plan.in_use), (&None, None));
}

#[test]
fn refusal_keeps_no_replaced_token() {
    let mut seen = rotated();
    seen.activity = Activity::Refused;
    assert_eq!(revoked(&decide(&seen, START + HOUR)), Some("t1"));
}

#[test]
fn absence_in_a_list_is_no_proof_of_a_revocation() {
    let mut seen = rotated();
    seen.listed.as_mut().unwrap().remove(0);
    assert_eq!(revoked(&decide(&seen, START + HOUR)), Some("t1"));
}

#[test]
fn what_was_revoked_is_left_alone_unless_the_list_shows_it() {
    let mut seen = rotated();
    seen.recorded.as_mut().unwrap().retired.clear();
    assert_eq!(revoked(&decide(&seen, START + HOUR * 2)), Some("t1"));
    seen.listed.as_mut().unwrap().remove(0);
    assert_eq!(decide(&seen, START + HOUR * 2).step, None);
    assert!(pending(&seen).is_empty());
}

#[test]
fn nothing_is_revoked_by_a_secret_that_the_status_does_not_know() {
    let mut seen = touched(rotated());
    seen.check = Some(Check::Works);
    let now = START + HOUR * 30;
    assert_eq!(
        decide(&seen, now).step,
        Some(Step::Accept(Integrity::Intact))
    );
}
