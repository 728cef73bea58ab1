//! Where 1.x and 2.x differ.

use kestra_iam_operator::server::Compat;
use serde_json::json;

use super::server::{Server, folder};

#[tokio::test]
async fn configs_tell_the_version_and_2x_only_to_those_who_authenticate() {
    let first = Server::of(Compat::V1).await;
    let configs = first.nobody().get("/configs").await.is(200);
    assert_eq!(configs.text_of("version"), "1.3.26");
    let second = Server::of(Compat::V2).await;
    second.nobody().get("/configs").await.is(401);
    assert_eq!(
        second
            .admin()
            .get("/configs")
            .await
            .is(200)
            .text_of("version"),
        "2.0.0"
    );
    let login = second.nobody().get("/configs/login").await.is(200);
    assert_eq!(login.json(), json!({"isBasicAuthInitialized": true}));
}

#[tokio::test]
async fn the_uuid_tells_instances_apart_and_stays() {
    let (one, two) = (Server::start().await, Server::start().await);
    let uuid = one.admin().get("/configs").await.text_of("uuid");
    assert_ne!(uuid, two.admin().get("/configs").await.text_of("uuid"));
    assert_eq!(
        one.twin()
            .await
            .admin()
            .get("/configs")
            .await
            .text_of("uuid"),
        uuid
    );
}

#[tokio::test]
async fn the_last_membership_takes_access_away_in_1x_only() {
    for (compat, expected) in [(Compat::V1, 404), (Compat::V2, 200)] {
        let server = Server::of(compat).await;
        let account = server.account("ci").await;
        let (a, b) = (server.group("a").await, server.group("b").await);
        let access = format!("/main/tenant-access/{account}");
        for group in [&a, &b] {
            server
                .admin()
                .put_nothing(&format!("/main/groups/{group}/members/{account}"))
                .await
                .is(200);
        }
        server
            .admin()
            .delete(&format!("/main/groups/{a}/members/{account}"))
            .await
            .is(200);
        server.admin().get(&access).await.is(200);
        server
            .admin()
            .delete(&format!("/main/groups/{b}/members/{account}"))
            .await
            .is(200);
        server.admin().get(&access).await.is(expected);
    }
}

#[tokio::test]
async fn a_deleted_group_leaves_its_members_their_access() {
    for compat in [Compat::V1, Compat::V2] {
        let server = Server::of(compat).await;
        let (account, group) = (server.account("ci").await, server.group("g").await);
        server
            .admin()
            .put_nothing(&format!("/main/groups/{group}/members/{account}"))
            .await
            .is(200);
        server
            .admin()
            .delete(&format!("/main/groups/{group}"))
            .await
            .is(200);
        let access = server
            .admin()
            .get(&format!("/main/tenant-access/{account}"))
            .await
            .is(200);
        assert_eq!(access.json()["groups"], json!([]));
    }
}

#[tokio::test]
async fn a_user_without_access_is_bound_in_1x_only() {
    for (compat, expected) in [(Compat::V1, 200), (Compat::V2, 404)] {
        let server = Server::of(compat).await;
        let stray = server
            .admin()
            .post("/service-accounts", json!({"name": "stray"}))
            .await
            .id();
        let body = json!({"type": "USER", "externalId": stray, "roleId": "viewer_main"});
        server
            .admin()
            .post("/main/bindings", body)
            .await
            .is(expected);
    }
}

#[tokio::test]
async fn acls_have_another_shape_in_2x() {
    let first = Server::of(Compat::V1).await;
    let permissions = first
        .admin()
        .get("/main/acls/permissions")
        .await
        .is(200)
        .json();
    assert!(
        permissions
            .as_array()
            .unwrap()
            .contains(&json!("SERVICE_ACCOUNT"))
    );
    let actions = first.admin().get("/main/acls/actions").await.is(200).json();
    assert_eq!(actions, json!(["READ", "CREATE", "UPDATE", "DELETE"]));
    first.admin().get("/main/acls/templates").await.is(404);
    let second = Server::of(Compat::V2).await;
    let permissions = second
        .admin()
        .get("/main/acls/permissions")
        .await
        .is(200)
        .json();
    let binding = json!(["VIEW", "LIST", "CREATE", "DELETE"]);
    assert_eq!(permissions["BINDING"], binding);
    second.admin().get("/main/acls/actions").await.is(404);
    let templates = second
        .admin()
        .get("/main/acls/templates")
        .await
        .is(200)
        .json();
    let names: Vec<&String> = templates.as_object().unwrap().keys().collect();
    assert_eq!(
        names,
        ["ADMIN", "DEVELOPER", "EDITOR", "LAUNCHER", "VIEWER"]
    );
}

