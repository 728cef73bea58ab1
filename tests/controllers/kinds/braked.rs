//! Mass deletion: so many objects deleted within minutes wait until somebody agrees.

use std::sync::Arc;

use kestra_iam_operator::iam::model::TokenValue;
use serde_json::{Value, json};

use super::owed::{owed, settled};
use crate::backend::is_gone;
use crate::events::times;
use crate::metrics::scrape;
use crate::scene::{Scene, find};
use crate::world::{BRAKE, World};

/// One more than may be deleted within minutes.
const MANY: [&str; 4] = ["a", "b", "c", "d"];

/// As many as may be.
const FEW: [&str; 3] = ["a", "b", "c"];

/// Accounts with a token each, and the tokens' values.
async fn accounts(scene: &Scene, names: &[&str]) -> Vec<TokenValue> {
    let spec = json!({"tokens": [{"name": "default", "lifetime": "24h"}]});
    for name in names {
        scene.apply("ServiceAccount", name, spec.clone()).await;
    }
    let mut values = Vec::new();
    for name in names {
        scene.ready("ksa", name).await;
        values.push(scene.value(&format!("{name}-default")).await);
    }
    values
}

/// Deletes something by this command, and these accounts with it. The operator looks when all of that is done, however
/// busy the machine.
async fn delete(scene: &Scene, command: &[&str], names: &[&str]) {
    scene.world.operator.pause().unwrap();
    scene
        .kubectl(&[&["delete", "--wait=false"], command].concat())
        .await;
    for name in names {
        let is_deleted = |object: &Value| object["metadata"]["deletionTimestamp"].is_string();
        scene.until("ksa", name, "is deleted", is_deleted).await;
    }
    scene.world.operator.resume().unwrap();
}

/// Deletes these accounts at once, as a pruned application does.
async fn prune(scene: &Scene, names: &[&str]) {
    delete(scene, &[&["ksa"], names].concat(), names).await;
}

/// The condition of the instance, once so many objects wait.
async fn waiting(scene: &Scene, objects: usize) -> String {
    let counted = |object: &Value| {
        let condition = find(object, "DeletionBraked");
        let message = condition["message"].as_str().unwrap_or_default();
        condition["status"] == "True" && message.starts_with(&format!("{objects} deleted"))
    };
    let what = format!("{objects} wait");
    let object = scene.until("kci", &scene.instance, &what, counted).await;
    let message = find(&object, "DeletionBraked")["message"].clone();
    message.as_str().unwrap().to_owned()
}

/// Does what the condition says is to be done if the objects are to go.
async fn agree(scene: &Scene, message: &str) {
    let (_, command) = message.split_once("kubectl ").unwrap();
    let (command, _) = command.split_once(". ").unwrap();
    let words: Vec<&str> = command.split_whitespace().collect();
    scene.world.kubectl(&words, "").await;
}

async fn braked(scene: &Scene, names: &[&str]) {
    for name in names {
        scene.complaint("ksa", name, "DeletionBraked").await;
    }
}

async fn all_work(scene: &Scene, values: &[TokenValue]) {
    for value in values {
        assert!(scene.works(value).await);
    }
}

async fn all_gone(scene: &Scene, names: &[&str]) {
    for name in names {
        scene.gone("ksa", name).await;
    }
}

async fn off(scene: &Scene) -> Value {
    let is_off = |object: &Value| find(object, "DeletionBraked").is_null();
    scene
        .until("kci", &scene.instance, "the brake is off", is_off)
        .await
}

/// Ends the operator and starts it again, and waits until it has counted the deletions.
async fn restart(scene: &Scene, waiting: usize) {
    scene.world.operator.kill().await.unwrap();
    scene.world.operator.restart().await.unwrap();
    let instance = &scene.instance;
    let gauge = format!("kestra_iam_deletions_braked{{instance=\"{instance}\"}} {waiting}\n");
    let counted = async || {
        let text = scrape(&scene.world.operator).await?;
        text.contains(&gauge).then_some(())
    };
    scene.wait("the deletions to be counted", counted).await;
}

#[tokio::test]
async fn a_pruned_application_waits_over_a_restart_until_somebody_agrees() {
    let (_turn, scene) = Scene::braked().await;
    let values = accounts(&scene, &MANY).await;
    let ids = [scene.id("ksa", "a").await, scene.id("ksa", "d").await];
    prune(&scene, &MANY).await;
    braked(&scene, &MANY).await;
    waiting(&scene, 4).await;
    restart(&scene, 4).await;
    all_work(&scene, &values).await;
    for name in MANY {
        let object = scene.get("ksa", name).await.unwrap();
        assert_eq!(
            object["metadata"]["finalizers"][0],
            "kestra-iam.dev/cleanup"
        );
        let secret = scene.get("secret", &format!("{name}-default")).await;
        assert!(secret.is_some(), "the Secret of {name}");
    }
    let instance = ("ClusterInstance", scene.instance.as_str());
    times(&scene, instance, "DeletionBraked", 1).await;
    let ready = scene.get("kci", &scene.instance).await.unwrap();
    assert_eq!(find(&ready, "Ready")["status"], "True");
    agree(&scene, &waiting(&scene, 4).await).await;
    all_gone(&scene, &MANY).await;
    for (value, id) in values.iter().zip(&ids) {
        assert!(!scene.works(value).await);
        assert!(is_gone(&scene.backend.account(&id.as_str().into()).await));
    }
    let object = off(&scene).await;
    assert_eq!(object["status"]["recentDeletions"], Value::Null);
    // What comes later counts anew.
    accounts(&scene, &FEW).await;
    prune(&scene, &FEW).await;
    all_gone(&scene, &FEW).await;
}

