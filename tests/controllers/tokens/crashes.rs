//! An operator that is killed between any two requests loses nothing and doubles nothing.

use std::time::Duration;

use axum::http::Method;
use serde_json::{Value, json};

use super::{entry_of, same};
use crate::crashes::{behind_gate, hold, hold_second_token};
use crate::scene::Scene;

async fn kill(scene: &Scene) {
    scene.world.operator.kill().await.unwrap();
}

/// Longer than anything may be under way, and than any overlap.
fn settle(scene: &Scene) {
    scene.advance(Duration::from_mins(40));
}

/// A token whose predecessors work for half an hour, about to be rotated; its account's id.
async fn about_to_rotate(scene: &Scene) -> String {
    let id = scene
        .account("ci", json!([{"name": "default", "lifetime": "10h"}]))
        .await;
    scene.order("ksa", "ci", "rotate-requested-at", "1").await;
    id
}

async fn entry(scene: &Scene) -> Value {
    entry_of(&scene.ready("ksa", "ci").await, "default")
}

/// After a restart: one token, in the Secret, working.
async fn comes_to_rest(scene: &Scene, id: &str) {
    let operator = &scene.world.operator;
    operator.restart().await.unwrap();
    let handled = |entry: &Value| entry["handledRotateRequest"] == "1";
    scene
        .entry("ci", "default", "answers the request", handled)
        .await;
    let value = scene.value("ci-default").await;
    assert!(scene.works(&value).await);
    // Twice: what nobody held ends once it is settled, what was replaced after its overlap.
    settle(scene);
    let rests = |entry: &Value| entry["retired"].is_null();
    scene
        .entry("ci", "default", "has nothing retired", rests)
        .await;
    scene.has_tokens(id, 1).await;
    let after = scene.value("ci-default").await;
    assert!(same(&value, &after) && scene.works(&after).await);
    let object = scene.ready("ksa", "ci").await;
    let entry = entry_of(&object, "default");
    let listed = scene.tokens(id).await.remove(0);
    assert_eq!(entry["id"], listed.id.as_str());
}

#[tokio::test]
async fn killed_before_it_knew_of_the_token_that_it_issued() {
    let (_turn, scene) = Scene::private().await;
    let gate = behind_gate(&scene).await;
    let id = scene
        .account("ci", json!([{"name": "default", "lifetime": "10h"}]))
        .await;
    let old = scene.value("ci-default").await;
    // The history is known since a whole second.
    scene.advance(Duration::from_secs(2));
    hold(&gate, Method::POST, "/api-tokens");
    scene.order("ksa", "ci", "rotate-requested-at", "1").await;
    scene.has_tokens(&id, 2).await;
    assert!(same(&scene.value("ci-default").await, &old));
    kill(&scene).await;
    gate.open();
    comes_to_rest(&scene, &id).await;
    assert_eq!(
        entry(&scene).await["generation"],
        3,
        "the second was nobody's"
    );
}

#[tokio::test]
async fn killed_before_it_knew_of_a_revocation() {
    let (_turn, scene) = Scene::private().await;
    let id = about_to_rotate(&scene).await;
    let retired = |entry: &Value| entry["retired"].is_array();
    scene
        .entry("ci", "default", "has retired one", retired)
        .await;
    let gate = behind_gate(&scene).await;
    hold(&gate, Method::DELETE, "/api-tokens");
    settle(&scene);
    scene.has_tokens(&id, 1).await;
    kill(&scene).await;
    gate.open();
    comes_to_rest(&scene, &id).await;
    assert_eq!(entry(&scene).await["generation"], 2);
}

#[tokio::test]
async fn killed_before_it_knew_of_its_first_token_and_the_entry_removed() {
    let (_turn, scene) = Scene::private().await;
    let gate = behind_gate(&scene).await;
    hold(&gate, Method::POST, "/api-tokens");
    let spec = json!({"tokens": [{"name": "default", "lifetime": "10h"}]});
    scene.apply("ServiceAccount", "ci", spec).await;
    let name = format!("{}-ci", scene.namespace);
    let id = scene
        .wait("the account's token", async || {
            let account = scene.backend.find_account(&name).await.unwrap()?;
            let tokens = scene.tokens(account.id.as_str()).await;
            (tokens.len() == 1).then_some(account.id.0)
        })
        .await;
    kill(&scene).await;
    gate.open();
    scene
        .apply("ServiceAccount", "ci", json!({"tokens": []}))
        .await;
    scene.world.operator.restart().await.unwrap();
    let leaving = |entry: &Value| entry["retired"].is_array();
    scene.entry("ci", "default", "is leaving", leaving).await;
    scene.advance(Duration::from_mins(61));
    scene.has_tokens(&id, 0).await;
}

#[tokio::test]
async fn killed_before_it_wrote_down_what_it_published() {
    let (_turn, scene) = Scene::private().await;
    let gate = behind_gate(&scene).await;
    let entries = json!([
        {"name": "default", "lifetime": "10h"}, {"name": "next", "lifetime": "10h"},
    ]);
    let id = scene.account("ci", entries).await;
    let old = scene.value("ci-default").await;
    // The history is known since a whole second.
    scene.advance(Duration::from_secs(2));
    // The status of both is written once the second has its answer.
    hold_second_token(&gate);
    scene.order("ksa", "ci", "rotate-requested-at", "1").await;
    let new = scene.other_value("ci-default", &old).await;
    scene.has_tokens(&id, 4).await;
    let told = scene.get("ksa", "ci").await.unwrap();
    assert_eq!(entry_of(&told, "default")["generation"], 1);
    kill(&scene).await;
    gate.open();
    scene.world.operator.restart().await.unwrap();
    let handled = |entry: &Value| entry["handledRotateRequest"] == "1";
    for name in ["default", "next"] {
        scene
            .entry("ci", name, "answers the request", handled)
            .await;
    }
    assert!(scene.works(&old).await, "somebody may hold it");
    settle(&scene);
    scene.at_rest("ci", "default", 2).await;
    let after = scene.value("ci-default").await;
    assert!(same(&new, &after) && scene.works(&after).await);
    assert!(scene.works(&scene.value("ci-next").await).await);
    scene.has_tokens(&id, 2).await;
}

#[tokio::test]
async fn the_secret_deleted_while_nobody_looked() {
    let (_turn, scene) = Scene::private().await;
    let id = about_to_rotate(&scene).await;
    let handled = |entry: &Value| entry["handledRotateRequest"] == "1";
    scene
        .entry("ci", "default", "answers the request", handled)
        .await;
    kill(&scene).await;
    scene.delete("secret", "ci-default").await;
    comes_to_rest(&scene, &id).await;
}

#[tokio::test]
async fn the_entry_removed_while_nobody_looked() {
    let (_turn, scene) = Scene::private().await;
    let id = about_to_rotate(&scene).await;
    scene.has_tokens(&id, 2).await;
    kill(&scene).await;
    scene
        .apply("ServiceAccount", "ci", json!({"tokens": []}))
        .await;
    scene.world.operator.restart().await.unwrap();
    scene.ready("ksa", "ci").await;
    let leaving = |entry: &Value| entry["id"].is_null();
    scene.entry("ci", "default", "is leaving", leaving).await;
    scene.advance(Duration::from_mins(61));
    scene.has_tokens(&id, 0).await;
    scene.gone("secret", "ci-default").await;
}
