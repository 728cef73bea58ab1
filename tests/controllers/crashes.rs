//! An operator that is killed at the worst moment, or was away.

use std::sync::atomic::{AtomicUsize, Ordering};

use axum::http::Method;
use serde_json::{Value, json};

use crate::backend::{group, is_gone, principal};
use crate::gate::{Gate, Verdict};
use crate::scene::{Scene, find};

/// The instance's backend behind a gate from now on.
pub async fn behind_gate(scene: &Scene) -> Gate {
    let gate = Gate::to(&scene.url).await;
    scene.patch_instance(json!({"url": gate.url()})).await;
    scene
        .condition("kci", &scene.instance, "Ready", "True", "")
        .await;
    gate
}

/// Answers to changes of this kind never come; they are made all the same.
pub fn hold(gate: &Gate, method: Method, tail: &'static str) {
    gate.rule(move |asked, path| {
        Verdict::when(*asked == method && path.contains(tail), Verdict::Hold)
    });
}

/// The first token that is asked for is issued; the answer to the second never comes, though that is issued as well.
pub fn hold_second_token(gate: &Gate) {
    let asked = AtomicUsize::new(0);
    gate.rule(move |method, path| {
        let is_issue = *method == Method::POST && path.ends_with("/api-tokens");
        let is_second = is_issue && asked.fetch_add(1, Ordering::SeqCst) == 1;
        Verdict::when(is_second, Verdict::Hold)
    });
}

/// Kills the operator, and starts another once everything passes again.
async fn crash(scene: &Scene, gate: &Gate) {
    scene.world.operator.kill().await.unwrap();
    gate.open();
    scene.world.operator.restart().await.unwrap();
}

#[tokio::test]
async fn killed_before_it_knew_of_the_account_that_it_made() {
    let (_turn, scene) = Scene::private().await;
    let gate = behind_gate(&scene).await;
    let team = scene.group_by_hand(&scene.unique("team"), "").await;
    scene
        .apply("Group", "bots", json!({"groupName": scene.unique("bots")}))
        .await;
    let bots = scene.id("kgrp", "bots").await;
    hold(&gate, Method::POST, "/service-accounts");
    let spec = json!({
        "groups": [{"kind": "Group", "name": "bots"}],
        "roles": [{"kind": "External", "name": "Viewer"}],
        "tokens": [{"name": "default", "lifetime": "1h"}],
    });
    scene.apply("ServiceAccount", "ci", spec).await;
    let name = scene.unique("ci");
    let made = scene
        .wait("the account", async || {
            scene.backend.find_account(&name).await.unwrap()
        })
        .await;
    crash(&scene, &gate).await;
    assert_eq!(scene.id("ksa", "ci").await, made.id.0, "found by its mark");
    assert!(scene.works(&scene.value("ci-default").await).await);
    scene
        .is_in(made.id.as_str(), &[&bots.as_str().into()])
        .await;
    scene
        .has_bindings(&principal(made.id.as_str()), &["Viewer@*"])
        .await;
    // What it was made with is ours, what came by others is not.
    scene.backend.add_member(&team.id, &made.id).await.unwrap();
    let nothing = json!({"spec": {"groups": null, "roles": null}});
    scene.patch("ksa", "ci", nothing).await;
    scene.is_in(made.id.as_str(), &[&team.id]).await;
    scene.has_bindings(&principal(made.id.as_str()), &[]).await;
}

#[tokio::test]
async fn killed_before_it_knew_of_the_bindings_that_it_made() {
    let (_turn, scene) = Scene::private().await;
    let gate = behind_gate(&scene).await;
    scene.apply("ServiceAccount", "ci", json!({})).await;
    scene
        .apply("Group", "bots", json!({"groupName": scene.unique("bots")}))
        .await;
    let subjects = [
        principal(&scene.id("ksa", "ci").await),
        group(&scene.id("kgrp", "bots").await),
    ];
    hold(&gate, Method::POST, "/bindings");
    let spec = json!({
        "roleRef": {"kind": "External", "name": "Viewer"},
        "subjects": [{"kind": "ServiceAccount", "name": "ci"}, {"kind": "Group", "name": "bots"}],
    });
    scene.apply("RoleBinding", "view", spec).await;
    scene.has_bindings(&subjects[0], &["Viewer@*"]).await;
    crash(&scene, &gate).await;
    let object = scene.ready("krb", "view").await;
    assert_eq!(object["status"]["bindings"].as_array().unwrap().len(), 2);
    scene.delete("krb", "view").await;
    for subject in &subjects {
        scene.has_bindings(subject, &[]).await;
    }
}

#[tokio::test]
async fn killed_while_it_took_something_over() {
    let (_turn, scene) = Scene::private().await;
    let by_hand = scene.account_by_hand(&scene.unique("ci"), "mine").await;
    let gate = behind_gate(&scene).await;
    hold(&gate, Method::PUT, "/service-accounts/");
    let spec = json!({"adoptionPolicy": "TakeOver", "description": "ours"});
    scene.apply("ServiceAccount", "ci", spec).await;
    scene
        .wait("our mark", async || {
            let account = scene.backend.account(&by_hand.id).await.unwrap();
            account.description?.starts_with("ours [").then_some(())
        })
        .await;
    crash(&scene, &gate).await;
    let object = scene.ready("ksa", "ci").await;
    assert_eq!(object["status"]["adopted"], true, "{object:#}");
    scene.delete("ksa", "ci").await;
    let account = scene.backend.account(&by_hand.id).await.unwrap();
    assert_eq!(account.description.as_deref(), Some("mine"));
}

