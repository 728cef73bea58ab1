//! Answers that must be verified before they are believed, and the order of writes.

use std::sync::atomic::{AtomicUsize, Ordering};

use kestra_iam_operator::iam::client::{AccountSpec, Change, Class, Deletion, Made, Subject};
use kestra_iam_operator::iam::wire::{BindingRequest, SubjectKind};
use rstest::rstest;
use serde_json::{Value, json};

use crate::canned::{Answer, Canned};

fn access(groups: &[&str]) -> Answer {
    let groups: Vec<_> = groups.iter().map(|id| json!({"id": id})).collect();
    Answer::json(200, &json!({"userId": "a", "groups": groups, "roles": []}))
}

const GRANT: &str = "PUT /api/v1/main/tenant-access/a";
const LOOK: &str = "GET /api/v1/main/tenant-access/a";
const ADD: &str = "PUT /api/v1/main/groups/g/members/a";
const REMOVE: &str = "DELETE /api/v1/main/groups/g/members/a";

#[tokio::test]
async fn access_is_granted_before_membership() {
    let server = Canned::start(|seen| match seen.path() {
        "/api/v1/main/tenant-access/a" => Answer::status(409),
        _ => Answer::json(200, &json!({"id": "a", "groups": []})),
    })
    .await;
    let added = server.client().add_member(&"g".into(), &"a".into()).await;
    assert_eq!(added.unwrap(), Change::Done);
    assert_eq!(server.calls(), [GRANT, ADD]);
}

#[rstest]
#[case(&["x", "g"], Some(Change::AlreadySo))]
#[case(&["x"], None)]
#[tokio::test]
async fn a_409_on_joining_is_verified(
    #[case] groups: &[&'static str],
    #[case] end: Option<Change>,
) {
    let groups = groups.to_vec();
    let server = Canned::start(move |seen| match seen.method.as_str() {
        "GET" => access(&groups),
        _ => Answer::status(409),
    })
    .await;
    let added = server.client().add_member(&"g".into(), &"a".into()).await;
    match end {
        Some(change) => assert_eq!(added.unwrap(), change),
        None => assert_eq!(added.unwrap_err().class(), Class::Conflict),
    }
    assert_eq!(server.calls(), [GRANT, ADD, LOOK]);
}

#[rstest]
#[case(404)]
#[case(409)]
#[tokio::test]
async fn a_404_or_409_on_leaving_is_verified(#[case] status: u16) {
    for (groups, left) in [(vec!["x"], true), (vec!["g"], false)] {
        let server = Canned::start(move |seen| match seen.method.as_str() {
            "GET" => access(&groups),
            _ => Answer::status(status),
        })
        .await;
        let removed = server
            .client()
            .remove_member(&"g".into(), &"a".into())
            .await;
        assert_eq!(removed.ok(), left.then_some(Change::AlreadySo));
        assert_eq!(server.calls(), [REMOVE, LOOK]);
    }
}

#[tokio::test]
async fn who_may_not_enter_the_tenant_is_no_member() {
    let server = Canned::always(Answer::status(404)).await;
    let removed = server
        .client()
        .remove_member(&"g".into(), &"a".into())
        .await;
    assert_eq!(removed.unwrap(), Change::AlreadySo);
}

#[tokio::test]
async fn a_look_that_fails_decides_nothing() {
    let server = Canned::start(|seen| match seen.method.as_str() {
        "GET" => Answer::status(503),
        _ => Answer::status(409),
    })
    .await;
    let removed = server
        .client()
        .remove_member(&"g".into(), &"a".into())
        .await;
    assert_eq!(removed.unwrap_err().class(), Class::Unavailable);
}

/// The backend knows of the membership before its lists do.
#[tokio::test]
async fn a_list_that_lags_behind_is_waited_for_by_asking_again() {
    let looks = AtomicUsize::new(0);
    let server = Canned::start(move |seen| match seen.method.as_str() {
        "GET" if looks.fetch_add(1, Ordering::SeqCst) == 0 => access(&[]),
        "GET" => access(&["g"]),
        _ => Answer::status(409),
    })
    .await;
    let client = server.client();
    let first = client.add_member(&"g".into(), &"a".into()).await;
    assert_eq!(first.unwrap_err().class(), Class::Conflict);
    let second = client.add_member(&"g".into(), &"a".into()).await;
    assert_eq!(second.unwrap(), Change::AlreadySo);
}

fn binding(id: &str, role: &str, namespace: &Value) -> Value {
    let mut binding = json!({
        "id": id, "type": "USER", "user": {"id": "a", "username": "ci-bot"},
        "role": {"id": role, "name": role},
    });
    if !namespace.is_null() {
        binding["namespace"] = namespace.clone();
    }
    binding
}

fn request() -> BindingRequest {
    BindingRequest {
        kind: SubjectKind::User,
        external_id: "a".into(),
        role_id: "launcher_main".into(),
        namespace_id: Some("company.team".into()),
    }
}

#[tokio::test]
async fn a_binding_that_is_there_is_found_by_all_of_its_identity() {
    let bindings = [
        binding("1", "launcher_main", &json!(null)),
        binding("2", "launcher_main", &json!("company")),
        binding("3", "viewer_main", &json!("company.team")),
        binding("4", "launcher_main", &json!("company.team")),
    ];
    let server = Canned::start(move |seen| match seen.method.as_str() {
        "GET" => Answer::json(200, &json!({"results": bindings, "total": 4})),
        _ => Answer::status(409),
    })
    .await;
    match server.client().create_binding(&request()).await.unwrap() {
        Made::Existing(binding) => assert_eq!(binding.id.as_str(), "4"),
        Made::New(binding) => panic!("{binding:?}"),
    }
    let search = server.seen().pop().unwrap().target;
    assert!(search.ends_with("&type=USER&id=a"), "{search}");
}

