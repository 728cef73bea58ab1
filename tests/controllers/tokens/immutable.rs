//! A Secret for each token, which nobody can change.

use std::time::Duration;

use axum::http::Method;
use serde_json::{Value, json};

use super::{brisk, encoded, entry_of, patient, same, text, token_of};
use crate::crashes::{behind_gate, hold, hold_second_token};
use crate::scene::{Scene, find};

const FIRST: &str = "ci-default-g1";
const SECOND: &str = "ci-default-g2";

fn immutable(mut entry: Value) -> Value {
    entry["secret"] = json!({"immutable": true});
    entry
}

/// The spec of an account with one such token.
fn spec(entry: Value) -> Value {
    json!({"tokens": [immutable(entry)]})
}

impl Scene {
    /// An account with one such token; its id.
    async fn versioned(&self) -> String {
        self.account("ci", json!([immutable(patient("default"))]))
            .await
    }

    async fn rotate(&self) {
        self.order("ksa", "ci", "rotate-requested-at", "1").await;
    }

    /// Waits until the status points to this Secret.
    async fn points_to(&self, secret: &str) -> Value {
        let fact = format!("points to {secret}");
        let points = |entry: &Value| entry["secretName"] == secret && entry["id"].is_string();
        self.entry("ci", "default", &fact, points).await
    }

    /// Once the overlap is over: one token, in this Secret alone.
    async fn ends_with(&self, id: &str, secret: &str, before: &[&str]) {
        self.advance(Duration::from_mins(20));
        for before in before {
            self.gone("secret", before).await;
        }
        self.has_tokens(id, 1).await;
        let rests = |entry: &Value| entry["retired"].is_null();
        self.entry("ci", "default", "has nothing retired", rests)
            .await;
        self.points_to(secret).await;
        self.ready("ksa", "ci").await;
        assert!(self.works(&self.value(secret).await).await);
    }
}

#[tokio::test]
async fn each_token_has_a_secret_of_its_own_until_it_is_revoked() {
    let (_turn, scene) = Scene::private().await;
    let id = scene.versioned().await;
    scene.points_to(FIRST).await;
    let first = scene.value(FIRST).await;
    let version = scene.version(FIRST).await;
    scene.rotate().await;
    scene.points_to(SECOND).await;
    let path = r#"jsonpath={.status.tokens[?(@.name=="default")].secretName}"#;
    let told = scene.kubectl(&["get", "ksa", "ci", "-o", path]).await;
    assert_eq!(told, SECOND);
    let second = scene.value(SECOND).await;
    assert!(!same(&first, &second));
    assert!(scene.works(&first).await && scene.works(&second).await);
    assert_eq!(scene.version(FIRST).await, version, "it is left as it is");
    for secret in [FIRST, SECOND] {
        let secret = scene.get("secret", secret).await.unwrap();
        assert_eq!(secret["immutable"], true);
    }
    let mark = scene.world.plane.audit().mark().unwrap();
    scene.ends_with(&id, SECOND, &[FIRST]).await;
    assert!(!scene.works(&first).await, "revoked before its Secret went");
    let requests = scene.world.plane.audit().since(mark).unwrap();
    let looked = |name: &str| {
        let mut gets = requests.iter().filter(|request| request.verb == "get");
        gets.any(|get| get.resource == "secrets" && get.name == name)
    };
    assert!(looked(SECOND) && looked("ci-default-g3"), "before it went");
    assert!(scene.get("secret", "ci-default").await.is_none());
}

#[tokio::test]
async fn an_api_token_has_them_as_well() {
    let scene = Scene::new().await;
    scene.account("ci", json!([])).await;
    let owner = json!({"serviceAccountRef": {"name": "ci"}});
    let spec = immutable(token_of(owner));
    scene.apply("ApiToken", "more", spec).await;
    let object = scene.ready("ktok", "more").await;
    assert_eq!(object["status"]["token"]["secretName"], "more-g1");
    let value = scene.value("more-g1").await;
    assert!(scene.works(&value).await);
    scene.delete("ktok", "more").await;
    assert!(!scene.works(&value).await);
    scene.gone("secret", "more-g1").await;
}

