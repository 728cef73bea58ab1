//! Entries: several of them, removed, brought back, moved to other Secrets.

use std::time::Duration;

use serde_json::{Value, json};

use super::{brisk, entry_of, patient, same, text};
use crate::scene::Scene;

#[tokio::test]
async fn several_tokens_live_side_by_side() {
    let scene = Scene::new().await;
    let tokens = json!([
        {"name": "day", "lifetime": "24h"},
        {"name": "ever", "neverExpires": true, "rotation": {"interval": "48h"}},
        {"name": "used", "lifetime": "2h", "extended": true},
    ]);
    let id = scene.account("ci", tokens).await;
    let mut listed = scene.tokens(&id).await;
    assert_eq!(listed.len(), 3);
    listed.sort_by_key(|token| token.name.clone());
    let found: Vec<_> = listed
        .iter()
        .map(|token| (token.exp.is_some(), token.extended))
        .collect();
    assert_eq!(found, [(true, false), (false, false), (true, true)]);
    for (token, entry) in listed.iter().zip(["day", "ever", "used"]) {
        let name = token.name.as_deref().unwrap();
        let start = format!("{}-ci-{entry}-", scene.namespace);
        assert!(name.starts_with(&start) && name.ends_with("-g1"), "{name}");
        let object = format!("object=ServiceAccount/{}/ci", scene.namespace);
        assert!(token.description.contains(&object), "{}", token.description);
        let entry = format!("entry={entry} generation=1");
        assert!(token.description.contains(&entry), "{}", token.description);
    }
    let values = [
        scene.value("ci-day").await,
        scene.value("ci-ever").await,
        scene.value("ci-used").await,
    ];
    for value in &values {
        assert!(scene.works(value).await);
    }
    assert!(!same(&values[0], &values[1]) && !same(&values[1], &values[2]));
}

#[tokio::test]
async fn the_secret_tells_whose_it_is() {
    let scene = Scene::new().await;
    scene.account("ci", json!([patient("default")])).await;
    let secret = scene.get("secret", "ci-default").await.unwrap();
    let account = scene.get("ksa", "ci").await.unwrap();
    let labels = &secret["metadata"]["labels"];
    assert_eq!(labels["kestra-iam.dev/owner-kind"], "ServiceAccount");
    assert_eq!(labels["kestra-iam.dev/owner-name"], "ci");
    assert_eq!(labels["kestra-iam.dev/entry"], "default");
    let owner = &secret["metadata"]["ownerReferences"][0];
    assert_eq!(owner["uid"], account["metadata"]["uid"]);
    assert_eq!(owner["controller"], true);
    assert_eq!(secret["type"], "Opaque");
    let history: Value = serde_json::from_str(
        secret["metadata"]["annotations"]["kestra-iam.dev/history"]
            .as_str()
            .unwrap(),
    )
    .unwrap();
    let entry = entry_of(&account, "default");
    assert_eq!(history["current"]["id"], entry["id"]);
    assert_eq!(history["current"]["generation"], 1);
    let prefix = entry["prefix"].as_str().unwrap();
    assert!(text(&secret, "token").starts_with(prefix) && !prefix.is_empty());
}

#[tokio::test]
async fn a_removed_entry_ends_after_its_overlap_and_takes_its_secret_along() {
    let scene = Scene::new().await;
    let id = scene
        .account("ci", json!([patient("kept"), brisk("gone")]))
        .await;
    let (kept, gone) = (scene.value("ci-kept").await, scene.value("ci-gone").await);
    let only = json!({"tokens": [patient("kept")]});
    scene.apply("ServiceAccount", "ci", only).await;
    scene.gone("secret", "ci-gone").await;
    assert!(!scene.works(&gone).await, "revoked before its Secret went");
    assert!(scene.works(&kept).await);
    scene.has_tokens(&id, 1).await;
    let gone = |entry: &Value| entry.is_null();
    scene.entry("ci", "gone", "is forgotten", gone).await;
}

