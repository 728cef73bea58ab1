//! Secrets that somebody deletes, edits or takes away.

use std::sync::Arc;
use std::time::Duration;

use kestra_iam_operator::iam::client::{NewToken, Owner};
use kestra_iam_operator::iam::model::TokenValue;
use kestra_iam_operator::iam::wire::IssuedToken;
use serde_json::{Value, json};

use super::owners::by_hand;
use super::{brisk, encoded, patient, same};
use crate::scene::{Scene, find};
use crate::world::World;

/// An account with one token; its id, and the value.
async fn settled(scene: &Scene) -> (String, TokenValue) {
    let id = scene.account("ci", json!([patient("default")])).await;
    (id, scene.value("ci-default").await)
}

/// The token was replaced, the one before goes on working for its overlap, and ends then.
async fn replaced(scene: &Scene, id: &str, old: &TokenValue, reason: &str) {
    let new = scene.other_value("ci-default", old).await;
    assert!(scene.works(&new).await);
    assert!(scene.works(old).await, "pods may hold it");
    scene
        .condition("ksa", "ci", "TokenIssued", "True", reason)
        .await;
    scene.advance(Duration::from_mins(20));
    scene.refused("the old token", old).await;
    scene.at_rest("ci", "default", 2).await;
    scene.has_tokens(id, 1).await;
    scene.ready("ksa", "ci").await;
}

/// The Secret is as it was, and so is the token.
async fn mended(scene: &Scene, old: &TokenValue, fact: &str, holds: impl Fn(&Value) -> bool) {
    scene.until("secret", "ci-default", fact, holds).await;
    scene.at_rest("ci", "default", 1).await;
    scene.ready("ksa", "ci").await;
    assert!(same(&scene.value("ci-default").await, old));
    assert!(scene.works(old).await);
}

#[tokio::test]
async fn a_deleted_secret_comes_back_with_a_fresh_token() {
    let (_turn, scene) = Scene::private().await;
    let (id, old) = settled(&scene).await;
    scene.begin_delete("secret", "ci-default").await;
    replaced(&scene, &id, &old, "SecretMissing").await;
}

#[tokio::test]
async fn an_edited_value_is_replaced() {
    let (_turn, scene) = Scene::private().await;
    let (id, old) = settled(&scene).await;
    let edit = json!({"data": {"token": encoded("not-a-token")}});
    scene.patch("secret", "ci-default", edit).await;
    let is_edited = |secret: &Value| secret["data"]["token"] != encoded("not-a-token");
    scene
        .until("secret", "ci-default", "holds a token again", is_edited)
        .await;
    replaced(&scene, &id, &old, "SecretTampered").await;
}

#[tokio::test]
async fn a_removed_value_is_replaced() {
    let (_turn, scene) = Scene::private().await;
    let (id, old) = settled(&scene).await;
    let edit = json!({"data": {"token": null}});
    scene.patch("secret", "ci-default", edit).await;
    replaced(&scene, &id, &old, "SecretTampered").await;
}

#[tokio::test]
async fn a_broken_history_costs_a_token_and_nobody_the_old_one() {
    let (_turn, scene) = Scene::private().await;
    let (id, old) = settled(&scene).await;
    let broken = json!({"metadata": {"annotations": {"kestra-iam.dev/history": "{broken"}}});
    scene.patch("secret", "ci-default", broken).await;
    replaced(&scene, &id, &old, "SecretTampered").await;
}

/// Writes another token into the Secret `ci-default`, as if it were the entry's own.
async fn forge(scene: &Scene, theirs: &IssuedToken) {
    let secret = scene.get("secret", "ci-default").await.unwrap();
    let history = &secret["metadata"]["annotations"]["kestra-iam.dev/history"];
    let mut history: Value = serde_json::from_str(history.as_str().unwrap()).unwrap();
    history["current"]["id"] = json!(theirs.id);
    history["current"]["prefix"] = Value::Null;
    let forged = json!({
        "metadata": {"annotations": {"kestra-iam.dev/history": history.to_string()}},
        "data": {"token": encoded(theirs.full_token.expose())},
    });
    scene.patch("secret", "ci-default", forged).await;
    // The one that is not in it any more is known to be ending.
    let is_told =
        |entry: &Value| entry["id"] == theirs.id.0.as_str() && entry["retired"].is_array();
    scene
        .entry("ci", "default", "is taken for the entry's own", is_told)
        .await;
}

/// Whoever may write Secrets of the namespace gets no token of others revoked: neither by a rotation, nor by the end of the
/// entry.
#[tokio::test]
async fn a_history_that_names_a_token_of_others_does_not_end_it() {
    let (_turn, scene) = Scene::private().await;
    let id = scene.account("ci", json!([patient("default")])).await;
    let owner = Owner::Account(id.as_str().into());
    let lasting = NewToken {
        lifetime: None,
        ..by_hand()
    };
    let theirs = scene.backend.issue_token(&owner, &lasting).await.unwrap();
    let ours = scene.value("ci-default").await;
    forge(&scene, &theirs).await;
    scene.advance(Duration::from_mins(20));
    scene.has_tokens(&id, 1).await;
    scene.order("ksa", "ci", "rotate-requested-at", "1").await;
    let next = scene.other_value("ci-default", &theirs.full_token).await;
    assert!(!same(&next, &ours));
    scene.advance(Duration::from_mins(20));
    scene.has_tokens(&id, 2).await;
    assert!(scene.works(&theirs.full_token).await, "not ours");
    forge(&scene, &theirs).await;
    let none = json!({"tokens": []});
    scene.apply("ServiceAccount", "ci", none).await;
    let is_leaving = |entry: &Value| entry["id"].is_null();
    scene.entry("ci", "default", "is leaving", is_leaving).await;
    scene.advance(Duration::from_mins(61));
    scene.gone("secret", "ci-default").await;
    scene.has_tokens(&id, 1).await;
}

