//! How long a retired token goes on working.

use super::*;

/// The overlap of `t1`, retired at [`START`].
fn of(seen: &Observed) -> (SignedDuration, SignedDuration) {
    let SecretSeen::Ours {
        history: Some(history),
        ..
    } = &seen.secret
    else {
        panic!("no history");
    };
    let overlap = overlap(&usual(), seen, &history.retired[0]);
    let since = |instant: Timestamp| instant.duration_since(START);
    (since(overlap.earliest), since(overlap.latest))
}

#[test]
fn the_minimum_counts_from_the_answer_and_the_maximum_from_the_sending() {
    let mut seen = rotated();
    seen.recorded.as_mut().unwrap().retired[0].1 = START + MINUTE;
    assert_eq!(of(&seen), (HOUR + MINUTE, HOUR * 24));
}

#[test]
fn an_unanswered_publish_counts_from_when_it_was_seen() {
    let mut seen = rotated();
    let recorded = seen.recorded.as_mut().unwrap();
    (recorded.retired, recorded.history_since) = (Vec::new(), Some(START + HOUR * 24));
    assert_eq!(
        of(&seen),
        (HOUR * 25, HOUR * 25),
        "the maximum follows the minimum"
    );
}

#[test]
fn what_validity_is_left_bounds_both() {
    let mut seen = rotated();
    edit(&mut seen).retired[0].expires = Some(START + MINUTE * 30);
    assert_eq!(of(&seen), (MINUTE * 30, MINUTE * 30));
}

#[test]
fn a_condemned_token_has_no_overlap() {
    let mut seen = rotated();
    edit(&mut seen).condemned = 2;
    assert_eq!(of(&seen), (SignedDuration::ZERO, SignedDuration::ZERO));
    edit(&mut seen).condemned = 0;
    seen.recorded.as_mut().unwrap().condemned = 2;
    assert_eq!(
        of(&seen),
        (SignedDuration::ZERO, SignedDuration::ZERO),
        "by the word of the status"
    );
}

#[test]
fn a_token_is_settled_when_nothing_can_be_under_way() {
    let mut seen = rotated();
    edit(&mut seen).retired[0].end = End::Settled;
    edit(&mut seen).retired[0].issued = START;
    assert_eq!(of(&seen), (MINUTE, MINUTE), "since its issue");
    seen.settling.leading_since = START + MINUTE * 3;
    assert_eq!(of(&seen).0, MINUTE * 4, "since we lead");
    seen.settling.unanswered_publish = Some(START + MINUTE * 5);
    assert_eq!(of(&seen).0, MINUTE * 6, "since a publish without an answer");
}

#[test]
fn an_extended_token_is_retired_without_an_end_of_its_own() {
    let mut seen = steady();
    edit(&mut seen).current.extended = true;
    seen.requests.compromised = Some("leak".into());
    let plan = decide(&seen, START);
    assert_eq!(issued(&plan).retired[0].expires, None);
    edit(&mut seen).current.extended = false;
    let plan = decide(&seen, START);
    assert_eq!(issued(&plan).retired[0].expires, Some(START + HOUR * 100));
}
