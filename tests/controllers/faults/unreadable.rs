//! Objects that this version of the operator cannot read.

use std::sync::Arc;

use kube::api::PostParams;
use serde_json::json;

use crate::scene::Scene;
use crate::world::World;

/// An account whose `deletionPolicy` no version knows, as a definition that is newer than the operator lets it in.
async fn make_unreadable(scene: &Scene) {
    let path = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/deletionPolicy";
    let looser = json!([{"op": "replace", "path": path, "value": {"type": "string"}}]);
    let looser = looser.to_string();
    let definition = "serviceaccounts.kestra-iam.dev";
    scene
        .kubectl(&["patch", "crd", definition, "--type=json", "-p", &looser])
        .await;
    let odd = scene.object("ServiceAccount", "odd", json!({"deletionPolicy": "Shred"}));
    let odd = serde_json::from_value(odd).unwrap();
    let api = scene.api("ksa").unwrap();
    let make = async || api.create(&PostParams::default(), &odd).await.ok();
    scene.wait("an account that cannot be read", make).await;
}

#[tokio::test]
async fn one_object_that_cannot_be_read_holds_no_other_up() {
    let world = Arc::new(World::start(&[], &[]).await);
    let scene = Scene::inside(world).await;
    scene
        .connect(json!({"guardrails": {"unrestricted": true}}))
        .await;
    make_unreadable(&scene).await;
    scene.apply("ServiceAccount", "ci", json!({})).await;
    scene.ready("ksa", "ci").await;
    let operator = &scene.world.operator;
    assert!(operator.log().contains("cannot be read"));

    // Also where it is there from the start.
    operator.restart().await.unwrap();
    scene.delete("ksa", "ci").await;
}
