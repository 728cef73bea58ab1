//! Nobody grants more than they hold, whichever way they try; and there is always a superadmin.

use kestra_iam_operator::server::Compat;
use serde_json::{Value, json};

use super::server::{Caller, Server};

/// Rights to manage IAM, and none on flows beyond reading.
pub(crate) fn manager() -> Value {
    let all = json!(["READ", "CREATE", "UPDATE", "DELETE"]);
    json!({
        "SERVICE_ACCOUNT": all, "GROUP": all, "GROUP_MEMBERSHIP": all, "ROLE": all, "BINDING": all,
        "TENANT_ACCESS": all, "FLOW": ["READ"],
    })
}

async fn bound_group(server: &Server, role: &str) -> String {
    let group = server.group("strong").await;
    let body = json!({"type": "GROUP", "externalId": group, "roleId": role});
    server.admin().post("/main/bindings", body).await.is(200);
    group
}

pub(crate) fn binding(subject: &str, role: &str, namespace: Option<&str>) -> Value {
    json!({"type": "USER", "externalId": subject, "roleId": role, "namespaceId": namespace})
}

#[tokio::test]
async fn a_role_may_allow_what_its_maker_holds_and_no_more() {
    let server = Server::start().await;
    let (_, caller) = server.somebody_who(manager()).await;
    let role = |permissions: Value| json!({"name": "r", "permissions": permissions});
    let weak = caller
        .post("/main/roles", role(json!({"FLOW": ["READ"]})))
        .await
        .is(200)
        .id();
    for more in [
        json!({"FLOW": ["READ", "DELETE"]}),
        json!({"SECRET": ["READ"]}),
        json!({"ODD": ["X"]}),
    ] {
        caller.post("/main/roles", role(more.clone())).await.is(403);
        caller
            .put(&format!("/main/roles/{weak}"), role(more))
            .await
            .is(403);
    }
    let kept = server
        .admin()
        .get(&format!("/main/roles/{weak}"))
        .await
        .json();
    assert_eq!(kept["permissions"], json!({"FLOW": ["READ"]}));
}

#[tokio::test]
async fn a_binding_may_grant_what_its_maker_holds_and_no_more() {
    let server = Server::start().await;
    let (own, caller) = server.somebody_who(manager()).await;
    let weak = server.role("weak", json!({"FLOW": ["READ"]})).await;
    caller
        .post("/main/bindings", binding(&own, &weak, None))
        .await
        .is(200);
    for role in ["admin_main", "editor_main", "launcher_main"] {
        for namespace in [None, Some("company.team")] {
            caller
                .post("/main/bindings", binding(&own, role, namespace))
                .await
                .is(403);
        }
    }
    let group = server.group("g").await;
    let to_group = json!({"type": "GROUP", "externalId": group, "roleId": "admin_main"});
    caller.post("/main/bindings", to_group).await.is(403);
}

#[tokio::test]
async fn of_many_bindings_one_that_is_too_much_refuses_all() {
    let server = Server::start().await;
    let (own, caller) = server.somebody_who(manager()).await;
    let weak = server.role("weak", json!({"FLOW": ["READ"]})).await;
    let both = json!([
        binding(&own, &weak, None),
        binding(&own, "admin_main", None)
    ]);
    caller.post("/main/bindings/bulk", both).await.is(403);
    let search = format!("/main/bindings/search?id={own}");
    assert_eq!(server.admin().get(&search).await.json()["total"], 1);
}

#[tokio::test]
async fn a_namespace_may_be_granted_by_those_who_hold_it_or_its_parent() {
    let server = Server::start().await;
    let (own, caller) = server.somebody_who(json!({"BINDING": ["CREATE"]})).await;
    let writer = server
        .role("writer", json!({"FLOW": ["READ", "UPDATE"]}))
        .await;
    server
        .admin()
        .post(
            "/main/bindings",
            binding(&own, &writer, Some("company.team")),
        )
        .await
        .is(200);
    let other = server.account("other").await;
    caller
        .post(
            "/main/bindings",
            binding(&other, &writer, Some("company.team")),
        )
        .await
        .is(200);
    caller
        .post(
            "/main/bindings",
            binding(&other, &writer, Some("company.team.sub")),
        )
        .await
        .is(200);
    for beyond in [
        None,
        Some("company"),
        Some("company.teams"),
        Some("elsewhere"),
    ] {
        caller
            .post("/main/bindings", binding(&other, &writer, beyond))
            .await
            .is(403);
    }
}

