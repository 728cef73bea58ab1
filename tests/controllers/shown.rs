//! What people see by kubectl.

use std::collections::BTreeSet;

use kestra_iam_operator::api::condition::Reason;
use serde_json::{Value, json};

use crate::scene::{Scene, find};

/// Objects of all kinds, all but one of them ready.
async fn some_of_all(scene: &Scene) {
    let role = json!({"roleName": scene.unique("r"), "permissions": {"FLOW": ["READ"]}});
    scene.apply("Role", "runner", role).await;
    let roles = json!([{"kind": "Role", "name": "runner"}]);
    let group = json!({"groupName": scene.unique("g"), "roles": roles});
    scene.apply("Group", "bots", group).await;
    let account = json!({"tokens": [{"name": "default", "lifetime": "24h"}]});
    scene.apply("ServiceAccount", "ci", account).await;
    let binding = json!({
        "roleRef": {"kind": "External", "name": "Viewer"},
        "subjects": [{"kind": "ServiceAccount", "name": "ci"}],
    });
    scene.apply("RoleBinding", "view", binding).await;
    let token = json!({"owner": {"serviceAccountRef": {"name": "ci"}}, "lifetime": "24h"});
    scene.apply("ApiToken", "more", token).await;
    let missing = json!({"groups": [{"kind": "Group", "name": "nobody"}]});
    scene.apply("ServiceAccount", "lost", missing).await;
    for (kind, name) in [
        ("krole", "runner"),
        ("kgrp", "bots"),
        ("ksa", "ci"),
        ("krb", "view"),
        ("ktok", "more"),
    ] {
        scene.ready(kind, name).await;
    }
    scene.complaint("ksa", "lost", "ReferenceNotFound").await;
}

/// The words of the line for an object in what kubectl printed, by its kind and name.
fn line<'t>(table: &'t str, namespace: Option<&str>, object: &str) -> Vec<&'t str> {
    let mut lines = table
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>());
    let found = lines.find(|words| match namespace {
        Some(namespace) => words.first() == Some(&namespace) && words.get(1) == Some(&object),
        None => words.first() == Some(&object),
    });
    found.unwrap_or_else(|| panic!("no {object} in\n{table}"))
}

#[tokio::test]
async fn kubectl_get_lists_all_kinds_with_what_matters() {
    let scene = Scene::new().await;
    some_of_all(&scene).await;
    let args = ["get", "kestra-iam", "-A"];
    let table = scene.world.kubectl(&args, "").await;
    let row = |object: &str| line(&table, Some(&scene.namespace), object);
    let account = scene.get("ksa", "ci").await.unwrap()["status"].clone();
    let told = |member: &str| account[member].as_str().unwrap().to_owned();
    let age = row("serviceaccount.kestra-iam.dev/ci")[7];
    assert_eq!(
        row("serviceaccount.kestra-iam.dev/ci")[2..],
        [
            "True",
            "Synced",
            &scene.unique("ci"),
            &told("soonestExpirationTime"),
            &told("nextRotationTime"),
            age
        ]
    );
    let starts = |object: &str, expected: &[&str]| {
        assert_eq!(&row(object)[2..2 + expected.len()], expected, "{object}");
    };
    starts(
        "serviceaccount.kestra-iam.dev/lost",
        &["False", "ReferenceNotFound"],
    );
    starts(
        "group.kestra-iam.dev/bots",
        &["True", "Synced", &scene.unique("g")],
    );
    starts(
        "role.kestra-iam.dev/runner",
        &["True", "Synced", &scene.unique("r")],
    );
    starts(
        "rolebinding.kestra-iam.dev/view",
        &["True", "Synced", "Viewer"],
    );
    starts(
        "apitoken.kestra-iam.dev/more",
        &["True", "Synced", &scene.unique("ci")],
    );
    let never = json!({"tokens": [{"name": "default", "neverExpires": true}]});
    scene.apply("ServiceAccount", "ever", never).await;
    let never = json!({"owner": {"serviceAccountRef": {"name": "ci"}}, "neverExpires": true});
    scene.apply("ApiToken", "ever", never).await;
    for kind in ["ksa", "ktok"] {
        scene.ready(kind, "ever").await;
        let table = scene.kubectl(&["get", kind, "ever"]).await;
        assert_eq!(line(&table, None, "ever")[4], "never", "{table}");
    }
    let table = scene.world.kubectl(&["get", "kci"], "").await;
    let row = line(&table, None, &scene.instance);
    assert_eq!(
        row[1..6],
        ["True", "Synced", scene.url.as_str(), "main", "1.3.26"]
    );
}

