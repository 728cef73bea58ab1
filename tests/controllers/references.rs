//! References: what is missing holds up, and what appears lets go on at once.

use serde_json::{Value, json};

use crate::backend::principal;
use crate::scene::{Scene, find};

fn unrestricted() -> Value {
    json!({"guardrails": {"unrestricted": true}})
}

#[tokio::test]
async fn nothing_is_made_until_all_that_it_refers_to_is_there() {
    let (scene, gate) = Scene::behind_gate(unrestricted()).await;
    let account = json!({
        "groups": [{"kind": "Group", "name": "bots"}],
        "roles": [{"kind": "Role", "name": "runner"}],
        "tokens": [{"name": "default", "lifetime": "1h"}],
    });
    scene.apply("ServiceAccount", "ci", account).await;
    let group = json!({
        "groupName": scene.unique("bots"), "roles": [{"kind": "Role", "name": "runner"}],
    });
    let binding = json!({
        "roleRef": {"kind": "Role", "name": "runner"},
        "subjects": [{"kind": "ServiceAccount", "name": "ci"}],
    });
    scene.apply("RoleBinding", "run", binding).await;
    for (kind, name) in [("ksa", "ci"), ("krb", "run")] {
        let object = scene
            .condition(kind, name, "ResolvedRefs", "False", "ReferenceNotFound")
            .await;
        assert_eq!(find(&object, "Ready")["status"], "False");
        assert_eq!(find(&object, "Stalled")["status"], "True");
        assert!(object["metadata"]["finalizers"].is_null(), "{object:#}");
    }
    scene.apply("Group", "bots", group).await;
    let said = scene.complaint("kgrp", "bots", "ReferenceNotFound").await;
    assert!(said.contains("Role runner of this namespace"), "{said}");
    assert_eq!(gate.writes(), Vec::<String>::new());
    assert!(scene.get("secret", "ci-default").await.is_none());

    // The interval of rechecks is an hour: what waits is woken.
    let role = scene.unique("runner");
    let spec = json!({"roleName": role, "permissions": {"FLOW": ["READ"]}});
    scene.apply("Role", "runner", spec).await;
    for (kind, name) in [("kgrp", "bots"), ("ksa", "ci"), ("krb", "run")] {
        scene.ready(kind, name).await;
    }
    let id = scene.id("ksa", "ci").await;
    let (direct, shared) = (format!("{role}@* BINDING"), format!("{role}@* GROUP"));
    scene.has_effective(&id, &[&direct, &shared]).await;
}

#[tokio::test]
async fn a_referent_that_goes_is_missed_and_its_successor_taken() {
    let scene = Scene::new().await;
    let bots = json!({"groupName": scene.unique("bots")});
    scene.apply("Group", "bots", bots.clone()).await;
    let spec = json!({
        "groups": [{"kind": "Group", "name": "bots"}],
        "tokens": [{"name": "default", "lifetime": "1h"}],
    });
    scene.apply("ServiceAccount", "ci", spec).await;
    let account = scene.id("ksa", "ci").await;
    let value = scene.value("ci-default").await;
    scene.delete("kgrp", "bots").await;
    let said = scene.complaint("ksa", "ci", "ReferenceNotFound").await;
    assert!(said.contains("Group bots of this namespace"), "{said}");
    assert!(scene.works(&value).await, "the token is not to blame");
    scene.apply("Group", "bots", bots).await;
    let bots = scene.id("kgrp", "bots").await;
    scene.ready("ksa", "ci").await;
    scene.is_in(&account, &[&bots.as_str().into()]).await;
}

#[tokio::test]
async fn a_role_that_goes_takes_its_bindings_along() {
    let scene = Scene::new().await;
    let role = json!({"roleName": scene.unique("r"), "permissions": {"FLOW": ["READ"]}});
    scene.apply("Role", "runner", role.clone()).await;
    let spec = json!({"roles": [{"kind": "Role", "name": "runner"}]});
    scene.apply("ServiceAccount", "ci", spec).await;
    let account = principal(&scene.id("ksa", "ci").await);
    scene.delete("krole", "runner").await;
    scene.has_bindings(&account, &[]).await;
    scene.complaint("ksa", "ci", "ReferenceNotFound").await;
    scene.apply("Role", "runner", role).await;
    scene.ready("ksa", "ci").await;
    scene
        .has_bindings(&account, &[&format!("{}@*", scene.unique("r"))])
        .await;
}

