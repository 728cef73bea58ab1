//! Who may use an instance.

use serde_json::json;

use crate::backend::is_gone;
use crate::scene::Scene;
use crate::world::World;

#[tokio::test]
async fn not_there_and_not_allowed_read_the_same() {
    let (scene, other) = (Scene::new().await, Scene::new().await);
    let at = |instance: &str| json!({"instanceRef": {"name": instance}});
    scene
        .apply("ServiceAccount", "closed", at(&other.instance))
        .await;
    scene.apply("ServiceAccount", "absent", at("nowhere")).await;
    let closed = scene.complaint("ksa", "closed", "NotAllowed").await;
    let absent = scene.complaint("ksa", "absent", "NotAllowed").await;
    assert_eq!(
        closed.replace(&other.instance, "X"),
        absent.replace("nowhere", "X")
    );
    assert!(closed.contains("allowedNamespaces"), "{closed}");
    scene
        .apply(
            "ServiceAccount",
            "own",
            json!({"instanceRef": {"kind": "Instance", "name": "none"}}),
        )
        .await;
    let said = scene.complaint("ksa", "own", "InstanceNotFound").await;
    assert!(said.contains("--namespaced-instances"), "{said}");
}

#[tokio::test]
async fn namespaces_are_allowed_by_name_or_by_label() {
    let scene = Scene::with(json!({
        "guardrails": {"unrestricted": true},
        "allowedNamespaces": {"selector": {"matchLabels": {"kestra": "yes"}}},
    }))
    .await;
    scene.apply("ServiceAccount", "ci", json!({})).await;
    scene.complaint("ksa", "ci", "NotAllowed").await;
    let namespace = scene.namespace.clone();
    scene
        .kubectl(&["label", "namespace", &namespace, "kestra=yes"])
        .await;
    let id = scene.id("ksa", "ci").await;
    scene
        .kubectl(&["label", "namespace", &namespace, "kestra-"])
        .await;
    scene.complaint("ksa", "ci", "NotAllowed").await;
    // What it made may be taken away all the same.
    scene.delete("ksa", "ci").await;
    assert!(is_gone(&scene.backend.account(&id.as_str().into()).await));
    scene.apply("ServiceAccount", "ci", json!({})).await;
    scene.complaint("ksa", "ci", "NotAllowed").await;
    let names = json!({"allowedNamespaces": {"names": [namespace], "selector": null}});
    scene.patch_instance(names).await;
    scene.ready("ksa", "ci").await;
}

#[tokio::test]
async fn an_instance_that_comes_later_is_noticed_at_once() {
    let scene = Scene::inside(World::shared().await).await;
    scene.apply("ServiceAccount", "ci", json!({})).await;
    scene.complaint("ksa", "ci", "NotAllowed").await;
    scene.connect(json!({})).await;
    scene.ready("ksa", "ci").await;
    scene.begin_delete("kci", &scene.instance).await;
    scene.complaint("ksa", "ci", "NotAllowed").await;
}
