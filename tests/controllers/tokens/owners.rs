//! Whose tokens: users, accounts with more than one object, orphans.

use std::time::Duration;

use jiff::SignedDuration;
use kestra_iam_operator::iam::client::{NewToken, Owner};
use serde_json::{Value, json};

use super::{patient, token_of};
use crate::scene::Scene;

/// Somebody's own token, by hand.
pub fn by_hand() -> NewToken {
    NewToken {
        name: "by-hand".into(),
        description: "mine".into(),
        lifetime: Some(SignedDuration::from_hours(1).unsigned_abs()),
        extended: false,
    }
}

#[tokio::test]
async fn a_user_has_a_token_in_a_secret() {
    let (_turn, scene) = Scene::private().await;
    let email = format!("{}@example.com", scene.namespace);
    let owner = Owner::User(scene.user(&email, json!({})).await);
    let mine = scene.backend.issue_token(&owner, &by_hand()).await.unwrap();
    scene
        .apply("ApiToken", "personal", token_of(json!({"user": email})))
        .await;
    let object = scene.ready("ktok", "personal").await;
    assert_eq!(object["status"]["ownerName"], email);
    let first = scene.value("personal").await;
    assert!(scene.works(&first).await);
    scene
        .order("ktok", "personal", "rotate-requested-at", "1")
        .await;
    let second = scene.other_value("personal", &first).await;
    assert!(scene.works(&first).await && scene.works(&second).await);
    let is_told = |object: &Value| object["status"]["token"]["generation"] == 2;
    scene
        .until("ktok", "personal", "is told of its second token", is_told)
        .await;
    scene.advance(Duration::from_mins(20));
    scene.refused("the old token", &first).await;
    scene.delete("ktok", "personal").await;
    assert!(!scene.works(&second).await);
    scene.gone("secret", "personal").await;
    assert!(scene.works(&mine.full_token).await, "not ours");
}

#[tokio::test]
async fn an_account_has_tokens_of_several_objects_and_of_others() {
    let scene = Scene::new().await;
    let id = scene.account("ci", json!([patient("default")])).await;
    let owner = Owner::Account(id.as_str().into());
    let foreign = scene.backend.issue_token(&owner, &by_hand()).await.unwrap();
    let of_account = json!({"serviceAccountRef": {"name": "ci"}});
    scene.apply("ApiToken", "more", token_of(of_account)).await;
    scene.ready("ktok", "more").await;
    let more = scene.value("more").await;
    assert!(scene.works(&more).await);
    scene.order("ksa", "ci", "rotate-requested-at", "1").await;
    let counted = |object: &Value| object["status"]["foreignTokens"] == 1;
    scene
        .until("ksa", "ci", "counts one foreign token", counted)
        .await;
    scene.delete("ktok", "more").await;
    assert!(!scene.works(&more).await);
    assert!(scene.works(&scene.value("ci-default").await).await);
    assert!(scene.works(&foreign.full_token).await);
}

#[tokio::test]
async fn a_token_waits_for_its_account() {
    let scene = Scene::new().await;
    let of_account = json!({"serviceAccountRef": {"name": "ci"}});
    scene.apply("ApiToken", "early", token_of(of_account)).await;
    scene
        .condition(
            "ktok",
            "early",
            "ResolvedRefs",
            "False",
            "ReferenceNotFound",
        )
        .await;
    scene.account("ci", json!([])).await;
    scene.ready("ktok", "early").await;
    assert!(scene.works(&scene.value("early").await).await);
}

#[tokio::test]
async fn an_orphan_leaves_secret_and_token_without_our_marks() {
    let scene = Scene::new().await;
    let spec = json!({"deletionPolicy": "Orphan", "tokens": [patient("default")]});
    scene.apply("ServiceAccount", "ci", spec).await;
    scene.ready("ksa", "ci").await;
    let value = scene.value("ci-default").await;
    scene.delete("ksa", "ci").await;
    let secret = scene.get("secret", "ci-default").await.unwrap();
    let metadata = secret["metadata"].to_string();
    assert!(!metadata.contains("kestra-iam.dev/"), "{metadata}");
    assert!(
        secret["metadata"]["ownerReferences"].is_null(),
        "{metadata}"
    );
    assert!(scene.works(&value).await);
}

#[tokio::test]
async fn a_compromised_token_ends_also_where_its_owner_is_told_by_nobody() {
    let scene = Scene::new().await;
    let orphan = json!({"deletionPolicy": "Orphan"});
    scene.apply("ServiceAccount", "ci", orphan).await;
    let id = scene.id("ksa", "ci").await;
    let of_account = json!({"serviceAccountRef": {"name": "ci"}});
    scene.apply("ApiToken", "more", token_of(of_account)).await;
    scene.ready("ktok", "more").await;
    let value = scene.value("more").await;
    scene.delete("ksa", "ci").await;
    let missing = ("ResolvedRefs", "False", "ReferenceNotFound");
    scene
        .condition("ktok", "more", missing.0, missing.1, missing.2)
        .await;
    assert!(scene.works(&value).await, "nobody asked for its end");
    scene.order("ktok", "more", "compromised", "1").await;
    scene.refused("the compromised token", &value).await;
    scene.gone("secret", "more").await;
    scene.has_tokens(&id, 0).await;
}

#[tokio::test]
async fn two_objects_cannot_share_a_secret() {
    let scene = Scene::new().await;
    scene.account("first", json!([patient("default")])).await;
    let value = scene.value("first-default").await;
    let mut second = patient("default");
    second["secret"] = json!({"name": "first-default"});
    scene
        .apply("ServiceAccount", "second", json!({"tokens": [second]}))
        .await;
    scene.complaint("ksa", "second", "SecretConflict").await;
    assert!(scene.works(&value).await);
    scene.at_rest("first", "default", 1).await;
    scene.delete("ksa", "first").await;
    scene.gone("secret", "first-default").await;
}

#[tokio::test]
async fn tokens_of_others_are_counted_also_where_the_spec_has_none() {
    let (_turn, scene) = Scene::private().await;
    let id = scene.account("ci", json!([])).await;
    let owner = Owner::Account(id.as_str().into());
    let foreign = scene.backend.issue_token(&owner, &by_hand()).await.unwrap();
    scene.advance(Duration::from_mins(61));
    let counted = |object: &Value| object["status"]["foreignTokens"] == 1;
    scene.until("ksa", "ci", "counts the token", counted).await;
    let tokens = scene.tokens(&id).await;
    assert_eq!(tokens[0].id, foreign.id, "and left alone");
}
