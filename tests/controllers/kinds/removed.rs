//! What is left of objects that were deleted.

use kestra_iam_operator::iam::client::Subject;
use kestra_iam_operator::iam::model::{GroupId, PrincipalId, RoleId};
use serde_json::json;

use crate::backend::{is_gone, principal};
use crate::scene::Scene;

/// One of each kind, a referrer before its referents.
pub(super) const OBJECTS: [(&str, &str); 4] = [
    ("krb", "view"),
    ("ksa", "ci"),
    ("kgrp", "bots"),
    ("krole", "runner"),
];

/// What each kind has of its own at the backend.
pub(super) struct Made {
    pub(super) account: PrincipalId,
    pub(super) bots: GroupId,
    pub(super) role: RoleId,
}

/// All kinds, each with something of its own at the backend.
pub(super) async fn one_of_each(scene: &Scene) -> Made {
    let permissions = json!({"FLOW": ["READ"]});
    let spec = json!({"roleName": scene.unique("r"), "permissions": permissions});
    scene.apply("Role", "runner", spec).await;
    let roles = json!([{"kind": "Role", "name": "runner"}]);
    let spec = json!({"groupName": scene.unique("g"), "roles": roles});
    scene.apply("Group", "bots", spec).await;
    let spec = json!({
        "groups": [{"kind": "Group", "name": "bots"}], "roles": roles,
        "tokens": [{"name": "default", "lifetime": "1h"}],
    });
    scene.apply("ServiceAccount", "ci", spec).await;
    let spec = json!({
        "roleRef": {"kind": "External", "name": "Viewer"},
        "subjects": [{"kind": "ServiceAccount", "name": "ci"}, {"kind": "Group", "name": "bots"}],
    });
    scene.apply("RoleBinding", "view", spec).await;
    scene.ready("krb", "view").await;
    Made {
        account: scene.id("ksa", "ci").await.as_str().into(),
        bots: scene.id("kgrp", "bots").await.as_str().into(),
        role: scene.id("krole", "runner").await.as_str().into(),
    }
}

#[tokio::test]
async fn deleted_objects_leave_nothing_behind() {
    let scene = Scene::new().await;
    let made = one_of_each(&scene).await;
    scene.delete("krb", "view").await;
    let own = format!("{}@*", scene.unique("r"));
    scene
        .has_bindings(&principal(made.account.as_str()), &[&own])
        .await;
    scene.delete("ksa", "ci").await;
    assert!(is_gone(&scene.backend.account(&made.account).await));
    scene.delete("kgrp", "bots").await;
    assert!(is_gone(&scene.backend.group(&made.bots).await));
    scene.delete("krole", "runner").await;
    assert!(is_gone(&scene.backend.role(&made.role).await));
}

#[tokio::test]
async fn a_deletion_tolerates_what_is_gone_already() {
    // Without sweeps the operator does not know.
    let scene = Scene::new().await;
    let made = one_of_each(&scene).await;
    let backend = &scene.backend;
    backend.delete_account(&made.account).await.unwrap();
    backend.delete_group(&made.bots).await.unwrap();
    backend.delete_role(&made.role).await.unwrap();
    for (kind, name) in OBJECTS {
        scene.delete(kind, name).await;
    }
}

#[tokio::test]
async fn a_whole_namespace_goes_in_any_order() {
    let scene = Scene::new().await;
    let made = one_of_each(&scene).await;
    let namespace = scene.namespace.clone();
    scene
        .kubectl(&["delete", "namespace", &namespace, "--wait=false"])
        .await;
    for (kind, name) in OBJECTS {
        scene.gone(kind, name).await;
    }
    assert!(is_gone(&scene.backend.account(&made.account).await));
    assert!(is_gone(&scene.backend.group(&made.bots).await));
    let left = scene.backend.find_role(&scene.unique("r")).await.unwrap();
    assert!(left.is_none());
}

#[tokio::test]
async fn orphans_stay_as_they_are() {
    let scene = Scene::new().await;
    let Made { account, bots, .. } = one_of_each(&scene).await;
    let value = scene.value("ci-default").await;
    for (kind, name) in OBJECTS {
        scene
            .patch(kind, name, json!({"spec": {"deletionPolicy": "Orphan"}}))
            .await;
        scene.delete(kind, name).await;
    }
    scene.is_in(account.as_str(), &[&bots]).await;
    let own = format!("{}@*", scene.unique("r"));
    let all = [own.as_str(), "Viewer@*"];
    scene.has_bindings(&principal(account.as_str()), &all).await;
    scene.has_bindings(&Subject::Group(bots), &all).await;
    assert!(scene.works(&value).await);
    assert!(scene.get("secret", "ci-default").await.is_some());
}
