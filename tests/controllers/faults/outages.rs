//! A backend that is away, slow, broken, or asks for a pause.

use std::time::Duration;

use axum::http::Method;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{connected, instance_says, nobody, one_token, own_server, ready_though, touch};
use crate::backend::{is_gone, principal};
use crate::gate::{Gate, Passed, Verdict};
use crate::scene::{Scene, find};
use crate::world::World;

#[tokio::test]
async fn a_wrong_address() {
    let scene = Scene::inside(World::shared().await).await;
    let url = nobody();
    scene
        .connect(json!({"url": url, "guardrails": {"unrestricted": true}}))
        .await;
    scene.apply("ServiceAccount", "ci", one_token()).await;
    let said = instance_says(&scene, "BackendUnavailable").await;
    assert!(
        said.contains("cannot connect") && said.contains("check spec.url"),
        "{said}"
    );
    assert!(said.contains(&url), "{said}");
    let said = scene.complaint("ksa", "ci", "BackendUnavailable").await;
    assert!(said.contains(&scene.instance), "{said}");
    assert!(!said.contains(&url), "not for the instance's users: {said}");
    scene.patch_instance(json!({"url": scene.url})).await;
    scene.ready("ksa", "ci").await;
    assert!(scene.works(&scene.value("ci-default").await).await);
}

#[tokio::test]
async fn a_dead_backend_and_its_return() {
    let mut server = own_server(&[]).await;
    let scene = Scene::at(
        &server,
        json!({"resync": {"objects": "1s", "tokens": "1h"}}),
    )
    .await;
    scene.apply("ServiceAccount", "ci", one_token()).await;
    let id = scene.id("ksa", "ci").await;
    let value = scene.value("ci-default").await;
    server.process().kill().await.unwrap();
    instance_says(&scene, "BackendUnavailable").await;
    let before = scene.get("ksa", "ci").await.unwrap();
    assert_eq!(
        find(&before, "Synced")["status"],
        "True",
        "one condition, on the instance"
    );
    let description = json!({"spec": {"description": "changed meanwhile"}});
    scene.patch("ksa", "ci", description).await;
    // Another spec is not what was ready.
    scene.complaint("ksa", "ci", "BackendUnavailable").await;
    scene.apply("ServiceAccount", "new", json!({})).await;
    scene.complaint("ksa", "new", "BackendUnavailable").await;
    server.restart().await.unwrap();
    assert_eq!(scene.id("ksa", "ci").await, id);
    scene.ready("ksa", "new").await;
    assert!(scene.works(&value).await);
    let account = scene.backend.account(&id.as_str().into()).await.unwrap();
    assert!(
        account
            .description
            .unwrap()
            .starts_with("changed meanwhile [")
    );
}

#[tokio::test]
async fn an_object_stays_ready_while_its_token_works() {
    let (scene, gate) = Scene::behind_gate(json!({
        "guardrails": {"unrestricted": true}, "resync": {"objects": "1s", "tokens": "1h"},
    }))
    .await;
    scene.apply("ServiceAccount", "ci", one_token()).await;
    scene.ready("ksa", "ci").await;
    gate.rule(|_, _| Verdict::Answer(503));
    instance_says(&scene, "BackendUnavailable").await;
    touch(&scene, "ksa", "ci").await;
    ready_though(&scene, "ksa", "ci", "BackendUnavailable").await;
    gate.open();
    scene.condition("ksa", "ci", "Synced", "True", "").await;
}

#[tokio::test]
async fn a_silent_backend_does_not_hold_up_another() {
    let (silent, gate) = Scene::behind_gate(json!({
        "guardrails": {"unrestricted": true}, "timeouts": {"connect": "1s", "request": "3s"},
    }))
    .await;
    connected(&silent).await;
    let well = Scene::new().await;
    connected(&well).await;
    gate.rule(|_, _| Verdict::Silence);
    // More than there are places for.
    let names: Vec<String> = (0..40).map(|number| format!("ci-{number}")).collect();
    let objects = names
        .iter()
        .map(|name| silent.object("ServiceAccount", name, json!({})));
    let list = json!({"apiVersion": "v1", "kind": "List", "items": objects.collect::<Vec<_>>()});
    silent.world.apply(&list).await;
    well.apply("ServiceAccount", "ci", one_token()).await;
    well.ready("ksa", "ci").await;
    let said = instance_says(&silent, "BackendUnavailable").await;
    assert!(said.contains("no complete answer in time"), "{said}");
    gate.open();
    for name in &names {
        silent.ready("ksa", name).await;
    }
}