#[tokio::test]
async fn an_entry_that_comes_back_in_time_keeps_its_token() {
    let scene = Scene::new().await;
    let both = json!([patient("kept"), patient("back")]);
    let id = scene.account("ci", both.clone()).await;
    let before = scene.value("ci-back").await;
    let only = json!({"tokens": [patient("kept")]});
    scene.apply("ServiceAccount", "ci", only).await;
    let leaving = |entry: &Value| entry["id"].is_null() && entry["retired"].is_array();
    scene.entry("ci", "back", "is leaving", leaving).await;
    scene.account("ci", both).await;
    scene.at_rest("ci", "back", 1).await;
    assert!(same(&scene.value("ci-back").await, &before));
    assert_eq!(scene.tokens(&id).await.len(), 2);
}

#[tokio::test]
async fn entries_that_swap_their_secrets_keep_what_they_have() {
    let (_turn, scene) = Scene::private().await;
    let named = |entry: &str, secret: &str| json!({"name": entry, "lifetime": "10h", "secret": {"name": secret}});
    let overlap = Duration::from_mins(40);
    let id = scene
        .account("ci", json!([named("one", "a"), named("two", "b")]))
        .await;
    let (a, b) = (scene.value("a").await, scene.value("b").await);
    let swapped = json!({"tokens": [named("one", "b"), named("two", "a")]});
    scene.apply("ServiceAccount", "ci", swapped).await;
    scene.complaint("ksa", "ci", "SecretConflict").await;
    assert!(scene.works(&a).await && scene.works(&b).await);
    // Neither gets the other's name, and both live on where they are.
    scene.advance(Duration::from_mins(6 * 60 + 45));
    let (newer_a, newer_b) = (
        scene.other_value("a", &a).await,
        scene.other_value("b", &b).await,
    );
    scene.advance(overlap);
    scene.has_tokens(&id, 2).await;
    assert!(!scene.works(&a).await && !scene.works(&b).await);
    assert!(scene.works(&newer_a).await && scene.works(&newer_b).await);
    // By way of a third name it goes.
    let apart = json!({"tokens": [named("one", "c"), named("two", "a")]});
    scene.apply("ServiceAccount", "ci", apart).await;
    scene.value("c").await;
    scene.advance(overlap);
    let taken = |entry: &Value| entry["secretName"] == "a";
    scene.entry("ci", "two", "has the other name", taken).await;
    scene.ready("ksa", "ci").await;
    scene.advance(overlap);
    scene.gone("secret", "b").await;
    scene.has_tokens(&id, 2).await;
}

#[tokio::test]
async fn a_renamed_secret_leaves_no_gap() {
    let (_turn, scene) = Scene::private().await;
    let id = scene.account("ci", json!([patient("default")])).await;
    let old = scene.value("ci-default").await;
    let mut renamed = patient("default");
    renamed["secret"] = json!({"name": "elsewhere"});
    let spec = json!({"tokens": [renamed]});
    scene.apply("ServiceAccount", "ci", spec).await;
    let new = scene.value("elsewhere").await;
    let there = scene.get("secret", "ci-default").await;
    assert!(
        there.is_some(),
        "the old Secret stays while its token works"
    );
    assert!(scene.works(&new).await && scene.works(&old).await);
    scene.advance(Duration::from_mins(20));
    scene.gone("secret", "ci-default").await;
    assert!(!scene.works(&old).await, "revoked before its Secret went");
    assert!(scene.works(&new).await);
    scene.has_tokens(&id, 1).await;
    scene.at_rest("ci", "default", 2).await;
}

#[tokio::test]
async fn another_lifetime_takes_another_token() {
    let scene = Scene::new().await;
    let id = scene.account("ci", json!([brisk("default")])).await;
    let old = scene.value("ci-default").await;
    let mut longer = brisk("default");
    longer["lifetime"] = json!("48h");
    scene
        .apply("ServiceAccount", "ci", json!({"tokens": [longer]}))
        .await;
    scene.other_value("ci-default", &old).await;
    scene.at_rest("ci", "default", 2).await;
    let tokens = scene.tokens(&id).await;
    let lifetime = tokens[0]
        .exp
        .unwrap()
        .duration_since(tokens[0].iat.unwrap());
    assert_eq!((tokens.len(), lifetime.as_hours()), (1, 48));
}
