//! Points 30 to 35: groups and membership.

use kestra_iam_operator::server::Compat;
use serde_json::json;

use crate::server::Server;

#[tokio::test]
async fn p30_membership_routes_answer_the_member() {
    let server = Server::start().await;
    let (account, group) = (server.account("ci").await, server.group("bots").await);
    let member = format!("/main/groups/{group}/members/{account}");
    let added = server.admin().put_nothing(&member).await.is(200).json();
    let membership =
        json!({"id": group, "name": "bots", "external": false, "membership": "MEMBER"});
    let expected =
        json!({"id": account, "username": "ci", "displayName": "ci", "groups": [membership]});
    assert_eq!(added, expected);
    let owner = format!("/main/groups/{group}/members/membership/{account}?membership=OWNER");
    let made_owner = server.admin().put_nothing(&owner).await.is(200).json();
    assert_eq!(made_owner["groups"][0]["membership"], "OWNER");
    let removed = server.admin().delete(&member).await.is(200).json();
    assert_eq!(removed["id"], account);
}

#[tokio::test]
async fn p31_after_a_removal_the_answer_has_the_other_groups_alone() {
    let server = Server::start().await;
    let account = server.account("ci").await;
    let (left, kept) = (server.group("left").await, server.group("kept").await);
    for group in [&left, &kept] {
        server
            .admin()
            .put_nothing(&format!("/main/groups/{group}/members/{account}"))
            .await
            .is(200);
    }
    let removed = server
        .admin()
        .delete(&format!("/main/groups/{left}/members/{account}"))
        .await;
    let groups = removed.is(200).json()["groups"].clone();
    assert_eq!(groups.as_array().unwrap().len(), 1);
    assert_eq!(groups[0]["id"], kept);
}

#[tokio::test]
async fn who_is_a_member_and_who_is_not_is_a_409() {
    let server = Server::start().await;
    let (account, group) = (server.account("ci").await, server.group("bots").await);
    let member = format!("/main/groups/{group}/members/{account}");
    let owner = format!("/main/groups/{group}/members/membership/{account}?membership=OWNER");
    server.admin().delete(&member).await.is(409);
    server.admin().put_nothing(&owner).await.is(409);
    server.admin().put_nothing(&member).await.is(200);
    server.admin().put_nothing(&member).await.is(409);
}

#[rstest::rstest]
#[case("MEMBER", 200)]
#[case("OWNER", 200)]
#[case("owner", 422)]
#[case("BOSS", 422)]
#[tokio::test]
async fn p31_membership_is_one_of_two_words(#[case] word: &str, #[case] status: u16) {
    let server = Server::start().await;
    let (account, group) = (server.account("ci").await, server.group("bots").await);
    server
        .admin()
        .put_nothing(&format!("/main/groups/{group}/members/{account}"))
        .await
        .is(200);
    let path = format!("/main/groups/{group}/members/membership/{account}?membership={word}");
    server.admin().put_nothing(&path).await.is(status);
}

#[tokio::test]
async fn p32_a_user_without_tenants_may_be_added_to_a_group_in_1x() {
    let server = Server::start().await;
    let user = server.user(json!({"email": "u@example.org"})).await;
    let group = server.group("bots").await;
    server
        .admin()
        .get(&format!("/main/tenant-access/{user}"))
        .await
        .is(404);
    server
        .admin()
        .put_nothing(&format!("/main/groups/{group}/members/{user}"))
        .await
        .is(200);
    server
        .admin()
        .get(&format!("/main/tenant-access/{user}"))
        .await
        .is(200);
}

#[tokio::test]
async fn p32_access_comes_first_in_2x() {
    let server = Server::of(Compat::V2).await;
    let user = server.user(json!({"email": "u@example.org"})).await;
    let group = server.group("bots").await;
    let member = format!("/main/groups/{group}/members/{user}");
    server.admin().put_nothing(&member).await.is(404);
    server
        .admin()
        .put_nothing(&format!("/main/tenant-access/{user}"))
        .await
        .is(201);
    server.admin().put_nothing(&member).await.is(200);
}

#[tokio::test]
async fn p33_a_membership_is_listed_right_after_the_put() {
    let server = Server::start().await;
    let (account, group) = (server.account("ci").await, server.group("bots").await);
    server
        .admin()
        .put_nothing(&format!("/main/groups/{group}/members/{account}"))
        .await
        .is(200);
    let list = server
        .admin()
        .get(&format!("/main/groups/{group}/members?page=1&size=200"))
        .await;
    assert_eq!(list.is(200).each("id"), [account]);
}

#[tokio::test]
async fn p34_names_are_free_text_and_taken_once_in_a_tenant() {
    let server = Server::start().await;
    for name in ["Team A", "team_a", "Ünïcode / 組"] {
        let body = json!({"name": name});
        assert_eq!(
            server
                .admin()
                .post("/main/groups", body.clone())
                .await
                .is(200)
                .text_of("name"),
            name
        );
        server.admin().post("/main/groups", body).await.is(409);
    }
    let other = server.group("other").await;
    server
        .admin()
        .put(&format!("/main/groups/{other}"), json!({"name": "Team A"}))
        .await
        .is(409);
    server
        .admin()
        .post("/tenants", json!({"id": "other", "name": "Other"}))
        .await
        .is(200);
    server
        .admin()
        .post("/other/groups", json!({"name": "Team A"}))
        .await
        .is(200);
}

#[tokio::test]
async fn p35_ids_and_autocomplete_answer_bare_lists() {
    let server = Server::start().await;
    let group = server.group("bots").await;
    server.group("people").await;
    let ids = json!({"ids": [group, "unknown"]});
    let found = server
        .admin()
        .post("/main/groups/ids", ids)
        .await
        .is(200)
        .json();
    assert_eq!(found, json!([{"id": group, "name": "bots"}]));
    let word = json!({"q": "bot", "existingOnly": true});
    let found = server
        .admin()
        .post("/main/groups/autocomplete", word)
        .await
        .is(200)
        .json();
    assert_eq!(found, json!([{"id": group, "name": "bots"}]));
    let both = json!({"q": "peo", "ids": [group]});
    let found = server
        .admin()
        .post("/main/groups/autocomplete", both)
        .await
        .is(200)
        .json();
    assert_eq!(found.as_array().unwrap().len(), 2);
    let roles = json!({"q": "laun"});
    let found = server
        .admin()
        .post("/main/roles/autocomplete", roles)
        .await
        .is(200)
        .json();
    assert_eq!(found[0]["id"], "launcher_main");
    assert_eq!(found[0]["name"], "Launcher");
}
