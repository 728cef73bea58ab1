//! Secrets that somebody deletes, edits, freezes, or had first.

use kestra_iam_operator::iam::client::{NewToken, Owner};
use serde_json::{Value, json};

use crate::bench::{Bench, brisk, condition, encoded, merge};
use crate::end_state::end_state;
use crate::oracle::Allowance;

const CI: (&str, &str) = ("ServiceAccount", "ci");

/// One urgent replacement fell into an overlap.
const REPLACED: Allowance = Allowance {
    replacements: 1,
    forbidden: &[],
};

/// Whether an object says that its newest token was issued for this reason.
async fn issued(bench: &Bench, reason: &str) {
    bench.has(CI.0, CI.1, ("TokenIssued", "True", reason)).await;
}

#[tokio::test]
async fn fault_24_secret_deleted() {
    let bench = Bench::start().await;
    bench.account("ci").await;
    let consumer = bench.consume("ci-default").await;
    bench.rest().await;
    let (old, before) = (bench.value("ci-default").await, end_state(&bench).await);
    bench.begin_delete("Secret", "ci-default").await;
    let new = bench.other_value("ci-default", &old).await;
    assert!(bench.works(&new).await);
    assert!(bench.works(&old).await, "pods may hold it");
    issued(&bench, "SecretMissing").await;
    consumer.calls(20).await;
    bench.judge().await;
    assert!(!bench.works(&old).await, "it does not leak");
    similar_asserts::assert_eq!(end_state(&bench).await, before);
}

#[tokio::test]
async fn fault_24_secret_deleted_and_its_token_compromised() {
    let bench = Bench::start().await;
    bench.account("ci").await;
    let consumer = bench.consume("ci-default").await;
    let old = bench.value("ci-default").await;
    let broken = consumer.excuse();
    bench.order(CI.0, CI.1, "compromised", "1").await;
    bench.begin_delete("Secret", "ci-default").await;
    bench.other_value("ci-default", &old).await;
    bench.refused("the compromised token", &old).await;
    bench
        .entry(("ci", "default"), "heeds the order", |entry| {
            entry["handledCompromised"] == "1"
        })
        .await;
    broken.take_back().await;
    bench.judge_with(REPLACED).await;
}

#[tokio::test]
async fn fault_25_secret_value_edited() {
    let bench = Bench::start().await;
    let id = bench.account("ci").await;
    let consumer = bench.consume("ci-default").await;
    bench.rest().await;
    let before = end_state(&bench).await;
    // Somebody's own token of the same account, which works: it is not ours all the same.
    let by_hand = NewToken {
        name: "by-hand".into(),
        description: "mine".into(),
        lifetime: None,
        extended: false,
    };
    let owner = Owner::Account(id.as_str().into());
    let foreign = bench.backend.issue_token(&owner, &by_hand).await.unwrap();
    let foreign = foreign.full_token.expose().to_owned();
    bench.witness.know(&foreign);
    let edits = [
        json!({"data": {"token": encoded("not-a-token")}}),
        json!({"data": {"token": null}}),
        json!({"data": {"token": encoded(&foreign)}}),
    ];
    for edit in edits {
        let version = bench.value("ci-default").await;
        let broken = consumer.excuse();
        bench.patch("Secret", "ci-default", edit.clone()).await;
        let is_new = |secret: &Value| {
            let value = &secret["data"]["token"];
            value.is_string() && *value != edit["data"]["token"] && *value != encoded(&version)
        };
        bench
            .until("Secret", "ci-default", "holds a fresh token", is_new)
            .await;
        issued(&bench, "SecretTampered").await;
        broken.take_back().await;
        // At most one token in a minute is issued out of turn, once there were several.
        bench.rest().await;
        consumer.calls(5).await;
    }
    let told = bench.told("ci", "SecretTampered", "new value").await;
    assert_eq!(told, 3, "once for each edit");
    assert!(bench.works(&foreign).await, "it is none of ours");
    bench.judge().await;
    similar_asserts::assert_eq!(end_state(&bench).await, before);
}

#[tokio::test]
async fn fault_26_secret_stripped_or_made_immutable() {
    let bench = Bench::start().await;
    bench.account("ci").await;
    let consumer = bench.consume("ci-default").await;
    bench.rest().await;
    let (old, before) = (bench.value("ci-default").await, end_state(&bench).await);
    for strip in [
        json!({"metadata": {"labels": null}}),
        json!({"metadata": {"ownerReferences": null}}),
    ] {
        bench.patch("Secret", "ci-default", strip).await;
        let is_whole = |secret: &Value| {
            let metadata = &secret["metadata"];
            metadata["labels"]["kestra-iam.dev/entry"] == "default"
                && metadata["ownerReferences"].is_array()
        };
        bench
            .until("Secret", "ci-default", "is dressed again", is_whole)
            .await;
        bench.rest().await;
    }
    assert_eq!(bench.value("ci-default").await, old, "the token stays");
    bench
        .patch("Secret", "ci-default", json!({"immutable": true}))
        .await;
    let is_free = |secret: &Value| secret["immutable"].is_null() && secret["data"].is_object();
    bench
        .until("Secret", "ci-default", "can be written again", is_free)
        .await;
    let told = bench.told("ci", "SecretTampered", "was immutable").await;
    assert_eq!(told, 1, "once");
    assert_eq!(bench.value("ci-default").await, old, "the token stays");
    bench.order(CI.0, CI.1, "rotate-requested-at", "1").await;
    bench.other_value("ci-default", &old).await;
    consumer.calls(20).await;
    bench.judge().await;
    similar_asserts::assert_eq!(end_state(&bench).await, before);
}

#[tokio::test]
async fn fault_27_foreign_secret_of_the_name() {
    // No watch shows that a Secret of others is gone.
    let often = ["--recheck-interval=1s"];
    let bench = Bench::builder().operator(&often).start().await;
    bench
        .apply_manifest(&json!({
            "apiVersion": "v1", "kind": "Secret", "stringData": {"password": "hunter2"},
            "metadata": {"name": "ci-default", "namespace": bench.namespace},
        }))
        .await;
    let before = bench.get("Secret", "ci-default").await;
    bench
        .apply(CI.0, CI.1, json!({"tokens": [brisk("default")]}))
        .await;
    let message = bench.complaint(CI.0, CI.1, "SecretConflict").await;
    assert!(message.contains("delete it, or name another"), "{message}");
    let object = bench.get(CI.0, CI.1).await;
    assert_eq!(condition(&object, "Stalled")["status"], "True");
    let id = object["status"]["id"].as_str().unwrap();
    assert!(bench.tokens(id).await.is_empty(), "nothing was minted");
    bench.judge().await;
    assert_eq!(bench.get("Secret", "ci-default").await, before);
    let mut elsewhere = brisk("default");
    merge(&mut elsewhere, json!({"secret": {"name": "elsewhere"}}));
    bench
        .account_with("ci", json!({"tokens": [elsewhere]}))
        .await;
    bench.consume("elsewhere").await.calls(5).await;
    bench.judge().await;
    assert_eq!(bench.get("Secret", "ci-default").await, before);
    // Once the name is free, it is taken.
    let mut same = brisk("default");
    merge(&mut same, json!({"secret": {"name": "ci-default"}}));
    bench.apply(CI.0, "waits", json!({"tokens": [same]})).await;
    bench.complaint(CI.0, "waits", "SecretConflict").await;
    bench.begin_delete("Secret", "ci-default").await;
    bench.ready(CI.0, "waits").await;
    bench.judge().await;
}
