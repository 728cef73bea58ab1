//! A publish that was answered by a conflict.

use rstest::rstest;

use super::*;

fn ours_and(name: &str) -> SecretSeen {
    ours(Some(history(current(name, 3, START))))
}

fn stands(secret: &SecretSeen, held: Held) -> Contest<'_> {
    contest(secret, &"t3".into(), held)
}

#[test]
fn a_secret_that_is_as_we_wrote_it_is_won() {
    let secret = ours_and("t3");
    let Contest::Won(history) = stands(&secret, Held::Ours) else {
        panic!("not won");
    };
    assert_eq!(history.current.id, "t3".into());
}

#[rstest]
#[case::its_value_was_broken(ours_and("t3"), Held::Nothing)]
#[case::its_value_was_replaced(ours_and("t3"), Held::Another)]
#[case::its_history_was_broken(ours(None), Held::Ours)]
#[case::its_history_was_replaced(ours_and("t2"), Held::Ours)]
#[case::it_went(SecretSeen::Absent, Held::Nothing)]
#[case::another_token_was_broken(ours_and("t2"), Held::Nothing)]
fn what_was_touched_since_is_published_over(#[case] secret: SecretSeen, #[case] held: Held) {
    assert_eq!(stands(&secret, held), Contest::Open);
}

#[test]
fn another_token_wins_if_it_works() {
    assert_eq!(stands(&ours_and("t2"), Held::Another), Contest::Contested);
    assert_eq!(stands(&ours(None), Held::Another), Contest::Contested);
}

#[test]
fn a_secret_of_somebody_else_is_left_alone() {
    assert_eq!(stands(&SecretSeen::Foreign, Held::Another), Contest::Lost);
}
