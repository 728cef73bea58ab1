//! Points 39 to 42: bindings.

use serde_json::json;

use crate::server::Server;

#[tokio::test]
async fn p39_the_answer_says_namespace_where_the_request_says_namespace_id() {
    let server = Server::start().await;
    let account = server.account("ci").await;
    let body = json!({
        "type": "USER", "externalId": account, "roleId": "launcher_main", "namespaceId": "company.team",
    });
    let made = server
        .admin()
        .post("/main/bindings", body)
        .await
        .is(200)
        .json();
    assert_eq!(made["namespace"], "company.team");
    assert_eq!(made.get("namespaceId"), None);
    let everywhere = json!({
        "type": "USER", "externalId": account, "roleId": "launcher_main", "namespaceId": null,
    });
    let made = server
        .admin()
        .post("/main/bindings", everywhere)
        .await
        .is(200)
        .json();
    assert_eq!(made.get("namespace"), None);
}

#[rstest::rstest]
#[case("")]
#[case("a..b")]
#[case("../etc")]
#[tokio::test]
async fn p39_a_namespace_that_is_none_is_refused(#[case] namespace: &str) {
    let server = Server::start().await;
    let account = server.account("ci").await;
    let body = json!({
        "type": "USER", "externalId": account, "roleId": "launcher_main", "namespaceId": namespace,
    });
    let refused = server.admin().post("/main/bindings", body).await.is(422);
    assert!(refused.message().starts_with("namespaceId: "));
}

#[tokio::test]
async fn p40_kinds_are_words_in_capitals() {
    let server = Server::start().await;
    let account = server.account("ci").await;
    let user = server
        .user(json!({"email": "u@example.org", "tenants": ["main"]}))
        .await;
    let group = server.group("g").await;
    for (kind, id, user_kind) in [
        ("USER", &account, Some("SERVICE_ACCOUNT")),
        ("USER", &user, Some("STANDARD")),
        ("GROUP", &group, None),
    ] {
        let body = json!({"type": kind, "externalId": id, "roleId": "viewer_main"});
        let made = server
            .admin()
            .post("/main/bindings", body)
            .await
            .is(200)
            .json();
        assert_eq!(made["type"], kind);
        assert_eq!(made["user"]["type"].as_str(), user_kind);
    }
    let body = json!({"type": "user", "externalId": account, "roleId": "viewer_main"});
    server.admin().post("/main/bindings", body).await.is(422);
}

#[tokio::test]
async fn p41_subjects_and_roles_have_ids() {
    let server = Server::start().await;
    let (account, group) = (server.account("ci").await, server.group("bots").await);
    let of_user = server.bind(&account, "launcher_main").await;
    let body = json!({"type": "GROUP", "externalId": group, "roleId": "viewer_main"});
    let of_group = server
        .admin()
        .post("/main/bindings", body)
        .await
        .is(200)
        .id();
    let user = server
        .admin()
        .get(&format!("/main/bindings/{of_user}"))
        .await
        .is(200)
        .json();
    assert_eq!(
        user["role"],
        json!({"id": "launcher_main", "name": "Launcher"})
    );
    let bound =
        json!({"id": account, "username": "ci", "displayName": "ci", "type": "SERVICE_ACCOUNT"});
    assert_eq!(user["user"], bound);
    assert_eq!(user.get("group"), None);
    let group_binding = server
        .admin()
        .get(&format!("/main/bindings/{of_group}"))
        .await
        .json();
    assert_eq!(group_binding["group"], json!({"id": group, "name": "bots"}));
    assert_eq!(group_binding.get("user"), None);
}

#[tokio::test]
async fn p41_after_a_delete_the_get_fails() {
    let server = Server::start().await;
    let account = server.account("ci").await;
    let path = format!(
        "/main/bindings/{}",
        server.bind(&account, "viewer_main").await
    );
    server.admin().get(&path).await.is(200);
    server.admin().delete(&path).await.is(204);
    server.admin().get(&path).await.is(404);
    server.admin().delete(&path).await.is(404);
}

#[tokio::test]
async fn the_same_binding_twice_is_a_409() {
    let server = Server::start().await;
    let (account, group) = (server.account("ci").await, server.group("g").await);
    for (kind, id) in [("USER", account), ("GROUP", group)] {
        for namespace in [json!(null), json!("company")] {
            let body = json!({
                "type": kind, "externalId": id, "roleId": "viewer_main", "namespaceId": namespace,
            });
            server
                .admin()
                .post("/main/bindings", body.clone())
                .await
                .is(200);
            server
                .admin()
                .post("/main/bindings", body.clone())
                .await
                .is(409);
            server
                .admin()
                .post("/main/bindings/bulk", json!([body]))
                .await
                .is(409);
        }
    }
}

#[tokio::test]
async fn a_binding_to_what_is_not_there_is_a_404() {
    let server = Server::start().await;
    let account = server.account("ci").await;
    for (kind, id, role) in [
        ("USER", "nobody", "viewer_main"),
        ("GROUP", account.as_str(), "viewer_main"),
        ("USER", account.as_str(), "nothing"),
    ] {
        let body = json!({"type": kind, "externalId": id, "roleId": role});
        server.admin().post("/main/bindings", body).await.is(404);
    }
}

#[tokio::test]
async fn p42_a_search_filters_by_subject_type_and_namespace() {
    let server = Server::start().await;
    let (one, two) = (server.account("one").await, server.account("two").await);
    let group = server.group("g").await;
    let of_one = server.bind(&one, "viewer_main").await;
    server.bind(&two, "viewer_main").await;
    let body = json!({
        "type": "GROUP", "externalId": group, "roleId": "viewer_main", "namespaceId": "company",
    });
    let of_group = server
        .admin()
        .post("/main/bindings", body)
        .await
        .is(200)
        .id();
    let search = async |query: String| {
        let path = format!("/main/bindings/search?size=100&{query}");
        server.admin().get(&path).await.is(200).each("id")
    };
    assert_eq!(search(format!("type=USER&id={one}")).await, [of_one]);
    assert_eq!(
        search("type=GROUP".to_owned()).await,
        std::slice::from_ref(&of_group)
    );
    assert_eq!(search("namespace=company".to_owned()).await, [of_group]);
    // The superadmin's own is there as well.
    assert_eq!(search("type=USER".to_owned()).await.len(), 3);
    assert!(search(format!("type=GROUP&id={one}")).await.is_empty());
}
