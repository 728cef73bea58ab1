//! Points 36 to 38: roles.

use kestra_iam_operator::server::Compat;
use serde_json::json;

use crate::server::Server;

#[tokio::test]
async fn p36_permissions_come_back_as_sent() {
    let server = Server::start().await;
    let permissions =
        json!({"FLOW": ["UPDATE", "READ", "DELETE", "CREATE"], "EXECUTION": ["READ"]});
    let body = json!({"name": "r", "permissions": permissions});
    let made = server.admin().post("/main/roles", body).await.is(200);
    assert_eq!(made.json()["permissions"], permissions);
    let path = format!("/main/roles/{}", made.id());
    assert_eq!(
        server.admin().get(&path).await.json()["permissions"],
        permissions
    );
    let turned = json!({"FLOW": ["READ", "UPDATE"]});
    let body = json!({"name": "r", "permissions": turned});
    assert_eq!(
        server.admin().put(&path, body).await.is(200).json()["permissions"],
        turned
    );
}

#[tokio::test]
async fn p37_permissions_are_a_map_of_free_words() {
    for compat in [Compat::V1, Compat::V2] {
        let server = Server::of(compat).await;
        for (name, permissions, status) in [
            ("usual", json!({"FLOW": ["READ"]}), 200),
            ("unknown", json!({"SPACESHIP": ["FLY"]}), 200),
            (
                "newer",
                json!({"NAMESPACE": ["EXPORT_PLUGIN_DEFAULTS"]}),
                200,
            ),
            ("list", json!(["FLOW"]), 422),
            ("text", json!("FLOW"), 422),
            ("numbers", json!({"FLOW": [1]}), 422),
            ("empty", json!({}), 422),
            ("null", json!(null), 422),
        ] {
            let body = json!({"name": name, "permissions": permissions});
            let answer = server.admin().post("/main/roles", body).await.is(status);
            if status == 422 {
                assert!(
                    answer.message().starts_with("permissions"),
                    "{}",
                    answer.message()
                );
            }
        }
    }
}

#[tokio::test]
async fn p38_ids_answer_whole_roles() {
    let server = Server::start().await;
    let permissions = json!({"FLOW": ["READ"]});
    let role = server.role("r", permissions.clone()).await;
    let body = json!({"ids": [role, "admin_main"]});
    let found = server
        .admin()
        .post("/main/roles/ids", body)
        .await
        .is(200)
        .json();
    let found = found.as_array().unwrap();
    let own = found.iter().find(|found| found["id"] == role).unwrap();
    let expected = json!({
        "id": role, "name": "r", "permissions": permissions,
        "isDefault": false, "isManaged": false, "deleted": false,
    });
    assert_eq!(*own, expected);
    let admin = found
        .iter()
        .find(|found| found["id"] == "admin_main")
        .unwrap();
    assert_eq!(admin["isManaged"], true);
}
