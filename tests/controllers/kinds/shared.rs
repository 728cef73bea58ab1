//! Grants that more than one declares.

use kestra_iam_operator::iam::model::GroupId;
use serde_json::{Value, json};

use crate::backend::principal;
use crate::scene::Scene;

#[tokio::test]
async fn a_grant_that_two_objects_declare_goes_with_the_second_of_them() {
    let scene = Scene::new().await;
    let viewer = json!([{"kind": "External", "name": "Viewer"}]);
    scene
        .apply("ServiceAccount", "ci", json!({"roles": viewer}))
        .await;
    let account = principal(&scene.id("ksa", "ci").await);
    let spec = json!({
        "roleRef": {"kind": "External", "name": "Viewer"},
        "subjects": [{"kind": "ServiceAccount", "name": "ci"}],
    });
    scene.apply("RoleBinding", "view", spec.clone()).await;
    let object = scene.ready("krb", "view").await;
    let shared = object["status"]["bindings"][0]["id"].clone();
    assert!(shared.is_string(), "declared here too: {object:#}");

    scene
        .patch("ksa", "ci", json!({"spec": {"roles": null}}))
        .await;
    let forgotten = |object: &Value| object["status"]["bindings"].is_null();
    scene.until("ksa", "ci", "names no grant", forgotten).await;
    let bindings = scene.backend.bindings_of(&account).await.unwrap();
    assert_eq!(json!(bindings[0].id), shared, "the very same one");

    // The other way round: what the account declares survives the binding.
    scene
        .patch("ksa", "ci", json!({"spec": {"roles": viewer}}))
        .await;
    let named = |object: &Value| object["status"]["bindings"][0]["id"] == shared;
    scene.until("ksa", "ci", "names the grant", named).await;
    scene.delete("krb", "view").await;
    assert_eq!(scene.bindings(&account).await.len(), 1);
    scene
        .patch("ksa", "ci", json!({"spec": {"roles": null}}))
        .await;
    scene.has_bindings(&account, &[]).await;
}

#[tokio::test]
async fn what_somebody_granted_by_hand_is_never_ours() {
    // Without sweeps the operator finds it only when it wants to make the same.
    let scene = Scene::new().await;
    scene.apply("ServiceAccount", "ci", json!({})).await;
    scene
        .apply("Group", "bots", json!({"groupName": scene.unique("bots")}))
        .await;
    let account = scene.id("ksa", "ci").await;
    let bots: GroupId = scene.id("kgrp", "bots").await.as_str().into();
    let subject = principal(&account);
    scene
        .grant_by_hand(&subject, &scene.role_id("Viewer").await)
        .await;
    let member = account.as_str().into();
    scene.backend.add_member(&bots, &member).await.unwrap();
    let wanted = json!({"spec": {
        "roles": [{"kind": "External", "name": "Viewer"}],
        "groups": [{"kind": "Group", "name": "bots"}],
    }});
    scene.patch("ksa", "ci", wanted).await;
    let object = scene.ready("ksa", "ci").await;
    let status = &object["status"];
    assert!(
        status["bindings"].is_null() && status["groups"].is_null(),
        "{object:#}"
    );
    scene
        .patch(
            "ksa",
            "ci",
            json!({"spec": {"roles": null, "groups": null}}),
        )
        .await;
    scene.ready("ksa", "ci").await;
    scene.has_bindings(&subject, &["Viewer@*"]).await;
    scene.is_in(&account, &[&bots]).await;
}
