//! Events: one for each turn of an object and for each thing done to a token, none for what goes on as before.

use serde_json::{Value, json};

use crate::faults::nobody;
use crate::gate::{Gate, Verdict};
use crate::scene::Scene;
use crate::world::World;

fn one_token() -> Value {
    json!({"tokens": [{"name": "default", "lifetime": "1h"}]})
}

/// The Events about an object with this reason, as `Type xTIMES note`.
async fn told(scene: &Scene, kind: &str, name: &str, reason: &str) -> Vec<String> {
    let namespace = match kind {
        "ClusterInstance" => "default",
        _ => &scene.namespace,
    };
    let args = ["get", "events.events.k8s.io", "-o", "json", "-n", namespace];
    let text = scene.world.kubectl(&args, "").await;
    let events: Value = serde_json::from_str(&text).unwrap();
    let about = |event: &&Value| {
        let regarding = &event["regarding"];
        regarding["kind"] == kind && regarding["name"] == name && event["reason"] == reason
    };
    let events = events["items"].as_array().unwrap().iter().filter(about);
    let word = |event: &Value, name: &str| event[name].as_str().unwrap().to_owned();
    let mut told: Vec<String> = events
        .map(|event| {
            let times = event["series"]["count"].as_i64().unwrap_or(1);
            let (type_, note) = (word(event, "type"), word(event, "note"));
            format!("{type_} x{times} {note}")
        })
        .collect();
    told.sort();
    told
}

/// Waits until Events of this reason were written, as many times as given in all.
pub async fn times(
    scene: &Scene,
    (kind, name): (&str, &str),
    reason: &str,
    times: i64,
) -> Vec<String> {
    let what = format!("{times} times {reason} about {name}");
    let count = |told: &str| {
        let times = told
            .split(['x', ' '])
            .find_map(|word| word.parse::<i64>().ok());
        times.unwrap()
    };
    scene
        .wait(&what, async || {
            let told = told(scene, kind, name, reason).await;
            (told.iter().map(|told| count(told)).sum::<i64>() == times).then_some(told)
        })
        .await
}

/// Has the object looked at again, and waits until it was: it says the same as before, of another spec.
async fn again(scene: &Scene, kind: &str, name: &str, reason: &str) {
    scene
        .patch(kind, name, json!({"spec": {"description": "other"}}))
        .await;
    scene.complaint(kind, name, reason).await;
}

#[tokio::test]
async fn what_an_object_is_refused_or_waits_for_is_a_warning_told_once() {
    let scene = Scene::with(json!({"guardrails": {"tokensPerNamespace": 1}})).await;
    let taken = format!("{}-taken", scene.namespace);
    scene.account_by_hand(&taken, "").await;
    let foreign = json!({
        "apiVersion": "v1", "kind": "Secret",
        "metadata": {"name": "clash-default", "namespace": scene.namespace},
    });
    scene.world.apply(&foreign).await;
    scene.apply("ServiceAccount", "clash", one_token()).await;
    scene.complaint("ksa", "clash", "SecretConflict").await;
    let roles = json!({"roles": [{"kind": "External", "name": "Admin"}]});
    let groups = json!({"groups": [{"kind": "Group", "name": "nobody"}]});
    let cases = [
        ("refused", roles, "NotAllowed"),
        ("taken", json!({}), "NameConflict"),
        ("lost", groups, "ReferenceNotFound"),
        ("many", one_token(), "QuotaExceeded"),
    ];
    for (name, spec, reason) in &cases {
        scene.apply("ServiceAccount", name, spec.clone()).await;
        scene.complaint("ksa", name, reason).await;
        again(&scene, "ksa", name, reason).await;
    }
    again(&scene, "ksa", "clash", "SecretConflict").await;
    let all = cases.map(|(name, _, reason)| (name, reason));
    for (name, reason) in all.into_iter().chain([("clash", "SecretConflict")]) {
        let told = times(&scene, ("ServiceAccount", name), reason, 1).await;
        assert!(told[0].starts_with("Warning x1 "), "{told:?}");
    }
}

#[tokio::test]
async fn what_is_wrong_with_an_instance_is_a_warning_told_once() {
    let scene = Scene::inside(World::shared().await).await;
    let gate = Gate::to(&scene.url).await;
    gate.rule(|_, _| Verdict::Answer(503));
    scene
        .connect(json!({"url": gate.url(), "guardrails": {"unrestricted": true}}))
        .await;
    scene.apply("ServiceAccount", "ci", json!({})).await;
    scene.complaint("ksa", "ci", "BackendUnavailable").await;
    scene
        .wait("three looks", async || {
            (gate.passed().len() >= 3).then_some(())
        })
        .await;
    gate.rule(|_, _| Verdict::Answer(401));
    let instance = ("ClusterInstance", scene.instance.as_str());
    for reason in ["BackendUnavailable", "Unauthorized"] {
        let told = times(&scene, instance, reason, 1).await;
        assert!(told[0].starts_with("Warning x1 "), "{told:?}");
    }
    gate.open();
    times(&scene, instance, "Synced", 1).await;
    let account = ("ServiceAccount", "ci");
    times(&scene, account, "BackendUnavailable", 1).await;
    times(&scene, account, "Synced", 1).await;
    scene.patch_instance(json!({"url": nobody()})).await;
    // The same turn again: one Event that happened twice.
    let told = times(&scene, instance, "BackendUnavailable", 2).await;
    assert_eq!(told.len(), 1, "{told:?}");
}

#[tokio::test]
async fn a_series_of_new_values_reads_right_and_each_revocation_is_told() {
    let scene = Scene::new().await;
    let entries = ["one", "two"].map(|name| json!({"name": name, "lifetime": "1h"}));
    scene
        .apply("ServiceAccount", "ci", json!({"tokens": entries}))
        .await;
    scene.ready("ksa", "ci").await;
    let account = ("ServiceAccount", "ci");
    let expected =
        ["one", "two"].map(|name| format!("Normal x1 token {name} is in Secret ci-{name}"));
    assert_eq!(times(&scene, account, "Issued", 2).await, expected);
    for order in ["first", "second"] {
        let leaked = json!({"metadata": {"annotations": {"kestra-iam.dev/compromised": order}}});
        scene.patch("ksa", "ci", leaked).await;
        let handled = |object: &Value| {
            let tokens = object["status"]["tokens"].as_array().unwrap();
            tokens.iter().all(|token| {
                token["handledCompromised"] == order
                    && token["retired"].as_array().is_none_or(Vec::is_empty)
            })
        };
        scene.until("ksa", "ci", order, handled).await;
    }
    let expected = ["one", "two"]
        .map(|name| format!("Normal x2 a new value of token {name} is in Secret ci-{name}"));
    assert_eq!(times(&scene, account, "Compromised", 4).await, expected);
    let told = times(&scene, account, "Revoked", 4).await;
    assert!(
        told.iter().all(|told| told.starts_with("Normal ")),
        "{told:?}"
    );
    scene.delete("ksa", "ci").await;
    let told = times(&scene, account, "Revoked", 6).await;
    assert!(
        told.contains(&"Normal x2 a token that nothing asks for any more was revoked".to_owned()),
        "{told:?}"
    );
}