#[tokio::test]
async fn one_after_the_other_is_counted_too_also_by_another_process() {
    let (_turn, scene) = Scene::braked().await;
    let values = accounts(&scene, &MANY).await;
    for name in FEW {
        prune(&scene, &[name]).await;
        scene.gone("ksa", name).await;
    }
    restart(&scene, 0).await;
    prune(&scene, &["d"]).await;
    braked(&scene, &["d"]).await;
    all_work(&scene, &values[3..]).await;
    agree(&scene, &waiting(&scene, 1).await).await;
    all_gone(&scene, &["d"]).await;
}

#[tokio::test]
async fn a_namespace_ends_and_what_it_leaves_waits() {
    let (_turn, scene) = Scene::braked().await;
    let values = accounts(&scene, &MANY).await;
    let namespace = scene.namespace.clone();
    delete(&scene, &["namespace", &namespace], &MANY).await;
    let ended = async || {
        let args = ["get", "namespace", &namespace, "--ignore-not-found"];
        let there = scene.world.kubectl(&args, "").await;
        there.is_empty().then_some(())
    };
    scene.wait("the namespace to end", ended).await;
    let message = waiting(&scene, 4).await;
    let duties = scene
        .wait("each of them to say what it waits for", async || {
            let duties = owed(&scene).await;
            let reason = |duty: &Value| find(duty, "Ready")["reason"] == "DeletionBraked";
            (duties.len() == 4 && duties.iter().all(reason)).then_some(duties)
        })
        .await;
    assert!(duties[0]["spec"]["deletionTime"].is_string());
    all_work(&scene, &values).await;
    agree(&scene, &message).await;
    settled(&scene).await;
    for value in &values {
        assert!(!scene.works(value).await);
    }
}

#[tokio::test]
async fn a_leaked_token_dies_while_its_object_waits() {
    let (_turn, scene) = Scene::braked().await;
    let values = accounts(&scene, &MANY).await;
    let id = scene.id("ksa", "b").await;
    let owner = json!({"serviceAccountRef": {"name": "a"}});
    let spec = json!({"owner": owner, "lifetime": "24h"});
    scene.apply("ApiToken", "more", spec).await;
    let more = scene.value("more").await;
    scene.ready("ktok", "more").await;
    let all = ["ktok/more", "ksa/a", "ksa/b", "ksa/c", "ksa/d"];
    delete(&scene, &all, &MANY).await;
    braked(&scene, &MANY).await;
    scene.complaint("ktok", "more", "DeletionBraked").await;
    let compromised = json!({"metadata": {"annotations": {"kestra-iam.dev/compromised": "leak"}}});
    scene.patch("ksa", "b", compromised.clone()).await;
    scene.refused("the leaked token", &values[1]).await;
    scene.patch("ktok", "more", compromised).await;
    scene.refused("the other leaked token", &more).await;
    braked(&scene, &MANY).await;
    let account = scene.backend.account(&id.as_str().into()).await;
    assert!(account.is_ok(), "the account waits");
    all_work(
        &scene,
        &[values[0].clone(), values[2].clone(), values[3].clone()],
    )
    .await;
    agree(&scene, &waiting(&scene, 5).await).await;
    all_gone(&scene, &MANY).await;
    scene.gone("ktok", "more").await;
}

#[tokio::test]
async fn who_is_to_leave_all_behind_goes_alone() {
    let (_turn, scene) = Scene::braked().await;
    let values = accounts(&scene, &MANY).await;
    prune(&scene, &MANY).await;
    braked(&scene, &MANY).await;
    let orphan = json!({"spec": {"deletionPolicy": "Orphan"}});
    scene.patch("ksa", "a", orphan).await;
    scene.gone("ksa", "a").await;
    let message = waiting(&scene, 3).await;
    all_work(&scene, &values).await;
    agree(&scene, &message).await;
    all_gone(&scene, &FEW[1..]).await;
    all_work(&scene, &values[..1]).await;
}

#[tokio::test]
async fn a_deleted_definition_is_a_mass_deletion() {
    // Nobody else needs the definition.
    let world = World::start(&BRAKE, &[]).await;
    let scene = Scene::inside(Arc::new(world)).await;
    scene
        .connect(json!({"guardrails": {"unrestricted": true}}))
        .await;
    let values = accounts(&scene, &MANY).await;
    let definition = "serviceaccounts.kestra-iam.dev";
    delete(&scene, &["crd", definition], &MANY).await;
    braked(&scene, &MANY).await;
    all_work(&scene, &values).await;
    agree(&scene, &waiting(&scene, 4).await).await;
    let gone = async || {
        let args = ["get", "crd", definition, "--ignore-not-found"];
        let there = scene.world.kubectl(&args, "").await;
        there.is_empty().then_some(())
    };
    scene.wait("the definition to go", gone).await;
    for value in &values {
        assert!(!scene.works(value).await);
    }
}
