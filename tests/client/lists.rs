//! Lists and searches against servers that page badly, search badly or lack a route.

use std::sync::atomic::{AtomicUsize, Ordering};

use kestra_iam_operator::iam::client::{Class, Error, Flaw, Owner};
use rstest::rstest;
use serde_json::{Value, json};

use crate::canned::{Answer, Canned, Seen};

fn group(number: usize) -> Value {
    json!({"id": format!("g{number}"), "name": format!("group {number}")})
}

/// The page that `seen` asks for, of `all` groups.
fn page_of(all: usize, seen: &Seen) -> Vec<Value> {
    let from = (seen.page() - 1) * 200;
    (from.min(all)..(from + 200).min(all)).map(group).collect()
}

fn list(results: &[Value], total: usize) -> Answer {
    Answer::json(200, &json!({"results": results, "total": total}))
}

fn flaw<T>(result: Result<T, Error>) -> Flaw {
    match result.err() {
        Some(Error::Incomplete { flaw, .. }) => flaw,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_list_is_read_in_pages_of_200_without_sorting() {
    let server = Canned::start(|seen| list(&page_of(450, seen), 450)).await;
    let groups = server.client().groups().all().await.unwrap();
    assert_eq!(groups.len(), 450);
    let targets: Vec<_> = server.seen().into_iter().map(|seen| seen.target).collect();
    similar_asserts::assert_eq!(
        targets,
        [1, 2, 3].map(|page| format!("/api/v1/main/groups/search?page={page}&size=200"))
    );
}

#[tokio::test]
async fn pages_can_be_taken_one_by_one_and_asked_for_again() {
    let calls = AtomicUsize::new(0);
    let server = Canned::start(move |seen| match calls.fetch_add(1, Ordering::SeqCst) {
        1 => Answer::status(503),
        _ => list(&page_of(300, seen), 300),
    })
    .await;
    let mut pages = server.client().groups();
    assert_eq!(pages.next().await.unwrap().unwrap().len(), 200);
    assert_eq!(pages.next().await.unwrap_err().class(), Class::Unavailable);
    assert_eq!(pages.next().await.unwrap().unwrap().len(), 100);
    assert!(pages.next().await.unwrap().is_none());
}

#[tokio::test]
async fn a_total_that_is_too_small_loses_nothing() {
    let server = Canned::start(|seen| list(&page_of(450, seen), 10)).await;
    assert_eq!(server.client().groups().all().await.unwrap().len(), 450);
}

#[tokio::test]
async fn a_total_that_is_too_large_is_an_error_after_three_readings() {
    let server = Canned::start(|seen| list(&page_of(250, seen), 900)).await;
    assert_eq!(flaw(server.client().groups().all().await), Flaw::Short);
    assert_eq!(server.seen().len(), 9);
}

#[tokio::test]
async fn a_broken_list_stays_broken() {
    let server = Canned::start(|_| list(&page_of(200, &first_page()), 900)).await;
    let mut pages = server.client().groups();
    pages.next().await.unwrap();
    assert_eq!(flaw(pages.next().await), Flaw::Loop);
    assert_eq!(flaw(pages.next().await), Flaw::Loop);
    assert_eq!(server.seen().len(), 2);
}

fn first_page() -> Seen {
    Seen {
        method: "GET".into(),
        target: "/?page=1".into(),
        head: String::new(),
        body: String::new(),
    }
}

#[tokio::test]
async fn a_list_without_end_is_given_up() {
    let server = Canned::start(|seen| list(&page_of(usize::MAX, seen), 0)).await;
    assert_eq!(flaw(server.client().groups().all().await), Flaw::Endless);
}

#[tokio::test]
async fn a_list_that_shrinks_while_it_is_read_is_read_anew() {
    let calls = AtomicUsize::new(0);
    let server = Canned::start(move |seen| {
        // The first page is read before number 0 is deleted, the others after it.
        let all = if calls.fetch_add(1, Ordering::SeqCst) == 0 {
            300
        } else {
            299
        };
        list(&page_of(all, seen), all)
    })
    .await;
    assert_eq!(server.client().groups().all().await.unwrap().len(), 299);
    assert_eq!(server.seen().len(), 4);
}

#[tokio::test]
async fn an_answer_without_results_is_no_empty_list() {
    let server = Canned::always(Answer::json(200, &json!({"status": "ok"}))).await;
    let error = server.client().groups().all().await.unwrap_err();
    assert_eq!(error.class(), Class::Protocol);
}

#[tokio::test]
async fn a_token_list_that_is_cut_is_an_error() {
    let token = json!({"id": "t", "name": "t", "prefix": "abc", "iat": "2026-01-01T00:00:00Z"});
    let server = Canned::always(list(&[token], 2)).await;
    assert_eq!(flaw(server.client().tokens(&Owner::Me).await), Flaw::Short);
}

#[tokio::test]
async fn a_name_is_matched_exactly_whatever_the_search_finds() {
    let server = Canned::start(|_| {
        let names = ["bots", "Bots", "bots ", "robots"];
        let results: Vec<_> = names
            .iter()
            .map(|name| json!({"id": format!("<{name}>"), "name": name}))
            .collect();
        list(&results, 4)
    })
    .await;
    let found = server.client().find_group("bots").await.unwrap().unwrap();
    assert_eq!(found.id.as_str(), "<bots>");
    let target = server.seen().remove(0).target;
    assert!(
        target.ends_with("&q=bots&filters%5Bq%5D%5BEQUALS%5D=bots"),
        "{target}"
    );
}

fn hinted(seen: &Seen) -> bool {
    seen.target.contains("q=")
}

#[rstest]
#[case::finds_nothing(|| list(&[], 0))]
#[case::finds_something_else(|| list(&[group(1)], 1))]
#[case::refuses_the_filter(|| Answer::status(400))]
#[case::refuses_the_filter(|| Answer::status(422))]
#[tokio::test]
async fn a_search_that_does_not_find_is_not_believed(#[case] searched: fn() -> Answer) {
    let server = Canned::start(move |seen| {
        if hinted(seen) {
            searched()
        } else {
            list(&page_of(450, seen), 450)
        }
    })
    .await;
    let found = server.client().find_group("group 333").await.unwrap();
    assert_eq!(found.unwrap().id.as_str(), "g333");
}

#[tokio::test]
async fn a_name_that_is_not_there_is_none() {
    let server = Canned::start(|seen| list(&page_of(3, seen), 3)).await;
    assert!(
        server
            .client()
            .find_group("group 7")
            .await
            .unwrap()
            .is_none()
    );
}

#[tokio::test]
async fn two_of_one_name_are_ambiguous() {
    let roles = [
        json!({"id": "a", "name": "Deployer"}),
        json!({"id": "b", "name": "Deployer"}),
    ];
    let server = Canned::always(list(&roles, 2)).await;
    let error = server.client().find_role("Deployer").await.unwrap_err();
    assert!(
        matches!(error, Error::Ambiguous { count: 2, .. }),
        "{error}"
    );
    assert!(error.to_string().starts_with("2 roles"), "{error}");
}

/// 1.3.0 and before: the path knows POST alone, or is not there at all.
#[rstest]
#[case(404)]
#[case(405)]
#[tokio::test]
async fn a_version_without_the_list_of_accounts_lists_members(#[case] status: u16) {
    let server = Canned::start(move |seen| match seen.path() {
        "/api/v1/main/service-accounts" => Answer::status(status),
        _ => list(
            &[json!({"id": "a", "username": "ci-bot", "displayName": "CI"})],
            1,
        ),
    })
    .await;
    let accounts = server.client().accounts().all().await.unwrap();
    assert_eq!(accounts[0].name, "ci-bot");
    let target = server.seen().pop().unwrap().target;
    assert!(target.starts_with("/api/v1/main/tenant-access?page=1&size=200&type=SERVICE_ACCOUNT"));
    let found = server.client().find_account("ci-bot").await.unwrap();
    assert_eq!(found.unwrap().id.as_str(), "a");
}

#[tokio::test]
async fn both_shapes_of_an_account_are_read() {
    let by_name = json!({"id": "a", "name": "ci-bot", "superAdmin": false, "tenants": []});
    let by_username = json!({
        "id": "b", "username": "cd-bot", "description": "CD",
        "groups": [{"id": "g", "name": "bots", "external": true}],
    });
    let server = Canned::always(list(&[by_name, by_username], 2)).await;
    let accounts = server.client().accounts().all().await.unwrap();
    let names: Vec<_> = accounts
        .iter()
        .map(|account| account.name.as_str())
        .collect();
    assert_eq!(names, ["ci-bot", "cd-bot"]);
    assert!(accounts[1].groups[0].external);
}