#[tokio::test]
async fn a_namespaced_binding_opens_no_route_of_the_tenant() {
    let server = Server::start().await;
    let account = server.account("ci").await;
    server
        .admin()
        .post(
            "/main/bindings",
            binding(&account, "admin_main", Some("company")),
        )
        .await
        .is(200);
    let (_, value) = server.token(&account).await;
    let caller = server.bearer(&value);
    for path in [
        "service-accounts",
        "groups/search",
        "roles/search",
        "bindings/search",
        "tenant-access",
    ] {
        caller.get(&format!("/main/{path}")).await.is(403);
    }
}

#[tokio::test]
async fn a_launcher_may_not_list_accounts() {
    for compat in [Compat::V1, Compat::V2] {
        let server = Server::of(compat).await;
        let account = server.account("ci").await;
        server.bind(&account, "launcher_main").await;
        let (_, value) = server.token(&account).await;
        server.bearer(&value).get("/me").await.is(200);
        server
            .bearer(&value)
            .get("/main/service-accounts")
            .await
            .is(403);
    }
}

#[tokio::test]
async fn the_rights_of_a_group_are_its_members_rights() {
    let server = Server::start().await;
    let role = server
        .role("readers", json!({"SERVICE_ACCOUNT": ["READ"]}))
        .await;
    let group = bound_group(&server, &role).await;
    let (id, caller) = server.somebody_who(json!({})).await;
    caller.get("/main/service-accounts").await.is(403);
    let member = format!("/main/groups/{group}/members/{id}");
    server.admin().put_nothing(&member).await.is(200);
    caller.get("/main/service-accounts").await.is(200);
    server
        .admin()
        .delete(&format!("/main/groups/{group}"))
        .await
        .is(200);
    caller.get("/main/service-accounts").await.is(403);
    caller.get("/me").await.is(200);
}

#[tokio::test]
async fn nobody_lets_anybody_into_a_group_that_carries_more() {
    let server = Server::start().await;
    let strong = bound_group(&server, "admin_main").await;
    let (own, caller) = server.somebody_who(manager()).await;
    let other = server.account("other").await;
    for id in [&own, &other] {
        caller
            .put_nothing(&format!("/main/groups/{strong}/members/{id}"))
            .await
            .is(403);
        let all = json!({"groupIds": [strong]});
        caller
            .put(&format!("/main/users/{id}/groups"), all)
            .await
            .is(403);
    }
    let new = json!({"name": "new", "groups": [{"id": strong}]});
    caller.post("/main/service-accounts", new).await.is(403);
    let update = json!({"name": "other", "groups": [{"id": strong}]});
    caller
        .put(&format!("/main/service-accounts/{other}"), update)
        .await
        .is(403);
    let members = server
        .admin()
        .get(&format!("/main/groups/{strong}/members"))
        .await;
    assert_eq!(members.json()["total"], 0);
    assert_eq!(
        server.admin().get("/service-accounts?q=new").await.json()["total"],
        0
    );
}

#[tokio::test]
async fn the_owner_of_a_group_manages_its_members_and_no_others() {
    let server = Server::start().await;
    let (own, caller) = server.somebody_who(json!({})).await;
    let (group, foreign) = (server.group("own").await, server.group("foreign").await);
    let other = server.account("other").await;
    server
        .admin()
        .put_nothing(&format!("/main/groups/{group}/members/{own}"))
        .await
        .is(200);
    let add = format!("/main/groups/{group}/members/{other}");
    caller.put_nothing(&add).await.is(403);
    let owner = format!("/main/groups/{group}/members/membership/{own}?membership=OWNER");
    server.admin().put_nothing(&owner).await.is(200);
    caller.put_nothing(&add).await.is(200);
    caller
        .get(&format!("/main/groups/{group}/members"))
        .await
        .is(200);
    caller.delete(&add).await.is(200);
    caller
        .put_nothing(&format!("/main/groups/{foreign}/members/{other}"))
        .await
        .is(403);
    caller
        .delete(&format!("/main/groups/{group}"))
        .await
        .is(403);
}

#[tokio::test]
async fn an_owner_who_may_not_enter_the_tenant_manages_nobody() {
    let server = Server::start().await;
    let (own, caller) = server.somebody_who(json!({})).await;
    let group = server.group("own").await;
    let member = format!("/main/groups/{group}/members/{own}");
    server.admin().put_nothing(&member).await.is(200);
    let owner = format!("/main/groups/{group}/members/membership/{own}?membership=OWNER");
    server.admin().put_nothing(&owner).await.is(200);
    caller
        .get(&format!("/main/groups/{group}/members"))
        .await
        .is(200);
    server
        .admin()
        .delete(&format!("/main/tenant-access/{own}"))
        .await
        .is(204);
    caller
        .get(&format!("/main/groups/{group}/members"))
        .await
        .is(403);
}

