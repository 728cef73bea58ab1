//! What Secrets are called that nobody can change, and what follows from it.

use rstest::rstest;

use super::*;

fn versioned() -> Naming {
    Naming::Versioned("ci".into())
}

/// The second token, in a Secret of its own.
fn numbered(name: &str) -> Observed {
    let mut seen = steady();
    (seen.naming, seen.secret_name) = (versioned(), Some(name.into()));
    seen.recorded.as_mut().unwrap().secret_name = Some(name.into());
    seen.listed = Some(vec![listed("t2", 2, START)]);
    seen
}

#[rstest]
#[case("ci-g1", Some(1))]
#[case("ci-g9999999999", Some(9_999_999_999))]
#[case("ci-g10000000000", None)]
#[case("ci-g0", None)]
#[case("ci-g01", None)]
#[case("ci-g", None)]
#[case("ci-g+1", None)]
#[case("ci-g1x", None)]
#[case("ci", None)]
#[case("other-g1", None)]
#[case("ci-g1-g1", None)]
fn a_number_is_what_we_write_and_nothing_else(#[case] name: &str, #[case] number: Option<i64>) {
    assert_eq!(versioned().number(name), number);
}

#[test]
fn the_highest_number_holds_the_token() {
    let names = ["ci-g9", "ci-g10", "ci", "other-g11"].into_iter();
    assert_eq!(versioned().held(names).as_deref(), Some("ci-g10"));
    assert_eq!(versioned().held(["ci"].into_iter()), None);
    let fixed = Naming::Fixed("ci".into());
    assert_eq!(fixed.held(std::iter::empty()).as_deref(), Some("ci"));
}

#[test]
fn two_who_follow_the_same_token_want_the_same_name() {
    let seen = numbered("ci-g2");
    assert_eq!(seen.target(), "ci-g3");
    let mut later = seen.clone();
    later.listed = Some(vec![listed("t2", 2, START), listed("t3", 3, START)]);
    assert_eq!(later.next_generation(), 4);
    assert_eq!(later.target(), "ci-g3", "whatever one knows of the backend");
    let mut after = numbered("ci-g1");
    edit(&mut after).current.generation = 2;
    assert_eq!(after.target(), "ci-g3", "the number follows the generation");
}

#[test]
fn no_name_comes_back() {
    let mut gone = numbered("ci-g7");
    gone.secret = SecretSeen::Absent;
    assert_eq!(gone.target(), "ci-g8");
    let plan = decide(&gone, START + HOUR);
    assert_eq!(issued(&plan).reason, Reason::SecretMissing);
    let mut renamed = numbered("ci-g7");
    (renamed.secret, renamed.secret_name) = (SecretSeen::Absent, None);
    renamed.recorded.as_mut().unwrap().secret_name = Some("ci".into());
    assert_eq!(renamed.target(), "ci-g3");
    let plan = decide(&renamed, START + HOUR);
    assert_eq!(issued(&plan).reason, Reason::Issued);
    assert_eq!(ids(&issued(&plan).retired), [("t2", End::Overlap)]);
    renamed.recorded = None;
    assert_eq!(renamed.target(), "ci-g1");
}

#[test]
fn nothing_is_issued_where_the_next_name_is_taken() {
    let mut seen = numbered("ci-g2");
    seen.successor = Successor::Taken;
    assert_eq!(decide(&seen, START + HOUR).hold, None, "nothing is wanted");
    seen.requests.rotate = Some("now".into());
    let plan = decide(&seen, START + HOUR);
    assert_eq!(plan.step, None);
    let expected = (Reason::SecretConflict, Some(Reason::RotateRequested));
    assert_eq!(held(&plan), expected);
}

#[test]
fn keys_that_cannot_be_changed_are_written_with_the_next_token() {
    let mut seen = numbered("ci-g2");
    let SecretSeen::Ours { dress, .. } = &mut seen.secret else {
        panic!("not ours");
    };
    *dress = Dress::Stale;
    seen.check = Some(Check::Works);
    let plan = decide(&seen, START + HOUR);
    let issue = issued(&plan);
    assert_eq!(issue.reason, Reason::TemplateChanged);
    assert_eq!(issue.unscheduled.len(), 1, "it is paced");
    seen.activity = Activity::Suspended;
    let plan = decide(&seen, START + HOUR);
    assert_eq!(held(&plan).0, Reason::Suspended);
}

#[test]
fn what_was_published_is_where_the_status_points() {
    let seen = numbered("ci-g2");
    let mut history = history(current("t3", 3, START + HOUR));
    history.retired = vec![retired("t2", 2, START + HOUR)];
    let written = (Some("ci-g3".into()), Some("8".into()));
    let after = Recorded::published(&seen, &history, written, START + HOUR);
    assert_eq!(after.secret_name.as_deref(), Some("ci-g3"));
    assert_eq!(after.retired, [("t2".into(), START + HOUR)]);
    assert_eq!(
        after.history_since,
        seen.history_since(),
        "the history goes on"
    );
}

#[test]
fn no_second_value_is_kept_where_none_can_leave() {
    let secret = json!({"immutable": true, "previousValuePolicy": "Keep"});
    let policy = policy(json!({"lifetime": "100h", "secret": secret}));
    assert_eq!(
        policy.previous_value,
        crate::api::policy::PreviousValuePolicy::Omit
    );
}

#[test]
fn a_history_of_numbers_that_we_do_not_write_is_none() {
    let mut absurd = history(current("t2", 2, START));
    let parse = |history: &History| History::parse(&history.to_annotation().unwrap());
    assert!(parse(&absurd).is_some());
    absurd.retired = vec![retired("t1", i64::MAX - 5, START)];
    assert_eq!(parse(&absurd), None);
    absurd.retired.clear();
    absurd.current.generation = 0;
    assert_eq!(parse(&absurd), None);
}

#[test]
fn a_name_tells_how_it_was_made() {
    let fixed = Naming::Fixed("ci".into());
    assert_eq!(Naming::of("ci", true), fixed);
    let versioned = Naming::Versioned("ci".into());
    assert_eq!(Naming::of("ci-g7", true), versioned);
    assert_eq!(Naming::of("ci-g7", false), Naming::Fixed("ci-g7".into()));
    assert_eq!(Naming::of("ci-gx", true), Naming::Fixed("ci-gx".into()));
    let after = (fixed.after(7), versioned.after(7));
    assert_eq!(after, ("ci".into(), "ci-g8".into()));
}
