//! What others change at the backend, or had there first.

use std::time::Duration;

use kestra_iam_operator::iam::client::{AccountSpec, Deletion, Owner};
use serde_json::{Value, json};

use crate::bench::{Bench, brisk, condition, merge};
use crate::end_state::end_state;

const CI: (&str, &str) = ("ServiceAccount", "ci");

/// An entry that lives for days, so that hours pass without a rotation.
fn lasting() -> Value {
    let mut entry = brisk("default");
    merge(&mut entry, json!({"lifetime": "100h"}));
    entry
}

/// What the tables say of an account by this name.
async fn described(bench: &Bench, name: &str) -> Option<String> {
    let account = bench.backend.find_account(name).await.unwrap()?;
    Some(account.description.unwrap_or_default())
}

#[tokio::test]
async fn fault_20_token_revoked_by_somebody_else() {
    let bench = Bench::start().await;
    let id = bench
        .account_with("ci", json!({"tokens": [lasting()]}))
        .await;
    let consumer = bench.consume("ci-default").await;
    bench.rest().await;
    let (old, before) = (bench.value("ci-default").await, end_state(&bench).await);
    let token = bench.tokens(&id).await.remove(0).id;
    let broken = consumer.excuse();
    let owner = Owner::Account(id.as_str().into());
    let deletion = bench.backend.revoke_token(&owner, &token).await.unwrap();
    assert_eq!(deletion, Deletion::Done);
    // The turn of the sweep of tokens comes within an hour.
    bench.advance(Duration::from_hours(1)).await;
    bench
        .has(CI.0, CI.1, ("Reconciling", "True", "TokenLost"))
        .await;
    assert!(bench.tokens(&id).await.is_empty(), "refused once: not yet");
    bench.advance(Duration::from_secs(31)).await;
    bench.other_value("ci-default", &old).await;
    bench
        .has(CI.0, CI.1, ("TokenIssued", "True", "TokenLost"))
        .await;
    let told = bench.told("ci", "TokenLost", "new value").await;
    assert_eq!(told, 1, "once");
    broken.take_back().await;
    consumer.calls(20).await;
    bench.judge().await;
    similar_asserts::assert_eq!(end_state(&bench).await, before);
}

#[tokio::test]
async fn fault_21_account_deleted_by_somebody_else() {
    let swept = json!({"resync": {"objects": "1s", "tokens": "1h"}});
    let bench = Bench::builder().instance(swept).start().await;
    bench
        .apply("Group", "bots", json!({"groupName": "bots"}))
        .await;
    let id = bench
        .account_with(
            "ci",
            json!({
                "groups": [{"kind": "Group", "name": "bots"}],
                "roles": [{"kind": "External", "name": "Viewer"}],
                "tokens": [brisk("default")],
            }),
        )
        .await;
    let consumer = bench.consume("ci-default").await;
    bench.rest().await;
    let (old, before) = (bench.value("ci-default").await, end_state(&bench).await);
    let broken = consumer.excuse();
    bench
        .backend
        .delete_account(&id.as_str().into())
        .await
        .unwrap();
    bench.other_value("ci-default", &old).await;
    broken.take_back().await;
    let is_other = |object: &Value| object["status"]["id"] != id.as_str();
    bench
        .until(CI.0, CI.1, "has another account", is_other)
        .await;
    consumer.calls(20).await;
    bench.judge().await;
    similar_asserts::assert_eq!(end_state(&bench).await, before);
}

#[tokio::test]
async fn fault_21_an_account_that_was_taken_over_is_made_anew() {
    let swept = json!({"resync": {"objects": "1s", "tokens": "1h"}});
    let bench = Bench::builder().instance(swept).start().await;
    let by_hand = AccountSpec {
        name: "deployer".into(),
        description: Some("mine".into()),
        groups: Vec::new(),
    };
    let theirs = bench.backend.create_account(&by_hand).await.unwrap();
    let spec = json!({
        "accountName": "deployer", "adoptionPolicy": "TakeOver", "tokens": [brisk("default")],
    });
    assert_eq!(bench.account_with("ci", spec).await, theirs.id.0);
    let consumer = bench.consume("ci-default").await;
    bench.rest().await;
    let old = bench.value("ci-default").await;
    let broken = consumer.excuse();
    bench.backend.delete_account(&theirs.id).await.unwrap();
    bench.other_value("ci-default", &old).await;
    broken.take_back().await;
    // As where it never was: made by us, and ours to delete.
    let is_ours = |object: &Value| object["status"]["adopted"] != true;
    bench.until(CI.0, CI.1, "is not adopted", is_ours).await;
    consumer.calls(20).await;
    bench.judge().await;
    consumer.stop().await;
    bench.delete(CI.0, CI.1).await;
    assert_eq!(described(&bench, "deployer").await, None);
}