#[tokio::test]
async fn one_outage_is_one_condition() {
    let (scene, gate) = Scene::behind_gate(json!({"guardrails": {"unrestricted": true}})).await;
    let names: Vec<String> = (0..10).map(|number| format!("ci-{number}")).collect();
    for name in &names {
        scene.apply("ServiceAccount", name, json!({})).await;
    }
    for name in &names {
        scene.ready("ksa", name).await;
    }
    // Whoever was woken by a look at the instance has had its pass.
    scene
        .patch_instance(json!({"lastUsedGranularity": "3s"}))
        .await;
    connected(&scene).await;
    for name in &names {
        let change = json!({"spec": {"description": "a word"}});
        scene.patch("ksa", name, change).await;
    }
    for name in &names {
        scene.ready("ksa", name).await;
    }
    let versions = async || {
        let mut versions = Vec::new();
        for name in &names {
            let object = scene.get("ksa", name).await.unwrap();
            versions.push(object["metadata"]["resourceVersion"].clone());
        }
        versions
    };
    let before = versions().await;
    gate.rule(|_, _| Verdict::Answer(500));
    // The instance is looked at because it changed; the outage is noticed there.
    scene
        .patch_instance(json!({"lastUsedGranularity": "2s"}))
        .await;
    instance_says(&scene, "BackendUnavailable").await;
    let mark = gate.passed().len();
    scene
        .wait("two more looks", async || {
            (gate.passed().len() >= mark + 2).then_some(())
        })
        .await;
    let configs = |passed: &Passed| passed.path == "/api/v1/configs";
    assert!(
        gate.passed()[mark..].iter().all(configs),
        "nobody but the probe asks"
    );
    assert_eq!(
        versions().await,
        before,
        "nothing is written to objects that need nothing"
    );
    gate.open();
    connected(&scene).await;
    assert_eq!(versions().await, before);
}

#[tokio::test]
async fn a_failure_of_one_route_is_no_outage() {
    let (scene, gate) = Scene::behind_gate(json!({"guardrails": {"unrestricted": true}})).await;
    gate.rule(|method, path| {
        Verdict::when(
            path.ends_with("/groups") && *method == Method::POST,
            Verdict::Answer(500),
        )
    });
    scene
        .apply("Group", "bots", json!({"groupName": scene.unique("g")}))
        .await;
    let said = scene.complaint("kgrp", "bots", "BackendUnavailable").await;
    assert!(said.contains("POST") && said.contains("500"), "{said}");
    let start = Instant::now();
    let tries = |passed: &Passed| passed.is_write() && passed.path.ends_with("/groups");
    scene
        .wait("three tries", async || {
            (gate.count(tries) >= 3).then_some(())
        })
        .await;
    assert!(
        start.elapsed() > Duration::from_secs(2),
        "each later than the one before"
    );
    scene.apply("ServiceAccount", "ci", one_token()).await;
    scene.ready("ksa", "ci").await;
    gate.open();
    scene.ready("kgrp", "bots").await;
}

#[tokio::test]
async fn a_backend_that_asks_for_a_pause_gets_it() {
    let (scene, gate) = Scene::behind_gate(json!({"guardrails": {"unrestricted": true}})).await;
    connected(&scene).await;
    gate.rule(|method, _| Verdict::when(*method == Method::POST, Verdict::Throttle(5)));
    scene.apply("ServiceAccount", "ci", json!({})).await;
    let said = scene.complaint("ksa", "ci", "BackendThrottled").await;
    assert!(said.contains("told to slow down"), "{said}");
    let (mark, start) = (gate.passed().len(), Instant::now());
    gate.open();
    scene.apply("ServiceAccount", "other", json!({})).await;
    scene
        .wait("the next request", async || {
            (gate.passed().len() > mark).then_some(())
        })
        .await;
    // The condition was written a moment after the answer.
    assert!(
        start.elapsed() > Duration::from_secs(3),
        "{:?}",
        start.elapsed()
    );
    scene.ready("ksa", "ci").await;
    scene.ready("ksa", "other").await;
}

#[tokio::test]
async fn the_probe_of_an_instance_gives_the_pause_that_is_asked_for() {
    let (scene, gate) = Scene::behind_gate(json!({"guardrails": {"unrestricted": true}})).await;
    connected(&scene).await;
    gate.rule(|_, _| Verdict::Throttle(8));
    scene
        .patch_instance(json!({"lastUsedGranularity": "2s"}))
        .await;
    instance_says(&scene, "BackendThrottled").await;
    let (mark, start) = (gate.passed().len(), Instant::now());
    gate.open();
    connected(&scene).await;
    // Its own first pause is four seconds at most; the condition was written a moment after the answer.
    assert!(
        start.elapsed() > Duration::from_secs(6),
        "{:?}",
        start.elapsed()
    );
    assert!(gate.passed().len() > mark);
}