#[tokio::test]
async fn a_history_of_absurd_numbers_breaks_nothing() {
    let scene = Scene::new().await;
    let (id, old) = settled(&scene).await;
    let history = json!({
        "current": {
            "id": "x", "generation": i64::MIN, "issued": "-009999-01-02T01:59:59Z",
            "expires": "9999-12-30T22:00:00Z", "published": "9999-12-30T22:00:00Z",
            "asked": i64::MIN, "farewell": i64::MIN,
        },
        "retired": [{
            "id": "y", "generation": i64::MAX - 5, "issued": "9999-12-30T22:00:00Z",
            "retired": "9999-12-30T22:00:00Z", "end": "Settled",
        }],
        "condemned": i64::MIN,
        "unscheduled": ["9999-12-30T22:00:00Z", "-009999-01-02T01:59:59Z"],
    });
    let edit =
        json!({"metadata": {"annotations": {"kestra-iam.dev/history": history.to_string()}}});
    scene.patch("secret", "ci-default", edit).await;
    let new = scene.other_value("ci-default", &old).await;
    assert!(scene.works(&new).await);
    scene.ready("ksa", "ci").await;
    scene.begin_delete("ksa", "ci").await;
    scene.gone("ksa", "ci").await;
    assert!(!scene.works(&new).await);
    assert!(scene.backend.account(&id.as_str().into()).await.is_err());
}

#[tokio::test]
async fn another_key_is_put_right_without_a_new_token() {
    let scene = Scene::new().await;
    let (_, old) = settled(&scene).await;
    let edit = json!({"data": {"more": encoded("x")}, "metadata": {"ownerReferences": null}});
    scene.patch("secret", "ci-default", edit).await;
    let is_mended = |secret: &Value| {
        secret["data"]["more"].is_null() && secret["metadata"]["ownerReferences"].is_array()
    };
    mended(&scene, &old, "is owned and has one key", is_mended).await;
}

#[tokio::test]
async fn labels_that_somebody_took_off_are_put_on_again() {
    let scene = Scene::new().await;
    let (_, old) = settled(&scene).await;
    let names = ["owner-kind", "owner-name", "entry"].map(|name| format!("kestra-iam.dev/{name}"));
    let are_there = |secret: &Value| {
        let mut names = names.iter();
        names.all(|name| secret["metadata"]["labels"][name].is_string())
    };
    for name in &names {
        let strip = json!({"metadata": {"labels": {name: null}}});
        scene.patch("secret", "ci-default", strip).await;
        mended(&scene, &old, "has its labels", are_there).await;
    }
    let strip = json!({"metadata": {"labels": null}});
    scene.patch("secret", "ci-default", strip).await;
    mended(&scene, &old, "has its labels", are_there).await;
}

#[tokio::test]
async fn a_secret_that_somebody_made_their_own_is_left_alone() {
    let scene = Scene::new().await;
    let (id, old) = settled(&scene).await;
    let strip = json!({"metadata": {"labels": null, "ownerReferences": null}});
    scene.patch("secret", "ci-default", strip).await;
    let message = scene.complaint("ksa", "ci", "SecretConflict").await;
    assert!(message.contains("ci-default"), "{message}");
    assert!(scene.works(&old).await);
    assert_eq!(scene.tokens(&id).await.len(), 1, "nothing was minted");
    let mut elsewhere = brisk("default");
    elsewhere["secret"] = json!({"name": "elsewhere"});
    scene.account("ci", json!([elsewhere])).await;
    assert!(scene.works(&scene.value("elsewhere").await).await);
    scene
        .refused("the token without a Secret of ours", &old)
        .await;
    assert!(scene.get("secret", "ci-default").await.is_some());
}

#[tokio::test]
async fn a_foreign_secret_is_never_touched_and_nothing_is_minted_for_it() {
    // No watch shows that it is gone.
    let world = World::start(&["--recheck-interval", "1s"], &[]).await;
    let scene = Scene::inside(Arc::new(world)).await;
    scene
        .connect(json!({"guardrails": {"unrestricted": true}}))
        .await;
    let foreign = json!({
        "apiVersion": "v1", "kind": "Secret", "stringData": {"password": "hunter2"},
        "metadata": {"name": "ci-default", "namespace": scene.namespace},
    });
    scene.world.apply(&foreign).await;
    let version = scene.version("ci-default").await;
    let spec = json!({"tokens": [patient("default")]});
    scene.apply("ServiceAccount", "ci", spec).await;
    let message = scene.complaint("ksa", "ci", "SecretConflict").await;
    assert!(message.contains("delete it, or name another"), "{message}");
    let object = scene.get("ksa", "ci").await.unwrap();
    assert_eq!(find(&object, "Stalled")["status"], "True");
    assert_eq!(find(&object, "Synced")["reason"], "SecretConflict");
    let id = object["status"]["id"].as_str().unwrap();
    assert!(scene.tokens(id).await.is_empty());
    assert_eq!(scene.version("ci-default").await, version);
    scene.begin_delete("secret", "ci-default").await;
    scene.ready("ksa", "ci").await;
    assert!(scene.works(&scene.value("ci-default").await).await);
}
