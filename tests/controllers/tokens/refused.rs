//! Objects that guardrails do not permit any more: no token is renewed, and none is forgotten.

use std::time::Duration;

use serde_json::{Value, json};

use super::{brisk, patient, same, token_of};
use crate::crashes::behind_gate;
use crate::events::times;
use crate::gate::Verdict;
use crate::guardrails::set;
use crate::scene::{Scene, find};

/// A role that only open guardrails permit.
fn viewer() -> Value {
    json!([{"kind": "External", "name": "Viewer"}])
}

/// An account that will be refused by closed guardrails, with its id.
async fn account(scene: &Scene, tokens: Value) -> String {
    let spec = json!({"roles": viewer(), "tokens": tokens});
    scene.apply("ServiceAccount", "ci", spec).await;
    scene.id("ksa", "ci").await
}

async fn close(scene: &Scene) {
    set(scene, &json!({"tokensPerNamespace": 9})).await;
    scene.complaint("ksa", "ci", "NotAllowed").await;
}

async fn open(scene: &Scene) {
    set(scene, &json!({"unrestricted": true})).await;
}

/// An entry whose replaced tokens work for two hours at least.
fn lasting(name: &str) -> Value {
    json!({"name": name, "lifetime": "24h", "rotation": {"overlap": {"min": "2h"}}})
}

/// Takes the label off that says which entry a Secret is of.
async fn strip(scene: &Scene, secret: &str) {
    let strip = json!({"metadata": {"labels": {"kestra-iam.dev/entry": null}}});
    scene.patch("secret", secret, strip).await;
}

fn is_leaving(entry: &Value) -> bool {
    entry["id"].is_null() && entry["retired"].is_array()
}

/// How many hours the token of an entry that is leaving has.
fn hours(entry: &Value) -> i64 {
    let retired = &entry["retired"][0];
    let instant =
        |name: &str| -> jiff::Timestamp { retired[name].as_str().unwrap().parse().unwrap() };
    let left = instant("revokeAfterTime").duration_since(instant("retiredTime"));
    left.as_hours()
}

#[tokio::test]
async fn a_refused_account_has_its_old_tokens_revoked_and_none_renewed() {
    let (_turn, scene) = Scene::private().await;
    let id = account(&scene, json!([patient("default")])).await;
    let first = scene.value("ci-default").await;
    scene.order("ksa", "ci", "rotate-requested-at", "1").await;
    let second = scene.other_value("ci-default", &first).await;
    scene.published().await;
    close(&scene).await;
    scene.advance(Duration::from_mins(45));
    scene.refused("the replaced token", &first).await;
    scene.has_tokens(&id, 1).await;
    let object = scene
        .condition("ksa", "ci", "Expiring", "True", "NotAllowed")
        .await;
    let message = find(&object, "Expiring")["message"].to_string();
    assert!(
        message.contains("token default is to be replaced (Rotated)"),
        "{message}"
    );
    assert!(same(&scene.value("ci-default").await, &second));
    assert!(scene.works(&second).await, "it runs out");
    open(&scene).await;
    let third = scene.other_value("ci-default", &second).await;
    assert!(scene.works(&third).await);
}

#[tokio::test]
async fn a_compromised_token_of_a_refused_account_ends_without_a_successor() {
    let scene = Scene::new().await;
    let id = account(&scene, json!([patient("default"), patient("other")])).await;
    let (value, other) = (
        scene.value("ci-default").await,
        scene.value("ci-other").await,
    );
    close(&scene).await;
    scene
        .order("ksa", "ci", "compromised", "default=leaked")
        .await;
    scene.gone("secret", "ci-default").await;
    assert!(!scene.works(&value).await, "revoked before its Secret went");
    assert!(scene.works(&other).await, "nobody spoke of this one");
    scene.suspend("ksa", "ci").await;
    scene.order("ksa", "ci", "compromised", "all").await;
    scene.gone("secret", "ci-other").await;
    assert!(!scene.works(&other).await);
    assert!(scene.tokens(&id).await.is_empty());
    open(&scene).await;
    scene.resume("ksa", "ci").await;
    scene.ready("ksa", "ci").await;
    let entry = scene.at_rest("ci", "default", 1).await;
    assert_eq!(entry["handledCompromised"], "all");
    assert!(scene.works(&scene.value("ci-default").await).await);
}

