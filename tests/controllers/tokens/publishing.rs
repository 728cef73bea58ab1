//! The way of a token from its issue into the Secret, and what may come in between.

use std::time::Duration;

use axum::http::Method;
use serde_json::{Value, json};

use super::{brisk, encoded, entry_of, patient, same};
use crate::crashes::behind_gate;
use crate::gate::{Gate, Verdict};
use crate::scene::{Scene, find};

/// This becomes of the answers to issues of tokens.
fn issues(gate: &Gate, verdict: Verdict) {
    gate.rule(move |method, path| {
        let is_issue = *method == Method::POST && path.ends_with("/api-tokens");
        Verdict::when(is_issue, verdict.clone())
    });
}

/// Waits until an answer to the operator waits.
async fn one_waits(scene: &Scene, gate: &Gate) {
    let look = async || (gate.waiting() == 1).then_some(());
    scene.wait("an answer that waits", look).await;
}

/// Has a token replaced whose answer waits until the gate is opened; the account's id.
async fn under_way(scene: &Scene, gate: &Gate) -> String {
    let id = scene.account("ci", json!([patient("default")])).await;
    issues(gate, Verdict::Wait);
    scene.order("ksa", "ci", "rotate-requested-at", "1").await;
    one_waits(scene, gate).await;
    assert_eq!(scene.tokens(&id).await.len(), 2);
    id
}

async fn open_scene() -> (Scene, Gate) {
    Scene::behind_gate(json!({"guardrails": {"unrestricted": true}})).await
}

#[tokio::test]
async fn issued_then_tried_then_published_then_the_old_one_revoked() {
    let (_turn, scene) = Scene::private().await;
    let gate = behind_gate(&scene).await;
    let id = scene.account("ci", json!([patient("default")])).await;
    let (old, version) = (
        scene.value("ci-default").await,
        scene.version("ci-default").await,
    );
    gate.rule(|_, path| Verdict::when(path == "/api/v1/me", Verdict::Wait));
    scene.order("ksa", "ci", "rotate-requested-at", "1").await;
    scene.has_tokens(&id, 2).await;
    one_waits(&scene, &gate).await;
    assert_eq!(scene.version("ci-default").await, version, "not tried yet");
    gate.open();
    let new = scene.other_value("ci-default", &old).await;
    let retired = |entry: &Value| entry["retired"].is_array();
    scene
        .entry("ci", "default", "has retired one", retired)
        .await;
    assert!(scene.works(&old).await && scene.works(&new).await);
    let is_revocation = |write: &&String| write.starts_with("DELETE");
    assert_eq!(gate.writes().iter().filter(is_revocation).count(), 0);
    let mark = scene.world.plane.audit().mark().unwrap();
    gate.rule(|method, _| Verdict::when(*method == Method::DELETE, Verdict::Wait));
    scene.advance(Duration::from_mins(20));
    one_waits(&scene, &gate).await;
    let requests = scene.world.plane.audit().since(mark).unwrap();
    let looked = requests.iter().any(|request| {
        request.verb == "get" && request.resource == "secrets" && request.name == "ci-default"
    });
    assert!(looked, "one more look before the revocation");
    gate.open();
    scene.at_rest("ci", "default", 2).await;
    assert!(!scene.works(&old).await && scene.works(&new).await);
}

#[tokio::test]
async fn a_value_that_no_header_can_hold_is_never_published() {
    let (scene, gate) = open_scene().await;
    issues(&gate, Verdict::Change("fullToken", json!("two\nlines")));
    let spec = json!({"tokens": [patient("default")]});
    scene.apply("ServiceAccount", "ci", spec).await;
    let object = scene
        .condition("ksa", "ci", "TokenIssued", "False", "BackendProtocol")
        .await;
    let message = find(&object, "TokenIssued")["message"].to_string();
    assert!(message.contains("never published"), "{message}");
    assert!(!message.contains("two"), "{message}");
    let id = object["status"]["id"].as_str().unwrap();
    assert!(scene.get("secret", "ci-default").await.is_none());
    gate.open();
    scene.order("ksa", "ci", "rotate-requested-at", "1").await;
    scene.ready("ksa", "ci").await;
    assert!(scene.works(&scene.value("ci-default").await).await);
    assert_eq!(scene.tokens(id).await.len(), 1, "the others were revoked");
}

