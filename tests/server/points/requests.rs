//! Points 10 to 18: what a server has to accept.

use axum::body::Bytes;
use axum::http::Method;
use kestra_iam_operator::server::Compat;
use serde_json::{Value, json};

use crate::server::Server;

/// A client's filter in its place in the path, percent-encoded as clients do.
fn filter(key: &str, value: &str) -> String {
    let key = key.replace('[', "%5B").replace(']', "%5D");
    format!("{key}={value}")
}

#[tokio::test]
async fn p10_an_empty_body_with_a_json_content_type_is_not_parsed() {
    let server = Server::start().await;
    let admin = server.admin();
    let account = server.account("ci").await;
    let group = server.group("g").await;
    // Every request of these tests carries the content type.
    admin.get("/main/service-accounts").await.is(200);
    let member = format!("/main/groups/{group}/members/{account}");
    admin.put_nothing(&member).await.is(200);
    admin.delete(&member).await.is(200);
    admin
        .put_nothing(&format!("/main/tenant-access/{account}"))
        .await
        .is(201);
    admin.delete(&format!("/main/groups/{group}")).await.is(200);
}

#[tokio::test]
async fn p11_unknown_and_empty_members_are_ignored() {
    let server = Server::start().await;
    let admin = server.admin();
    let body = json!({"id": "x", "namespaceId": "", "name": "g", "description": ""});
    let group = admin.post("/main/groups", body.clone()).await.is(200);
    assert_ne!(group.id(), "x");
    admin
        .put(&format!("/main/groups/{}", group.id()), body)
        .await
        .is(200);
    let role =
        json!({"id": "x", "namespaceId": "", "name": "r", "permissions": {"FLOW": ["READ"]}});
    admin.post("/main/roles", role).await.is(200);
    let user =
        json!({"namespaceId": "", "username": "other", "email": "u@example.org", "groups": null});
    admin.post("/users", user).await.is(201);
}

#[tokio::test]
async fn p11_an_account_without_groups_is_sent_with_null() {
    let server = Server::start().await;
    let body = json!({"name": "ci", "groups": null, "superAdmin": false});
    let made = server
        .admin()
        .post("/main/service-accounts", body)
        .await
        .is(200);
    assert_eq!(made.json()["groups"], json!([]));
}

#[tokio::test]
async fn p12_both_words_and_both_routes_make_a_superadmin() {
    for compat in [Compat::V1, Compat::V2] {
        let server = Server::of(compat).await;
        let admin = server.admin();
        for (at, word) in ["superAdmin", "instanceOwner"].into_iter().enumerate() {
            let account = json!({"name": format!("a{at}"), word: true});
            let account = admin.post("/service-accounts", account).await.is(200);
            assert_eq!(account.json()["superAdmin"], true);
            let user = json!({"email": format!("u{at}@example.org"), word: true});
            let user = admin.post("/users", user).await.is(201);
            assert_eq!(user.json()["superAdmin"], true);
            for owner in [
                format!("/service-accounts/{}", account.id()),
                format!("/users/{}", user.id()),
            ] {
                for route in ["superadmin", "instanceowner"] {
                    for flag in [false, true] {
                        let body = json!({word: flag});
                        admin.patch(&format!("{owner}/{route}"), body).await.is(200);
                        let shown = admin.get(&owner).await.is(200).json();
                        assert_eq!(shown["instanceOwner"], flag);
                    }
                }
            }
        }
    }
}

async fn names_of(server: &Server, query: &str) -> Vec<String> {
    let path = format!("/main/groups/search?size=100&{query}");
    server.admin().get(&path).await.is(200).each("name")
}

#[tokio::test]
async fn p13_filters_are_read_as_clients_write_them() {
    let server = Server::of(Compat::V2).await;
    for name in ["alpha", "beta", "gamma"] {
        server.group(name).await;
    }
    let names = async |query: String| names_of(&server, &query).await;
    assert_eq!(names(filter("filters[q][EQUALS]", "lph")).await, ["alpha"]);
    assert_eq!(
        names(filter("filters[name][EQUALS]", "beta")).await,
        ["beta"]
    );
    assert_eq!(
        names(filter("filters[name][IN]", "alpha,gamma")).await,
        ["alpha", "gamma"]
    );
    assert_eq!(
        names(filter("filters[q][NOT_CONTAINS]", "amma")).await,
        ["alpha", "beta"]
    );
    assert_eq!(
        names(filter("filters[description][IS_NULL]", ""))
            .await
            .len(),
        3
    );
    assert!(
        names(filter("filters[description][IS_NOT_NULL]", ""))
            .await
            .is_empty()
    );
}

#[tokio::test]
async fn p13_filters_may_be_grouped() {
    let server = Server::of(Compat::V2).await;
    for name in ["alpha", "beta", "gamma"] {
        server.group(name).await;
    }
    let query = format!(
        "{}&{}",
        filter("filters[or][0][q][EQUALS]", "alph"),
        filter("filters[or][1][name][IN]", "gamma,delta")
    );
    assert_eq!(names_of(&server, &query).await, ["alpha", "gamma"]);
}

