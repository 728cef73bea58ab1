//! Tokens that follow the permissions of their account.

use serde_json::json;

use super::{brisk, same};
use crate::scene::Scene;

#[tokio::test]
async fn changed_permissions_replace_the_token_whose_entry_says_so() {
    let scene = Scene::new().await;
    let name = scene.namespace.clone();
    let role = json!({"roleName": name, "permissions": {"FLOW": ["READ"]}});
    scene.apply("Role", "bot", role).await;
    scene.ready("krole", "bot").await;
    let mut follows = brisk("default");
    follows["rotation"]["permissionChangePolicy"] = json!("Rotate");
    let spec = json!({
        "roles": [{"kind": "Role", "name": "bot"}], "tokens": [follows, brisk("other")],
    });
    scene.apply("ServiceAccount", "ci", spec).await;
    scene.ready("ksa", "ci").await;
    let (first, other) = (
        scene.value("ci-default").await,
        scene.value("ci-other").await,
    );
    let more = json!({"spec": {"permissions": {"FLOW": ["READ", "CREATE"]}}});
    scene.patch("krole", "bot", more).await;
    let second = scene.other_value("ci-default", &first).await;
    scene
        .condition("ksa", "ci", "TokenIssued", "True", "PermissionsChanged")
        .await;
    scene.at_rest("ci", "default", 2).await;
    // By a group, the account has the same once more, and then another role.
    let again = json!({"groupName": name, "roles": [{"kind": "Role", "name": "bot"}]});
    scene.apply("Group", "bots", again).await;
    scene.ready("kgrp", "bots").await;
    let joins = json!({"spec": {"groups": [{"kind": "Group", "name": "bots"}]}});
    scene.patch("ksa", "ci", joins).await;
    scene.ready("ksa", "ci").await;
    assert!(same(&scene.value("ci-default").await, &second));
    let viewers = json!({
        "groupName": format!("{name}-viewers"), "roles": [{"kind": "External", "name": "Viewer"}],
    });
    scene.apply("Group", "viewers", viewers).await;
    scene.ready("kgrp", "viewers").await;
    let joins = json!({"spec": {"groups": [
        {"kind": "Group", "name": "bots"}, {"kind": "Group", "name": "viewers"},
    ]}});
    scene.patch("ksa", "ci", joins).await;
    scene.other_value("ci-default", &second).await;
    scene.at_rest("ci", "default", 3).await;
    scene.at_rest("ci", "other", 1).await;
    assert!(same(&scene.value("ci-other").await, &other));
}

#[tokio::test]
async fn permissions_count_from_when_the_entry_says_so() {
    let scene = Scene::new().await;
    let viewer = json!([{"kind": "External", "name": "Viewer"}]);
    let spec = json!({"roles": viewer, "tokens": [brisk("default")]});
    scene.apply("ServiceAccount", "ci", spec).await;
    scene.ready("ksa", "ci").await;
    let first = scene.value("ci-default").await;
    let mut follows = brisk("default");
    follows["rotation"]["permissionChangePolicy"] = json!("Rotate");
    scene
        .patch("ksa", "ci", json!({"spec": {"tokens": [follows]}}))
        .await;
    let noted = |secret: &serde_json::Value| {
        let history = secret["metadata"]["annotations"]["kestra-iam.dev/history"].to_string();
        history.contains("rights")
    };
    scene
        .until("secret", "ci-default", "names the rights", noted)
        .await;
    assert!(same(&scene.value("ci-default").await, &first));
    scene
        .patch("ksa", "ci", json!({"spec": {"roles": []}}))
        .await;
    scene.other_value("ci-default", &first).await;
    scene.at_rest("ci", "default", 2).await;
}