#[tokio::test]
async fn two_x_has_no_q_and_no_type_beside_its_filters() {
    let server = Server::of(Compat::V2).await;
    server.group("alpha").await;
    let all = server
        .admin()
        .get("/main/groups/search?q=zzz")
        .await
        .is(200);
    assert_eq!(all.json()["total"], 1);
    let path = "/main/tenant-access?type=STANDARD";
    assert_eq!(server.admin().get(path).await.is(200).json()["total"], 1);
    let path = "/main/tenant-access?filters[type][EQUALS]=STANDARD";
    assert_eq!(server.admin().get(path).await.is(200).json()["total"], 0);
}

#[tokio::test]
async fn lists_tell_more_in_2x() {
    let body = json!({"name": "g", "description": "told"});
    for (compat, description, count) in [
        (Compat::V1, None, None),
        (Compat::V2, Some("told"), Some(3)),
    ] {
        let server = Server::of(compat).await;
        server
            .admin()
            .post("/main/groups", body.clone())
            .await
            .is(200);
        let groups = server.admin().get("/main/groups/search").await.results();
        assert_eq!(
            groups[0].get("description").and_then(|d| d.as_str()),
            description
        );
        server
            .role(
                "three",
                json!({"FLOW": ["VIEW", "LIST"], "GROUP": ["LIST"]}),
            )
            .await;
        let roles = server
            .admin()
            .get("/main/roles/search?size=100")
            .await
            .results();
        let role = roles.iter().find(|role| role["name"] == "three").unwrap();
        assert_eq!(
            role.get("permissionCount")
                .and_then(serde_json::Value::as_i64),
            count
        );
    }
}

#[tokio::test]
async fn rights_are_asked_for_in_the_words_of_the_line() {
    let server = Server::of(Compat::V2).await;
    let (_, viewer) = server
        .somebody_who(json!({"SERVICE_ACCOUNT": ["VIEW"]}))
        .await;
    let (_, lister) = server
        .somebody_who(json!({"SERVICE_ACCOUNT": ["LIST"]}))
        .await;
    // Taken for VIEW alone, without a word.
    let (_, reader) = server
        .somebody_who(json!({"SERVICE_ACCOUNT": ["READ"]}))
        .await;
    let account = format!("/main/service-accounts/{}", server.account("ci").await);
    for (caller, list, get) in [(viewer, 403, 200), (lister, 200, 403), (reader, 403, 200)] {
        caller.get("/main/service-accounts").await.is(list);
        caller.get(&account).await.is(get);
    }
    let (_, manager) = server
        .somebody_who(json!({"GROUP": ["MANAGE_MEMBERS"]}))
        .await;
    let (group, member) = (server.group("g").await, server.account("m").await);
    manager
        .put_nothing(&format!("/main/groups/{group}/members/{member}"))
        .await
        .is(200);
    let (_, user_manager) = server
        .somebody_who(json!({"USER": ["LIST", "CREATE"]}))
        .await;
    user_manager.get("/main/tenant-access").await.is(200);
    let stray = server
        .admin()
        .post("/service-accounts", json!({"name": "stray"}))
        .await
        .id();
    user_manager
        .put_nothing(&format!("/main/tenant-access/{stray}"))
        .await
        .is(201);
}

#[tokio::test]
async fn members_are_found_by_name_in_2x_only() {
    for (compat, expected) in [(Compat::V1, 404), (Compat::V2, 200)] {
        let server = Server::of(compat).await;
        server.account("by-name").await;
        let group = server.group("g").await;
        let path = format!("/main/groups/{group}/members/by-name");
        server.admin().put_nothing(&path).await.is(expected);
    }
}

#[tokio::test]
async fn a_database_may_be_opened_as_the_other_line() {
    let first = Server::of(Compat::V1).await;
    first.account("ci").await;
    let second = Server::at(Compat::V2, first.folder.clone()).await;
    let launcher = second
        .admin()
        .get("/main/roles/launcher_main")
        .await
        .is(200)
        .json();
    assert_eq!(
        launcher["permissions"]["BLUEPRINT"],
        json!(["VIEW", "LIST"])
    );
    second
        .admin()
        .get("/main/roles/developer_main")
        .await
        .is(200);
    second.admin().get("/main/service-accounts").await.is(200);
}

#[tokio::test]
async fn the_clock_of_the_answer_is_the_servers_own() {
    let server = Server::at(Compat::V1, folder()).await;
    let answer = server.nobody().get("/configs").await;
    assert_eq!(answer.headers["date"], "Thu, 01 Jan 2026 00:00:00 GMT");
}
