//! What the status says after each answered step.

use super::*;

fn recorded(seen: &Observed) -> &Recorded {
    seen.recorded.as_ref().unwrap()
}

#[test]
fn an_intact_secret_is_known_from_the_look_on() {
    let mut seen = touched(rotated());
    edit(&mut seen).rotate = Some("new".into());
    seen.recorded.as_mut().unwrap().rotate = Some("old".into());
    seen.recorded.as_mut().unwrap().compromised = Some("kept".into());
    let now = START + MINUTE;
    let after = Recorded::accepted(&seen, Integrity::Intact, now);
    assert_eq!(after.resource_version.as_deref(), Some("7"));
    assert_eq!(after.history_since, Some(now));
    assert_eq!(after.retired, [("t1".into(), now)], "known anew");
    assert_eq!(after.rotate.as_deref(), Some("new"));
    assert_eq!(after.compromised.as_deref(), Some("kept"));
    seen.recorded = Some(after);
    assert!(seen.is_accepted());
}

#[test]
fn retired_tokens_that_the_list_lacks_are_taken_for_revoked() {
    let mut seen = touched(rotated());
    seen.listed = Some(vec![listed("t2", 2, START)]);
    let after = Recorded::accepted(&seen, Integrity::Intact, START);
    assert_eq!(after.retired, []);
}

#[test]
fn a_damaged_secret_stays_unknown() {
    let mut seen = touched(steady());
    let after = Recorded::accepted(&seen, Integrity::Damaged, START + MINUTE);
    assert_eq!(after.history_since, Some(START + MINUTE));
    assert_eq!(after.resource_version, recorded(&seen).resource_version);
    seen.recorded = Some(after);
    assert!(!seen.is_accepted());
}

#[test]
fn an_answered_publish_leaves_the_history_unbroken() {
    let seen = rotated();
    let history = History {
        retired: vec![
            retired("t1", 1, START - MINUTE),
            retired("t2", 2, START + HOUR),
        ],
        ..history(current("t3", 3, START + HOUR))
    };
    let answered = START + HOUR + MINUTE;
    let after = Recorded::published(&seen, &history, written("8"), answered);
    assert_eq!(after.history_since, recorded(&seen).history_since);
    assert_eq!(after.generation, 3);
    assert_eq!(
        after.retired,
        [("t1".into(), START), ("t2".into(), answered)],
        "what was known stays known"
    );
}

#[test]
fn a_publish_that_is_read_back_retires_anew() {
    // Somebody had brought `t1` back, and it was retired a second time.
    let mut seen = touched(rotated());
    edit(&mut seen).current = current("t3", 3, START + HOUR);
    let history = seen.history().cloned().unwrap();
    let answered = START + HOUR + MINUTE;
    let after = Recorded::published(&seen, &history, written("8"), answered);
    assert_eq!(after.retired, [("t1".into(), answered)]);
    assert_eq!(after.history_since, Some(answered));
}

#[test]
fn a_publish_over_what_was_not_known_begins_a_new_history() {
    let publish = |seen: &Observed| {
        let history = history(current("t3", 3, START));
        Recorded::published(seen, &history, written("8"), START + MINUTE).history_since
    };
    assert_eq!(publish(&touched(steady())), Some(START + MINUTE));
    let mut gone = steady();
    gone.secret = SecretSeen::Absent;
    assert_eq!(publish(&gone), Some(START + MINUTE));
    let mut renamed = steady();
    renamed.secret_name = Some("other".into());
    assert_eq!(publish(&renamed), Some(START + MINUTE));
}

#[test]
fn a_secret_of_another_name_is_not_known() {
    let mut seen = steady();
    assert!(seen.is_accepted());
    seen.secret_name = Some("other".into());
    assert!(!seen.is_accepted());
}

#[test]
fn a_revoked_token_is_said_to_be_gone() {
    let seen = rotated();
    assert_eq!(recorded(&seen).revoked(&"t1".into()).retired, []);
}

#[test]
fn a_damaged_secret_is_written_down_only_when_it_is_repaired() {
    let mut seen = touched(steady());
    (seen.check, seen.refused_since) = (Some(Check::Refused), Some(START));
    let plan = decide(&seen, START + SignedDuration::from_secs(1));
    assert_eq!(plan.step, None, "doubted, not lost");
    let plan = decide(&seen, START + MINUTE);
    assert_eq!(plan.step, Some(Step::Accept(Integrity::Damaged)));
    seen.activity = Activity::Suspended;
    assert_eq!(decide(&seen, START + MINUTE).step, None);
}

#[test]
fn a_history_that_cannot_be_read_is_none() {
    let text = history(current("t1", 1, START)).to_annotation().unwrap();
    assert_eq!(
        History::parse(&text),
        Some(history(current("t1", 1, START)))
    );
    for broken in ["", "{}", "not json", &text[1..]] {
        assert_eq!(History::parse(broken), None, "{broken}");
    }
}

#[test]
fn what_is_entered_is_known_from_the_answer_on() {
    let seen = rotated();
    let mut history = seen.history().cloned().unwrap();
    history.retired.push(retired("t0", 1, START + HOUR));
    let answered = START + HOUR + MINUTE;
    let after = Recorded::entered(&seen, &history, Some("8".into()), answered);
    let expected = Recorded {
        resource_version: Some("8".into()),
        retired: vec![("t1".into(), START), ("t0".into(), answered)],
        ..recorded(&seen).clone()
    };
    // Of a retirement at the very instant at which it was written down nothing was known before.
    let later = Recorded {
        retired: vec![("t1".into(), answered), ("t0".into(), answered)],
        ..expected.clone()
    };
    assert_eq!(after, later);
    let mut seen = seen;
    edit(&mut seen).retired[0].retired = START - MINUTE;
    let history = History {
        retired: vec![retired("t1", 1, START - MINUTE), history.retired[1].clone()],
        ..history
    };
    let after = Recorded::entered(&seen, &history, Some("8".into()), answered);
    assert_eq!(after, expected);
}

#[test]
fn a_rewrite_changes_the_version_alone() {
    let seen = rotated();
    let after = recorded(&seen).rewritten(Some("8".into()));
    let expected = Recorded {
        resource_version: Some("8".into()),
        ..recorded(&seen).clone()
    };
    assert_eq!(after, expected);
}

#[test]
fn what_a_list_shows_again_is_retired_still() {
    let mut seen = rotated();
    seen.recorded.as_mut().unwrap().retired.clear();
    let since = recorded(&seen).history_since.unwrap();
    let noted = Recorded::noted(&seen).unwrap();
    assert_eq!(noted.retired, [("t1".into(), since)]);
    seen.listed = Some(vec![listed("t2", 2, START)]);
    assert_eq!(Recorded::noted(&seen).unwrap().retired, [], "it is gone");
    let unknown = touched(rotated());
    let kept = Recorded::noted(&unknown).unwrap();
    assert_eq!(
        &kept,
        recorded(&unknown),
        "nothing is noted of what is not known"
    );
}