#[tokio::test]
async fn a_shorter_life_than_asked_for_is_told_and_lived_by() {
    let (scene, gate) = open_scene().await;
    issues(&gate, Verdict::Ask("maxAge", json!("PT10H")));
    let id = scene
        .account("ci", json!([{"name": "default", "lifetime": "1000h"}]))
        .await;
    let object = scene
        .condition("ksa", "ci", "TokenIssued", "True", "LifetimeCapped")
        .await;
    assert_eq!(find(&object, "Ready")["status"], "True");
    let entry = entry_of(&object, "default");
    let instant =
        |name: &str| -> jiff::Timestamp { entry[name].as_str().unwrap().parse().unwrap() };
    let issued = instant("issuedTime");
    assert_eq!(
        instant("expirationTime").duration_since(issued).as_hours(),
        10
    );
    let next = instant("nextRotationTime").duration_since(issued).as_mins();
    assert!((300..=400).contains(&next), "after {next} minutes");
    assert_eq!(scene.tokens(&id).await.len(), 1, "it is not issued anew");
}

#[tokio::test]
async fn a_name_that_somebody_takes_meanwhile_is_theirs() {
    let (scene, gate) = open_scene().await;
    issues(&gate, Verdict::Wait);
    let spec = json!({"tokens": [patient("default")]});
    scene.apply("ServiceAccount", "ci", spec).await;
    one_waits(&scene, &gate).await;
    let theirs = json!({
        "apiVersion": "v1", "kind": "Secret", "stringData": {"token": "theirs"},
        "metadata": {"name": "ci-default", "namespace": scene.namespace},
    });
    scene.world.apply(&theirs).await;
    gate.open();
    scene.complaint("ksa", "ci", "SecretConflict").await;
    let secret = scene.get("secret", "ci-default").await.unwrap();
    assert_eq!(secret["data"]["token"], encoded("theirs"));
    let object = scene.get("ksa", "ci").await.unwrap();
    let id = object["status"]["id"].as_str().unwrap();
    assert!(scene.tokens(id).await.is_empty(), "nobody holds ours");
}

#[tokio::test]
async fn a_secret_that_somebody_writes_meanwhile_keeps_what_they_wrote() {
    let (scene, gate) = open_scene().await;
    let id = under_way(&scene, &gate).await;
    let old = scene.value("ci-default").await;
    let theirs = json!({"metadata": {"annotations": {"theirs": "stays"}}});
    scene.patch("secret", "ci-default", theirs).await;
    gate.open();
    let new = scene.other_value("ci-default", &old).await;
    assert!(scene.works(&new).await && scene.works(&old).await);
    let secret = scene.get("secret", "ci-default").await.unwrap();
    assert_eq!(secret["metadata"]["annotations"]["theirs"], "stays");
    scene
        .entry("ci", "default", "has handled the request", |entry| {
            entry["handledRotateRequest"] == "1"
        })
        .await;
    scene.has_tokens(&id, 2).await;
}

#[tokio::test]
async fn a_secret_that_goes_meanwhile_comes_back() {
    let (scene, gate) = open_scene().await;
    let id = under_way(&scene, &gate).await;
    let old = scene.value("ci-default").await;
    scene.delete("secret", "ci-default").await;
    gate.open();
    let new = scene.other_value("ci-default", &old).await;
    assert!(!same(&new, &old) && scene.works(&new).await);
    assert!(scene.works(&old).await, "pods may hold it");
    scene.ready("ksa", "ci").await;
    let entry = scene
        .entry("ci", "default", "knows what it replaced", |entry| {
            entry["retired"].is_array()
        })
        .await;
    let pending = entry["retired"].as_array().unwrap().len();
    scene.has_tokens(&id, 1 + pending).await;
}

#[tokio::test]
async fn a_lost_answer_leaves_one_token() {
    let (_turn, scene) = Scene::private().await;
    let gate = behind_gate(&scene).await;
    let id = scene.account("ci", json!([brisk("default")])).await;
    let old = scene.value("ci-default").await;
    scene.advance(Duration::from_secs(2));
    issues(&gate, Verdict::Lose);
    scene.order("ksa", "ci", "rotate-requested-at", "1").await;
    scene
        .condition("ksa", "ci", "TokenIssued", "False", "BackendUnavailable")
        .await;
    assert!(scene.works(&old).await);
    gate.open();
    scene.other_value("ci-default", &old).await;
    scene.published().await;
    scene.advance(Duration::from_mins(40));
    let rests = |entry: &Value| entry["retired"].is_null();
    scene
        .entry("ci", "default", "has nothing retired", rests)
        .await;
    scene.has_tokens(&id, 1).await;
    assert!(scene.works(&scene.value("ci-default").await).await);
}
