//! What a wanted token waits for.

use super::*;

#[test]
fn a_rotation_waits_for_the_overlap_before_to_end() {
    let mut seen = rotated();
    seen.requests.rotate = Some("a".into());
    let plan = decide(&seen, START + MINUTE);
    assert_eq!(plan.step, None);
    assert_eq!(
        held(&plan),
        (Reason::OverlapInProgress, Some(Reason::RotateRequested))
    );
    assert_eq!(plan.hold.unwrap().until, Some(START + HOUR * 24));
}

/// A token of an hour behind one that works for a day: the spec was another when that was replaced.
#[test]
fn a_rotation_does_not_wait_for_the_token_to_die() {
    let mut seen = rotated();
    let current = &mut edit(&mut seen).current;
    current.expires = Some(START + HOUR);
    current.asked = Some(3600);
    for listed in seen.listed.iter_mut().flatten() {
        listed.expires = Some(START + HOUR).filter(|_| listed.generation == 2);
    }
    seen.requests.rotate = Some("a".into());
    let mut policy = policy(json!({"lifetime": "1h"}));
    (policy.overlap.min, policy.overlap.max) = (HOUR * 24, HOUR * 24);
    let decide = |minute| plan(&policy, &seen, MINUTE, START + MINUTE * minute);
    let held = decide(10).hold.unwrap();
    assert_eq!(held.reason, Reason::OverlapInProgress);
    let until = held.until.unwrap();
    assert_eq!(
        until,
        START + MINUTE * 50,
        "half of the time in which it is due"
    );
    assert!(decide(49).step.is_none());
    assert_eq!(issued(&decide(50)).reason, Reason::RotateRequested);
}

#[test]
fn a_repair_does_not_wait_for_an_overlap() {
    let mut seen = rotated();
    seen.secret = SecretSeen::Absent;
    let plan = decide(&seen, START + MINUTE);
    assert_eq!(issued(&plan).reason, Reason::SecretMissing);
}

#[test]
fn tokens_that_nobody_holds_delay_no_rotation() {
    let mut seen = rotated();
    edit(&mut seen).retired[0].end = End::Settled;
    seen.requests.rotate = Some("a".into());
    let plan = decide(&seen, START + SignedDuration::from_secs(1));
    assert_eq!(issued(&plan).reason, Reason::RotateRequested);
}

#[test]
fn suspension_holds_everything_but_a_compromise() {
    let mut seen = steady();
    seen.activity = Activity::Suspended;
    seen.requests.rotate = Some("a".into());
    let plan = decide(&seen, START);
    assert_eq!(
        held(&plan),
        (Reason::Suspended, Some(Reason::RotateRequested))
    );
    seen.requests.compromised = Some("leak".into());
    assert_eq!(issued(&decide(&seen, START)).reason, Reason::Compromised);
}

#[test]
fn suspension_holds_even_a_dead_token() {
    let mut seen = steady();
    seen.activity = Activity::Suspended;
    seen.listed = Some(vec![listed("t2", 2, START)]);
    let plan = decide(&seen, START + HOUR * 100);
    assert_eq!(held(&plan), (Reason::Suspended, Some(Reason::TokenExpired)));
    let urgency = plan.hold.unwrap().wanted.unwrap().urgency;
    assert_eq!(urgency, Urgency::Urgent);
}

#[test]
fn a_refused_object_gets_no_token_whatever_the_reason() {
    let mut seen = steady();
    seen.activity = Activity::Refused;
    seen.requests.rotate = Some("a".into());
    let refused = |seen: &Observed, now| held(&decide(seen, now));
    let because = |cause| (Reason::NotAllowed, Some(cause));
    assert_eq!(refused(&seen, START), because(Reason::RotateRequested));
    seen.requests.compromised = Some("leak".into());
    assert_eq!(refused(&seen, START), because(Reason::Compromised));
    seen.secret = SecretSeen::Absent;
    seen.requests = Requests::default();
    assert_eq!(refused(&seen, START), because(Reason::SecretMissing));
}

/// A token that was asked to be rotated, after issues out of turn at these minutes.
fn after_issues(minutes: &[i32]) -> Observed {
    let mut seen = steady();
    edit(&mut seen).unscheduled = minutes.iter().map(|&m| START + MINUTE * m).collect();
    seen.requests.rotate = Some("a".into());
    seen
}

/// How many minutes after the last issue the next one may be.
fn pause(issues: &[i32]) -> Option<i64> {
    let last = START + MINUTE * issues.last().copied().unwrap_or(0);
    let hold = decide(&after_issues(issues), last).hold?;
    Some(hold.until.unwrap().duration_since(last).as_mins())
}

#[test]
fn three_issues_out_of_turn_are_free_then_each_waits_twice_as_long() {
    assert_eq!(pause(&[0, 0]), None);
    assert_eq!(pause(&[0, 1, 2]), Some(1));
    assert_eq!(pause(&[0, 1, 2, 3]), Some(2));
    assert_eq!(pause(&[0, 1, 2, 3, 5]), Some(4));
    assert_eq!(pause(&[0, 1, 2, 3, 5, 9]), Some(8));
    assert_eq!(pause(&[0, 1, 2, 3, 5, 9, 17]), Some(8), "and no longer");
}

