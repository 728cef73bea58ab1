//! Points 47 to 53: users and `me`.

use kestra_iam_operator::server::Compat;
use serde_json::json;

use crate::server::Server;

#[tokio::test]
async fn p47_a_password_has_an_id_and_can_be_removed() {
    let server = Server::start().await;
    let body = json!({"email": "u@example.org", "password": "Passw0rd!"});
    let user = server.admin().post("/users", body).await.is(201);
    let auth = user.json()["auths"][0]["id"].as_str().unwrap().to_owned();
    server
        .basic("u@example.org", "Passw0rd!")
        .get("/me")
        .await
        .is(200);
    let path = format!("/users/{}/auths/{auth}", user.id());
    let left = server.admin().delete(&path).await.is(200);
    assert_eq!(left.id(), user.id());
    assert_eq!(left.json()["auths"], json!([]));
    server
        .basic("u@example.org", "Passw0rd!")
        .get("/me")
        .await
        .is(401);
    server.admin().delete(&path).await.is(404);
}

#[tokio::test]
async fn p48_patch_changes_only_what_is_sent() {
    let server = Server::start().await;
    let body = json!({"email": "u@example.org", "firstName": "Rick", "lastName": "Astley"});
    let user = server.user(body).await;
    let path = format!("/users/{user}");
    let patched = server
        .admin()
        .patch(&path, json!({"firstName": "Richard"}))
        .await
        .is(200)
        .json();
    assert_eq!(patched["firstName"], "Richard");
    assert_eq!(patched["lastName"], "Astley");
    assert_eq!(patched["email"], "u@example.org");
    assert_eq!(patched["displayName"], "Richard Astley");
    server
        .admin()
        .delete(&format!("{path}/refresh-token"))
        .await
        .is(204);
    server
        .admin()
        .delete("/users/unknown/refresh-token")
        .await
        .is(404);
}

#[tokio::test]
async fn p49_a_changed_password_answers_the_user() {
    let server = Server::start().await;
    let user = server
        .user(json!({"email": "u@example.org", "password": "Passw0rd!"}))
        .await;
    let path = format!("/users/{user}/password");
    let changed = server
        .admin()
        .patch(&path, json!({"password": "An0ther!!"}))
        .await
        .is(200);
    assert_eq!(changed.id(), user);
    server
        .basic("u@example.org", "An0ther!!")
        .get("/me")
        .await
        .is(200);
    server
        .basic("u@example.org", "Passw0rd!")
        .get("/me")
        .await
        .is(401);
}

#[tokio::test]
async fn p50_groups_keep_the_order_in_which_they_were_sent() {
    let server = Server::start().await;
    let (a, b, c) = (
        server.group("a").await,
        server.group("b").await,
        server.group("c").await,
    );
    let ids = |user: &serde_json::Value| -> Vec<String> {
        let groups = user["groups"].as_array().unwrap().iter();
        groups
            .map(|group| group["id"].as_str().unwrap().to_owned())
            .collect()
    };
    let body = json!({"email": "u@example.org", "groups": [c, a]});
    let user = server.admin().post("/users", body).await.is(201).json();
    assert_eq!(ids(&user), [c.clone(), a.clone()]);
    assert_eq!(user["groups"][0]["tenantId"], "main");
    let path = format!("/users/{}", user["id"].as_str().unwrap());
    let body = json!({"email": "u@example.org", "groups": [b, a, c]});
    assert_eq!(
        ids(&server.admin().put(&path, body).await.is(200).json()),
        [b, a, c]
    );
    let none = json!({"email": "u@example.org", "groups": []});
    server.admin().put(&path, none).await.is(200);
    assert_eq!(server.admin().get(&path).await.json()["groups"], json!([]));
}

#[tokio::test]
async fn p51_an_update_keeps_what_terraform_leaves_out() {
    let server = Server::start().await;
    let body = json!({
        "email": "u@example.org", "password": "Passw0rd!", "tenants": ["main"],
        "superAdmin": true, "restricted": true,
    });
    let user = server.user(body).await;
    let path = format!("/users/{user}");
    let body = json!({"email": "u@example.org", "firstName": "Rick", "groups": []});
    let updated = server.admin().put(&path, body).await.is(200).json();
    assert_eq!(updated["tenants"], json!([{"id": "main", "name": "main"}]));
    assert_eq!(
        (&updated["superAdmin"], &updated["restricted"]),
        (&json!(true), &json!(true))
    );
    server
        .basic("u@example.org", "Passw0rd!")
        .get("/me")
        .await
        .is(200);
}

#[tokio::test]
async fn p51_groups_without_tenants_let_a_new_user_in() {
    for compat in [Compat::V1, Compat::V2] {
        let server = Server::of(compat).await;
        let group = server.group("g").await;
        let body = json!({"email": "u@example.org", "groups": [group]});
        let user = server.admin().post("/users", body).await.is(201).json();
        assert_eq!(user["tenants"], json!([{"id": "main", "name": "main"}]));
    }
}

#[tokio::test]
async fn p52_the_login_name_is_the_address() {
    let server = Server::start().await;
    let user = server.user(json!({"email": "u@example.org"})).await;
    let path = format!("/users/{user}");
    assert_eq!(
        server.admin().get(&path).await.text_of("username"),
        "u@example.org"
    );
    server
        .admin()
        .patch(&path, json!({"email": "v@example.org"}))
        .await
        .is(200);
    assert_eq!(
        server.admin().get(&path).await.text_of("username"),
        "v@example.org"
    );
    let listed = server.admin().get("/users").await.is(200);
    assert_eq!(listed.each("username"), ["v@example.org"]);
}

#[tokio::test]
async fn p53_me_tells_who_calls() {
    let server = Server::start().await;
    let (id, caller) = server.somebody_who(json!({})).await;
    let me = caller.get("/me").await.is(200).json();
    assert_eq!(me["id"], id);
    assert_eq!(
        (&me["superAdmin"], &me["instanceOwner"]),
        (&json!(false), &json!(false))
    );
    assert_eq!(me["tenants"], json!([{"id": "main", "name": "main"}]));
    assert!(me["profile"]["username"].is_string());
    assert!(me["auths"].is_array());
}
