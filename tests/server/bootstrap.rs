//! The first superadmin: by configuration, or by whoever comes first while nobody is there.

use kestra_iam_operator::iam::model::TokenValue;
use kestra_iam_operator::server::{AdminError, App, Compat};
use serde_json::{Value, json};

use super::server::Server;

const FIRST: &str = "the-first-token-of-the-superadmin";
const SECOND: &str = "the-second-token-of-the-superadmin";

async fn ensure(app: &App, token: &str) -> Result<(), AdminError> {
    app.ensure_admin(&TokenValue::new(token.to_owned()), &["main".to_owned()])
        .await
}

fn setup() -> Value {
    json!({"username": "first@example.org", "password": "Passw0rd!"})
}

#[tokio::test]
async fn the_tenant_main_exists_and_nobody_else() {
    let server = Server::empty(Compat::V1).await;
    ensure(&server.app, FIRST).await.unwrap();
    let admin = server.bearer(FIRST);
    assert_eq!(
        admin.get("/tenants/search").await.is(200).each("id"),
        ["main"]
    );
    assert_eq!(
        admin.get("/service-accounts").await.each("name"),
        ["superadmin"]
    );
    assert_eq!(admin.get("/users").await.json()["total"], 0);
}

#[tokio::test]
async fn the_token_works_again_after_a_restart() {
    let server = Server::empty(Compat::V1).await;
    for _ in 0..2 {
        ensure(&server.app, FIRST).await.unwrap();
        server
            .bearer(FIRST)
            .get("/main/service-accounts")
            .await
            .is(200);
    }
    assert_eq!(
        server.bearer(FIRST).get("/me/api-tokens").await.json()["total"],
        1
    );
}

#[tokio::test]
async fn a_new_token_in_the_configuration_ends_the_old_one() {
    let server = Server::empty(Compat::V1).await;
    ensure(&server.app, FIRST).await.unwrap();
    let me = server.bearer(FIRST).get("/me").await.id();
    ensure(&server.app, SECOND).await.unwrap();
    server.bearer(FIRST).get("/me").await.is(401);
    assert_eq!(server.bearer(SECOND).get("/me").await.is(200).id(), me);
}

#[tokio::test]
async fn the_configuration_restores_what_was_taken_from_the_superadmin() {
    let server = Server::empty(Compat::V1).await;
    ensure(&server.app, FIRST).await.unwrap();
    let admin = server.bearer(FIRST);
    let me = admin.get("/me").await.id();
    let root = json!({"email": "root@example.org", "superAdmin": true});
    admin.post("/users", root).await.is(201);
    admin
        .delete(&format!("/main/tenant-access/{me}"))
        .await
        .is(204);
    admin
        .patch(
            &format!("/service-accounts/{me}/superadmin"),
            json!({"superAdmin": false}),
        )
        .await
        .is(200);
    admin.get("/users").await.is(403);
    ensure(&server.app, FIRST).await.unwrap();
    admin.get("/users").await.is(200);
    admin.get("/main/service-accounts").await.is(200);
}

#[tokio::test]
async fn tenants_in_the_configuration_are_made() {
    let server = Server::empty(Compat::V1).await;
    let tenants = ["main".to_owned(), "second".to_owned()];
    let token = TokenValue::new(FIRST.to_owned());
    server.app.ensure_admin(&token, &tenants).await.unwrap();
    server
        .bearer(FIRST)
        .get("/second/groups/search")
        .await
        .is(200);
    let error = server
        .app
        .ensure_admin(&token, &["No Tenant".to_owned()])
        .await
        .unwrap_err();
    assert!(
        error.to_string().starts_with("tenant-admin-access: "),
        "{error}"
    );
}

#[tokio::test]
async fn a_token_that_could_be_guessed_or_is_somebody_elses_is_refused() {
    let server = Server::empty(Compat::V1).await;
    assert!(matches!(
        ensure(&server.app, "admin").await,
        Err(AdminError::Unfit)
    ));
    ensure(&server.app, FIRST).await.unwrap();
    let admin = server.bearer(FIRST);
    let account = admin
        .post("/main/service-accounts", json!({"name": "ci"}))
        .await
        .id();
    let path = format!("/main/service-accounts/{account}/api-tokens");
    let value = admin
        .post(&path, json!({"name": "t"}))
        .await
        .text_of("fullToken");
    let error = ensure(&server.app, &value).await.unwrap_err();
    assert!(
        matches!(&error, AdminError::Foreign(name) if name == "ci"),
        "{error}"
    );
    assert!(!error.to_string().contains(&value));
}

#[tokio::test]
async fn setup_makes_a_superadmin_who_logs_in_by_password() {
    let server = Server::empty(Compat::V1).await;
    let login = server.nobody().get("/configs/login").await.json();
    assert_eq!(login["isBasicAuthInitialized"], false);
    let made = server.nobody().post("/setup", setup()).await.is(200).json();
    assert_eq!(made["username"], "first@example.org");
    let first = server.basic("first@example.org", "Passw0rd!");
    assert_eq!(first.get("/me").await.is(200).json()["superAdmin"], true);
    first.get("/users").await.is(200);
    first
        .post("/main/service-accounts", json!({"name": "ci"}))
        .await
        .is(200);
    let log = first
        .get("/auditlogs/search?filters[action][CONTAINS]=setup")
        .await
        .results();
    assert_eq!(log[0]["username"], "first@example.org");
}

#[tokio::test]
async fn setup_makes_the_tenant_it_names() {
    let server = Server::empty(Compat::V1).await;
    let mut body = setup();
    body["tenant"] = json!({"id": "acme", "name": "ACME"});
    server.nobody().post("/setup", body).await.is(200);
    let first = server.basic("first@example.org", "Passw0rd!");
    assert_eq!(
        first.get("/tenants/acme").await.is(200).text_of("name"),
        "ACME"
    );
    first.get("/acme/groups/search").await.is(200);
}

#[tokio::test]
async fn setup_is_closed_as_soon_as_anybody_is_there() {
    let server = Server::start().await;
    server.nobody().post("/setup", setup()).await.is(405);
    server.nobody().post("/setup", json!({})).await.is(405);
}

#[tokio::test]
async fn setup_refuses_what_is_not_valid_and_stays_open() {
    let server = Server::empty(Compat::V1).await;
    for (member, value) in [
        ("username", json!("")),
        ("username", json!("two words")),
        ("password", json!("short")),
        ("password", json!(null)),
        ("tenant", json!({"id": "No Tenant"})),
    ] {
        let mut body = setup();
        body[member] = value;
        let refused = server.nobody().post("/setup", body).await.is(422);
        assert!(
            refused.message().starts_with(member),
            "{}",
            refused.message()
        );
    }
    server.nobody().post("/setup", setup()).await.is(200);
}

#[tokio::test]
async fn of_two_who_set_up_at_once_one_succeeds() {
    let server = Server::empty(Compat::V1).await;
    let one = json!({"username": "one@example.org", "password": "Passw0rd!"});
    let two = json!({"username": "two@example.org", "password": "Passw0rd!"});
    let nobody = server.nobody();
    let (one, two) = tokio::join!(nobody.post("/setup", one), nobody.post("/setup", two));
    let mut statuses = [one.status, two.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 405]);
}
