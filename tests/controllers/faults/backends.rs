//! A server that is not the right one.

use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;

use super::{connected, instance_says, one_token};
use crate::gate::{Gate, Passed, Verdict};
use crate::scene::{Scene, find};
use crate::world::World;

#[tokio::test]
async fn an_open_source_kestra_and_no_storm() {
    let scene = Scene::inside(World::shared().await).await;
    let gate = Gate::to(&scene.url).await;
    gate.rule(|_, _| Verdict::Answer(404));
    let start = Instant::now();
    scene
        .connect(json!({"url": gate.url(), "guardrails": {"unrestricted": true}}))
        .await;
    for name in ["a", "b", "c"] {
        scene.apply("ServiceAccount", name, one_token()).await;
        scene.complaint("ksa", name, "BackendProtocol").await;
    }
    let said = instance_says(&scene, "BackendProtocol").await;
    assert!(
        said.contains("open-source Kestra") && said.contains("Enterprise"),
        "{said}"
    );
    assert!(said.contains(gate.url()), "{said}");
    scene
        .wait("three looks", async || {
            (gate.passed().len() >= 3).then_some(())
        })
        .await;
    assert!(
        start.elapsed() > Duration::from_secs(5),
        "each later than the one before"
    );
    let configs = |passed: &Passed| passed.path == "/api/v1/configs";
    assert_eq!(
        gate.count(configs),
        gate.passed().len(),
        "one request a look, whoever waits"
    );
    gate.open();
    for name in ["a", "b", "c"] {
        scene.ready("ksa", name).await;
    }
}

#[tokio::test]
async fn what_answers_is_no_api() {
    let (scene, gate) = Scene::behind_gate(json!({"guardrails": {"unrestricted": true}})).await;
    gate.rule(|_, _| Verdict::Answer(200));
    scene
        .patch_instance(json!({"lastUsedGranularity": "2s"}))
        .await;
    let said = instance_says(&scene, "BackendProtocol").await;
    assert!(
        said.contains("is no IAM API") && said.contains("spec.url"),
        "{said}"
    );
    recovers(&scene, &gate).await;
}

/// While the fault lasts nothing is created; once it is gone, all becomes ready by itself.
async fn recovers(scene: &Scene, gate: &Gate) {
    scene.apply("ServiceAccount", "ci", one_token()).await;
    scene.complaint("ksa", "ci", "BackendProtocol").await;
    assert_eq!(gate.writes(), Vec::<String>::new());
    gate.open();
    connected(scene).await;
    scene.ready("ksa", "ci").await;
    assert!(scene.works(&scene.value("ci-default").await).await);
}

#[tokio::test]
async fn an_open_source_kestra_that_says_so() {
    let (scene, gate) = Scene::behind_gate(json!({"guardrails": {"unrestricted": true}})).await;
    gate.rule(|_, path| match path {
        "/api/v1/configs" => Verdict::Change("edition", json!("OSS")),
        _ => Verdict::Pass,
    });
    scene
        .patch_instance(json!({"lastUsedGranularity": "2s"}))
        .await;
    let said = instance_says(&scene, "BackendProtocol").await;
    assert!(said.contains("open-source Kestra"), "{said}");
    recovers(&scene, &gate).await;
}

#[tokio::test]
async fn a_tenant_that_is_not_there() {
    let scene = Scene::with(json!({"tenant": "nowhere"})).await;
    let said = instance_says(&scene, "ReferenceNotFound").await;
    assert!(
        said.contains("no tenant nowhere") && said.contains("spec.tenant"),
        "{said}"
    );
    scene.apply("ServiceAccount", "ci", one_token()).await;
    scene.complaint("ksa", "ci", "ReferenceNotFound").await;
    let name = scene.unique("ci");
    assert!(scene.backend.find_account(&name).await.unwrap().is_none());
    scene.patch_instance(json!({"tenant": "main"})).await;
    connected(&scene).await;
    scene.ready("ksa", "ci").await;
}

#[tokio::test]
async fn another_backend_is_not_touched_until_somebody_agrees() {
    let (scene, gate) = Scene::behind_gate(json!({
        "guardrails": {"unrestricted": true}, "resync": {"objects": "1s", "tokens": "1h"},
    }))
    .await;
    scene.apply("ServiceAccount", "ci", one_token()).await;
    scene.ready("ksa", "ci").await;
    gate.rule(|_, path| match path {
        "/api/v1/configs" => Verdict::Change("uuid", json!("another")),
        _ => Verdict::Pass,
    });
    let said = instance_says(&scene, "InstanceChanged").await;
    assert!(
        said.contains("kestra-iam.dev/acknowledged-uuid=another"),
        "{said}"
    );
    let object = scene
        .condition("ksa", "ci", "Ready", "False", "InstanceChanged")
        .await;
    assert_eq!(find(&object, "Stalled")["status"], "True");
    let writes = gate.writes();
    scene.apply("ServiceAccount", "new", json!({})).await;
    scene.complaint("ksa", "new", "InstanceChanged").await;
    assert_eq!(gate.writes(), writes, "nothing is changed there");
    let agree =
        json!({"metadata": {"annotations": {"kestra-iam.dev/acknowledged-uuid": "another"}}});
    scene.patch("kci", &scene.instance, agree).await;
    scene.ready("ksa", "new").await;
    scene.ready("ksa", "ci").await;
    let instance = scene.get("kci", &scene.instance).await.unwrap();
    assert_eq!(instance["status"]["uuid"], "another");

    // What was agreed to for the backend is no word about another tenant of it.
    scene.patch_instance(json!({"tenant": "other"})).await;
    let said = instance_says(&scene, "InstanceChanged").await;
    assert!(said.contains("acknowledged-uuid=another/other"), "{said}");
    scene.patch_instance(json!({"tenant": "main"})).await;
    connected(&scene).await;
}

#[tokio::test]
async fn a_deletion_is_not_taken_for_done_at_another_backend() {
    // No sweep comes by in time.
    let (scene, gate) = Scene::behind_gate(json!({"guardrails": {"unrestricted": true}})).await;
    scene.apply("ServiceAccount", "ci", one_token()).await;
    let value = scene.value("ci-default").await;
    gate.rule(|_, path| match path {
        "/api/v1/configs" => Verdict::Change("uuid", json!("another")),
        _ => Verdict::when(path.contains("/service-accounts/"), Verdict::Answer(404)),
    });
    scene
        .kubectl(&["delete", "ksa", "ci", "--wait=false"])
        .await;
    scene.complaint("ksa", "ci", "InstanceChanged").await;
    assert!(scene.works(&value).await, "it lives where it was made");
    gate.open();
    scene.gone("ksa", "ci").await;
    scene.refused("the token", &value).await;
}