#[tokio::test]
async fn kubectl_wait_waits_for_the_spec_as_it_is() {
    let scene = Scene::new().await;
    some_of_all(&scene).await;
    let wait = ["wait", "--for=condition=Ready", "--timeout=2m"];
    let objects = [
        "ksa/ci",
        "kgrp/bots",
        "krole/runner",
        "krb/view",
        "ktok/more",
    ];
    scene.kubectl(&[&wait[..], &objects[..]].concat()).await;
    scene
        .patch("ksa", "ci", json!({"spec": {"description": "new"}}))
        .await;
    let object = scene.ready("ksa", "ci").await;
    assert_eq!(object["status"]["observedGeneration"], 2);
    let conditions = object["status"]["conditions"].as_array().unwrap();
    for condition in conditions {
        assert_eq!(condition["observedGeneration"], 2, "{condition:#}");
    }
}

#[tokio::test]
async fn reasons_are_of_the_closed_set_and_messages_say_something() {
    let scene = Scene::new().await;
    some_of_all(&scene).await;
    let known: BTreeSet<&str> = Reason::ALL.iter().map(|reason| reason.as_str()).collect();
    let objects = [
        ("ksa", "ci"),
        ("ksa", "lost"),
        ("kgrp", "bots"),
        ("krole", "runner"),
        ("krb", "view"),
        ("ktok", "more"),
        ("kci", scene.instance.as_str()),
    ];
    for (kind, name) in objects {
        let object = scene.get(kind, name).await.unwrap();
        for condition in object["status"]["conditions"].as_array().unwrap() {
            assert!(
                known.contains(condition["reason"].as_str().unwrap()),
                "{condition:#}"
            );
            assert!(
                !condition["message"].as_str().unwrap().is_empty(),
                "{condition:#}"
            );
        }
    }
    let lost = scene.get("ksa", "lost").await.unwrap();
    let types: Vec<&str> = lost["status"]["conditions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|condition| condition["type"].as_str().unwrap())
        .collect();
    assert_eq!(types, ["Ready", "Accepted", "ResolvedRefs", "Stalled"]);
}

#[tokio::test]
async fn events_tell_each_turn_once() {
    let scene = Scene::new().await;
    scene
        .apply(
            "ServiceAccount",
            "ci",
            json!({"groups": [{"kind": "Group", "name": "bots"}]}),
        )
        .await;
    scene.complaint("ksa", "ci", "ReferenceNotFound").await;
    // Looked at again, and still the same.
    scene
        .patch("ksa", "ci", json!({"spec": {"description": "x"}}))
        .await;
    scene.complaint("ksa", "ci", "ReferenceNotFound").await;
    scene
        .apply("Group", "bots", json!({"groupName": scene.unique("g")}))
        .await;
    scene.ready("ksa", "ci").await;
    let events = async || {
        let text = scene
            .kubectl(&["get", "events.events.k8s.io", "-o", "json"])
            .await;
        let events: Value = serde_json::from_str(&text).unwrap();
        let events = events["items"].as_array().unwrap().clone();
        let of_account = events.into_iter().filter(|event| {
            event["regarding"]["kind"] == "ServiceAccount" && event["regarding"]["name"] == "ci"
        });
        let words = |event: Value| {
            let word = |name: &str| event[name].as_str().unwrap().to_owned();
            assert!(!word("note").is_empty(), "{event:#}");
            (word("type"), word("reason"))
        };
        of_account.map(words).collect::<BTreeSet<_>>()
    };
    let expected: BTreeSet<_> = [("Warning", "ReferenceNotFound"), ("Normal", "Synced")]
        .map(|(kind, reason)| (kind.to_owned(), reason.to_owned()))
        .into();
    scene
        .wait("both events", async || {
            (events().await == expected).then_some(())
        })
        .await;
    let object = scene.get("ksa", "ci").await.unwrap();
    assert_eq!(find(&object, "Stalled"), Value::Null);
}
