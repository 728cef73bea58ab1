//! Users: passwords, tokens, and what they may do with themselves.

use serde_json::json;

use super::server::Server;

const EMAIL: &str = "rick.astley@kestra.io";
const PASSWORD: &str = "password42";

async fn rick(server: &Server) -> String {
    let body = json!({
        "email": EMAIL, "password": PASSWORD, "firstName": "Rick", "lastName": "Astley", "tenants": ["main"],
    });
    server.user(body).await
}

#[tokio::test]
async fn a_user_logs_in_by_password_or_token() {
    let server = Server::start().await;
    let user = rick(&server).await;
    assert_eq!(
        server.basic(EMAIL, PASSWORD).get("/me").await.is(200).id(),
        user
    );
    let made = server
        .admin()
        .post(&format!("/users/{user}/api-tokens"), json!({"name": "t"}))
        .await;
    let value = made.is(201).text_of("fullToken");
    let me = server.bearer(&value).get("/me").await.is(200).json();
    assert_eq!(me["id"], user);
    let profile = json!({
        "email": EMAIL, "firstName": "Rick", "lastName": "Astley", "username": EMAIL,
    });
    assert_eq!(me["profile"], profile);
}

#[tokio::test]
async fn a_wrong_password_or_name_is_the_same_401() {
    let server = Server::start().await;
    rick(&server).await;
    server
        .user(json!({"email": "no-password@example.org"}))
        .await;
    for (name, password) in [
        (EMAIL, "password43"),
        (EMAIL, ""),
        ("nobody@example.org", PASSWORD),
        ("no-password@example.org", ""),
        ("no-password@example.org", PASSWORD),
    ] {
        server.basic(name, password).get("/me").await.is(401);
    }
}

#[tokio::test]
async fn an_account_cannot_log_in_by_basic() {
    let server = Server::start().await;
    let account = server.account("ci").await;
    let (_, value) = server.token(&account).await;
    for (name, password) in [
        ("ci", value.as_str()),
        ("ci", ""),
        ("", value.as_str()),
        (value.as_str(), ""),
    ] {
        server.basic(name, password).get("/me").await.is(401);
    }
    server.bearer(&value).get("/me").await.is(200);
}

#[tokio::test]
async fn an_account_cannot_log_in_by_basic_even_with_a_password() {
    let server = Server::start().await;
    let (user, account) = (rick(&server).await, server.account("ci").await);
    let mut db = super::audit::open(&server).await;
    let given = "UPDATE passwords SET principal_id = $2 WHERE principal_id = $1";
    let given = sqlx::query(given).bind(&user).bind(&account);
    given.execute(&mut db).await.unwrap();
    server.basic("ci", PASSWORD).get("/me").await.is(401);
}

#[tokio::test]
async fn passwords_are_kept_as_argon2id() {
    let server = Server::start().await;
    let user = rick(&server).await;
    let mut db = super::audit::open(&server).await;
    let hash: String = sqlx::query_scalar("SELECT hash FROM passwords WHERE principal_id = $1")
        .bind(&user)
        .fetch_one(&mut db)
        .await
        .unwrap();
    assert!(hash.starts_with("$argon2id$v=19$"), "{hash}");
}

#[tokio::test]
async fn a_password_is_in_no_answer() {
    let server = Server::start().await;
    let user = rick(&server).await;
    for path in [
        format!("/users/{user}"),
        "/users".to_owned(),
        "/auditlogs/search?size=100".to_owned(),
    ] {
        let answer = server.admin().get(&path).await.is(200);
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        assert!(
            !text.contains(PASSWORD) && !text.contains("argon2"),
            "{path}"
        );
    }
}

