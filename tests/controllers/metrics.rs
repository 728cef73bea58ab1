//! What `/metrics` counts of real work.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use testbed::{IamServer, Process};

use crate::scene::{Scene, find};
use crate::world::{World, binary};

/// What an operator tells of itself right now.
pub async fn scrape(operator: &Process) -> Option<String> {
    let address = operator.url().await.unwrap();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let answer = client.get(format!("{address}/metrics")).send().await.ok()?;
    answer.text().await.ok()
}

/// The value of a series; 0 if nothing ever moved it.
async fn value(scene: &Scene, series: &str) -> u64 {
    let text = scrape(&scene.world.operator).await.unwrap();
    let mut lines = text.lines();
    let line = lines.find_map(|line| line.strip_prefix(series));
    line.map_or(0, |value| value.trim().parse().unwrap())
}

async fn counted(scene: &Scene, series: &str) {
    scene
        .wait(series, async || {
            (value(scene, series).await > 0).then_some(())
        })
        .await;
}

fn requests(instance: &str, answer: &str) -> String {
    format!("kestra_iam_backend_requests_total{{instance=\"{instance}\",answer=\"{answer}\"}}")
}

fn tokens(what: &str, instance: &str, reason: &str) -> String {
    format!("kestra_iam_tokens_{what}_total{{instance=\"{instance}\",reason=\"{reason}\"}}")
}

#[tokio::test]
async fn the_life_of_a_token_moves_what_is_counted_of_it() {
    let scene = Scene::new().await;
    let entry = json!({"tokens": [{"name": "default", "lifetime": "1h"}]});
    scene.apply("ServiceAccount", "ci", entry).await;
    scene.ready("ksa", "ci").await;
    let instance = scene.instance.as_str();
    assert!(value(&scene, &requests(instance, "success")).await >= 8);
    let issued = |reason| tokens("issued", instance, reason);
    assert_eq!(value(&scene, &issued("Issued")).await, 1);
    let gauge = "kestra_iam_token_soonest_expiry_timestamp_seconds";
    assert!(value(&scene, gauge).await > 0);

    let leaked = json!({"metadata": {"annotations": {"kestra-iam.dev/compromised": "1"}}});
    scene.patch("ksa", "ci", leaked).await;
    counted(&scene, &tokens("revoked", instance, "Revoked")).await;
    assert_eq!(value(&scene, &issued("Compromised")).await, 1);
    let rotated = tokens("rotated", instance, "Compromised");
    assert_eq!(value(&scene, &rotated).await, 1);
    let before = value(&scene, &tokens("revoked", instance, "Revoked")).await;
    scene.delete("ksa", "ci").await;
    let after = value(&scene, &tokens("revoked", instance, "Revoked")).await;
    assert_eq!(after, before + 1);
    for outcome in ["done", "deferred"] {
        let passes =
            format!("kestra_iam_reconciles_total{{kind=\"ServiceAccount\",outcome=\"{outcome}\"}}");
        counted(&scene, &passes).await;
    }
}

#[tokio::test]
async fn a_backend_that_nobody_reached_yet_is_counted_too() {
    let scene = Scene::inside(World::shared().await).await;
    scene.connect(json!({"url": crate::faults::nobody()})).await;
    counted(&scene, &requests(&scene.instance, "unavailable")).await;
    let errors =
        |reason| format!("kestra_iam_errors_total{{kind=\"ClusterInstance\",reason=\"{reason}\"}}");
    counted(&scene, &errors("BackendUnavailable")).await;
    assert_eq!(
        value(&scene, &requests(&scene.instance, "success")).await,
        0
    );

    scene.put_credential("not-a-token").await;
    scene.patch_instance(json!({"url": scene.url})).await;
    counted(&scene, &requests(&scene.instance, "unauthorized")).await;
    counted(&scene, &errors("Unauthorized")).await;
    let object = scene.get("kci", &scene.instance).await.unwrap();
    assert_eq!(find(&object, "Ready")["status"], "False");
}

#[tokio::test]
async fn a_backend_whose_clock_is_behind_is_no_reason_to_look_again_and_again() {
    let world = Arc::new(World::start(&[], &[]).await);
    world.clock.advance(Duration::from_hours(2)).unwrap();
    let behind = IamServer::start(binary(), &[""; 0]).await.unwrap();
    let (url, admin) = (behind.url(), behind.admin_token());
    let scene = Scene::of(Arc::clone(&world), url, admin, None).await;
    scene
        .connect(json!({"guardrails": {"unrestricted": true}}))
        .await;
    let passes = "kestra_iam_reconciles_total{kind=\"ServiceAccount\",outcome=\"done\"}";
    scene.apply("ServiceAccount", "ci", json!({})).await;
    counted(&scene, passes).await;
    let before = value(&scene, passes).await;
    for name in ["a", "b", "c", "d"] {
        let spec = json!({"groupName": scene.unique(name)});
        scene.apply("Group", name, spec).await;
        scene.ready("kgrp", name).await;
    }
    assert_eq!(value(&scene, passes).await, before);
}
