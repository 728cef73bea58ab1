//! Workloads that take the token at their start, rolled by the Deployment controller of a real Kubernetes.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{entry_of, patient};
use crate::scene::{Scene, find};
use crate::world::World;

/// In a world of its own whose operator may roll workloads.
async fn rolling() -> Scene {
    let world = World::start(&["--restart-consumers"], &[]).await;
    let scene = Scene::inside(Arc::new(world)).await;
    scene
        .connect(json!({"guardrails": {"unrestricted": true}}))
        .await;
    scene
}

/// A Deployment whose pods are replaced at once: there is no node that could say that they are ready.
async fn deploy(scene: &Scene, name: &str) {
    let deployment = json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": name, "namespace": scene.namespace},
        "spec": {
            "replicas": 2,
            "strategy": {"type": "Recreate"},
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {"containers": [{"name": "bot", "image": "example.com/bot:1"}]},
            },
        },
    });
    scene.world.apply(&deployment).await;
}

/// The names of a Deployment's pods, once there are two.
async fn pods(scene: &Scene, name: &str) -> Vec<String> {
    let selector = format!("app={name}");
    let two = async || {
        let list = scene
            .kubectl(&["get", "pods", "-l", &selector, "-o", "name"])
            .await;
        let mut names: Vec<String> = list.lines().map(str::to_owned).collect();
        names.sort();
        (names.len() == 2).then_some(names)
    };
    scene.wait("two pods", two).await
}

/// For which token a Deployment was rolled last.
async fn mark(scene: &Scene, name: &str) -> Option<String> {
    let deployment = scene.get("deployment", name).await?;
    let annotations = deployment["spec"]["template"]["metadata"]["annotations"].clone();
    let mut annotations = annotations
        .as_object()
        .cloned()
        .unwrap_or_default()
        .into_iter();
    let mark = annotations.find(|(name, _)| name.starts_with("kestra-iam.dev/token-"))?;
    mark.1.as_str().map(str::to_owned)
}

fn entry(workloads: Value) -> Value {
    let mut entry = patient("default");
    entry["restart"] = workloads;
    entry
}

#[tokio::test]
async fn a_rotation_rolls_the_workload_once_and_the_old_token_outlives_the_rollout() {
    let scene = rolling().await;
    deploy(&scene, "bot").await;
    let before = pods(&scene, "bot").await;
    let workload = json!([{"kind": "Deployment", "name": "bot"}]);
    scene.account("ci", json!([entry(workload)])).await;
    assert_eq!(
        mark(&scene, "bot").await,
        None,
        "a first token rolls nothing"
    );
    let old = scene.value("ci-default").await;
    scene.order("ksa", "ci", "rotate-requested-at", "1").await;
    scene.other_value("ci-default", &old).await;
    let rolled = scene
        .wait("the Deployment to be rolled", async || {
            mark(&scene, "bot").await
        })
        .await;
    assert!(rolled.starts_with("ci-default g2 "), "{rolled}");
    let after = scene
        .wait("other pods", async || {
            let now = pods(&scene, "bot").await;
            now.iter().all(|pod| !before.contains(pod)).then_some(now)
        })
        .await;
    // However often it is looked at, it is rolled once.
    scene.advance(std::time::Duration::from_mins(4));
    scene.at_rest("ci", "default", 2).await;
    assert!(!scene.works(&old).await);
    assert_eq!(pods(&scene, "bot").await, after);
    let object = scene.get("ksa", "ci").await.unwrap();
    assert_eq!(find(&object, "ConsumersOutdated"), Value::Null);
    assert_eq!(entry_of(&object, "default")["generation"], 2);
}

#[tokio::test]
async fn a_rollout_that_does_not_end_is_told_of_and_keeps_the_old_token_alive() {
    let scene = rolling().await;
    deploy(&scene, "bot").await;
    pods(&scene, "bot").await;
    scene
        .kubectl(&[
            "patch",
            "deployment",
            "bot",
            "-p",
            r#"{"spec":{"paused":true}}"#,
        ])
        .await;
    let workload =
        json!([{"kind": "Deployment", "name": "bot"}, {"kind": "StatefulSet", "name": "none"}]);
    scene.account("ci", json!([entry(workload)])).await;
    let old = scene.value("ci-default").await;
    scene.order("ksa", "ci", "rotate-requested-at", "1").await;
    let told = |object: &Value| find(object, "ConsumersOutdated")["status"] == "True";
    let object = scene.until("ksa", "ci", "outdated consumers", told).await;
    let said = find(&object, "ConsumersOutdated")["message"].to_string();
    assert!(said.contains("StatefulSet none"), "{said}");
    assert_eq!(find(&object, "Ready")["status"], "True", "a warning only");
    // The overlap's minimum is three minutes, its maximum fifteen.
    scene.advance(std::time::Duration::from_mins(10));
    let workload = json!([{"kind": "Deployment", "name": "bot"}]);
    scene
        .apply("ServiceAccount", "ci", json!({"tokens": [entry(workload)]}))
        .await;
    let outdated = ("ConsumersOutdated", "True", "RolloutInProgress");
    scene
        .condition("ksa", "ci", outdated.0, outdated.1, outdated.2)
        .await;
    assert!(scene.works(&old).await, "its pods still have it");
    scene.advance(std::time::Duration::from_mins(6));
    scene.at_rest("ci", "default", 2).await;
    assert!(!scene.works(&old).await);
}

#[tokio::test]
async fn an_operator_that_may_not_says_so_and_keeps_the_token_alive() {
    let scene = Scene::new().await;
    let workload = json!([{"kind": "Deployment", "name": "bot"}]);
    let spec = json!({"tokens": [entry(workload)]});
    scene.apply("ServiceAccount", "ci", spec).await;
    let said = scene.complaint("ksa", "ci", "NotAllowed").await;
    assert!(said.contains("token default: restart"), "{said}");
    assert!(said.contains("--restart-consumers"), "{said}");
    assert!(scene.works(&scene.value("ci-default").await).await);
}