#[tokio::test]
async fn a_short_password_is_refused_by_name() {
    let server = Server::start().await;
    let user = rick(&server).await;
    let body = json!({"email": "u@example.org", "password": "short"});
    let refused = server.admin().post("/users", body).await.is(422);
    assert_eq!(refused.message(), "password: use 8 to 256 characters");
    let path = format!("/users/{user}/password");
    server
        .admin()
        .patch(&path, json!({"password": "short"}))
        .await
        .is(422);
    server
        .admin()
        .patch(&path, json!({"password": ""}))
        .await
        .is(422);
    server.basic(EMAIL, PASSWORD).get("/me").await.is(200);
}

#[tokio::test]
async fn one_changes_ones_own_password_with_the_old_one() {
    let server = Server::start().await;
    rick(&server).await;
    let me = server.basic(EMAIL, PASSWORD);
    let change = |old: &str| json!({"oldPassword": old, "newPassword": "password43"});
    let refused = me.put("/me/password", change("wrong")).await.is(422);
    assert!(refused.message().starts_with("oldPassword: "));
    me.put("/me/password", change(PASSWORD)).await.is(200);
    me.get("/me").await.is(401);
    server.basic(EMAIL, "password43").get("/me").await.is(200);
}

#[tokio::test]
async fn one_changes_ones_own_names() {
    let server = Server::start().await;
    rick(&server).await;
    let body = json!({"firstName": "Richard", "superAdmin": true});
    let me = server
        .basic(EMAIL, PASSWORD)
        .patch("/me", body)
        .await
        .is(200)
        .json();
    assert_eq!(me["profile"]["firstName"], "Richard");
    assert_eq!(me["profile"]["lastName"], "Astley");
    assert_eq!(me["superAdmin"], false);
}

#[tokio::test]
async fn an_account_has_neither_profile_nor_password() {
    let server = Server::start().await;
    let account = server.somebody().await;
    account
        .patch("/me", json!({"firstName": "R2"}))
        .await
        .is(403);
    let body = json!({"oldPassword": "a", "newPassword": "password43"});
    account.put("/me/password", body).await.is(403);
}

#[tokio::test]
async fn a_name_is_taken_once_among_users_and_accounts() {
    let server = Server::start().await;
    let user = rick(&server).await;
    server
        .admin()
        .post("/users", json!({"email": EMAIL}))
        .await
        .is(409);
    server.user(json!({"email": "other@example.org"})).await;
    let taken = json!({"email": "other@example.org"});
    server
        .admin()
        .patch(&format!("/users/{user}"), taken)
        .await
        .is(409);
    let account = server.account("ci").await;
    server
        .admin()
        .post("/main/service-accounts", json!({"name": "ci"}))
        .await
        .is(409);
    server
        .admin()
        .post("/service-accounts", json!({"name": "ci"}))
        .await
        .is(409);
    server.account("other").await;
    let path = format!("/main/service-accounts/{account}");
    server
        .admin()
        .put(&path, json!({"name": "other"}))
        .await
        .is(409);
    server
        .admin()
        .patch(
            &format!("/service-accounts/{account}"),
            json!({"name": "other"}),
        )
        .await
        .is(409);
}

#[tokio::test]
async fn what_a_user_refers_to_has_to_be_there() {
    let server = Server::start().await;
    let body = json!({"email": "u@example.org", "tenants": ["nowhere"]});
    server.admin().post("/users", body).await.is(404);
    let body = json!({"email": "u@example.org", "groups": ["nothing"]});
    server.admin().post("/users", body).await.is(404);
    assert_eq!(server.admin().get("/users").await.json()["total"], 0);
    server
        .admin()
        .post("/users", json!({"email": "two words"}))
        .await
        .is(422);
    server.admin().post("/users", json!({})).await.is(422);
    let body = json!({"name": "ci", "tenants": ["nowhere"]});
    server.admin().post("/service-accounts", body).await.is(404);
}

#[tokio::test]
async fn the_tenants_of_a_user_are_replaced_if_they_are_sent() {
    let server = Server::start().await;
    server
        .admin()
        .post("/tenants", json!({"id": "other", "name": "Other"}))
        .await
        .is(200);
    let user = rick(&server).await;
    let body = json!({"email": EMAIL, "tenants": ["other"]});
    let updated = server
        .admin()
        .put(&format!("/users/{user}"), body)
        .await
        .is(200)
        .json();
    assert_eq!(
        updated["tenants"],
        json!([{"id": "other", "name": "Other"}])
    );
}