#[tokio::test]
async fn p14_a_word_that_matches_nothing_finds_nothing() {
    let server = Server::start().await;
    server.account("ci").await;
    for path in [
        "groups/search",
        "roles/search",
        "tenant-access",
        "bindings/search",
    ] {
        let found = server
            .admin()
            .get(&format!("/main/{path}?q=zzz"))
            .await
            .is(200);
        assert_eq!(found.json(), json!({"results": [], "total": 0}), "{path}");
    }
    let by_filter = format!(
        "/main/service-accounts?{}",
        filter("filters[q][EQUALS]", "zzz")
    );
    assert!(server.admin().get(&by_filter).await.results().is_empty());
}

#[tokio::test]
async fn p14_users_are_found_by_a_part_of_their_address_and_members_by_the_whole() {
    let server = Server::start().await;
    let user = server
        .user(json!({"email": "rick.astley@example.org"}))
        .await;
    let found = server.admin().get("/users?q=rick.astley").await.is(200);
    assert_eq!(found.each("id"), std::slice::from_ref(&user));
    let group = server.group("g").await;
    let member = format!("/main/groups/{group}/members/{user}");
    server.admin().put_nothing(&member).await.is(200);
    let whole = format!("/main/groups/{group}/members?q=rick.astley%40example.org");
    assert_eq!(server.admin().get(&whole).await.each("id"), [user]);
    let other = format!("/main/groups/{group}/members?q=nobody%40example.org");
    assert!(server.admin().get(&other).await.results().is_empty());
}

#[tokio::test]
async fn p15_lists_can_be_ordered() {
    let server = Server::start().await;
    for name in ["b", "c", "a"] {
        server.group(name).await;
        server.role(name, json!({"FLOW": ["READ"]})).await;
    }
    let groups = server
        .admin()
        .get("/main/groups/search?sort=name:asc")
        .await
        .is(200);
    assert_eq!(groups.each("name"), ["a", "b", "c"]);
    let groups = server
        .admin()
        .get("/main/groups/search?sort=name:desc")
        .await
        .is(200);
    assert_eq!(groups.each("name"), ["c", "b", "a"]);
    let roles = server
        .admin()
        .get("/main/roles/search?sort=name:asc")
        .await
        .is(200)
        .each("name");
    // Databases differ in whether capitals come first.
    assert!(
        roles.is_sorted_by_key(|name| name.to_lowercase()) || roles.is_sorted(),
        "{roles:?}"
    );
    server
        .admin()
        .get("/main/bindings/search?sort=type:asc")
        .await
        .is(200);
    for path in ["/service-accounts", "/users", "/main/service-accounts"] {
        server
            .admin()
            .get(&format!("{path}?sort=name:asc"))
            .await
            .is(200);
    }
}

#[tokio::test]
async fn p16_pages_may_be_large_or_not_asked_for_at_all() {
    let server = Server::start().await;
    for number in 0..12 {
        server.group(&format!("g{number}")).await;
    }
    let all = server
        .admin()
        .get("/main/groups/search?size=10000")
        .await
        .is(200);
    assert_eq!(all.results().len(), 12);
    let default = server.admin().get("/main/groups/search").await.is(200);
    assert_eq!(default.results().len(), 10);
    assert_eq!(default.json()["total"], 12);
}

#[tokio::test]
async fn p17_the_javascript_sdk_asks_for_accounts_by_type() {
    let server = Server::start().await;
    let account = server.account("ci-bot").await;
    let user = server
        .user(json!({"email": "ci@example.org", "tenants": ["main"]}))
        .await;
    let query = "/main/tenant-access?q=ci&page=1&size=10&type=SERVICE_ACCOUNT";
    assert_eq!(
        server.admin().get(query).await.is(200).each("id"),
        [account]
    );
    let users = "/main/tenant-access?q=ci&type=STANDARD";
    assert_eq!(server.admin().get(users).await.is(200).each("id"), [user]);
}

#[tokio::test]
async fn p18_empty_basic_credentials_are_a_401() {
    for compat in [Compat::V1, Compat::V2] {
        let server = Server::of(compat).await;
        for broken in [
            "Basic Og==",
            "Basic ",
            "Basic",
            "Basic !!!",
            "Basic dXNlcg==",
            "Bearer",
            "Bearer ",
            "",
        ] {
            let caller = server.showing(Some(broken.to_owned()));
            caller.get("/me").await.is(401);
        }
    }
}

#[tokio::test]
async fn p18_setup_answers_200_and_then_405() {
    let server = Server::empty(Compat::V2).await;
    let body = json!({"username": "first@example.org", "password": "Passw0rd!", "tenant": {"id": "main", "name": "Main"}});
    server.nobody().post("/setup", body.clone()).await.is(200);
    server.nobody().post("/setup", body).await.is(405);
}

#[tokio::test]
async fn bytes_that_are_no_json_are_refused() {
    let server = Server::start().await;
    let body = Bytes::from_static(b"{\"name\": ");
    let answer = server
        .admin()
        .send_raw(Method::POST, "/api/v1/main/groups", body)
        .await;
    assert_eq!(answer.is(422).message(), "body: is not valid JSON");
    server
        .admin()
        .post("/main/groups", Value::Null)
        .await
        .is(422);
}