#[tokio::test]
async fn fault_23_account_of_the_name_exists() {
    let bench = Bench::start().await;
    let name = format!("{}-ci", bench.namespace);
    let by_hand = AccountSpec {
        name: name.clone(),
        description: Some("mine".into()),
        groups: Vec::new(),
    };
    bench.backend.create_account(&by_hand).await.unwrap();
    let changes = bench.tables().changes().await.unwrap();
    let tokens = json!([brisk("default")]);
    bench.apply(CI.0, CI.1, json!({"tokens": tokens})).await;
    let message = bench.complaint(CI.0, CI.1, "NameConflict").await;
    assert!(message.contains("adoptionPolicy"), "{message}");
    for policy in ["Never", "IfOwned"] {
        let spec = json!({"tokens": tokens, "adoptionPolicy": policy});
        bench.apply(CI.0, CI.1, spec).await;
        bench.complaint(CI.0, CI.1, "NameConflict").await;
    }
    bench.judge().await;
    let mut since = bench.tables().changes_since(changes).await.unwrap();
    since.retain(|change| !change.ends_with(" 409"));
    assert_eq!(since, Vec::<String>::new(), "it is left as it is");

    let spec = json!({"tokens": tokens, "adoptionPolicy": "TakeOver"});
    bench.account_with("ci", spec).await;
    let consumer = bench.consume("ci-default").await;
    consumer.calls(20).await;
    bench.judge().await;
    consumer.stop().await;
    bench.delete(CI.0, CI.1).await;
    assert_eq!(described(&bench, &name).await.as_deref(), Some("mine"));
    bench.judge().await;
}

#[tokio::test]
async fn fault_28_two_objects_want_one_secret_or_one_account() {
    let bench = Bench::start().await;
    bench.account("ci").await;
    let consumer = bench.consume("ci-default").await;
    let value = bench.value("ci-default").await;
    let mut same_secret = brisk("default");
    merge(&mut same_secret, json!({"secret": {"name": "ci-default"}}));
    bench
        .apply("ServiceAccount", "second", json!({"tokens": [same_secret]}))
        .await;
    let name = format!("{}-ci", bench.namespace);
    let same_account = json!({"accountName": name, "tokens": [brisk("default")]});
    bench.apply("ServiceAccount", "third", same_account).await;
    let conflicts = [("second", "SecretConflict"), ("third", "NameConflict")];
    for (name, reason) in conflicts {
        bench.complaint("ServiceAccount", name, reason).await;
    }
    bench.judge().await;
    assert_eq!(bench.value("ci-default").await, value, "the owner keeps it");
    // No flip-flop: a restart decides the same.
    bench.operator().restart().await;
    consumer.calls(20).await;
    bench.judge().await;
    assert_eq!(bench.value("ci-default").await, value);
    for (name, reason) in conflicts {
        bench.complaint("ServiceAccount", name, reason).await;
    }
    let second = bench.get("ServiceAccount", "second").await;
    let id = second["status"]["id"].as_str().unwrap();
    assert!(bench.tokens(id).await.is_empty(), "nothing was minted");
    assert_eq!(bench.get("Secret", "third-default").await, Value::Null);
}

#[tokio::test]
async fn fault_29_secret_renamed() {
    let bench = Bench::start().await;
    bench.account("ci").await;
    let consumer = bench.consume("ci-default").await;
    let old = bench.value("ci-default").await;
    let mut renamed = brisk("default");
    merge(&mut renamed, json!({"secret": {"name": "elsewhere"}}));
    bench.apply(CI.0, CI.1, json!({"tokens": [renamed]})).await;
    let new = bench.value("elsewhere").await;
    let moved = bench.consume("elsewhere").await;
    assert!(bench.works(&old).await && bench.works(&new).await);
    let there = bench.get("Secret", "ci-default").await;
    assert!(!there.is_null(), "it stays while its token works");
    moved.calls(20).await;
    // Whoever used the old one was moved over in time.
    consumer.stop().await;
    bench.gone_in_time("Secret", "ci-default").await;
    assert!(!bench.works(&old).await, "revoked before its Secret went");
    bench.judge().await;
}

#[tokio::test]
async fn fault_50_deleted_and_made_anew_at_once() {
    let bench = Bench::start().await;
    let id = bench.account("ci").await;
    bench.rest().await;
    let (old, before) = (bench.value("ci-default").await, end_state(&bench).await);
    let uid = bench.get(CI.0, CI.1).await["metadata"]["uid"].clone();
    bench.begin_delete(CI.0, CI.1).await;
    let object = bench.object(CI.0, CI.1, json!({"tokens": [brisk("default")]}));
    bench
        .wait("a new object of the name", async || {
            let _ = bench.try_apply(&object).await;
            let there = bench.get(CI.0, CI.1).await["metadata"]["uid"].clone();
            (there.is_string() && there != uid).then_some(())
        })
        .await;
    let new = bench.id(CI.0, CI.1).await;
    assert_ne!(new, id, "nothing of the one before is used");
    let value = bench.other_value("ci-default", &old).await;
    assert!(bench.works(&value).await && !bench.works(&old).await);
    bench.consume("ci-default").await.calls(20).await;
    let object = bench.get(CI.0, CI.1).await;
    assert_eq!(condition(&object, "Ready")["status"], "True");
    bench.judge().await;
    similar_asserts::assert_eq!(end_state(&bench).await, before);
}
