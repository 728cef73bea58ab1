//! Points 1 to 9: every answer.

use serde_json::{Value, json};

use crate::server::{Answer, Server};

/// One of each thing, and what every route that tells of them answers.
async fn every_kind_of_answer(server: &Server) -> Vec<Answer> {
    let admin = server.admin();
    let account = server.account("bare").await;
    let group = server.group("bare").await;
    let role = server.role("bare", json!({"FLOW": ["READ"]})).await;
    let binding = server.bind(&account, &role).await;
    server.token(&account).await;
    admin
        .put_nothing(&format!("/main/groups/{group}/members/{account}"))
        .await
        .is(200);
    let user = server.user(json!({"email": "bare@example.org"})).await;
    let mut answers = Vec::new();
    for path in [
        "/configs".to_owned(),
        "/configs/login".to_owned(),
        "/license-info".to_owned(),
        "/me".to_owned(),
        "/me/api-tokens".to_owned(),
        "/me/invitations".to_owned(),
        "/service-accounts".to_owned(),
        format!("/service-accounts/{account}"),
        format!("/service-accounts/{account}/api-tokens"),
        "/users".to_owned(),
        format!("/users/{user}"),
        format!("/users/{user}/api-tokens"),
        "/tenants/search".to_owned(),
        "/tenants/main".to_owned(),
        "/auditlogs/search?size=100".to_owned(),
        "/main/service-accounts".to_owned(),
        format!("/main/service-accounts/{account}"),
        format!("/main/service-accounts/{account}/api-tokens"),
        "/main/groups/search".to_owned(),
        format!("/main/groups/{group}"),
        format!("/main/groups/{group}/members"),
        "/main/roles/search".to_owned(),
        format!("/main/roles/{role}"),
        "/main/bindings/search".to_owned(),
        format!("/main/bindings/{binding}"),
        "/main/tenant-access".to_owned(),
        format!("/main/tenant-access/{account}"),
        "/main/acls/permissions".to_owned(),
        "/main/acls/actions".to_owned(),
    ] {
        answers.push(admin.get(&path).await.is(200));
    }
    let posted = json!({"ids": [group, role]});
    for path in [
        "groups/ids",
        "groups/autocomplete",
        "roles/ids",
        "roles/autocomplete",
    ] {
        answers.push(
            admin
                .post(&format!("/main/{path}"), posted.clone())
                .await
                .is(200),
        );
    }
    answers
}

fn walk(value: &Value, visit: &mut impl FnMut(&str, &Value)) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                visit(name, member);
                walk(member, visit);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| walk(item, visit)),
        _ => {}
    }
}

#[tokio::test]
async fn p01_null_is_never_sent() {
    let server = Server::start().await;
    for answer in every_kind_of_answer(&server).await {
        walk(&answer.json(), &mut |name, member| {
            assert!(!member.is_null(), "{name} in {:?}", answer.body);
        });
    }
}

#[tokio::test]
async fn p02_every_body_is_json_by_its_content_type() {
    let server = Server::start().await;
    let refused = server.nobody().get("/me").await;
    let unknown = server.admin().get("/nowhere").await;
    let all = every_kind_of_answer(&server).await;
    for answer in all.iter().chain([&refused, &unknown]) {
        assert_eq!(answer.headers["content-type"], "application/json");
    }
}

#[tokio::test]
async fn p03_success_is_200_201_or_204() {
    let server = Server::start().await;
    let admin = server.admin();
    let account = server.account("ci").await;
    let user = admin
        .post("/users", json!({"email": "u@example.org"}))
        .await
        .is(201)
        .id();
    let access = format!("/main/tenant-access/{user}");
    admin.put_nothing(&access).await.is(201);
    admin.delete(&access).await.is(204);
    admin
        .delete(&format!("/main/service-accounts/{account}"))
        .await
        .is(200);
}

#[tokio::test]
async fn p04_a_body_is_json_or_empty_on_delete_too() {
    let server = Server::start().await;
    let admin = server.admin();
    let account = server.account("ci").await;
    let group = server.group("g").await;
    let (token, _) = server.token(&account).await;
    for (path, status) in [
        (
            format!("/main/service-accounts/{account}/api-tokens/{token}"),
            200,
        ),
        (format!("/main/groups/{group}"), 200),
        (format!("/main/service-accounts/{account}"), 200),
    ] {
        let answer = admin.delete(&path).await.is(status);
        assert!(answer.body.is_empty(), "{:?}", answer.body);
        assert_eq!(answer.headers.get("content-type"), None);
    }
}

#[tokio::test]
async fn p05_ids_are_strings_and_totals_numbers() {
    let server = Server::start().await;
    for answer in every_kind_of_answer(&server).await {
        walk(&answer.json(), &mut |name, member| match name {
            "id" | "tenantId" | "userId" | "sourceId" => assert!(member.is_string(), "{member}"),
            "total" => assert!(member.is_i64(), "{member}"),
            _ => {}
        });
    }
}

const FLAGS: [&str; 9] = [
    "superAdmin",
    "instanceOwner",
    "restricted",
    "isDefault",
    "isManaged",
    "deleted",
    "extended",
    "expired",
    "external",
];

#[tokio::test]
async fn p06_booleans_are_booleans() {
    let server = Server::start().await;
    let mut seen = 0;
    for answer in every_kind_of_answer(&server).await {
        walk(&answer.json(), &mut |name, member| {
            if FLAGS.contains(&name) {
                assert!(member.is_boolean(), "{name}: {member}");
                seen += 1;
            }
        });
    }
    assert!(seen > 30, "{seen}");
}

#[tokio::test]
async fn p07_both_words_for_a_superadmin_are_sent() {
    let server = Server::start().await;
    let account = server.account("ci").await;
    let user = server.user(json!({"email": "u@example.org"})).await;
    for path in [
        "/me".to_owned(),
        format!("/main/service-accounts/{account}"),
        format!("/service-accounts/{account}"),
        format!("/users/{user}"),
        format!("/main/tenant-access/{account}"),
    ] {
        let answer = server.admin().get(&path).await.is(200).json();
        assert!(answer["superAdmin"].is_boolean(), "{path}");
        assert_eq!(answer["superAdmin"], answer["instanceOwner"], "{path}");
    }
}

#[tokio::test]
async fn p08_only_the_status_of_an_error_counts() {
    let server = Server::start().await;
    let admin = server.admin();
    server.group("g").await;
    server.nobody().get("/me").await.is(401);
    server
        .somebody()
        .await
        .get("/main/groups/search")
        .await
        .is(403);
    admin.get("/main/groups/none").await.is(404);
    admin
        .post("/main/groups", json!({"name": "g"}))
        .await
        .is(409);
    admin.post("/main/groups", json!({})).await.is(422);
    admin.get("/main/groups/search?page=x").await.is(400);
}

#[tokio::test]
async fn p09_every_date_is_a_string_with_a_zone() {
    let server = Server::start().await;
    let account = server.account("ci").await;
    let body = json!({"name": "t", "maxAge": "PT1H"});
    let (id, value) = server.token_with(&account, body).await;
    server.bearer(&value).get("/me").await.is(200);
    let token = server.shown_token(&account, &id).await;
    for member in ["iat", "exp", "lastUsed"] {
        let date = token[member].as_str().unwrap();
        assert!(date.ends_with('Z'), "{date}");
        date.parse::<jiff::Timestamp>().unwrap();
    }
}