#[test]
fn a_loop_is_called_one_and_ends_with_the_hour() {
    let seen = after_issues(&[0, 1, 2, 3, 5]);
    let plan = decide(&seen, START + MINUTE * 5);
    assert_eq!(held(&plan), (Reason::NotDue, Some(Reason::RotateRequested)));
    let seen = after_issues(&[0, 1, 2, 3, 5, 9]);
    let plan = decide(&seen, START + MINUTE * 10);
    assert_eq!(held(&plan).0, Reason::IssueLoop);
    assert_eq!(plan.next, Some(START + MINUTE * 17));
    assert_eq!(decide(&seen, START + MINUTE * 69).hold, None, "forgotten");
}

#[test]
fn issues_in_vain_count_too() {
    let mut seen = after_issues(&[]);
    edit(&mut seen).retired = (0..3)
        .map(|number| Retired {
            end: End::Settled,
            issued: START + MINUTE * number,
            ..retired(&format!("v{number}"), 3, START)
        })
        .collect();
    let plan = decide(&seen, START + MINUTE * 2);
    assert_eq!(held(&plan).0, Reason::NotDue);

    let mut seen = after_issues(&[]);
    seen.vain = (0..3).map(|number| START + MINUTE * number).collect();
    let plan = decide(&seen, START + MINUTE * 2);
    assert_eq!(held(&plan).0, Reason::NotDue, "also those of no history");
}

#[test]
fn a_lost_history_is_counted_by_the_list() {
    let mut seen = touched(steady());
    seen.secret = SecretSeen::Absent;
    let tokens = (0..3).map(|n| listed(&format!("t{n}"), 1, START + MINUTE * n));
    seen.listed = Some(tokens.collect());
    let plan = decide(&seen, START + MINUTE * 2);
    assert_eq!(held(&plan), (Reason::NotDue, Some(Reason::SecretMissing)));
}

#[test]
fn schedules_and_compromises_do_not_wait_for_the_pace() {
    let mut seen = after_issues(&[0, 1, 2, 3, 5, 9]);
    seen.requests.rotate = None;
    let due = decide(&seen, START).schedule.unwrap().due.unwrap();
    edit(&mut seen).unscheduled = vec![due; 1];
    assert_eq!(issued(&decide(&seen, due)).reason, Reason::Rotated);
    let mut seen = after_issues(&[0, 1, 2, 3, 5, 9]);
    seen.requests.compromised = Some("leak".into());
    let plan = decide(&seen, START + MINUTE * 9);
    assert_eq!(issued(&plan).reason, Reason::Compromised);
}

#[test]
fn schedules_and_compromises_wait_if_the_tokens_before_were_in_vain() {
    let mut seen = steady();
    let schedule = decide(&seen, START).schedule.unwrap();
    let (due, end) = (schedule.due.unwrap(), schedule.expires.unwrap());
    seen.vain = (0..3).map(|number| due + MINUTE * number).collect();
    let plan = decide(&seen, due + MINUTE * 2);
    assert_eq!(held(&plan), (Reason::NotDue, Some(Reason::Rotated)));
    assert_eq!(plan.hold.unwrap().until, Some(due + MINUTE * 3));
    // No pause is longer than half of the validity that is left.
    seen.vain = (0..3).map(|_| end - MINUTE).collect();
    let times = (1..4).map(|number| end - MINUTE - SignedDuration::from_secs(number));
    seen.vain.extend(times);
    let plan = decide(&seen, end - MINUTE);
    let half = end - MINUTE / 2;
    assert_eq!(plan.hold.unwrap().until, Some(half));
    let mut seen = steady();
    seen.vain = (0..3).map(|number| START + MINUTE * number).collect();
    seen.requests.compromised = Some("leak".into());
    let plan = decide(&seen, START + MINUTE * 2);
    assert_eq!(held(&plan), (Reason::NotDue, Some(Reason::Compromised)));
}

#[test]
fn a_backend_that_grants_seconds_makes_no_storm() {
    let mut seen = after_issues(&[0, 1, 2]);
    seen.requests.rotate = None;
    edit(&mut seen).current.issued = START + MINUTE * 2;
    edit(&mut seen).current.expires = Some(START + MINUTE * 2 + SignedDuration::from_secs(20));
    let due = decide(&seen, START).schedule.unwrap().due.unwrap();
    let plan = decide(&seen, due);
    assert_eq!(held(&plan), (Reason::NotDue, Some(Reason::Rotated)));
}

#[test]
fn what_a_lost_history_counted_is_remembered() {
    let mut seen = steady();
    seen.secret = SecretSeen::Absent;
    seen.listed = Some(Vec::new());
    seen.unscheduled = [0, 1, 2].map(|minute| START + MINUTE * minute).to_vec();
    let now = START + MINUTE * 2;
    let plan = decide(&seen, now);
    assert_eq!(held(&plan), (Reason::NotDue, Some(Reason::SecretMissing)));
    assert_eq!(plan.hold.unwrap().until, Some(now + MINUTE));
}

#[test]
fn a_clock_that_went_back_holds_nothing_back_for_longer() {
    let mut seen = after_issues(&[600, 601, 602, 603]);
    let plan = decide(&seen, START);
    assert_eq!(issued(&plan).reason, Reason::RotateRequested);
    assert_eq!(issued(&plan).unscheduled, [START], "not known any more");
    let moment = SignedDuration::from_secs(1);
    let recent = vec![START - MINUTE, START, START + moment];
    edit(&mut seen).unscheduled.clone_from(&recent);
    let hold = decide(&seen, START).hold.unwrap();
    assert_eq!(hold.until, Some(START + moment + MINUTE), "no jump");
}
