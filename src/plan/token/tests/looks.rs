//! What has to be looked at before a decision.

use super::*;

fn wanted(seen: &Observed, now: Timestamp) -> Option<Look> {
    look(&usual(), seen, now)
}

#[test]
fn a_steady_token_needs_no_look() {
    assert_eq!(wanted(&steady(), START + HOUR), None);
}

#[test]
fn what_is_due_is_looked_at_first() {
    let seen = steady();
    let due = decide(&seen, START).schedule.unwrap().due.unwrap();
    assert_eq!(wanted(&seen, due - MINUTE), None);
    assert_eq!(wanted(&seen, due), Some(Look::List));
}

#[test]
fn its_turn_comes_by_the_clock() {
    let mut seen = steady();
    seen.next_look = START + HOUR;
    assert_eq!(decide(&seen, START).next, Some(START + HOUR));
    assert_eq!(wanted(&seen, START + HOUR), Some(Look::List));
    seen.listed = Some(vec![listed("t2", 2, START)]);
    assert_eq!(wanted(&seen, START + HOUR), None);
}

#[test]
fn a_token_that_the_list_lacks_is_tried() {
    let mut seen = steady();
    seen.listed = Some(Vec::new());
    assert_eq!(wanted(&seen, START), Some(Look::Value));
}

#[test]
fn a_touched_secret_is_listed_and_read() {
    let mut seen = touched(steady());
    assert_eq!(wanted(&seen, START), Some(Look::List));
    seen.listed = Some(vec![listed("t2", 2, START)]);
    assert_eq!(wanted(&seen, START), Some(Look::Value));
    seen.check = Some(Check::Works);
    assert_eq!(wanted(&seen, START), None);
}

#[test]
fn a_refused_value_is_tried_again() {
    let mut seen = steady();
    seen.refused_since = Some(START);
    assert_eq!(wanted(&seen, START), Some(Look::List));
    seen.listed = Some(vec![listed("t2", 2, START)]);
    assert_eq!(wanted(&seen, START), Some(Look::Value));
}

#[test]
fn a_secret_of_an_outdated_template_is_read_and_written() {
    let mut seen = steady();
    let dress = |seen: &mut Observed, new| {
        if let SecretSeen::Ours { dress, .. } = &mut seen.secret {
            *dress = new;
        }
    };
    dress(&mut seen, Dress::Outdated);
    assert_eq!(wanted(&seen, START), Some(Look::Value));
    assert_eq!(decide(&seen, START).step, None);
    dress(&mut seen, Dress::Differs);
    let history = Box::new(seen.history().unwrap().clone());
    assert_eq!(decide(&seen, START).step, Some(Step::Rewrite(history)));
    seen.activity = Activity::Suspended;
    assert_eq!(decide(&seen, START).step, None);
}

#[test]
fn a_retired_token_is_looked_up_when_its_minimum_is_over() {
    let mut seen = rotated();
    seen.listed = None;
    assert_eq!(wanted(&seen, START + HOUR - MINUTE), None);
    assert_eq!(wanted(&seen, START + HOUR), Some(Look::List));
    seen.activity = Activity::Suspended;
    assert_eq!(wanted(&seen, START + HOUR), None);
}

#[test]
fn nobody_looks_behind_a_foreign_secret() {
    let mut seen = steady();
    seen.secret = SecretSeen::Foreign;
    assert_eq!(wanted(&seen, START + HOUR * 1000), None);
}