#[tokio::test]
async fn killed_before_it_knew_of_the_token_that_it_issued() {
    let (_turn, scene) = Scene::private().await;
    let gate = behind_gate(&scene).await;
    let id = scene.versioned().await;
    scene.advance(Duration::from_secs(2));
    hold(&gate, Method::POST, "/api-tokens");
    scene.rotate().await;
    scene.has_tokens(&id, 2).await;
    scene.world.operator.kill().await.unwrap();
    gate.open();
    scene.world.operator.restart().await.unwrap();
    let entry = scene.points_to(SECOND).await;
    assert_eq!(entry["generation"], 3, "the second was nobody's");
    scene.ends_with(&id, SECOND, &[FIRST]).await;
    // The number follows the generation again.
    scene.order("ksa", "ci", "rotate-requested-at", "2").await;
    let entry = scene.points_to("ci-default-g4").await;
    assert_eq!(entry["generation"], 4);
}

#[tokio::test]
async fn killed_before_it_wrote_down_what_it_published() {
    let (_turn, scene) = Scene::private().await;
    let gate = behind_gate(&scene).await;
    let entries = json!([immutable(patient("default")), patient("next")]);
    scene.account("ci", entries).await;
    let first = scene.value(FIRST).await;
    scene.advance(Duration::from_secs(2));
    // The status of both is written once the second has its answer.
    hold_second_token(&gate);
    scene.rotate().await;
    let second = scene.value(SECOND).await;
    let told = scene.get("ksa", "ci").await.unwrap();
    assert_eq!(entry_of(&told, "default")["secretName"], FIRST);
    scene.world.operator.kill().await.unwrap();
    gate.open();
    scene.world.operator.restart().await.unwrap();
    scene.points_to(SECOND).await;
    assert!(scene.works(&first).await, "somebody may hold it");
    assert!(same(&scene.value(SECOND).await, &second));
    scene.advance(Duration::from_mins(20));
    scene.gone("secret", FIRST).await;
    scene.at_rest("ci", "default", 2).await;
    assert!(scene.works(&second).await && !scene.works(&first).await);
}

#[tokio::test]
async fn a_foreign_secret_of_the_next_name_is_left_alone_and_nothing_is_minted() {
    let scene = Scene::new().await;
    let id = scene.versioned().await;
    let first = scene.value(FIRST).await;
    let foreign = json!({
        "apiVersion": "v1", "kind": "Secret", "stringData": {"password": "hunter2"},
        "metadata": {"name": SECOND, "namespace": scene.namespace},
    });
    scene.world.apply(&foreign).await;
    let version = scene.version(SECOND).await;
    scene.rotate().await;
    let object = scene
        .condition("ksa", "ci", "Stalled", "True", "SecretConflict")
        .await;
    let message = find(&object, "Stalled")["message"].to_string();
    assert!(message.contains(SECOND), "{message}");
    assert_eq!(find(&object, "Ready")["status"], "True", "the first works");
    assert!(scene.works(&first).await);
    assert_eq!(scene.tokens(&id).await.len(), 1);
    assert_eq!(scene.version(SECOND).await, version);
    scene.delete("secret", SECOND).await;
    scene.order("ksa", "ci", "rotate-requested-at", "2").await;
    scene.points_to(SECOND).await;
    assert!(scene.works(&scene.value(SECOND).await).await);
}

#[tokio::test]
async fn no_entry_takes_what_another_is_called() {
    let scene = Scene::new().await;
    let mut other = patient("other");
    other["secret"] = json!({"name": SECOND});
    let entries = json!([immutable(patient("default")), other]);
    let id = scene.account("ci", entries).await;
    let theirs = scene.value(SECOND).await;
    scene
        .order("ksa", "ci", "rotate-requested-at", "default=1")
        .await;
    scene
        .condition("ksa", "ci", "Stalled", "True", "SecretConflict")
        .await;
    assert!(same(&scene.value(SECOND).await, &theirs));
    assert_eq!(scene.tokens(&id).await.len(), 2);
}

