//! Histories at random: crashes after any request, answers that are lost, people who delete, edit and restore.

use proptest::prelude::*;

use super::world::{List, Operator, Outcome, Trouble, World};
use super::*;

#[derive(Clone, Debug)]
enum Act {
    Pass(Option<Trouble>, List),
    Advance(i64),
    Use,
    Delete,
    BreakValue,
    BreakHistory,
    Touch,
    /// The Secret as it was so many acts ago.
    Restore(usize),
    LoseStatus,
    RevokeCurrent,
    Rotate,
    Compromise,
    Become(Activity),
}

fn trouble() -> impl Strategy<Value = Trouble> {
    let outcome = prop_oneof![Just(Outcome::Lost), Just(Outcome::Unanswered)];
    let operator = prop_oneof![Just(Operator::Dies), Just(Operator::Lives)];
    (0usize..5, outcome, operator).prop_map(|(request, outcome, operator)| Trouble {
        request,
        outcome,
        operator,
    })
}

/// What happens without anybody's doing.
fn fault() -> impl Strategy<Value = Act> {
    let list = prop_oneof![Just(List::Whole), Just(List::Lagging)];
    prop_oneof![
        4 => (proptest::option::of(trouble()), list).prop_map(|(trouble, list)| Act::Pass(trouble, list)),
        3 => prop_oneof![0i64..5, 0i64..100, 0i64..5_000].prop_map(Act::Advance),
        1 => Just(Act::Use),
    ]
}

fn any_act() -> impl Strategy<Value = Act> {
    prop_oneof![
        8 => fault(),
        1 => Just(Act::Delete),
        1 => Just(Act::BreakValue),
        1 => Just(Act::BreakHistory),
        1 => Just(Act::Touch),
        1 => (1usize..6).prop_map(Act::Restore),
        1 => Just(Act::LoseStatus),
        1 => Just(Act::RevokeCurrent),
        1 => Just(Act::Rotate),
        1 => Just(Act::Compromise),
        1 => activities().prop_map(Act::Become),
    ]
}

fn activities() -> impl Strategy<Value = Activity> {
    prop_oneof![
        Just(Activity::Active),
        Just(Activity::Suspended),
        Just(Activity::Refused)
    ]
}

fn policies() -> impl Strategy<Value = Policy> {
    prop_oneof![
        Just(policy(json!({"lifetime": "1h"}))),
        Just(policy(json!({"lifetime": "1h", "extended": true}))),
        Just(policy(
            json!({"neverExpires": true, "rotation": {"interval": "3h"}})
        )),
        Just(policy(
            json!({"lifetime": "60s", "rotation": {"overlap": {"min": "10s"}}})
        )),
        windows("*/20 * * * *", "5m").prop_map(policy),
        windows("0 2 * * *", "1h").prop_map(policy),
    ]
}

fn windows(schedule: &str, duration: &str) -> impl Strategy<Value = serde_json::Value> {
    let windows = json!([{"schedule": schedule, "duration": duration}]);
    Just(json!({"lifetime": "1h", "rotation": {"windows": windows}}))
}

fn act(world: &mut World, act: &Act, past: &[Option<world::Secret>], number: usize) {
    let value = || Some(number.to_string());
    match act {
        Act::Pass(trouble, list) => drop(world.pass(*trouble, *list)),
        Act::Advance(seconds) => world.advance(SignedDuration::from_secs(*seconds)),
        Act::Use => world.use_all(),
        Act::Delete => world.replace(None),
        Act::BreakValue => world.edit(world::Secret::break_value),
        Act::BreakHistory => world.edit(world::Secret::break_history),
        Act::Touch => world.edit(|_| ()),
        Act::Restore(back) => {
            let old = past
                .len()
                .checked_sub(*back)
                .and_then(|at| past[at].clone());
            world.replace(old.or_else(|| world.secret.clone()));
        }
        Act::LoseStatus => world.status = None,
        Act::RevokeCurrent => world.revoke_current(),
        Act::Rotate => world.requests.rotate = value(),
        Act::Compromise => world.requests.compromised = value(),
        Act::Become(activity) => world.activity = *activity,
    }
}

