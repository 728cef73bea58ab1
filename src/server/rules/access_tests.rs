use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::*;
use crate::server::rules::rights;

const RESOURCES: [&str; 4] = ["FLOW", "EXECUTION", "GROUP", "SERVICE_ACCOUNT"];
const ACTIONS: [&str; 4] = ["READ", "CREATE", "UPDATE", "DELETE"];

fn permissions() -> impl Strategy<Value = Permissions> {
    let resource = prop::sample::select(&RESOURCES[..]).prop_map(str::to_owned);
    let actions = vec(
        prop::sample::select(&ACTIONS[..]).prop_map(str::to_owned),
        0..3,
    );
    prop::collection::btree_map(resource, actions, 0..4)
}

fn namespace() -> impl Strategy<Value = String> {
    vec(prop::sample::select(&["a", "b", "ab"][..]), 1..4).prop_map(|words| words.join("."))
}

fn grant() -> impl Strategy<Value = Grant> {
    prop_oneof![
        8 => (permissions(), option::of(namespace()))
            .prop_map(|(permissions, place)| Grant::of(Compat::V1, permissions, place)),
        1 => option::of(namespace()).prop_map(Grant::everything),
    ]
}

fn grants() -> impl Strategy<Value = Vec<Grant>> {
    vec(grant(), 0..5)
}

fn member(grants: Vec<Grant>) -> Access {
    Access {
        compat: Compat::V1,
        is_superadmin: false,
        grants,
    }
}

fn superadmin() -> Access {
    Access {
        is_superadmin: true,
        ..member(Vec::new())
    }
}

/// Every word that the strategies above can make, in every place.
fn all_that_can_be_asked() -> Vec<(&'static str, &'static str, Option<String>)> {
    let words = ["a", "b", "ab"];
    let mut places = vec![None];
    for first in words {
        places.push(Some(first.to_owned()));
        places.extend(words.map(|second| Some(format!("{first}.{second}"))));
    }
    let mut all = Vec::new();
    for resource in RESOURCES {
        for action in ACTIONS {
            all.extend(places.iter().map(|place| (resource, action, place.clone())));
        }
    }
    all
}

fn can(access: &Access) -> Vec<bool> {
    all_that_can_be_asked()
        .iter()
        .map(|(resource, action, place)| access.has(resource, action, place.as_deref()))
        .collect()
}

proptest! {
    #[test]
    fn a_namespace_covers_itself_and_its_children(outer in namespace(), child in namespace()) {
        let inner = format!("{outer}.{child}");
        prop_assert!(covers(&outer, &outer));
        prop_assert!(covers(&outer, &inner));
        prop_assert!(!covers(&inner, &outer));
    }

    #[test]
    fn a_namespace_covers_only_whole_words(outer in namespace(), tail in "[a-z]{1,4}") {
        let longer = format!("{outer}{tail}");
        prop_assert!(!covers(&outer, &longer));
    }

    #[test]
    fn covering_is_a_matter_of_the_first_words(outer in namespace(), inner in namespace()) {
        let outer_words: Vec<_> = outer.split('.').collect();
        let inner_words: Vec<_> = inner.split('.').collect();
        prop_assert_eq!(covers(&outer, &inner), inner_words.starts_with(&outer_words));
    }

    #[test]
    fn access_is_the_union_of_bindings_and_groups(own in grants(), of_groups in grants()) {
        let both = member([own.clone(), of_groups.clone()].concat());
        let either: Vec<bool> = can(&member(own))
            .into_iter()
            .zip(can(&member(of_groups)))
            .map(|(own, of_groups)| own || of_groups)
            .collect();
        prop_assert_eq!(can(&both), either);
    }

    #[test]
    fn the_order_of_grants_does_not_matter(grants in grants()) {
        let backwards = grants.iter().rev().cloned().collect();
        prop_assert_eq!(can(&member(grants)), can(&member(backwards)));
    }

    #[test]
    fn a_stranger_can_do_nothing(is_superadmin: bool) {
        let stranger = Access { is_superadmin, ..member(Vec::new()) };
        prop_assert!(can(&stranger).into_iter().all(|can| !can));
        prop_assert!(!stranger.allows(&rights::ACCOUNT_LIST));
    }

    #[test]
    fn a_namespaced_grant_gives_nothing_in_the_tenant(permissions in permissions(), place in namespace()) {
        let access = member(vec![
            Grant::of(Compat::V1, permissions, Some(place.clone())),
            Grant::everything(Some(place)),
        ]);
        for resource in RESOURCES {
            for action in ACTIONS {
                prop_assert!(!access.has(resource, action, None));
            }
        }
    }

    #[test]
    fn a_namespaced_grant_gives_nothing_that_belongs_to_the_tenant(place in namespace(), asked in namespace()) {
        let access = member(vec![Grant::everything(Some(place))]);
        prop_assert!(!access.has("GROUP", "READ", Some(&asked)));
    }

    #[test]
    fn nobody_ends_up_with_more_than_the_giver_has(giver in grants(), gift in grant()) {
        let giver = member(giver);
        if giver.may_give(&gift) {
            let taker = can(&member(vec![gift]));
            let more = taker.into_iter().zip(can(&giver)).any(|(taker, giver)| taker && !giver);
            prop_assert!(!more);
        }
    }

    #[test]
    fn everyone_may_give_what_they_have(grants in grants()) {
        let access = member(grants.clone());
        prop_assert!(grants.iter().all(|grant| access.may_give(grant)));
        prop_assert!(access.may_give_all_of(&access));
    }

    #[test]
    fn only_a_superadmin_gives_what_a_superadmin_has(grants in grants()) {
        let owner = superadmin();
        let everybody = member(grants);
        prop_assert!(!everybody.may_give_all_of(&owner));
        prop_assert!(owner.may_give_all_of(&everybody));
    }

    #[test]
    fn all_of_a_narrower_namespace_may_be_given(outer in namespace(), child in namespace()) {
        let inner = format!("{outer}.{child}");
        let giver = member(vec![Grant::everything(Some(outer.clone()))]);
        prop_assert!(giver.may_give(&Grant::everything(Some(inner.clone()))));
        let narrow = member(vec![Grant::everything(Some(inner))]);
        prop_assert!(!narrow.may_give(&Grant::everything(Some(outer))));
        prop_assert!(!narrow.may_give(&Grant::everything(None)));
    }
}

#[test]
fn the_second_line_takes_read_for_view_alone() {
    let sent = Permissions::from([("SERVICE_ACCOUNT".to_owned(), vec!["READ".to_owned()])]);
    let access = |compat| Access {
        compat,
        ..member(vec![Grant::of(compat, sent.clone(), None)])
    };
    let (first, second) = (access(Compat::V1), access(Compat::V2));
    assert!(first.allows(&rights::ACCOUNT_LIST) && first.allows(&rights::ACCOUNT_READ));
    assert!(!second.allows(&rights::ACCOUNT_LIST) && second.allows(&rights::ACCOUNT_READ));
}

#[test]
fn admin_covers_words_that_nobody_knows() {
    let odd = Permissions::from([("FOO".to_owned(), vec!["BAR".to_owned()])]);
    let gift = Grant::of(Compat::V1, odd, None);
    assert!(member(vec![Grant::everything(None)]).may_give(&gift));
    let everything_known = crate::server::rules::words::everything(Compat::V1);
    let almost = member(vec![Grant::of(Compat::V1, everything_known, None)]);
    assert!(!almost.may_give(&gift));
    assert!(!almost.may_give(&Grant::everything(None)));
}