#[tokio::test]
async fn a_secret_that_is_deleted_is_followed_by_the_next() {
    let (_turn, scene) = Scene::private().await;
    let id = scene.versioned().await;
    let first = scene.value(FIRST).await;
    scene.begin_delete("secret", FIRST).await;
    scene.points_to(SECOND).await;
    scene
        .condition("ksa", "ci", "TokenIssued", "True", "SecretMissing")
        .await;
    assert!(scene.works(&first).await, "pods may hold it");
    assert!(scene.get("secret", FIRST).await.is_none());
    scene.ends_with(&id, SECOND, &[]).await;
    assert!(!scene.works(&first).await);
}

#[tokio::test]
async fn a_secret_that_is_deleted_in_an_overlap_does_not_bring_the_one_before_back() {
    let (_turn, scene) = Scene::private().await;
    let id = scene.versioned().await;
    scene.rotate().await;
    scene.points_to(SECOND).await;
    scene.begin_delete("secret", SECOND).await;
    let entry = scene.points_to("ci-default-g3").await;
    assert_eq!(entry["generation"], 3);
    assert!(
        scene.get("secret", FIRST).await.is_some(),
        "its token works"
    );
    scene.ends_with(&id, "ci-default-g3", &[FIRST]).await;
}

#[tokio::test]
async fn a_secret_that_somebody_made_anew_with_another_value_is_followed_by_the_next() {
    let (_turn, scene) = Scene::private().await;
    let id = scene.versioned().await;
    let first = scene.value(FIRST).await;
    let mut forged = scene.get("secret", FIRST).await.unwrap();
    forged["data"]["token"] = json!(encoded("not-a-token"));
    for field in [
        "resourceVersion",
        "uid",
        "creationTimestamp",
        "managedFields",
    ] {
        forged["metadata"].as_object_mut().unwrap().remove(field);
    }
    scene.world.operator.kill().await.unwrap();
    scene.delete("secret", FIRST).await;
    scene.world.apply(&forged).await;
    scene.world.operator.restart().await.unwrap();
    scene.points_to(SECOND).await;
    assert!(scene.works(&first).await, "pods may hold it");
    scene.ends_with(&id, SECOND, &[FIRST]).await;
}

#[tokio::test]
async fn it_is_switched_on_and_off_without_a_gap() {
    let (_turn, scene) = Scene::private().await;
    let id = scene.account("ci", json!([patient("default")])).await;
    let fixed = scene.value("ci-default").await;
    scene
        .apply("ServiceAccount", "ci", spec(patient("default")))
        .await;
    scene.points_to(SECOND).await;
    assert!(scene.works(&fixed).await);
    assert!(scene.get("secret", "ci-default").await.is_some());
    scene.ends_with(&id, SECOND, &["ci-default"]).await;
    let off = json!({"tokens": [patient("default")]});
    scene.apply("ServiceAccount", "ci", off).await;
    scene.points_to("ci-default").await;
    assert!(scene.get("secret", SECOND).await.is_some());
    scene.ends_with(&id, "ci-default", &[SECOND]).await;
    let secret = scene.get("secret", "ci-default").await.unwrap();
    assert!(secret["immutable"].is_null(), "it is written over again");
}

