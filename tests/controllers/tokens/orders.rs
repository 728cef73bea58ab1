//! Orders in annotations, and suspension.

use std::time::Duration;

use axum::http::Method;
use serde_json::{Value, json};

use super::{brisk, patient, same};
use crate::events::times;
use crate::gate::Verdict;
use crate::scene::{Scene, find};

#[tokio::test]
async fn a_rotation_of_one_entry_leaves_the_others_alone() {
    let scene = Scene::new().await;
    scene
        .account("ci", json!([brisk("one"), brisk("two")]))
        .await;
    let (one, two) = (scene.value("ci-one").await, scene.value("ci-two").await);
    scene
        .order("ksa", "ci", "rotate-requested-at", "two=now")
        .await;
    scene.other_value("ci-two", &two).await;
    scene.at_rest("ci", "two", 2).await;
    scene
        .order("ksa", "ci", "rotate-requested-at", "later")
        .await;
    scene.other_value("ci-one", &one).await;
    let entry = scene.at_rest("ci", "one", 2).await;
    assert_eq!(entry["handledRotateRequest"], "later");
    scene.at_rest("ci", "two", 3).await;
}

#[tokio::test]
async fn a_second_rotation_waits_for_the_overlap_of_the_first_and_says_so() {
    let scene = Scene::new().await;
    let id = scene.account("ci", json!([patient("default")])).await;
    let first = scene.value("ci-default").await;
    scene.order("ksa", "ci", "rotate-requested-at", "1").await;
    let second = scene.other_value("ci-default", &first).await;
    scene.order("ksa", "ci", "rotate-requested-at", "2").await;
    let object = scene
        .condition("ksa", "ci", "TokenIssued", "True", "OverlapInProgress")
        .await;
    let message = find(&object, "TokenIssued")["message"].clone();
    let message = message.as_str().unwrap();
    assert!(message.contains("RotateRequested"), "{message}");
    assert_eq!(find(&object, "Ready")["status"], "True");
    assert_eq!(find(&object, "Reconciling"), Value::Null, "not for hours");
    assert!(same(&scene.value("ci-default").await, &second));
    assert_eq!(scene.tokens(&id).await.len(), 2, "two are the most");
    // What waits for something else now is not said to wait for the overlap.
    scene.suspend("ksa", "ci").await;
    scene
        .condition("ksa", "ci", "TokenIssued", "True", "Issued")
        .await;
}

#[tokio::test]
async fn a_rotation_that_waits_does_not_hide_another_that_failed() {
    let unrestricted = json!({"guardrails": {"unrestricted": true}});
    let (scene, gate) = Scene::behind_gate(unrestricted).await;
    scene
        .account("ci", json!([patient("fails"), patient("waits")]))
        .await;
    let old = scene.value("ci-waits").await;
    scene
        .order("ksa", "ci", "rotate-requested-at", "waits=1")
        .await;
    scene.other_value("ci-waits", &old).await;
    gate.rule(|method, path| {
        let is_issue = *method == Method::POST && path.ends_with("/api-tokens");
        Verdict::when(is_issue, Verdict::Answer(400))
    });
    scene.order("ksa", "ci", "rotate-requested-at", "2").await;
    let object = scene
        .condition("ksa", "ci", "TokenIssued", "False", "Invalid")
        .await;
    let message = find(&object, "TokenIssued")["message"].to_string();
    assert!(message.contains("token fails"), "{message}");
}

#[tokio::test]
async fn compromised_tokens_end_at_once_also_under_suspension() {
    let scene = Scene::new().await;
    let id = scene.account("ci", json!([patient("default")])).await;
    let first = scene.value("ci-default").await;
    scene.order("ksa", "ci", "rotate-requested-at", "1").await;
    let second = scene.other_value("ci-default", &first).await;
    assert!(scene.works(&first).await, "in its overlap");
    scene.suspend("ksa", "ci").await;
    scene.order("ksa", "ci", "compromised", "leaked").await;
    let third = scene.other_value("ci-default", &second).await;
    scene.refused("the first token", &first).await;
    scene.refused("the second token", &second).await;
    assert!(scene.works(&third).await);
    let entry = scene.at_rest("ci", "default", 3).await;
    assert_eq!(entry["handledCompromised"], "leaked");
    assert_eq!(entry["compromisedGeneration"], 3);
    assert_eq!(scene.tokens(&id).await.len(), 1);
}