#[tokio::test]
async fn away_while_an_object_was_deleted() {
    let (_turn, scene) = Scene::private().await;
    scene.apply("ServiceAccount", "ci", json!({})).await;
    let id = scene.id("ksa", "ci").await;
    scene.world.operator.kill().await.unwrap();
    scene.begin_delete("ksa", "ci").await;
    scene.world.operator.restart().await.unwrap();
    scene.gone("ksa", "ci").await;
    assert!(is_gone(&scene.backend.account(&id.as_str().into()).await));
}

#[tokio::test]
async fn not_ready_before_anybody_has_looked() {
    let (_turn, scene) = Scene::private().await;
    scene
        .condition("kci", &scene.instance, "Ready", "True", "")
        .await;
    scene.world.operator.pause().unwrap();
    let objects = [
        ("ServiceAccount", json!({})),
        ("Group", json!({"groupName": scene.unique("g")})),
    ];
    for (kind, spec) in objects {
        scene.apply(kind, "it", spec).await;
        let object = scene.get(kind, "it").await.unwrap();
        assert_eq!(object["status"]["observedGeneration"], -1, "{object:#}");
        assert_eq!(find(&object, "Ready"), Value::Null);
    }
    scene.world.operator.resume().unwrap();
    scene
        .kubectl(&[
            "wait",
            "--for=condition=Ready",
            "--timeout=2m",
            "ksa/it",
            "kgrp/it",
        ])
        .await;
    for kind in ["ksa", "kgrp"] {
        let object = scene.get(kind, "it").await.unwrap();
        assert_eq!(object["status"]["observedGeneration"], 1, "{object:#}");
    }
}

#[tokio::test]
async fn two_clusters_at_one_backend_are_told_apart() {
    let here = Scene::new().await;
    let (_turn, there) = Scene::private().await;
    there.put_credential(&here.admin).await;
    let moved = json!({
        "metadata": {"annotations": {"kestra-iam.dev/acknowledged-uuid": here.uuid().await}},
        "spec": {"url": here.url, "guardrails": {"unrestricted": true}},
    });
    there.patch("kci", &there.instance, moved).await;
    there
        .condition("kci", &there.instance, "Ready", "True", "")
        .await;
    let all = |scene: &Scene| {
        [
            ("ServiceAccount", "ksa", json!({"accountName": here.unique("a"), "adoptionPolicy": "IfOwned"})),
            ("Group", "kgrp", json!({"groupName": here.unique("g"), "adoptionPolicy": "IfOwned"})),
            ("Role", "krole", json!({
                "roleName": here.unique("r"), "adoptionPolicy": "IfOwned", "permissions": {"FLOW": ["READ"]},
            })),
        ]
        .map(|(kind, short, spec)| (scene.object(kind, "it", spec), short))
    };
    let mut ids = Vec::new();
    for (object, kind) in all(&here) {
        here.world.apply(&object).await;
        ids.push(here.id(kind, "it").await);
    }
    for (object, kind) in all(&there) {
        there.world.apply(&object).await;
        there.complaint(kind, "it", "NameConflict").await;
        there.delete(kind, "it").await;
    }
    for ((_, kind), id) in all(&here).iter().zip(&ids) {
        assert_eq!(&here.id(kind, "it").await, id);
    }
    assert!(here.backend.account(&ids[0].as_str().into()).await.is_ok());
    assert!(here.backend.group(&ids[1].as_str().into()).await.is_ok());
    assert!(here.backend.role(&ids[2].as_str().into()).await.is_ok());
}

#[tokio::test]
async fn killed_when_the_last_group_had_taken_the_access_to_the_tenant_along() {
    let (_turn, scene) = Scene::private().await;
    let gate = behind_gate(&scene).await;
    scene
        .apply("Group", "bots", json!({"groupName": scene.unique("bots")}))
        .await;
    scene.id("kgrp", "bots").await;
    let spec = |groups: Value| json!({"groups": groups, "tokens": [{"name": "default", "lifetime": "1h"}]});
    let bots = json!([{"kind": "Group", "name": "bots"}]);
    scene.apply("ServiceAccount", "ci", spec(bots)).await;
    let id = scene.id("ksa", "ci").await;
    hold(&gate, Method::DELETE, "/members/");
    scene.apply("ServiceAccount", "ci", spec(json!([]))).await;
    let account = id.as_str().into();
    scene
        .wait("the end of its access", async || {
            is_gone(&scene.backend.access(&account).await).then_some(())
        })
        .await;
    crash(&scene, &gate).await;
    scene
        .wait("access again", async || {
            scene.backend.access(&account).await.ok().map(|_| ())
        })
        .await;
    assert_eq!(scene.id("ksa", "ci").await, id, "no other account");
}
