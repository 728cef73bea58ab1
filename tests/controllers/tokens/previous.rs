//! The replaced value beside the new one.

use kestra_iam_operator::iam::model::TokenValue;
use serde_json::{Value, json};

use super::{brisk, encoded, patient, same, text};
use crate::scene::Scene;

const KEY: &str = "token.previous";

fn keeping(mut entry: Value) -> Value {
    entry["secret"] = json!({"previousValuePolicy": "Keep"});
    entry
}

/// An account whose token was replaced; the replaced value and the new one.
async fn replaced(scene: &Scene, entry: Value) -> (TokenValue, TokenValue) {
    scene.account("ci", json!([keeping(entry)])).await;
    let first = scene.value("ci-default").await;
    scene.order("ksa", "ci", "rotate-requested-at", "1").await;
    (first.clone(), scene.other_value("ci-default", &first).await)
}

fn has(secret: &Value, value: &TokenValue) -> bool {
    secret["data"][KEY].is_string() && text(secret, KEY) == value.expose()
}

impl Scene {
    /// Waits until the Secret holds no replaced value.
    async fn forgets(&self) -> Value {
        let forgot = |secret: &Value| !secret.is_null() && secret["data"][KEY].is_null();
        self.until("secret", "ci-default", "forgets", forgot).await
    }
}

#[tokio::test]
async fn a_replaced_value_stays_beside_the_new_one_until_it_is_revoked() {
    let scene = Scene::new().await;
    let (first, second) = replaced(&scene, brisk("default")).await;
    let secret = scene.get("secret", "ci-default").await.unwrap();
    // Within seconds it goes again.
    assert!(has(&secret, &first) || secret["data"][KEY].is_null());
    scene.forgets().await;
    scene.refused("the replaced value", &first).await;
    scene.at_rest("ci", "default", 2).await;
    assert!(same(&scene.value("ci-default").await, &second));
    assert!(scene.works(&second).await);
    scene.ready("ksa", "ci").await;
}

#[tokio::test]
async fn a_replaced_value_that_somebody_edits_is_given_up_and_the_token_stays() {
    let scene = Scene::new().await;
    let (first, second) = replaced(&scene, patient("default")).await;
    let kept = |secret: &Value| has(secret, &first);
    scene.until("secret", "ci-default", "keeps it", kept).await;
    assert!(scene.works(&first).await && scene.works(&second).await);
    let label = json!({"metadata": {"labels": {"mine": "yes"}}});
    scene.patch("secret", "ci-default", label).await;
    scene.ready("ksa", "ci").await;
    scene.until("secret", "ci-default", "keeps it", kept).await;
    let edit = json!({"data": {KEY: encoded("not-a-token")}});
    scene.patch("secret", "ci-default", edit).await;
    scene.forgets().await;
    scene.ready("ksa", "ci").await;
    assert!(same(&scene.value("ci-default").await, &second));
    assert!(scene.works(&first).await, "pods may hold it");
}

#[tokio::test]
async fn no_compromised_value_is_kept_and_none_that_the_spec_does_not_want() {
    let scene = Scene::new().await;
    let (first, second) = replaced(&scene, patient("default")).await;
    let kept = |secret: &Value| has(secret, &first);
    scene.until("secret", "ci-default", "keeps it", kept).await;
    let omit = json!({"spec": {"tokens": [patient("default")]}});
    scene.patch("ksa", "ci", omit).await;
    scene.forgets().await;
    assert!(scene.works(&first).await, "its overlap goes on");
    let keep = json!({"spec": {"tokens": [keeping(patient("default"))]}});
    scene.patch("ksa", "ci", keep).await;
    scene.order("ksa", "ci", "compromised", "leak").await;
    let third = scene.other_value("ci-default", &second).await;
    let secret = scene.forgets().await;
    assert_eq!(text(&secret, "token"), third.expose());
    scene.refused("the compromised value", &second).await;
    scene.ready("ksa", "ci").await;
}
