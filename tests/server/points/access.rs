//! Points 43 to 46: tenant access.

use kestra_iam_operator::server::Compat;
use serde_json::{Value, json};

use crate::server::Server;

const WORDS_1: [&str; 4] = ["READ", "CREATE", "UPDATE", "DELETE"];

async fn permissions_of_account(server: &Server, role: Value) -> Value {
    let account = server.account("ci").await;
    let role = server.role("r", role).await;
    server.bind(&account, &role).await;
    let access = server
        .admin()
        .get(&format!("/main/tenant-access/{account}"))
        .await
        .is(200);
    access.json()["roles"][0]["permissions"].clone()
}

#[tokio::test]
async fn p43_in_1x_only_words_of_1x_are_answered() {
    let server = Server::start().await;
    let role = json!({
        "FLOW": ["READ", "EXECUTE"],
        "NAMESPACE": ["EXPORT_PLUGIN_DEFAULTS"],
        "TRIGGER": ["READ"],
    });
    let permissions = permissions_of_account(&server, role).await;
    let expected = json!([{"permission": "FLOW", "resource": "FLOW", "actions": ["READ"]}]);
    assert_eq!(permissions, expected);
}

#[tokio::test]
async fn p43_managed_roles_are_told_in_words_of_the_line() {
    let server = Server::start().await;
    let me = server.admin().get("/me").await.id();
    let access = server
        .admin()
        .get(&format!("/main/tenant-access/{me}"))
        .await
        .json();
    for permission in access["roles"][0]["permissions"].as_array().unwrap() {
        for action in permission["actions"].as_array().unwrap() {
            assert!(WORDS_1.contains(&action.as_str().unwrap()), "{permission}");
        }
    }
}

#[tokio::test]
async fn p44_in_2x_its_newer_words_are_answered_too() {
    let server = Server::of(Compat::V2).await;
    let role = json!({
        "CASE": ["VIEW", "PROMOTE"], "FLOW": ["READ"], "SPACESHIP": ["FLY"], "BANNER": ["TEMPLATE"],
    });
    let permissions = permissions_of_account(&server, role).await;
    let expected = json!([
        {"permission": "BANNER", "resource": "BANNER", "actions": ["TEMPLATE"]},
        {"permission": "CASE", "resource": "CASE", "actions": ["VIEW", "PROMOTE"]},
        {"permission": "FLOW", "resource": "FLOW", "actions": ["VIEW"]},
    ]);
    assert_eq!(permissions, expected);
}

#[tokio::test]
async fn p45_the_origin_of_a_role_is_told() {
    let server = Server::start().await;
    let (account, group) = (server.account("ci").await, server.group("bots").await);
    server
        .admin()
        .put_nothing(&format!("/main/groups/{group}/members/{account}"))
        .await
        .is(200);
    let direct = server.bind(&account, "viewer_main").await;
    let body = json!({
        "type": "GROUP", "externalId": group, "roleId": "launcher_main", "namespaceId": "company",
    });
    server.admin().post("/main/bindings", body).await.is(200);
    let access = server
        .admin()
        .get(&format!("/main/tenant-access/{account}"))
        .await
        .is(200)
        .json();
    let of = |id: &str| {
        let roles = access["roles"].as_array().unwrap();
        let role = roles.iter().find(|role| role["id"] == id).unwrap();
        (
            role["origin"].clone(),
            role["sourceId"].clone(),
            role["namespace"].clone(),
        )
    };
    assert_eq!(
        of("viewer_main"),
        (json!("BINDING"), json!(direct), Value::Null)
    );
    assert_eq!(
        of("launcher_main"),
        (json!("GROUP"), json!(group), json!("company"))
    );
    assert_eq!(access["tenantId"], "main");
    assert_eq!(access["userId"], account);
    let groups = json!([{"id": group, "name": "bots", "external": false}]);
    assert_eq!(access["groups"], groups);
}

#[tokio::test]
async fn p46_access_by_address_shows_at_once() {
    let server = Server::start().await;
    let user = server.user(json!({"email": "u@example.org"})).await;
    let body = json!({"email": "u@example.org"});
    server
        .admin()
        .post("/main/tenant-access", body.clone())
        .await
        .is(204);
    server
        .admin()
        .get(&format!("/main/tenant-access/{user}"))
        .await
        .is(200);
    server
        .admin()
        .post("/main/tenant-access", body)
        .await
        .is(409);
    server
        .admin()
        .post("/main/tenant-access", json!({"email": "x@example.org"}))
        .await
        .is(404);
}

#[tokio::test]
async fn p46_access_by_id_is_for_accounts_too_and_409_if_there() {
    let server = Server::start().await;
    let stray = server
        .admin()
        .post("/service-accounts", json!({"name": "stray"}))
        .await
        .is(200)
        .id();
    let path = format!("/main/tenant-access/{stray}");
    server.admin().put_nothing(&path).await.is(201);
    server.admin().put_nothing(&path).await.is(409);
    server.admin().delete(&path).await.is(204);
    server.admin().delete(&path).await.is(404);
    server
        .admin()
        .put_nothing("/main/tenant-access/unknown")
        .await
        .is(404);
}