#[tokio::test]
async fn an_order_to_an_entry_that_is_not_there_is_told_of() {
    let scene = Scene::new().await;
    scene.account("ci", json!([brisk("default")])).await;
    let value = scene.value("ci-default").await;
    scene.order("ksa", "ci", "compromised", "leak=ci").await;
    let told = times(&scene, ("ServiceAccount", "ci"), "Invalid", 1).await;
    let said = "Warning x1 annotation kestra-iam.dev/compromised is for token leak, and no such token is there";
    assert!(told[0].starts_with(said), "{told:?}");
    scene
        .order("ksa", "ci", "rotate-requested-at", "default=1")
        .await;
    scene.other_value("ci-default", &value).await;
    times(&scene, ("ServiceAccount", "ci"), "Invalid", 1).await;
}

#[tokio::test]
async fn a_compromised_token_whose_next_name_is_taken_is_replaced_where_it_is() {
    let scene = Scene::new().await;
    let id = scene.account("ci", json!([patient("default")])).await;
    let value = scene.value("ci-default").await;
    let foreign = json!({
        "apiVersion": "v1", "kind": "Secret",
        "metadata": {"name": "taken", "namespace": scene.namespace}, "stringData": {"their": "own"},
    });
    scene.world.apply(&foreign).await;
    let mut moved = patient("default");
    moved["secret"] = json!({"name": "taken"});
    let spec = json!({"tokens": [moved]});
    scene.apply("ServiceAccount", "ci", spec).await;
    scene.complaint("ksa", "ci", "SecretConflict").await;
    assert!(scene.works(&value).await);
    scene.order("ksa", "ci", "compromised", "leaked").await;
    // It is replaced where it is: that Secret is ours.
    let next = scene.other_value("ci-default", &value).await;
    scene.refused("the compromised token", &value).await;
    assert!(scene.works(&next).await);
    scene.has_tokens(&id, 1).await;
    let taken = scene.get("secret", "taken").await.unwrap();
    assert!(taken["data"]["token"].is_null(), "theirs is untouched");
}

#[tokio::test]
async fn a_compromised_token_ends_also_where_its_secret_was_taken_away() {
    let scene = Scene::new().await;
    let id = scene.account("ci", json!([patient("default")])).await;
    let value = scene.value("ci-default").await;
    let theirs = json!({"metadata": {"labels": {"kestra-iam.dev/owner-name": "another"}}});
    scene.patch("secret", "ci-default", theirs).await;
    scene.complaint("ksa", "ci", "SecretConflict").await;
    assert!(scene.works(&value).await);
    scene.order("ksa", "ci", "compromised", "leaked").await;
    scene.has_tokens(&id, 0).await;
    assert!(!scene.works(&value).await);
    assert!(
        scene.get("secret", "ci-default").await.is_some(),
        "not ours"
    );
}

#[tokio::test]
async fn suspension_holds_rotations_and_repairs_back() {
    let scene = Scene::new().await;
    let id = scene.account("ci", json!([brisk("default")])).await;
    let first = scene.value("ci-default").await;
    scene.suspend("ksa", "ci").await;
    let version = scene.version("ci-default").await;
    scene.order("ksa", "ci", "rotate-requested-at", "1").await;
    scene.begin_delete("secret", "ci-default").await;
    let message = scene.complaint("ksa", "ci", "Suspended").await;
    assert!(message.contains("SecretMissing"), "{message}");
    assert_eq!(scene.tokens(&id).await.len(), 1);
    assert!(scene.get("secret", "ci-default").await.is_none());
    scene.resume("ksa", "ci").await;
    let second = scene.other_value("ci-default", &first).await;
    assert!(scene.works(&second).await);
    assert_ne!(scene.version("ci-default").await, version);
    let entry = scene.at_rest("ci", "default", 2).await;
    assert_eq!(entry["handledRotateRequest"], "1", "answered by the repair");
    let object = scene.ready("ksa", "ci").await;
    assert_eq!(find(&object, "Suspended"), Value::Null);
}

#[tokio::test]
async fn suspension_keeps_a_retired_token_beyond_its_overlap() {
    let (_turn, scene) = Scene::private().await;
    let id = scene.account("ci", json!([patient("default")])).await;
    let first = scene.value("ci-default").await;
    scene.order("ksa", "ci", "rotate-requested-at", "1").await;
    scene.other_value("ci-default", &first).await;
    scene.published().await;
    scene.suspend("ksa", "ci").await;
    // Past the overlap, and past the instant of the next rotation: that it is told of shows that it was looked at.
    scene.advance(Duration::from_mins(45));
    scene
        .condition("ksa", "ci", "Expiring", "True", "Suspended")
        .await;
    assert_eq!(scene.tokens(&id).await.len(), 2);
    assert!(scene.works(&first).await);
    scene.resume("ksa", "ci").await;
    scene.refused("the first token", &first).await;
}
