//! What is left of objects whose backend did not answer while they went.

use std::sync::Arc;
use std::time::Duration;

use kestra_iam_operator::iam::model::PrincipalId;
use serde_json::{Value, json};

use super::removed::{OBJECTS, one_of_each};
use crate::backend::is_gone;
use crate::gate::{Gate, Verdict};
use crate::scene::{Scene, find};
use crate::world::{HOME, World};

/// The default of `--hand-over-after`.
const HAND_OVER_AFTER: Duration = Duration::from_mins(5);

/// In the second cluster, with a gate before the backend.
async fn behind_gate(scene: &Scene) -> Gate {
    let gate = Gate::to(&scene.url).await;
    scene
        .connect(json!({"url": gate.url(), "guardrails": {"unrestricted": true}}))
        .await;
    gate
}

/// What is owed for objects of the test's namespace.
pub(super) async fn owed(scene: &Scene) -> Vec<Value> {
    let args = ["get", "krev", "-n", HOME, "-o", "json"];
    let list: Value = serde_json::from_str(&scene.world.kubectl(&args, "").await).unwrap();
    let items = list["items"].as_array().unwrap().iter();
    let ours = items.filter(|item| item["spec"]["object"]["namespace"] == *scene.namespace);
    ours.cloned().collect()
}

pub(super) async fn settled(scene: &Scene) {
    let nothing = async || owed(scene).await.is_empty().then_some(());
    scene.wait("nothing to be owed", nothing).await;
}

/// An account with a token, its id, and the token's value.
async fn account(scene: &Scene, name: &str) -> PrincipalId {
    let spec = json!({"tokens": [{"name": "default", "lifetime": "1h"}]});
    scene.apply("ServiceAccount", name, spec).await;
    scene.id("ksa", name).await.as_str().into()
}

/// Deletes an account while the backend does not answer.
async fn delete_in_an_outage(scene: &Scene, gate: &Gate) {
    gate.rule(|_, _| Verdict::Answer(503));
    scene
        .kubectl(&["delete", "ksa", "ci", "--wait=false"])
        .await;
}

#[tokio::test]
async fn what_an_outage_keeps_is_removed_when_it_is_over() {
    // Nobody else moves the clock of a world of its own.
    let world = World::start(&[], &[]).await;
    let scene = Scene::inside(Arc::new(world)).await;
    let gate = behind_gate(&scene).await;
    let id = account(&scene, "ci").await;
    let value = scene.value("ci-default").await;
    delete_in_an_outage(&scene, &gate).await;
    let said = scene.complaint("ksa", "ci", "BackendUnavailable").await;
    assert!(owed(&scene).await.is_empty(), "{said}");
    scene.world.clock.advance(HAND_OVER_AFTER).unwrap();
    scene.gone("ksa", "ci").await;
    let duty = scene
        .wait("a word of why", async || {
            let duty = owed(&scene).await.pop()?;
            (find(&duty, "Ready")["status"] == "False").then_some(duty)
        })
        .await;
    assert_eq!(find(&duty, "Ready")["reason"], "BackendUnavailable");
    assert_eq!(duty["spec"]["object"]["name"], "ci");
    assert!(!duty.to_string().contains(value.expose()));
    assert!(scene.works(&value).await, "nobody could revoke it");
    gate.open();
    settled(&scene).await;
    assert!(!scene.works(&value).await);
    assert!(is_gone(&scene.backend.account(&id).await));
}

#[tokio::test]
async fn an_object_made_anew_waits_for_what_its_forerunner_left() {
    let (_turn, scene) = Scene::private().await;
    let gate = behind_gate(&scene).await;
    let former = account(&scene, "ci").await;
    let value = scene.value("ci-default").await;
    delete_in_an_outage(&scene, &gate).await;
    scene.world.clock.advance(HAND_OVER_AFTER).unwrap();
    scene.gone("ksa", "ci").await;
    // The backend answers again, but nothing can be removed there.
    gate.rule(|method, _| Verdict::when(*method == "DELETE", Verdict::Answer(503)));
    let spec = json!({"tokens": [{"name": "default", "lifetime": "1h"}]});
    scene.apply("ServiceAccount", "ci", spec).await;
    let said = scene.complaint("ksa", "ci", "RevocationOwed").await;
    assert!(
        said.contains("Revocation operator/serviceaccount-"),
        "{said}"
    );
    assert!(scene.get("secret", "ci-default").await.is_none());
    gate.open();
    scene.ready("ksa", "ci").await;
    let id: PrincipalId = scene.id("ksa", "ci").await.as_str().into();
    assert_ne!(id.as_str(), former.as_str());
    assert!(!scene.works(&value).await);
    assert!(scene.works(&scene.value("ci-default").await).await);
    settled(&scene).await;
}

#[tokio::test]
async fn a_namespace_that_ends_waits_for_no_backend() {
    let (_turn, scene) = Scene::private().await;
    let gate = behind_gate(&scene).await;
    let made = one_of_each(&scene).await;
    let owner = json!({"serviceAccountRef": {"name": "ci"}});
    let spec = json!({"owner": owner, "lifetime": "1h"});
    scene.apply("ApiToken", "more", spec).await;
    scene.ready("ktok", "more").await;
    let values = [scene.value("ci-default").await, scene.value("more").await];
    gate.rule(|_, _| Verdict::Answer(503));
    let namespace = scene.namespace.clone();
    scene
        .kubectl(&["delete", "namespace", &namespace, "--wait=false"])
        .await;
    let ended = async || {
        let args = ["get", "namespace", &namespace, "--ignore-not-found"];
        scene
            .world
            .kubectl(&args, "")
            .await
            .is_empty()
            .then_some(())
    };
    scene.wait("the namespace to end", ended).await;
    assert_eq!(owed(&scene).await.len(), OBJECTS.len() + 1);
    gate.open();
    settled(&scene).await;
    for value in &values {
        assert!(!scene.works(value).await);
    }
    assert!(is_gone(&scene.backend.account(&made.account).await));
    assert!(is_gone(&scene.backend.group(&made.bots).await));
    assert!(is_gone(&scene.backend.role(&made.role).await));
}
