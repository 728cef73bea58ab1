//! Objects that are suspended.

use serde_json::{Value, json};

use crate::backend::{group, principal};
use crate::scene::{Scene, find};

#[tokio::test]
async fn a_suspended_object_is_not_made_and_says_so() {
    let scene = Scene::new().await;
    let suspended = |fields: Value| {
        let mut spec = json!({"suspend": true});
        spec.as_object_mut()
            .unwrap()
            .extend(fields.as_object().unwrap().clone());
        spec
    };
    scene
        .apply("ServiceAccount", "ci", suspended(json!({})))
        .await;
    scene
        .apply(
            "Group",
            "bots",
            suspended(json!({"groupName": scene.unique("g")})),
        )
        .await;
    let role = json!({"roleName": scene.unique("r"), "permissions": {"FLOW": ["READ"]}});
    scene.apply("Role", "runner", suspended(role)).await;
    let binding = json!({
        "roleRef": {"kind": "External", "name": "Viewer"},
        "subjects": [{"kind": "ExternalServiceAccount", "name": scene.unique("by-hand")}],
    });
    let by_hand = scene.account_by_hand(&scene.unique("by-hand"), "").await;
    scene
        .patch_instance(json!({"resync": {"objects": "1s"}}))
        .await;
    scene.apply("RoleBinding", "view", suspended(binding)).await;
    let objects = [
        ("ksa", "ci"),
        ("kgrp", "bots"),
        ("krole", "runner"),
        ("krb", "view"),
    ];
    for (kind, name) in objects {
        let object = scene
            .condition(kind, name, "Ready", "False", "Suspended")
            .await;
        assert_eq!(find(&object, "Suspended")["status"], "True", "{object:#}");
        assert!(object["metadata"]["finalizers"].is_null(), "{object:#}");
    }
    assert!(
        scene
            .backend
            .find_account(&scene.unique("ci"))
            .await
            .unwrap()
            .is_none()
    );
    assert!(
        scene
            .backend
            .find_group(&scene.unique("g"))
            .await
            .unwrap()
            .is_none()
    );
    assert!(
        scene
            .backend
            .find_role(&scene.unique("r"))
            .await
            .unwrap()
            .is_none()
    );
    let by_hand = principal(by_hand.id.as_str());
    assert!(scene.bindings(&by_hand).await.is_empty());
    for (kind, name) in objects {
        scene.resume(kind, name).await;
        let object = scene.ready(kind, name).await;
        assert_eq!(find(&object, "Suspended"), Value::Null);
    }
    scene.has_bindings(&by_hand, &["Viewer@*"]).await;
}

#[tokio::test]
async fn a_change_waits_for_the_end_of_a_suspension() {
    let scene = Scene::new().await;
    let roles = |name: &str| json!([{"kind": "External", "name": name}]);
    let spec = json!({"groupName": scene.unique("g"), "roles": roles("Viewer")});
    scene.apply("Group", "bots", spec).await;
    scene
        .apply("ServiceAccount", "ci", json!({"roles": roles("Viewer")}))
        .await;
    let subjects = [
        group(&scene.id("kgrp", "bots").await),
        principal(&scene.id("ksa", "ci").await),
    ];
    let objects = [("kgrp", "bots"), ("ksa", "ci")];
    for (kind, name) in objects {
        let object = scene.suspend(kind, name).await;
        assert_eq!(
            find(&object, "Ready")["status"],
            "True",
            "nothing waits yet"
        );
        let change = json!({"spec": {"roles": roles("Launcher")}});
        scene.patch(kind, name, change).await;
        let said = scene.complaint(kind, name, "Suspended").await;
        assert!(said.contains("spec.suspend"), "{said}");
    }
    for subject in &subjects {
        scene.has_bindings(subject, &["Viewer@*"]).await;
    }
    for ((kind, name), subject) in objects.iter().zip(&subjects) {
        scene.resume(kind, name).await;
        scene.ready(kind, name).await;
        scene.has_bindings(subject, &["Launcher@*"]).await;
    }
}