#[tokio::test]
async fn a_token_whose_secret_goes_while_its_account_is_refused_ends_too() {
    let (_turn, scene) = Scene::private().await;
    let ever = json!([{"name": "default", "neverExpires": true, "rotation": {"interval": "48h"}}]);
    account(&scene, ever).await;
    let value = scene.value("ci-default").await;
    close(&scene).await;
    scene.begin_delete("secret", "ci-default").await;
    scene.entry("ci", "default", "is leaving", is_leaving).await;
    assert!(scene.works(&value).await, "its consumers may hold it");
    scene.advance(Duration::from_mins(61));
    scene.refused("the token", &value).await;
    assert!(scene.get("secret", "ci-default").await.is_none());
    open(&scene).await;
    scene.ready("ksa", "ci").await;
    assert!(scene.works(&scene.value("ci-default").await).await);
}

#[tokio::test]
async fn a_refused_token_whose_secret_goes_has_the_overlap_that_its_spec_asks_for() {
    let scene = Scene::new().await;
    account(&scene, json!([lasting("default")])).await;
    close(&scene).await;
    scene.begin_delete("secret", "ci-default").await;
    let entry = scene.entry("ci", "default", "is leaving", is_leaving).await;
    assert_eq!(hours(&entry), 2);
}

#[tokio::test]
async fn a_secret_that_lost_a_label_keeps_its_token_while_its_account_is_refused() {
    let (_turn, scene) = Scene::private().await;
    let id = account(&scene, json!([{"name": "default", "lifetime": "2h"}])).await;
    let value = scene.value("ci-default").await;
    close(&scene).await;
    strip(&scene, "ci-default").await;
    let version = scene.version("ci-default").await;
    let is_accepted = |entry: &Value| entry["secretResourceVersion"] == version.as_str();
    scene
        .entry("ci", "default", "knows the Secret", is_accepted)
        .await;
    // Longer than a token has whose Secret is gone. That it is due shows that it was looked at.
    scene.advance(Duration::from_mins(90));
    scene
        .condition("ksa", "ci", "Expiring", "True", "NotAllowed")
        .await;
    assert!(scene.works(&value).await, "it is in its Secret");
    scene.has_tokens(&id, 1).await;
    open(&scene).await;
    scene.other_value("ci-default", &value).await;
    let secret = scene.get("secret", "ci-default").await.unwrap();
    let label = &secret["metadata"]["labels"]["kestra-iam.dev/entry"];
    assert_eq!(label, "default");
}

#[tokio::test]
async fn a_removed_entry_whose_secret_lost_a_label_has_its_time_and_takes_its_secret_along() {
    let (_turn, scene) = Scene::private().await;
    scene.account("ci", json!([lasting("gone")])).await;
    let value = scene.value("ci-gone").await;
    scene.suspend("ksa", "ci").await;
    strip(&scene, "ci-gone").await;
    let removed = json!({"spec": {"tokens": [], "suspend": false}});
    scene.patch("ksa", "ci", removed).await;
    let entry = scene.entry("ci", "gone", "is leaving", is_leaving).await;
    assert_eq!(hours(&entry), 2);
    assert!(scene.works(&value).await);
    scene.advance(Duration::from_mins(121));
    scene.gone("secret", "ci-gone").await;
    assert!(!scene.works(&value).await);
}

#[tokio::test]
async fn the_secret_that_holds_the_token_counts_whatever_name_a_refused_spec_has() {
    let (_turn, scene) = Scene::private().await;
    set(&scene, &json!({"tokensPerNamespace": 9})).await;
    let named = |name: &str| {
        let mut entry = patient("default");
        entry["secret"] = json!({"name": name});
        json!([entry])
    };
    let id = scene.account("ci", named("a")).await;
    let first = scene.value("a").await;
    scene.account("ci", named("b")).await;
    let second = scene.value("b").await;
    assert!(scene.works(&first).await, "in its overlap");
    let spec = json!({"tokens": named("a"), "roles": viewer()});
    scene.apply("ServiceAccount", "ci", spec).await;
    scene.complaint("ksa", "ci", "NotAllowed").await;
    scene.advance(Duration::from_mins(20));
    scene.refused("the replaced token", &first).await;
    scene.has_tokens(&id, 1).await;
    assert!(scene.works(&second).await, "it runs out");
}

#[tokio::test]
async fn a_refusal_is_told_also_where_the_token_cannot_be_taken_away_at_once() {
    let (_turn, scene) = Scene::private().await;
    let gate = behind_gate(&scene).await;
    set(&scene, &json!({"tokensPerNamespace": 9})).await;
    let id = scene.account("ci", json!([patient("default")])).await;
    gate.rule(|_, path| Verdict::when(path.ends_with("/api-tokens"), Verdict::Answer(400)));
    let leaked = json!({
        "metadata": {"annotations": {"kestra-iam.dev/compromised": "leaked"}}, "spec": {"roles": viewer()},
    });
    scene.patch("ksa", "ci", leaked).await;
    let object = scene
        .condition("ksa", "ci", "Accepted", "False", "NotAllowed")
        .await;
    assert_eq!(find(&object, "Ready")["reason"], "NotAllowed");
    assert_eq!(find(&object, "Synced")["reason"], "Invalid", "{object:#}");
    gate.open();
    scene.gone("secret", "ci-default").await;
    assert!(scene.tokens(&id).await.is_empty());
}