#[tokio::test]
async fn new_users_get_the_default_role_of_their_tenants() {
    let server = Server::start().await;
    let before = rick(&server).await;
    for name in ["first", "second"] {
        let body = json!({"name": name, "isDefault": true, "permissions": {"GROUP": ["READ"]}});
        server.admin().post("/main/roles", body).await.is(200);
    }
    let roles = server
        .admin()
        .get("/main/roles/search?size=100")
        .await
        .results();
    let default = roles.iter().filter(|role| role["isDefault"] == true);
    let default: Vec<_> = default.map(|role| role["name"].as_str().unwrap()).collect();
    assert_eq!(default, ["second"]);
    let after = server
        .user(json!({"email": "new@example.org", "tenants": ["main"]}))
        .await;
    for (user, expected) in [(before, 0), (after, 1)] {
        let access = server
            .admin()
            .get(&format!("/main/tenant-access/{user}"))
            .await
            .json();
        assert_eq!(access["roles"].as_array().unwrap().len(), expected);
    }
}

#[tokio::test]
async fn a_users_tokens_die_with_the_user() {
    let server = Server::start().await;
    let user = rick(&server).await;
    let made = server
        .admin()
        .post(&format!("/users/{user}/api-tokens"), json!({"name": "t"}))
        .await;
    let value = made.is(201).text_of("fullToken");
    server
        .admin()
        .delete(&format!("/users/{user}"))
        .await
        .is(204);
    server.bearer(&value).get("/me").await.is(401);
    server.basic(EMAIL, PASSWORD).get("/me").await.is(401);
}

#[tokio::test]
async fn users_and_accounts_are_not_taken_for_one_another() {
    let server = Server::start().await;
    let (user, account) = (rick(&server).await, server.account("ci").await);
    for path in [
        format!("/users/{account}"),
        format!("/users/{account}/api-tokens"),
        format!("/service-accounts/{user}"),
        format!("/service-accounts/{user}/api-tokens"),
        format!("/main/service-accounts/{user}"),
        format!("/main/service-accounts/{user}/api-tokens"),
    ] {
        server.admin().get(&path).await.is(404);
    }
}

#[tokio::test]
async fn all_groups_in_a_tenant_are_replaced_at_once() {
    let server = Server::start().await;
    let user = rick(&server).await;
    let (a, b, c) = (
        server.group("a").await,
        server.group("b").await,
        server.group("c").await,
    );
    let path = format!("/main/users/{user}/groups");
    server
        .admin()
        .put(&path, json!({"groupIds": [a, b]}))
        .await
        .is(204);
    let owner = format!("/main/groups/{b}/members/membership/{user}?membership=OWNER");
    server.admin().put_nothing(&owner).await.is(200);
    server
        .admin()
        .put(&path, json!({"groupIds": [c, b]}))
        .await
        .is(204);
    let shown = server
        .admin()
        .get(&format!("/main/groups/{b}/members"))
        .await
        .results();
    let groups = shown[0]["groups"].as_array().unwrap();
    let held: Vec<_> = groups
        .iter()
        .map(|group| (group["id"].as_str().unwrap(), &group["membership"]))
        .collect();
    assert_eq!(
        held,
        [
            (c.as_str(), &json!("MEMBER")),
            (b.as_str(), &json!("OWNER"))
        ]
    );
    server
        .admin()
        .put(&path, json!({"groupIds": [a, "nothing"]}))
        .await
        .is(404);
    let kept = server
        .admin()
        .get(&format!("/main/groups/{a}/members"))
        .await;
    assert_eq!(
        kept.json()["total"],
        0,
        "a failed replacement changes nothing"
    );
    server
        .admin()
        .put(&path, json!({"groupIds": "x"}))
        .await
        .is(400);
}
