//! A token's value is in its Secret, and nowhere else.

use kestra_iam_operator::iam::model::TokenValue;
use serde_json::json;

use super::{brisk, encoded};
use crate::metrics::scrape;
use crate::scene::Scene;

/// Everything that anybody but the Secret's readers can see: logs, Events, objects, metrics, requests.
async fn everything(scene: &Scene) -> Vec<(&'static str, String)> {
    let world = &scene.world;
    let kinds = "kci,ki,ksa,kgrp,krole,krb,ktok,events,leases,configmaps";
    let objects = [
        "get",
        kinds,
        "--all-namespaces",
        "-o",
        "yaml",
        "--show-managed-fields",
    ];
    let metadata = [
        "get",
        "secrets",
        "--all-namespaces",
        "-o",
        "jsonpath={.items[*].metadata}",
    ];
    let metrics = scrape(&world.operator).await.unwrap();
    let requests = world.plane.audit().since(testbed::audit::Mark::default());
    vec![
        ("the operator's log", world.operator.log()),
        ("the server's log", world.server.process().log()),
        ("objects and Events", world.kubectl(&objects, "").await),
        ("Secrets' metadata", world.kubectl(&metadata, "").await),
        ("metrics", metrics),
        ("requests", format!("{:?}", requests.unwrap())),
    ]
}

fn is_in(text: &str, value: &TokenValue) -> bool {
    // Its first characters are shown by the backend itself.
    let secret = &value.expose()[8..];
    text.contains(secret) || text.contains(&encoded(value.expose()))
}

#[tokio::test]
async fn a_value_is_found_in_its_secret_alone() {
    let scene = Scene::new().await;
    let mut entry = brisk("default");
    entry["secret"] = json!({
        "template": {"data": {"LOGIN": "{{ account }}:{{ token }}"}}, "previousValuePolicy": "Keep",
    });
    scene.account("ci", json!([entry])).await;
    let mut values = vec![scene.value("ci-default").await];
    scene.order("ksa", "ci", "rotate-requested-at", "1").await;
    values.push(scene.other_value("ci-default", &values[0]).await);
    scene.at_rest("ci", "default", 2).await;
    let broken = json!({"metadata": {"annotations": {"kestra-iam.dev/history": "{"}}});
    scene.patch("secret", "ci-default", broken).await;
    values.push(scene.other_value("ci-default", &values[1]).await);
    let edit = json!({"data": {"token": encoded(values[0].expose())}});
    scene.patch("secret", "ci-default", edit).await;
    scene
        .condition("ksa", "ci", "TokenIssued", "True", "SecretTampered")
        .await;
    scene.at_rest("ci", "default", 4).await;
    values.push(scene.value("ci-default").await);
    let places = everything(&scene).await;
    for (place, text) in &places {
        assert!(!text.is_empty(), "nothing was looked at in {place}");
        for value in &values {
            assert!(!is_in(text, value), "a value is in {place}");
        }
    }
    let (_, log) = &places[0];
    assert!(log.contains("called the backend"), "not at debug level");
}
