//! Points 24 to 29: tokens.

use serde_json::json;

use crate::server::Server;

async fn owners(server: &Server) -> [String; 4] {
    let account = server.account("ci").await;
    let user = server.user(json!({"email": "u@example.org"})).await;
    [
        format!("/main/service-accounts/{account}/api-tokens"),
        format!("/service-accounts/{account}/api-tokens"),
        format!("/users/{user}/api-tokens"),
        "/me/api-tokens".to_owned(),
    ]
}

#[tokio::test]
async fn p24_create_answers_id_name_and_full_token() {
    let server = Server::start().await;
    for path in owners(&server).await {
        let made = server.admin().post(&path, json!({"name": "ci"})).await;
        assert_eq!(
            made.status,
            if path.starts_with("/users") { 201 } else { 200 }
        );
        let made = made.json();
        let members: Vec<&String> = made.as_object().unwrap().keys().collect();
        assert_eq!(members, ["fullToken", "id", "name"], "{path}");
        assert_eq!(made["name"], "ci");
    }
}

#[tokio::test]
async fn p25_a_list_is_an_object_with_results() {
    let server = Server::start().await;
    for path in owners(&server).await {
        let before = server.admin().get(&path).await.is(200).results().len();
        server.admin().post(&path, json!({"name": "ci"})).await;
        let list = server.admin().get(&path).await.is(200);
        assert_eq!(list.results().len(), before + 1);
        assert_eq!(list.json()["total"], before + 1);
    }
}

#[tokio::test]
async fn p26_a_token_is_listed_with_its_description() {
    let server = Server::start().await;
    let account = server.account("ci").await;
    let (bare, value) = server.token_with(&account, json!({"name": "bare"})).await;
    let body = json!({"name": "told", "description": "for CI"});
    let (told, _) = server.token_with(&account, body).await;
    let bare = server.shown_token(&account, &bare).await;
    assert_eq!(bare["description"], "");
    assert_eq!(bare["name"], "bare");
    assert_eq!(bare["iat"], crate::server::START);
    assert_eq!(bare["prefix"], value[..6]);
    assert_eq!(
        server.shown_token(&account, &told).await["description"],
        "for CI"
    );
}

#[tokio::test]
async fn p27_one_that_never_expires_has_no_exp() {
    let server = Server::start().await;
    let account = server.account("ci").await;
    let (id, _) = server.token(&account).await;
    let shown = server.shown_token(&account, &id).await;
    assert_eq!(shown.get("exp"), None);
    assert_eq!(
        (&shown["extended"], &shown["expired"]),
        (&json!(false), &json!(false))
    );
}

#[tokio::test]
async fn p28_delete_succeeds_once() {
    let server = Server::start().await;
    for path in owners(&server).await {
        let made = server.admin().post(&path, json!({"name": "ci"})).await;
        let token = format!("{path}/{}", made.id());
        let expected = if path.starts_with("/users") { 204 } else { 200 };
        server.admin().delete(&token).await.is(expected);
        server.admin().delete(&token).await.is(404);
    }
}

#[rstest::rstest]
#[case(Some("P1D"), Some("2026-01-02T00:00:00Z"))]
#[case(Some("P30D"), Some("2026-01-31T00:00:00Z"))]
#[case(Some("PT1H"), Some("2026-01-01T01:00:00Z"))]
#[case(Some(""), None)]
#[case(None, None)]
#[tokio::test]
async fn p29_max_age_as_clients_send_it(#[case] max_age: Option<&str>, #[case] exp: Option<&str>) {
    let server = Server::start().await;
    let account = server.account("ci").await;
    let body = json!({"name": "ci", "maxAge": max_age, "description": null, "extended": null});
    let (id, _) = server.token_with(&account, body).await;
    let shown = server.shown_token(&account, &id).await;
    assert_eq!(shown.get("exp").and_then(|exp| exp.as_str()), exp);
}

#[tokio::test]
async fn p29_the_name_alone_is_enough_and_needed() {
    let server = Server::start().await;
    for path in owners(&server).await {
        server.admin().post(&path, json!({"name": "ci"})).await;
        let refused = server
            .admin()
            .post(&path, json!({"maxAge": "P1D"}))
            .await
            .is(422);
        assert_eq!(refused.message(), "name: is required");
    }
}