#[tokio::test]
async fn a_name_at_the_backend_is_found_by_the_sweep() {
    let scene = Scene::swept().await;
    let (team, role) = (scene.unique("team"), scene.unique("role"));
    let spec = json!({
        "groups": [{"kind": "External", "name": team}],
        "roles": [{"kind": "External", "name": role}],
    });
    scene.apply("ServiceAccount", "ci", spec).await;
    let said = scene.complaint("ksa", "ci", "ReferenceNotFound").await;
    assert!(
        said.contains(&team) && said.contains("create it there"),
        "{said}"
    );
    assert!(said.contains("looks again every "), "{said}");
    let team = scene.group_by_hand(&team, "").await;
    scene.role_by_hand(&role, json!({"FLOW": ["READ"]})).await;
    let account = scene.id("ksa", "ci").await;
    scene.is_in(&account, &[&team.id]).await;
    let expected = format!("{role}@*");
    scene.has_bindings(&principal(&account), &[&expected]).await;
}

#[tokio::test]
async fn a_name_that_two_roles_have_is_nobodys() {
    let scene = Scene::swept().await;
    let name = scene.unique("twin");
    let one = scene.role_by_hand(&name, json!({"FLOW": ["READ"]})).await;
    let all = json!({"FLOW": ["READ", "CREATE", "UPDATE", "DELETE"]});
    let two = scene.role_by_hand(&name, all).await;
    let spec = json!({"roles": [{"kind": "External", "name": name}]});
    scene.apply("ServiceAccount", "ci", spec).await;
    // Before the sweep there is none of that name.
    let is_told = |object: &Value| {
        let message = find(object, "Ready")["message"].clone();
        message
            .as_str()
            .is_some_and(|said| said.contains("more than one"))
    };
    scene.until("ksa", "ci", "is told of both", is_told).await;
    scene.backend.delete_role(&two.id).await.unwrap();
    let account = principal(&scene.id("ksa", "ci").await);
    let bindings = scene.backend.bindings_of(&account).await.unwrap();
    assert_eq!(
        bindings[0].role.as_ref().map(|role| &role.id),
        Some(&one.id)
    );
}

#[tokio::test]
async fn one_missing_subject_holds_up_the_whole_binding() {
    let scene = Scene::new().await;
    scene.apply("ServiceAccount", "ci", json!({})).await;
    let account = principal(&scene.id("ksa", "ci").await);
    let spec = json!({
        "roleRef": {"kind": "External", "name": "Viewer"},
        "subjects": [
            {"kind": "ServiceAccount", "name": "ci"},
            {"kind": "ExternalUser", "name": "nobody@example.com"},
        ],
    });
    scene.apply("RoleBinding", "view", spec).await;
    let said = scene.complaint("krb", "view", "ReferenceNotFound").await;
    assert!(
        said.contains("user") && said.contains("nobody@example.com"),
        "{said}"
    );
    assert!(scene.bindings(&account).await.is_empty());
    let subjects = json!([{"kind": "ServiceAccount", "name": "ci"}]);
    scene
        .patch("krb", "view", json!({"spec": {"subjects": subjects}}))
        .await;
    scene.ready("krb", "view").await;
    scene.has_bindings(&account, &["Viewer@*"]).await;
}

#[tokio::test]
async fn an_object_of_another_instance_is_no_referent() {
    let (scene, other) = (Scene::new().await, Scene::new().await);
    scene
        .patch_instance(json!({"allowedNamespaces": {"names": [scene.namespace, other.namespace]}}))
        .await;
    let spec = json!({
        "groupName": scene.unique("bots"), "instanceRef": {"name": scene.instance},
    });
    // In the other scene's namespace, at this scene's instance.
    other.apply("Group", "bots", spec).await;
    other.ready("kgrp", "bots").await;
    let spec = json!({"groups": [{"kind": "Group", "name": "bots"}]});
    other.apply("ServiceAccount", "ci", spec).await;
    let said = other.complaint("ksa", "ci", "ReferenceNotFound").await;
    assert!(said.contains("of another instance"), "{said}");
}