#[tokio::test]
async fn a_refused_token_of_a_user_who_is_gone_is_no_failure() {
    let scene = Scene::new().await;
    let email = format!("{}@example.com", scene.namespace);
    let user = scene.user(&email, json!({})).await;
    set(
        &scene,
        &json!({"tokenSubjects": [email], "maxLifetime": "2h"}),
    )
    .await;
    scene
        .apply("ApiToken", "personal", token_of(json!({"user": email})))
        .await;
    scene.ready("ktok", "personal").await;
    scene.delete_user(&user).await;
    let leaked = json!({
        "metadata": {"annotations": {"kestra-iam.dev/compromised": "leaked"}}, "spec": {"lifetime": "3h"},
    });
    scene.patch("ktok", "personal", leaked).await;
    let object = scene
        .condition("ktok", "personal", "Accepted", "False", "NotAllowed")
        .await;
    assert_eq!(find(&object, "Ready")["reason"], "NotAllowed");
    assert_eq!(find(&object, "Reconciling"), Value::Null, "{object:#}");
}

#[tokio::test]
async fn a_refused_token_of_a_user_ends_when_it_is_compromised() {
    let scene = Scene::new().await;
    let email = format!("{}@example.com", scene.namespace);
    scene.user(&email, json!({})).await;
    scene
        .apply("ApiToken", "personal", token_of(json!({"user": email})))
        .await;
    scene.ready("ktok", "personal").await;
    let value = scene.value("personal").await;
    set(&scene, &json!({"tokensPerNamespace": 9})).await;
    scene.complaint("ktok", "personal", "NotAllowed").await;
    assert!(scene.works(&value).await, "it runs out");
    scene
        .order("ktok", "personal", "compromised", "leaked")
        .await;
    scene.gone("secret", "personal").await;
    assert!(!scene.works(&value).await);
    open(&scene).await;
    scene.ready("ktok", "personal").await;
    assert!(scene.works(&scene.value("personal").await).await);
}

#[tokio::test]
async fn compromised_reaches_entries_that_were_removed_before() {
    let scene = Scene::new().await;
    let id = scene
        .account(
            "ci",
            json!([patient("kept"), patient("gone"), patient("late")]),
        )
        .await;
    let (gone, late) = (scene.value("ci-gone").await, scene.value("ci-late").await);
    let only = json!({"tokens": [patient("kept")]});
    scene.apply("ServiceAccount", "ci", only).await;
    scene.entry("ci", "late", "is leaving", is_leaving).await;
    assert!(scene.works(&gone).await && scene.works(&late).await);
    scene.order("ksa", "ci", "compromised", "gone=leaked").await;
    scene.gone("secret", "ci-gone").await;
    assert!(!scene.works(&gone).await);
    assert!(scene.works(&late).await, "nobody spoke of this one");
    scene.suspend("ksa", "ci").await;
    scene.order("ksa", "ci", "compromised", "late=leaked").await;
    scene.gone("secret", "ci-late").await;
    assert!(!scene.works(&late).await);
    scene.has_tokens(&id, 1).await;
    // No order was for nothing.
    times(&scene, ("ServiceAccount", "ci"), "Invalid", 0).await;
}

#[tokio::test]
async fn what_was_acted_on_before_an_entry_was_removed_is_not_acted_on_again() {
    let scene = Scene::new().await;
    scene
        .account("ci", json!([patient("kept"), brisk("gone")]))
        .await;
    let (kept, first) = (scene.value("ci-kept").await, scene.value("ci-gone").await);
    scene.order("ksa", "ci", "compromised", "gone=leaked").await;
    let second = scene.other_value("ci-gone", &first).await;
    scene.at_rest("ci", "gone", 2).await;
    let mut long = patient("gone");
    long["rotation"] = json!({"overlap": {"min": "10m"}});
    scene.account("ci", json!([patient("kept"), long])).await;
    let only = json!({"tokens": [patient("kept")]});
    scene.apply("ServiceAccount", "ci", only).await;
    let entry = scene.entry("ci", "gone", "is leaving", is_leaving).await;
    assert_eq!(entry["handledCompromised"], "leaked");
    scene.delete("secret", "ci-gone").await;
    scene.order("ksa", "ci", "rotate-requested-at", "1").await;
    scene.other_value("ci-kept", &kept).await;
    assert!(scene.works(&second).await, "its consumers may hold it");
}
