//! What the clock brings: rotations before expiry, the ends of replaced tokens, the turn of the sweep.

use std::cell::Cell;
use std::time::Duration;

use kestra_iam_operator::iam::client::{Deletion, Owner};
use serde_json::{Value, json};

use super::entry_of;
use crate::scene::{Scene, find};

const MINUTE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);

/// Reads the Secret and calls the backend with what it holds, without a pause.
#[derive(Default)]
struct Consumer {
    calls: Cell<u64>,
    failures: Cell<u64>,
}

impl Consumer {
    /// Works until `story` has ended.
    async fn work(&self, scene: &Scene, secret: &str, story: impl Future<Output = ()>) {
        let calls = async {
            loop {
                let value = scene.value(secret).await;
                let failed = !scene.works(&value).await;
                self.failures.set(self.failures.get() + u64::from(failed));
                self.calls.set(self.calls.get() + 1);
            }
        };
        tokio::select! {
            () = story => {}
            () = calls => {}
        }
    }

    /// Waits until it has called ten times more.
    async fn calls(&self, scene: &Scene) {
        let goal = self.calls.get() + 10;
        let what = "calls of the consumer";
        let look = async || (self.calls.get() >= goal).then_some(());
        scene.wait(what, look).await;
    }
}

#[tokio::test]
async fn a_token_is_replaced_before_it_expires_and_no_call_fails() {
    let (_turn, scene) = Scene::private().await;
    let id = scene
        .account("ci", json!([{"name": "default", "lifetime": "24h"}]))
        .await;
    let old = scene.value("ci-default").await;
    let consumer = Consumer::default();
    let story = async {
        consumer.calls(&scene).await;
        scene.advance(HOUR * 12);
        consumer.calls(&scene).await;
        scene.at_rest("ci", "default", 1).await;
        scene.advance(HOUR * 8);
        scene.other_value("ci-default", &old).await;
        consumer.calls(&scene).await;
        scene
            .condition("ksa", "ci", "TokenIssued", "True", "Rotated")
            .await;
        let tokens = scene.tokens(&id).await;
        assert_eq!(tokens.len(), 2, "both live in the overlap");
        // The overlap's minimum is an hour, and nobody uses the old one any more.
        scene.advance(HOUR + MINUTE);
        scene.at_rest("ci", "default", 2).await;
        consumer.calls(&scene).await;
    };
    consumer.work(&scene, "ci-default", story).await;
    assert!(!scene.works(&old).await);
    assert!(consumer.calls.get() >= 40);
    assert_eq!(consumer.failures.get(), 0);
}

#[tokio::test]
async fn a_replaced_token_in_use_is_told_of_and_ends_with_the_maximum() {
    let (_turn, scene) = Scene::private().await;
    let overlap = json!({"min": "10m", "max": "2h", "quietPeriod": "5m"});
    let entry = json!({"name": "default", "lifetime": "24h", "rotation": {"overlap": overlap}});
    scene.account("ci", json!([entry])).await;
    let old = scene.value("ci-default").await;
    scene.order("ksa", "ci", "rotate-requested-at", "1").await;
    scene.other_value("ci-default", &old).await;
    scene
        .entry("ci", "default", "has retired one", |entry| {
            entry["retired"].is_array()
        })
        .await;
    // Used after the minimum: what is asked here is a use itself.
    scene.advance(MINUTE * 9);
    assert!(scene.works(&old).await);
    scene.advance(MINUTE * 2);
    let in_use = ("RetiredTokenInUse", "True", "OverlapInProgress");
    let object = scene
        .condition("ksa", "ci", in_use.0, in_use.1, in_use.2)
        .await;
    assert_eq!(find(&object, "Ready")["status"], "True", "a warning only");
    let told = entry_of(&object, "default")["retired"][0]["lastUsedTime"].clone();
    assert!(told.is_string(), "{object:#}");
    for _ in 0..11 {
        assert!(scene.works(&old).await);
        scene.advance(MINUTE * 4);
    }
    let object = scene.get("ksa", "ci").await.unwrap();
    let entry = entry_of(&object, "default");
    assert_eq!(
        entry["retired"][0]["lastUsedTime"], told,
        "later uses are no news"
    );
    scene.advance(HOUR * 2);
    scene.at_rest("ci", "default", 2).await;
    assert!(!scene.works(&old).await);
    let object = scene.ready("ksa", "ci").await;
    assert_eq!(find(&object, "RetiredTokenInUse"), Value::Null);
}

