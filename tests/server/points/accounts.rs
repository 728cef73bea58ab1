//! Points 19 to 23: service accounts.

use serde_json::json;

use crate::server::Server;

const ACCOUNTS: &str = "/main/service-accounts";

#[rstest::rstest]
#[case("a--b")]
#[case("CI Bot")]
#[case("")]
#[case("-a")]
#[case("a.b")]
#[tokio::test]
async fn p19_a_name_that_strict_clients_refuse_never_gets_in(#[case] name: &str) {
    let server = Server::start().await;
    let body = json!({"name": name});
    let account = server.account("good").await;
    for path in [ACCOUNTS, "/service-accounts"] {
        let refused = server.admin().post(path, body.clone()).await.is(422);
        assert!(refused.message().starts_with("name: "));
    }
    server
        .admin()
        .put(&format!("{ACCOUNTS}/{account}"), body.clone())
        .await
        .is(422);
    server
        .admin()
        .patch(&format!("/service-accounts/{account}"), body)
        .await
        .is(422);
}

#[tokio::test]
async fn p19_the_name_is_in_every_answer() {
    let server = Server::start().await;
    let account = server.account("ci-bot").await;
    for path in [
        format!("{ACCOUNTS}/{account}"),
        format!("/service-accounts/{account}"),
    ] {
        assert_eq!(
            server.admin().get(&path).await.is(200).text_of("name"),
            "ci-bot"
        );
    }
    let put = server
        .admin()
        .put(&format!("{ACCOUNTS}/{account}"), json!({"name": "renamed"}))
        .await;
    assert_eq!(put.is(200).text_of("name"), "renamed");
}

#[tokio::test]
async fn p20_create_answers_200_with_an_id() {
    let server = Server::start().await;
    for path in [ACCOUNTS, "/service-accounts"] {
        let name = format!("n{}", path.len());
        let made = server
            .admin()
            .post(path, json!({"name": name}))
            .await
            .is(200);
        assert!((20..=22).contains(&made.id().len()));
    }
}

#[tokio::test]
async fn p20_an_account_of_no_tenant_may_be_updated_in_one() {
    let server = Server::start().await;
    let stray = server
        .admin()
        .post("/service-accounts", json!({"name": "stray"}))
        .await
        .is(200)
        .id();
    let body = json!({"name": "stray", "description": "taken in"});
    let updated = server
        .admin()
        .put(&format!("{ACCOUNTS}/{stray}"), body)
        .await
        .is(200);
    assert_eq!(updated.text_of("description"), "taken in");
    server
        .admin()
        .get(&format!("{ACCOUNTS}/{stray}"))
        .await
        .is(200);
}

#[tokio::test]
async fn p20_an_account_of_another_tenant_is_not_to_be_known() {
    let server = Server::start().await;
    server
        .admin()
        .post("/tenants", json!({"id": "other", "name": "Other"}))
        .await
        .is(200);
    let body = json!({"name": "theirs", "tenants": ["other"]});
    let theirs = server
        .admin()
        .post("/service-accounts", body)
        .await
        .is(200)
        .id();
    let path = format!("{ACCOUNTS}/{theirs}");
    server.admin().get(&path).await.is(404);
    server
        .admin()
        .put(&path, json!({"name": "mine"}))
        .await
        .is(404);
    server.admin().delete(&path).await.is(404);
    server
        .admin()
        .get(&format!("{path}/api-tokens"))
        .await
        .is(404);
    server
        .admin()
        .post(&format!("{path}/api-tokens"), json!({"name": "t"}))
        .await
        .is(404);
}

#[tokio::test]
async fn p21_after_a_delete_the_get_fails() {
    let server = Server::start().await;
    let account = server.account("ci").await;
    let path = format!("{ACCOUNTS}/{account}");
    server.admin().delete(&path).await.is(200);
    server.admin().get(&path).await.is(404);
    server
        .admin()
        .get(&format!("/service-accounts/{account}"))
        .await
        .is(404);
    server.admin().delete(&path).await.is(404);
}

#[tokio::test]
async fn p21_a_delete_in_one_of_two_tenants_leaves_the_other() {
    let server = Server::start().await;
    server
        .admin()
        .post("/tenants", json!({"id": "other", "name": "Other"}))
        .await
        .is(200);
    let body = json!({"name": "both", "tenants": ["main", "other"]});
    let account = server
        .admin()
        .post("/service-accounts", body)
        .await
        .is(200)
        .id();
    let (_, value) = server.token(&account).await;
    server
        .admin()
        .delete(&format!("{ACCOUNTS}/{account}"))
        .await
        .is(200);
    server
        .admin()
        .get(&format!("{ACCOUNTS}/{account}"))
        .await
        .is(404);
    let me = server.bearer(&value).get("/me").await.is(200).json();
    assert_eq!(me["tenants"], json!([{"id": "other", "name": "Other"}]));
}

#[tokio::test]
async fn p21_a_deleted_account_that_comes_back_has_what_a_new_one_has() {
    let server = Server::start().await;
    server
        .admin()
        .post("/tenants", json!({"id": "other", "name": "Other"}))
        .await
        .is(200);
    let body = json!({"name": "both", "tenants": ["main", "other"]});
    let account = server
        .admin()
        .post("/service-accounts", body)
        .await
        .is(200)
        .id();
    server.bind(&account, "viewer_main").await;
    let group = server.group("g").await;
    server
        .admin()
        .put_nothing(&format!("/main/groups/{group}/members/{account}"))
        .await
        .is(200);
    server
        .admin()
        .delete(&format!("{ACCOUNTS}/{account}"))
        .await
        .is(200);
    let access = format!("/main/tenant-access/{account}");
    server.admin().put_nothing(&access).await.is(201);
    let access = server.admin().get(&access).await.is(200).json();
    assert_eq!(
        (&access["roles"], &access["groups"]),
        (&json!([]), &json!([]))
    );
}

#[tokio::test]
async fn p21_after_the_flag_is_set_the_get_shows_it() {
    let server = Server::start().await;
    let account = server.account("ci").await;
    let path = format!("/service-accounts/{account}");
    server
        .admin()
        .patch(&format!("{path}/superadmin"), json!({"superAdmin": true}))
        .await
        .is(200);
    let shown = server.admin().get(&path).await.json();
    assert_eq!(
        (&shown["superAdmin"], &shown["instanceOwner"]),
        (&json!(true), &json!(true))
    );
}

#[tokio::test]
async fn p22_the_tenants_list_has_the_name_in_username_at_once() {
    let server = Server::start().await;
    let account = server.account("ci-bot").await;
    let list = server
        .admin()
        .get(&format!("{ACCOUNTS}?size=100"))
        .await
        .is(200);
    let item = list
        .results()
        .into_iter()
        .find(|item| item["id"] == account)
        .unwrap();
    assert_eq!(item["username"], "ci-bot");
    assert_eq!(item["groups"], json!([]));
}

#[tokio::test]
async fn p23_the_flag_is_kept_when_an_update_leaves_it_out() {
    let server = Server::start().await;
    let body = json!({"name": "ci", "superAdmin": true});
    let account = server.admin().post(ACCOUNTS, body).await.is(200).id();
    let path = format!("{ACCOUNTS}/{account}");
    let put = server
        .admin()
        .put(&path, json!({"name": "ci"}))
        .await
        .is(200);
    assert_eq!(put.json()["superAdmin"], true);
    let put = server
        .admin()
        .put(&path, json!({"name": "ci", "superAdmin": false}))
        .await
        .is(200);
    assert_eq!(put.json()["superAdmin"], false);
}