#[tokio::test]
async fn other_keys_take_another_token_and_other_labels_do_not() {
    let (_turn, scene) = Scene::private().await;
    let id = scene.versioned().await;
    let first = scene.value(FIRST).await;
    let dressed = |template: Value| {
        let mut entry = immutable(patient("default"));
        entry["secret"]["template"] = template;
        json!({"tokens": [entry]})
    };
    let labels = json!({"metadata": {"labels": {"team": "ci"}}});
    scene
        .apply("ServiceAccount", "ci", dressed(labels.clone()))
        .await;
    let has_label = |secret: &Value| secret["metadata"]["labels"]["team"] == "ci";
    scene
        .until("secret", FIRST, "has the label", has_label)
        .await;
    let strip = json!({"metadata": {"labels": null}});
    scene.patch("secret", FIRST, strip).await;
    scene
        .until("secret", FIRST, "has the label", has_label)
        .await;
    scene.at_rest("ci", "default", 1).await;
    assert!(same(&scene.value(FIRST).await, &first));
    let mut keys = labels;
    keys["data"] = json!({"LOGIN": "{{ account }}:{{ token }}"});
    scene.apply("ServiceAccount", "ci", dressed(keys)).await;
    scene.points_to(SECOND).await;
    scene
        .condition("ksa", "ci", "TokenIssued", "True", "TemplateChanged")
        .await;
    let secret = scene.get("secret", SECOND).await.unwrap();
    assert!(text(&secret, "LOGIN").ends_with(&text(&secret, "token")));
    scene.ends_with(&id, SECOND, &[FIRST]).await;
    scene.at_rest("ci", "default", 2).await;
}

#[tokio::test]
async fn a_compromised_token_goes_at_once_and_its_secret_with_it() {
    let scene = Scene::new().await;
    let id = scene.versioned().await;
    let first = scene.value(FIRST).await;
    scene.order("ksa", "ci", "compromised", "leak").await;
    scene.points_to(SECOND).await;
    scene.refused("the compromised value", &first).await;
    scene.gone("secret", FIRST).await;
    scene.has_tokens(&id, 1).await;
    scene.ready("ksa", "ci").await;
}

#[tokio::test]
async fn a_removed_entry_takes_all_of_them_along() {
    let (_turn, scene) = Scene::private().await;
    let id = scene.versioned().await;
    scene.rotate().await;
    scene.points_to(SECOND).await;
    scene
        .apply("ServiceAccount", "ci", json!({"tokens": []}))
        .await;
    let leaving = |entry: &Value| entry["id"].is_null();
    scene.entry("ci", "default", "is leaving", leaving).await;
    scene.advance(Duration::from_mins(61));
    scene.has_tokens(&id, 0).await;
    scene.gone("secret", FIRST).await;
    scene.gone("secret", SECOND).await;
}

#[tokio::test]
async fn orphans_are_left_without_our_marks_and_immutable() {
    let scene = Scene::new().await;
    let mut spec = spec(patient("default"));
    spec["deletionPolicy"] = json!("Orphan");
    scene.apply("ServiceAccount", "ci", spec).await;
    scene.points_to(FIRST).await;
    scene.rotate().await;
    scene.points_to(SECOND).await;
    scene.delete("ksa", "ci").await;
    for name in [FIRST, SECOND] {
        let secret = scene.get("secret", name).await.unwrap();
        let metadata = secret["metadata"].to_string();
        assert!(!metadata.contains("kestra-iam.dev/"), "{metadata}");
        assert_eq!(secret["immutable"], true);
        assert!(scene.works(&scene.value(name).await).await);
    }
}

#[tokio::test]
async fn one_that_is_not_permitted_any_more_runs_out_in_its_secret() {
    let scene = Scene::new().await;
    let id = scene
        .account("ci", json!([immutable(brisk("default"))]))
        .await;
    scene.rotate().await;
    scene.points_to(SECOND).await;
    let second = scene.value(SECOND).await;
    let mut refused = immutable(brisk("default"));
    let labels = json!({"argocd.argoproj.io/secret-type": "cluster"});
    refused["secret"]["template"] = json!({"metadata": {"labels": labels}});
    scene
        .apply("ServiceAccount", "ci", json!({"tokens": [refused]}))
        .await;
    scene
        .condition("ksa", "ci", "Accepted", "False", "NotAllowed")
        .await;
    scene.gone("secret", FIRST).await;
    scene.has_tokens(&id, 1).await;
    assert!(scene.works(&second).await);
    assert!(same(&scene.value(SECOND).await, &second));
}