fn live(policy: Policy, acts: &[Act]) -> World {
    let mut world = World::new(policy);
    let mut past = Vec::new();
    for (number, one) in acts.iter().enumerate() {
        act(&mut world, one, &past, number);
        past.push(world.secret.clone());
    }
    world
}

/// A token that somebody brought back into the Secret is replaced a second time, by a publish that nobody saw answered: the
/// status still knows of the first time.
#[test]
fn what_is_replaced_a_second_time_has_a_whole_overlap_again() {
    let trouble = Trouble {
        request: 2,
        outcome: Outcome::Unanswered,
        operator: Operator::Dies,
    };
    let acts = [
        Act::Pass(None, List::Whole),
        Act::BreakHistory,
        Act::Pass(None, List::Whole),
        Act::Restore(2),
        Act::Pass(Some(trouble), List::Whole),
        Act::BreakValue,
    ];
    live(policy(json!({"lifetime": "1h"})), &acts).settle();
}

/// Somebody brings a replaced token back and takes it away again while nobody looks, and the one after it is dead.
#[test]
fn what_was_in_the_secret_unseen_has_a_whole_overlap_again() {
    let acts = [
        Act::Pass(None, List::Whole),
        Act::Rotate,
        Act::Pass(None, List::Whole),
        Act::Advance(1),
        Act::RevokeCurrent,
        Act::Restore(4),
        Act::Restore(2),
    ];
    live(policy(json!({"lifetime": "1h"})), &acts).settle();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    /// The world itself checks each request: no gap, nothing revoked that the history does not name or that somebody
    /// may hold.
    #[test]
    fn whatever_happens_it_ends_with_one_token_and_nothing_to_do(
        policy in policies(), acts in prop::collection::vec(any_act(), 0..40),
    ) {
        let mut world = live(policy, &acts);
        world.activity = Activity::Active;
        world.settle();
        let writes = world.writes;
        let plan = world.pass(None, List::Whole).unwrap();
        prop_assert_eq!((plan.step, plan.hold), (None, None));
        prop_assert_eq!(world.writes, writes, "settled, and still writing");
    }

    #[test]
    fn faults_alone_never_make_more_than_two_tokens_that_somebody_holds(
        policy in policies(), acts in prop::collection::vec(fault(), 0..40),
    ) {
        let mut world = World::new(policy);
        for (number, one) in acts.iter().enumerate() {
            act(&mut world, one, &[], number);
            prop_assert!(world.published() <= 2 + world.urgent, "{}", world.published());
        }
    }

    /// Left alone from one instant of its own choosing to the next, a token never dies in the Secret.
    #[test]
    fn left_alone_it_never_has_a_gap(policy in policies(), rounds in 1usize..60) {
        let mut world = World::new(policy);
        for _ in 0..rounds {
            let plan = world.pass(None, List::Whole).unwrap();
            prop_assert!(world.served().is_some());
            prop_assert!(world.published() <= 2);
            let next = plan.next.unwrap();
            world.now = next - SignedDuration::from_millis(1);
            prop_assert!(world.served().is_some(), "a gap before {}", next);
            world.now = next;
        }
    }

    /// Nor if the spec becomes another: what was issued by the one before may outlive its successor.
    #[test]
    fn a_change_of_the_spec_makes_no_gap(
        before in policies(), after in prop_oneof![policies(), Just(slow_to_leave())],
        (early, late) in (1usize..6, 1usize..60),
    ) {
        let mut world = World::new(before);
        for round in 0..early + late {
            if round == early {
                world.policy = after.clone();
            }
            let plan = world.pass(None, List::Whole).unwrap();
            prop_assert!(world.served().is_some());
            let Some(next) = plan.next else { break };
            world.now = next - SignedDuration::from_millis(1);
            prop_assert!(world.served().is_some(), "a gap before {}", next);
            world.now = next;
        }
    }
}

/// What it replaces works for longer than it lives itself.
fn slow_to_leave() -> Policy {
    let overlap = json!({"min": "2h", "max": "5h"});
    policy(json!({"lifetime": "1h", "rotation": {"overlap": overlap}}))
}
