//! Superadmins: who makes them, what they may do, and that there is always one.

use serde_json::json;

use super::granting::{binding, issue, manager};
use super::server::Server;

#[tokio::test]
async fn nobody_touches_a_superadmin_but_another_one() {
    let server = Server::start().await;
    let (_, caller) = server.somebody_who(manager()).await;
    let root = server
        .admin()
        .post(
            "/main/service-accounts",
            json!({"name": "root", "superAdmin": true}),
        )
        .await;
    let root = root.is(200).id();
    let (token, _) = server.token(&root).await;
    let path = format!("/main/service-accounts/{root}");
    assert_eq!(issue(&caller, &root).await, 403);
    caller
        .put(&path, json!({"name": "root", "superAdmin": false}))
        .await
        .is(403);
    caller.put(&path, json!({"name": "other"})).await.is(403);
    caller
        .delete(&format!("{path}/api-tokens/{token}"))
        .await
        .is(403);
    caller.delete(&path).await.is(403);
    caller
        .delete(&format!("/main/tenant-access/{root}"))
        .await
        .is(403);
}

#[tokio::test]
async fn nobody_makes_a_superadmin_but_a_superadmin() {
    let server = Server::start().await;
    let (own, caller) = server.somebody_who(manager()).await;
    for word in ["superAdmin", "instanceOwner"] {
        caller
            .post(
                "/main/service-accounts",
                json!({"name": "root", word: true}),
            )
            .await
            .is(403);
        let update = json!({"name": "me", word: true});
        caller
            .put(&format!("/main/service-accounts/{own}"), update)
            .await
            .is(403);
    }
    assert_eq!(caller.get("/me").await.json()["superAdmin"], false);
}

#[tokio::test]
async fn the_admin_of_a_tenant_is_no_superadmin() {
    let server = Server::start().await;
    let account = server.account("tenant-admin").await;
    server.bind(&account, "admin_main").await;
    let (_, value) = server.token(&account).await;
    let caller = server.bearer(&value);
    caller.get("/main/service-accounts").await.is(200);
    caller
        .post("/main/bindings", binding(&account, "editor_main", None))
        .await
        .is(200);
    caller.get("/service-accounts").await.is(403);
    caller.get("/users").await.is(403);
    caller
        .post("/tenants", json!({"id": "x", "name": "X"}))
        .await
        .is(403);
}

#[tokio::test]
async fn a_superadmin_acts_in_a_tenant_by_its_roles() {
    let server = Server::start().await;
    server
        .admin()
        .post(
            "/main/service-accounts",
            json!({"name": "root", "superAdmin": true}),
        )
        .await
        .is(200);
    let root = server
        .admin()
        .get("/service-accounts?q=root")
        .await
        .each("id")
        .remove(0);
    let (_, value) = server.token(&root).await;
    let caller = server.bearer(&value);
    caller.get("/service-accounts").await.is(200);
    caller.get("/main/service-accounts").await.is(403);
    server.bind(&root, "admin_main").await;
    caller.get("/main/service-accounts").await.is(200);
}

#[tokio::test]
async fn whoever_makes_a_tenant_administers_it() {
    let server = Server::start().await;
    server
        .admin()
        .post("/tenants", json!({"id": "new", "name": "New"}))
        .await
        .is(200);
    server
        .admin()
        .post("/new/groups", json!({"name": "g"}))
        .await
        .is(200);
    let roles = server.admin().get("/new/roles/search").await.each("id");
    assert_eq!(
        roles,
        ["admin_new", "editor_new", "launcher_new", "viewer_new"]
    );
}

#[tokio::test]
async fn the_last_superadmin_stays() {
    let server = Server::start().await;
    let me = server.admin().get("/me").await.id();
    let (account, tenant) = (
        format!("/service-accounts/{me}"),
        format!("/main/service-accounts/{me}"),
    );
    server.admin().delete(&account).await.is(409);
    server.admin().delete(&tenant).await.is(409);
    server
        .admin()
        .patch(
            &format!("{account}/superadmin"),
            json!({"superAdmin": false}),
        )
        .await
        .is(409);
    server
        .admin()
        .put(&tenant, json!({"name": "superadmin", "superAdmin": false}))
        .await
        .is(409);
    server.admin().get("/main/service-accounts").await.is(200);
    let user = json!({"email": "root@example.org", "superAdmin": true});
    let user = format!("/users/{}", server.user(user).await);
    server
        .admin()
        .patch(
            &format!("{account}/superadmin"),
            json!({"superAdmin": true}),
        )
        .await
        .is(200);
    server.admin().delete(&user).await.is(204);
    server.admin().delete(&account).await.is(409);
}

#[tokio::test]
async fn the_last_superadmin_may_be_a_user() {
    let server = Server::start().await;
    let body = json!({"email": "root@example.org", "password": "Passw0rd!", "superAdmin": true});
    let user = server.user(body).await;
    let me = server.admin().get("/me").await.id();
    server
        .admin()
        .delete(&format!("/service-accounts/{me}"))
        .await
        .is(204);
    let root = server.basic("root@example.org", "Passw0rd!");
    let path = format!("/users/{user}");
    root.delete(&path).await.is(409);
    root.patch(&format!("{path}/superadmin"), json!({"superAdmin": false}))
        .await
        .is(409);
    root.put(
        &path,
        json!({"email": "root@example.org", "superAdmin": false}),
    )
    .await
    .is(409);
}
