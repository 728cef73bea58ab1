//! What others change at the backend.

use axum::http::Method;
use kestra_iam_operator::iam::client::AccountSpec;
use kestra_iam_operator::iam::model::GroupId;
use serde_json::{Value, json};

use crate::backend::{group_request, role_request};
use crate::gate::{Passed, Verdict};
use crate::scene::Scene;

/// The mark that an object leaves at the backend.
fn mark(object: &Value) -> String {
    let (kind, metadata) = (object["kind"].as_str().unwrap(), &object["metadata"]);
    let word = |name: &str| metadata[name].as_str().unwrap().to_owned();
    format!(
        "[kestra-iam.dev cluster=test object={kind}/{}/{} uid={}]",
        word("namespace"),
        word("name"),
        word("uid")
    )
}

#[tokio::test]
async fn a_role_is_what_its_object_says_whoever_changes_it() {
    let scene = Scene::swept().await;
    let name = scene.unique("Runner");
    let permissions = json!({"FLOW": ["READ", "CREATE"], "EXECUTION": ["READ"]});
    let spec = json!({"roleName": name, "description": "Runs flows", "permissions": permissions});
    scene.apply("Role", "runner", spec).await;
    let object = scene.ready("krole", "runner").await;
    let id = object["status"]["id"].as_str().unwrap();
    let role = scene.backend.role(&id.into()).await.unwrap();
    assert_eq!(json!(role.permissions), permissions, "in the same order");
    let description = format!("Runs flows {}", mark(&object));
    assert_eq!(role.description.as_deref(), Some(description.as_str()));

    let more = json!({"FLOW": ["READ", "CREATE", "DELETE"], "EXECUTION": ["READ"]});
    let edited = role_request("renamed", "by hand", more);
    scene.backend.update_role(&role.id, &edited).await.unwrap();
    let repaired = async || {
        let now = scene.backend.role(&role.id).await.unwrap();
        let same = now.name == name && json!(now.permissions) == permissions;
        (same && now.description.as_ref() == Some(&description)).then_some(())
    };
    scene.wait("the role as declared", repaired).await;

    scene.backend.delete_role(&role.id).await.unwrap();
    let made_again = |object: &Value| object["status"]["id"].as_str().is_some_and(|new| new != id);
    let object = scene.until("krole", "runner", "a new id", made_again).await;
    let id = object["status"]["id"].as_str().unwrap();
    let role = scene.backend.role(&id.into()).await.unwrap();
    assert_eq!(json!(role.permissions), permissions);
}

#[tokio::test]
async fn what_becomes_of_an_account_behind_our_back_is_repaired() {
    let scene = Scene::swept().await;
    scene
        .apply("Group", "bots", json!({"groupName": scene.unique("bots")}))
        .await;
    let spec = json!({
        "description": "Deploys",
        "groups": [{"kind": "Group", "name": "bots"}],
        "roles": [{"kind": "External", "name": "Viewer"}],
        "tokens": [{"name": "default", "lifetime": "1h"}],
    });
    scene.apply("ServiceAccount", "ci", spec).await;
    let object = scene.ready("ksa", "ci").await;
    let id = object["status"]["id"].as_str().unwrap().to_owned();
    let old = scene.value("ci-default").await;
    let bots: GroupId = scene.id("kgrp", "bots").await.as_str().into();

    let changed = AccountSpec {
        name: scene.unique("renamed"),
        description: Some("mine now".to_owned()),
        groups: vec![bots.clone()],
    };
    let known = id.as_str().into();
    scene
        .backend
        .update_account(&known, &changed)
        .await
        .unwrap();
    let expected = (scene.unique("ci"), format!("Deploys {}", mark(&object)));
    let repaired = async || {
        let now = scene.backend.account(&id.as_str().into()).await.unwrap();
        ((now.name, now.description?) == expected).then_some(())
    };
    scene.wait("the account as declared", repaired).await;

    let deleted = scene.backend.delete_account(&id.as_str().into()).await;
    deleted.unwrap();
    let made_again = |object: &Value| object["status"]["id"].as_str().is_some_and(|new| new != id);
    scene.until("ksa", "ci", "a new id", made_again).await;
    let new = scene.other_value("ci-default", &old).await;
    assert!(scene.works(&new).await);
    let id = scene.id("ksa", "ci").await;
    scene.is_in(&id, &[&bots]).await;
    scene.has_effective(&id, &["Viewer@* BINDING"]).await;
}

#[tokio::test]
async fn a_group_that_is_gone_is_made_again_with_its_roles_and_members() {
    let scene = Scene::swept().await;
    let name = scene.unique("bots");
    let spec = json!({
        "groupName": name, "description": "Bots", "roles": [{"kind": "External", "name": "Viewer"}],
    });
    scene.apply("Group", "bots", spec).await;
    let spec = json!({"groups": [{"kind": "Group", "name": "bots"}]});
    scene.apply("ServiceAccount", "ci", spec).await;
    let account = scene.id("ksa", "ci").await;
    let object = scene.ready("kgrp", "bots").await;
    let id = object["status"]["id"].as_str().unwrap();

    let edited = group_request("renamed", "by hand");
    scene
        .backend
        .update_group(&id.into(), &edited)
        .await
        .unwrap();
    let description = format!("Bots {}", mark(&object));
    let repaired = async || {
        let now = scene.backend.group(&id.into()).await.unwrap();
        (now.name == name && now.description.as_ref() == Some(&description)).then_some(())
    };
    scene.wait("the group as declared", repaired).await;

    scene.backend.delete_group(&id.into()).await.unwrap();
    let made_again = |object: &Value| object["status"]["id"].as_str().is_some_and(|new| new != id);
    let object = scene.until("kgrp", "bots", "a new id", made_again).await;
    let new: GroupId = object["status"]["id"].as_str().unwrap().into();
    scene.is_in(&account, &[&new]).await;
    scene.has_effective(&account, &["Viewer@* GROUP"]).await;
}

#[tokio::test]
async fn the_access_that_goes_with_the_last_group_is_given_back_however_often_that_fails() {
    let (scene, gate) = Scene::behind_gate(json!({"guardrails": {"unrestricted": true}})).await;
    scene
        .apply("Group", "bots", json!({"groupName": scene.unique("bots")}))
        .await;
    let spec = json!({"groups": [{"kind": "Group", "name": "bots"}]});
    scene.apply("ServiceAccount", "ci", spec).await;
    scene.ready("ksa", "ci").await;
    let account = scene.id("ksa", "ci").await;
    let gives_access =
        |method: &Method, path: &str| *method == Method::PUT && path.contains("/tenant-access/");
    gate.rule(move |method, path| Verdict::when(gives_access(method, path), Verdict::Answer(503)));
    let none = json!({"spec": {"groups": null}});
    scene.patch("ksa", "ci", none).await;
    let refused = |passed: &Passed| gives_access(&passed.method, &passed.path);
    scene
        .wait("access refused", async || {
            (gate.count(refused) > 0).then_some(())
        })
        .await;
    gate.open();
    scene.is_in(&account, &[]).await;
    let object = scene.ready("ksa", "ci").await;
    assert!(object["status"]["groups"].is_null(), "{object:#}");
}