#[tokio::test]
async fn a_409_without_such_a_binding_stays_a_conflict() {
    let server = Canned::start(|seen| match seen.method.as_str() {
        "GET" => Answer::json(200, &json!({"results": [], "total": 0})),
        _ => Answer::status(409),
    })
    .await;
    let error = server
        .client()
        .create_binding(&request())
        .await
        .unwrap_err();
    assert_eq!(error.class(), Class::Conflict);
}

#[tokio::test]
async fn a_tenant_wide_binding_leaves_the_namespace_out_and_an_empty_one_means_the_same() {
    let body = binding("1", "launcher_main", &json!(""));
    let server = Canned::always(Answer::json(200, &body)).await;
    let mut request = request();
    request.namespace_id = None;
    match server.client().create_binding(&request).await.unwrap() {
        Made::New(binding) => assert!(binding.is(&request)),
        Made::Existing(binding) => panic!("{binding:?}"),
    }
    let sent: Value = serde_json::from_str(&server.seen()[0].body).unwrap();
    assert_eq!(
        sent,
        json!({"type": "USER", "externalId": "a", "roleId": "launcher_main"})
    );
}

#[tokio::test]
async fn a_server_that_ignores_the_subject_is_filtered_here() {
    let mut foreign = binding("2", "launcher_main", &json!(null));
    foreign["user"]["id"] = json!("b");
    let group = json!({"id": "3", "type": "GROUP", "group": {"id": "a"}, "role": {"id": "r"}});
    let subject_deleted = json!({"id": "4", "type": "USER", "role": {"id": "r"}});
    let all = [
        binding("1", "launcher_main", &json!(null)),
        foreign,
        group,
        subject_deleted,
    ];
    let server = Canned::always(Answer::json(200, &json!({"results": all, "total": 4}))).await;
    let subject = Subject::Principal("a".into());
    let mine = server.client().bindings_of(&subject).await.unwrap();
    let ids: Vec<_> = mine.iter().map(|binding| binding.id.as_str()).collect();
    assert_eq!(ids, ["1"]);
}

/// The update replaces: a list left out may clear memberships or keep them, so it is never left out.
#[tokio::test]
async fn an_account_is_sent_with_all_of_its_groups_and_none_means_none() {
    let server = Canned::always(Answer::json(200, &json!({"id": "a", "name": "ci-bot"}))).await;
    let mut spec = AccountSpec {
        name: "ci-bot".into(),
        description: None,
        groups: vec!["g".into(), "h".into()],
    };
    server
        .client()
        .update_account(&"a".into(), &spec)
        .await
        .unwrap();
    spec.groups.clear();
    server
        .client()
        .update_account(&"a".into(), &spec)
        .await
        .unwrap();
    let sent: Vec<Value> = server
        .seen()
        .iter()
        .map(|seen| serde_json::from_str(&seen.body).unwrap())
        .collect();
    let groups = json!([{"id": "g"}, {"id": "h"}]);
    assert_eq!(sent[0], json!({"name": "ci-bot", "groups": groups}));
    assert_eq!(sent[1], json!({"name": "ci-bot", "groups": []}));
}

const DELETE_INSTANCE: &str = "DELETE /api/v1/service-accounts/a";
const DELETE_TENANT: &str = "DELETE /api/v1/main/service-accounts/a";
const ME: &str = "GET /api/v1/me";

/// By who we are and what each level answers: what is called, and what comes of it.
#[rstest]
#[case::owner(json!({"id": "me", "superAdmin": true}), 204, 200, &[ME, DELETE_INSTANCE], Deletion::Done)]
#[case::owner_of_2_x(json!({"id": "me", "instanceOwner": true}), 204, 200, &[ME, DELETE_INSTANCE], Deletion::Done)]
#[case::not_owner(json!({"id": "me"}), 204, 200, &[ME, DELETE_TENANT], Deletion::Done)]
#[case::no_longer_owner(json!({"id": "me", "superAdmin": true}), 403, 200, &[ME, DELETE_INSTANCE, DELETE_TENANT], Deletion::Done)]
#[case::no_such_route(json!({"id": "me", "superAdmin": true}), 404, 200, &[ME, DELETE_INSTANCE, DELETE_TENANT], Deletion::Done)]
#[case::gone(json!({"id": "me", "superAdmin": true}), 404, 404, &[ME, DELETE_INSTANCE, DELETE_TENANT], Deletion::AlreadyGone)]
#[tokio::test]
async fn an_account_is_deleted_at_the_level_that_we_own(
    #[case] me: Value,
    #[case] instance: u16,
    #[case] tenant: u16,
    #[case] calls: &[&str],
    #[case] end: Deletion,
) {
    let server = Canned::start(move |seen| match seen.path() {
        "/api/v1/me" => Answer::json(200, &me),
        "/api/v1/service-accounts/a" => Answer::status(instance),
        _ => Answer::status(tenant),
    })
    .await;
    assert_eq!(
        server.client().delete_account(&"a".into()).await.unwrap(),
        end
    );
    assert_eq!(server.calls(), calls);
}

#[tokio::test]
async fn who_we_are_is_asked_once() {
    let server = Canned::start(|seen| match seen.path() {
        "/api/v1/me" => Answer::json(200, &json!({"id": "me"})),
        _ => Answer::status(200),
    })
    .await;
    let client = server.client();
    client.me().await.unwrap();
    client.delete_account(&"a".into()).await.unwrap();
    client.delete_account(&"a".into()).await.unwrap();
    assert_eq!(server.calls(), [ME, DELETE_TENANT, DELETE_TENANT]);
}