#[tokio::test]
async fn a_lost_answer_makes_no_second_account() {
    let (scene, gate) = Scene::behind_gate(json!({"guardrails": {"unrestricted": true}})).await;
    gate.rule(|method, path| {
        let made = path.ends_with("/service-accounts") || path.ends_with("/groups");
        Verdict::when(made && *method == Method::POST, Verdict::Lose)
    });
    let viewer = json!([{"kind": "External", "name": "Viewer"}]);
    scene
        .apply(
            "Group",
            "bots",
            json!({"groupName": scene.unique("g"), "roles": viewer}),
        )
        .await;
    scene.complaint("kgrp", "bots", "BackendUnavailable").await;
    let spec = json!({"roles": viewer});
    scene.apply("ServiceAccount", "ci", spec).await;
    scene.complaint("ksa", "ci", "BackendUnavailable").await;
    let made = scene
        .backend
        .find_account(&scene.unique("ci"))
        .await
        .unwrap()
        .unwrap();
    let bots = scene
        .backend
        .find_group(&scene.unique("g"))
        .await
        .unwrap()
        .unwrap();
    gate.open();
    assert_eq!(scene.id("ksa", "ci").await, made.id.0, "found by its mark");
    assert_eq!(scene.id("kgrp", "bots").await, bots.id.0);
    scene
        .has_bindings(&principal(made.id.as_str()), &["Viewer@*"])
        .await;
    scene
        .patch("ksa", "ci", json!({"spec": {"roles": null}}))
        .await;
    scene.has_bindings(&principal(made.id.as_str()), &[]).await;
}

#[tokio::test]
async fn a_deletion_waits_for_the_backend() {
    let (scene, gate) = Scene::behind_gate(json!({
        "guardrails": {"unrestricted": true}, "resync": {"objects": "1s", "tokens": "1h"},
    }))
    .await;
    scene.apply("ServiceAccount", "ci", one_token()).await;
    let id = scene.id("ksa", "ci").await;
    gate.rule(|_, _| Verdict::Answer(502));
    instance_says(&scene, "BackendUnavailable").await;
    scene.begin_delete("ksa", "ci").await;
    let told = |object: &Value| {
        let message = find(object, "Synced")["message"].clone();
        message
            .as_str()
            .is_some_and(|said| said.contains("deletionPolicy: Orphan"))
    };
    scene.until("ksa", "ci", "what it waits for", told).await;
    gate.open();
    scene.gone("ksa", "ci").await;
    assert!(is_gone(&scene.backend.account(&id.as_str().into()).await));
}

#[tokio::test]
async fn an_object_is_not_ready_once_its_token_has_run_out() {
    let (_turn, scene) = Scene::private().await;
    let gate = Gate::to(&scene.url).await;
    scene.patch_instance(json!({"url": gate.url()})).await;
    connected(&scene).await;
    scene.apply("ServiceAccount", "ci", one_token()).await;
    scene.ready("ksa", "ci").await;
    let old = scene.value("ci-default").await;
    gate.rule(|_, _| Verdict::Answer(503));
    scene.world.clock.advance(Duration::from_mins(50)).unwrap();
    ready_though(&scene, "ksa", "ci", "BackendUnavailable").await;
    scene.world.clock.advance(Duration::from_mins(20)).unwrap();
    scene.complaint("ksa", "ci", "BackendUnavailable").await;
    gate.open();
    scene.ready("ksa", "ci").await;
    let new = scene.other_value("ci-default", &old).await;
    assert!(scene.works(&new).await);
}

#[tokio::test]
async fn a_missing_reference_lets_no_token_die() {
    let (_turn, scene) = Scene::private().await;
    scene
        .apply("Group", "bots", json!({"groupName": scene.unique("g")}))
        .await;
    let mut spec = one_token();
    spec["groups"] = json!([{"kind": "Group", "name": "bots"}]);
    scene.apply("ServiceAccount", "ci", spec).await;
    scene.ready("ksa", "ci").await;
    let old = scene.value("ci-default").await;
    scene.delete("kgrp", "bots").await;
    scene.complaint("ksa", "ci", "ReferenceNotFound").await;
    scene.world.clock.advance(Duration::from_mins(50)).unwrap();
    let new = scene.other_value("ci-default", &old).await;
    assert!(scene.works(&new).await);
}