#[tokio::test]
async fn rights_in_one_tenant_are_none_in_another() {
    let server = Server::start().await;
    server
        .admin()
        .post("/tenants", json!({"id": "other", "name": "Other"}))
        .await
        .is(200);
    let (own, caller) = server.somebody_who(json!({"GROUP": ["READ"]})).await;
    let group = bound_group(&server, "admin_main").await;
    server
        .admin()
        .put_nothing(&format!("/main/groups/{group}/members/{own}"))
        .await
        .is(200);
    server
        .admin()
        .put_nothing(&format!("/other/tenant-access/{own}"))
        .await
        .is(201);
    caller.get("/main/groups/search").await.is(200);
    caller.get("/main/service-accounts").await.is(200);
    caller.get("/other/groups/search").await.is(403);
    caller.get("/other/service-accounts").await.is(403);
    let access = server
        .admin()
        .get(&format!("/other/tenant-access/{own}"))
        .await
        .json();
    assert_eq!(access["roles"], json!([]));
}

pub(crate) async fn issue(caller: &Caller<'_>, account: &str) -> u16 {
    let path = format!("/main/service-accounts/{account}/api-tokens");
    caller.post(&path, json!({"name": "stolen"})).await.status
}

#[tokio::test]
async fn nobody_issues_a_token_of_an_account_that_holds_more() {
    let server = Server::start().await;
    let (own, caller) = server.somebody_who(manager()).await;
    let (weak, strong) = (server.account("weak").await, server.account("strong").await);
    server.bind(&strong, "editor_main").await;
    assert_eq!(issue(&caller, &weak).await, 200);
    assert_eq!(issue(&caller, &own).await, 200);
    assert_eq!(issue(&caller, &strong).await, 403);
}

#[tokio::test]
async fn an_account_that_holds_more_in_another_tenant_counts_too() {
    let server = Server::start().await;
    server
        .admin()
        .post("/tenants", json!({"id": "other", "name": "Other"}))
        .await
        .is(200);
    let body = json!({"name": "both", "tenants": ["main", "other"]});
    let both = server
        .admin()
        .post("/service-accounts", body)
        .await
        .is(200)
        .id();
    let (_, caller) = server.somebody_who(manager()).await;
    assert_eq!(issue(&caller, &both).await, 200);
    let bound = binding(&both, "viewer_other", None);
    server.admin().post("/other/bindings", bound).await.is(200);
    assert_eq!(issue(&caller, &both).await, 403);
}

#[tokio::test]
async fn managed_roles_are_read_only() {
    let server = Server::start().await;
    let body = json!({"name": "Mine", "permissions": {"FLOW": ["READ"]}});
    for role in ["admin_main", "editor_main", "launcher_main", "viewer_main"] {
        let path = format!("/main/roles/{role}");
        server.admin().put(&path, body.clone()).await.is(403);
        server.admin().delete(&path).await.is(403);
        assert_eq!(server.admin().get(&path).await.json()["isManaged"], true);
    }
}

#[tokio::test]
async fn letting_somebody_in_wakes_no_more_than_one_holds() {
    let server = Server::start().await;
    let (_, caller) = server.somebody_who(manager()).await;
    let group = server.group("g").await;
    for (name, role, expected) in [("strong", "editor_main", 403), ("weak", "", 201)] {
        let account = server.account(name).await;
        if !role.is_empty() {
            server.bind(&account, role).await;
        }
        let access = format!("/main/tenant-access/{account}");
        server.admin().delete(&access).await.is(204);
        caller.put_nothing(&access).await.is(expected);
        if expected == 403 {
            // Membership would let it in by the way.
            caller
                .put_nothing(&format!("/main/groups/{group}/members/{account}"))
                .await
                .is(403);
        }
    }
}

#[tokio::test]
async fn bindings_without_access_count_for_nothing() {
    let server = Server::start().await;
    let account = server.account("ci").await;
    server.bind(&account, "admin_main").await;
    let (_, value) = server.token(&account).await;
    let caller = server.bearer(&value);
    caller.get("/main/service-accounts").await.is(200);
    server
        .admin()
        .delete(&format!("/main/tenant-access/{account}"))
        .await
        .is(204);
    caller.get("/main/service-accounts").await.is(403);
    server
        .admin()
        .put_nothing(&format!("/main/tenant-access/{account}"))
        .await
        .is(201);
    caller.get("/main/service-accounts").await.is(200);
}