#[tokio::test]
async fn an_extended_token_lives_as_long_as_it_is_used() {
    let (_turn, scene) = Scene::private().await;
    let entry = json!({"name": "default", "lifetime": "3h", "extended": true});
    scene.account("ci", json!([entry])).await;
    let value = scene.value("ci-default").await;
    let version = scene.version("ci-default").await;
    let told = |object: &Value| entry_of(object, "default")["expirationTime"].clone();
    let first = told(&scene.get("ksa", "ci").await.unwrap());
    for _ in 0..3 {
        scene.advance(MINUTE * 80);
        assert!(scene.works(&value).await, "each use moves its expiry");
    }
    let moved = |object: &Value| told(object) != first;
    scene
        .until("ksa", "ci", "tells the expiry that moved", moved)
        .await;
    let entry = scene.at_rest("ci", "default", 1).await;
    assert_eq!(entry["handledRotateRequest"], Value::Null);
    assert_eq!(
        scene.version("ci-default").await,
        version,
        "the schedule alone moved"
    );
    scene.advance(MINUTE * 150);
    let new = scene.other_value("ci-default", &value).await;
    assert!(scene.works(&new).await, "unused, it was replaced");
}

#[tokio::test]
async fn a_token_that_never_expires_is_replaced_by_age() {
    let (_turn, scene) = Scene::private().await;
    let rotation = json!({"interval": "100h"});
    let entry = json!({"name": "default", "neverExpires": true, "rotation": rotation});
    let id = scene.account("ci", json!([entry])).await;
    let old = scene.value("ci-default").await;
    scene.advance(HOUR * 50);
    scene.at_rest("ci", "default", 1).await;
    scene.advance(HOUR * 51);
    scene.other_value("ci-default", &old).await;
    scene.published().await;
    scene.advance(HOUR * 25);
    scene.at_rest("ci", "default", 2).await;
    scene.has_tokens(&id, 1).await;
}

#[tokio::test]
async fn a_token_revoked_behind_our_back_is_found_by_the_sweep() {
    let (_turn, scene) = Scene::private().await;
    let id = scene
        .account("ci", json!([{"name": "default", "lifetime": "100h"}]))
        .await;
    let old = scene.value("ci-default").await;
    let token = scene.tokens(&id).await.remove(0).id;
    let owner = Owner::Account(id.as_str().into());
    let deletion = scene.backend.revoke_token(&owner, &token).await.unwrap();
    assert_eq!(deletion, Deletion::Done);
    scene.advance(HOUR);
    scene
        .condition("ksa", "ci", "Reconciling", "True", "TokenLost")
        .await;
    // Refused once is not lost yet.
    assert!(scene.tokens(&id).await.is_empty());
    scene.advance(Duration::from_secs(31));
    let new = scene.other_value("ci-default", &old).await;
    assert!(scene.works(&new).await);
    scene
        .condition("ksa", "ci", "TokenIssued", "True", "TokenLost")
        .await;
}

#[tokio::test]
async fn a_token_that_dies_under_suspension_is_told_of() {
    let (_turn, scene) = Scene::private().await;
    scene
        .account("ci", json!([{"name": "default", "lifetime": "24h"}]))
        .await;
    let old = scene.value("ci-default").await;
    scene.suspend("ksa", "ci").await;
    scene.advance(HOUR * 20);
    let object = scene
        .condition("ksa", "ci", "Expiring", "True", "Suspended")
        .await;
    assert_eq!(find(&object, "Ready")["status"], "True", "it still works");
    scene.advance(HOUR * 5);
    let message = scene.complaint("ksa", "ci", "Suspended").await;
    assert!(message.contains("TokenExpired"), "{message}");
    scene.resume("ksa", "ci").await;
    let new = scene.other_value("ci-default", &old).await;
    assert!(scene.works(&new).await);
    scene.ready("ksa", "ci").await;
}
