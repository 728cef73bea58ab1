//! Faults and bad input: a condition that says what to do, no storm, nothing lost, and recovery by itself.

use std::net::TcpListener;
use std::time::Duration;

use axum::http::Method;
use serde_json::{Value, json};
use testbed::IamServer;
use tokio::time::Instant;

use crate::backend::{is_gone, principal};
use crate::gate::{Gate, Passed, Verdict};
use crate::scene::{Scene, World, binary, find};

/// An address at which nobody listens.
fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

fn one_token() -> Value {
    json!({"tokens": [{"name": "default", "lifetime": "1h"}]})
}

/// What the instance's `Ready` says once it is false for this reason.
async fn instance_says(scene: &Scene, reason: &str) -> String {
    let instance = scene.instance.clone();
    scene.complaint("kci", &instance, reason).await
}

async fn connected(scene: &Scene) {
    let instance = scene.instance.clone();
    scene.condition("kci", &instance, "Ready", "True", "").await;
}

/// Whether an object is ready although its instance is down, which it says for this reason.
async fn ready_though(scene: &Scene, kind: &str, name: &str, reason: &str) {
    let object = scene.condition(kind, name, "Synced", "False", reason).await;
    assert_eq!(find(&object, "Ready")["status"], "True", "{object:#}");
}

/// Any change, so that the object is looked at.
async fn touch(scene: &Scene, kind: &str, name: &str) {
    let change =
        json!({"metadata": {"annotations": {"kestra-iam.dev/rotate-requested-at": "other=x"}}});
    scene.patch(kind, name, change).await;
}

async fn own_server(flags: &[&str]) -> IamServer {
    let world = World::shared().await;
    let mut all: Vec<String> = flags.iter().map(|&flag| flag.to_owned()).collect();
    all.extend(world.clock.args().map(|arg| arg.display().to_string()));
    IamServer::start(binary(), &all).await.unwrap()
}

#[tokio::test]
async fn a_wrong_address() {
    let scene = Scene::inside(World::shared().await).await;
    scene
        .connect(json!({"url": nobody(), "guardrails": {"unrestricted": true}}))
        .await;
    scene.apply("ServiceAccount", "ci", one_token()).await;
    let said = instance_says(&scene, "BackendUnavailable").await;
    assert!(
        said.contains("cannot connect") && said.contains("spec.url"),
        "{said}"
    );
    let said = scene.complaint("ksa", "ci", "BackendUnavailable").await;
    assert!(said.contains(&scene.instance), "{said}");
    scene.patch_instance(json!({"url": scene.url})).await;
    scene.ready("ksa", "ci").await;
    assert!(scene.works(&scene.value("ci-default").await).await);
}

#[tokio::test]
async fn an_open_source_kestra_and_no_storm() {
    let scene = Scene::inside(World::shared().await).await;
    let gate = Gate::to(&scene.url).await;
    gate.rule(|_, _| Verdict::Answer(404));
    let start = Instant::now();
    scene
        .connect(json!({"url": gate.url(), "guardrails": {"unrestricted": true}}))
        .await;
    for name in ["a", "b", "c"] {
        scene.apply("ServiceAccount", name, one_token()).await;
        scene.complaint("ksa", name, "BackendProtocol").await;
    }
    let said = instance_says(&scene, "BackendProtocol").await;
    assert!(
        said.contains("open-source Kestra") && said.contains("Enterprise"),
        "{said}"
    );
    scene
        .wait("three looks", async || {
            (gate.passed().len() >= 3).then_some(())
        })
        .await;
    assert!(
        start.elapsed() > Duration::from_secs(5),
        "each later than the one before"
    );
    let configs = |passed: &Passed| passed.path == "/api/v1/configs";
    assert_eq!(
        gate.count(configs),
        gate.passed().len(),
        "one request a look, whoever waits"
    );
    gate.open();
    for name in ["a", "b", "c"] {
        scene.ready("ksa", name).await;
    }
}

#[tokio::test]
async fn what_answers_is_no_api() {
    let (scene, gate) = Scene::behind_gate(json!({"guardrails": {"unrestricted": true}})).await;
    gate.rule(|_, _| Verdict::Answer(200));
    scene
        .patch_instance(json!({"lastUsedGranularity": "2s"}))
        .await;
    let said = instance_says(&scene, "BackendProtocol").await;
    assert!(
        said.contains("is no IAM API") && said.contains("spec.url"),
        "{said}"
    );
}

#[tokio::test]
async fn a_dead_backend_and_its_return() {
    let mut server = own_server(&[]).await;
    let scene = Scene::at(
        &server,
        json!({"resync": {"objects": "1s", "tokens": "1h"}}),
    )
    .await;
    scene.apply("ServiceAccount", "ci", one_token()).await;
    let id = scene.id("ksa", "ci").await;
    let value = scene.value("ci-default").await;
    server.process().kill().await.unwrap();
    instance_says(&scene, "BackendUnavailable").await;
    let before = scene.get("ksa", "ci").await.unwrap();
    assert_eq!(
        find(&before, "Synced")["status"],
        "True",
        "one condition, on the instance"
    );
    let description = json!({"spec": {"description": "changed meanwhile"}});
    scene.patch("ksa", "ci", description).await;
    // Another spec is not what was ready.
    scene.complaint("ksa", "ci", "BackendUnavailable").await;
    scene.apply("ServiceAccount", "new", json!({})).await;
    scene.complaint("ksa", "new", "BackendUnavailable").await;
    server.restart().await.unwrap();
    assert_eq!(scene.id("ksa", "ci").await, id);
    scene.ready("ksa", "new").await;
    assert!(scene.works(&value).await);
    let account = scene.backend.account(&id.as_str().into()).await.unwrap();
    assert!(
        account
            .description
            .unwrap()
            .starts_with("changed meanwhile [")
    );
}

#[tokio::test]
async fn an_object_stays_ready_while_its_token_works() {
    let (scene, gate) = Scene::behind_gate(json!({
        "guardrails": {"unrestricted": true}, "resync": {"objects": "1s", "tokens": "1h"},
    }))
    .await;
    scene.apply("ServiceAccount", "ci", one_token()).await;
    scene.ready("ksa", "ci").await;
    gate.rule(|_, _| Verdict::Answer(503));
    instance_says(&scene, "BackendUnavailable").await;
    touch(&scene, "ksa", "ci").await;
    ready_though(&scene, "ksa", "ci", "BackendUnavailable").await;
    gate.open();
    scene.condition("ksa", "ci", "Synced", "True", "").await;
}

#[tokio::test]
async fn a_credential_that_is_refused_and_a_new_one() {
    let (scene, gate) = Scene::behind_gate(json!({
        "guardrails": {"unrestricted": true}, "resync": {"objects": "1s", "tokens": "1h"},
    }))
    .await;
    scene.apply("ServiceAccount", "ci", one_token()).await;
    scene.ready("ksa", "ci").await;
    scene.put_credential("wrong").await;
    let said = instance_says(&scene, "Unauthorized").await;
    assert!(
        said.contains(&format!("Secret {}", scene.instance)),
        "{said}"
    );
    assert!(!said.contains("wrong"), "{said}");
    touch(&scene, "ksa", "ci").await;
    ready_though(&scene, "ksa", "ci", "Unauthorized").await;
    let object = scene.get("ksa", "ci").await.unwrap();
    assert_eq!(
        find(&object, "Stalled")["status"],
        "True",
        "somebody has to act"
    );
    let mark = gate.passed().len();
    scene.put_credential(&scene.admin).await;
    scene.condition("ksa", "ci", "Synced", "True", "").await;
    let since = gate.passed().split_off(mark);
    let refused = since.iter().filter(|passed| passed.status == 401);
    assert!(refused.count() <= 1, "the new Secret is taken at once");
}

#[tokio::test]
async fn a_secret_that_is_not_there_and_one_that_holds_nothing() {
    let scene = Scene::inside(World::shared().await).await;
    let instance = scene.instance(json!({"guardrails": {"unrestricted": true}}));
    scene.world.apply(&instance).await;
    scene.apply("ServiceAccount", "ci", json!({})).await;
    let said = instance_says(&scene, "CredentialMissing").await;
    assert!(said.contains("create it in namespace operator"), "{said}");
    scene.complaint("ksa", "ci", "CredentialMissing").await;
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret",
        "metadata": {"name": scene.instance, "namespace": "operator"},
        "stringData": {"key": "value"},
    });
    scene.world.apply(&secret).await;
    let holds_none = |object: &Value| {
        let message = find(object, "Ready")["message"].clone();
        message
            .as_str()
            .is_some_and(|said| said.contains("has no key token"))
    };
    scene
        .until("kci", &scene.instance, "which key is missing", holds_none)
        .await;
    scene.put_credential(&scene.admin).await;
    scene.ready("ksa", "ci").await;
}

#[tokio::test]
async fn a_user_with_a_password_will_do() {
    let scene = Scene::inside(World::shared().await).await;
    let email = format!("{}@example.com", scene.namespace);
    let fields = json!({"password": "Correct-horse-1", "superAdmin": true});
    let user = scene.user(&email, fields).await;
    scene
        .grant_by_hand(&principal(user.as_str()), &scene.role_id("Admin").await)
        .await;
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret",
        "metadata": {"name": scene.instance, "namespace": "operator"},
        "stringData": {"username": email, "password": "Correct-horse-1"},
    });
    scene.world.apply(&secret).await;
    let instance = scene.instance(json!({"guardrails": {"unrestricted": true}}));
    scene.world.apply(&instance).await;
    scene.apply("ServiceAccount", "ci", json!({})).await;
    scene.ready("ksa", "ci").await;
    let instance = scene.get("kci", &scene.instance).await.unwrap();
    assert_eq!(instance["status"]["identity"]["name"], email);
}

#[tokio::test]
async fn a_tenant_that_is_not_there() {
    let scene = Scene::with(json!({"tenant": "nowhere"})).await;
    let said = instance_says(&scene, "ReferenceNotFound").await;
    assert!(
        said.contains("no tenant nowhere") && said.contains("spec.tenant"),
        "{said}"
    );
}

#[tokio::test]
async fn a_credential_that_may_not_look() {
    let scene = Scene::inside(World::shared().await).await;
    let weak = scene.account_by_hand(&scene.unique("weak"), "").await;
    let token = scene.issue(&weak.id, Duration::from_hours(1)).await;
    scene.put_credential(token.expose()).await;
    let instance = scene.instance(json!({"guardrails": {"unrestricted": true}}));
    scene.world.apply(&instance).await;
    let said = instance_says(&scene, "Forbidden").await;
    assert!(
        said.contains("give its owner the role Admin in tenant main"),
        "{said}"
    );
    let admin = scene.role_id("Admin").await;
    scene
        .grant_by_hand(&principal(weak.id.as_str()), &admin)
        .await;
    connected(&scene).await;
}

#[tokio::test]
async fn another_backend_is_not_touched_until_somebody_agrees() {
    let (scene, gate) = Scene::behind_gate(json!({
        "guardrails": {"unrestricted": true}, "resync": {"objects": "1s", "tokens": "1h"},
    }))
    .await;
    scene.apply("ServiceAccount", "ci", one_token()).await;
    scene.ready("ksa", "ci").await;
    gate.rule(|_, path| match path {
        "/api/v1/configs" => Verdict::Change("uuid", json!("another")),
        _ => Verdict::Pass,
    });
    let said = instance_says(&scene, "InstanceChanged").await;
    assert!(
        said.contains("kestra-iam.dev/acknowledged-uuid=another"),
        "{said}"
    );
    let object = scene
        .condition("ksa", "ci", "Ready", "False", "InstanceChanged")
        .await;
    assert_eq!(find(&object, "Stalled")["status"], "True");
    let writes = gate.writes();
    scene.apply("ServiceAccount", "new", json!({})).await;
    scene.complaint("ksa", "new", "InstanceChanged").await;
    assert_eq!(gate.writes(), writes, "nothing is changed there");
    let agree =
        json!({"metadata": {"annotations": {"kestra-iam.dev/acknowledged-uuid": "another"}}});
    scene.patch("kci", &scene.instance, agree).await;
    scene.ready("ksa", "new").await;
    scene.ready("ksa", "ci").await;
    let instance = scene.get("kci", &scene.instance).await.unwrap();
    assert_eq!(instance["status"]["uuid"], "another");

    // What was agreed to for the backend is no word about another tenant of it.
    scene.patch_instance(json!({"tenant": "other"})).await;
    let said = instance_says(&scene, "InstanceChanged").await;
    assert!(said.contains("acknowledged-uuid=another/other"), "{said}");
    scene.patch_instance(json!({"tenant": "main"})).await;
    connected(&scene).await;
}

#[tokio::test]
async fn not_there_and_not_allowed_read_the_same() {
    let (scene, other) = (Scene::new().await, Scene::new().await);
    let at = |instance: &str| json!({"instanceRef": {"name": instance}});
    scene
        .apply("ServiceAccount", "closed", at(&other.instance))
        .await;
    scene.apply("ServiceAccount", "absent", at("nowhere")).await;
    let closed = scene.complaint("ksa", "closed", "NotAllowed").await;
    let absent = scene.complaint("ksa", "absent", "NotAllowed").await;
    assert_eq!(
        closed.replace(&other.instance, "X"),
        absent.replace("nowhere", "X")
    );
    assert!(closed.contains("allowedNamespaces"), "{closed}");
    scene
        .apply(
            "ServiceAccount",
            "own",
            json!({"instanceRef": {"kind": "Instance", "name": "none"}}),
        )
        .await;
    let said = scene.complaint("ksa", "own", "InstanceNotFound").await;
    assert!(said.contains("--namespaced-instances"), "{said}");
}

#[tokio::test]
async fn namespaces_are_allowed_by_name_or_by_label() {
    let scene = Scene::with(json!({
        "guardrails": {"unrestricted": true},
        "allowedNamespaces": {"selector": {"matchLabels": {"kestra": "yes"}}},
    }))
    .await;
    scene.apply("ServiceAccount", "ci", json!({})).await;
    scene.complaint("ksa", "ci", "NotAllowed").await;
    let namespace = scene.namespace.clone();
    scene
        .kubectl(&["label", "namespace", &namespace, "kestra=yes"])
        .await;
    let id = scene.id("ksa", "ci").await;
    scene
        .kubectl(&["label", "namespace", &namespace, "kestra-"])
        .await;
    scene.complaint("ksa", "ci", "NotAllowed").await;
    // What it made may be taken away all the same.
    scene.delete("ksa", "ci").await;
    assert!(is_gone(&scene.backend.account(&id.as_str().into()).await));
    scene.apply("ServiceAccount", "ci", json!({})).await;
    scene.complaint("ksa", "ci", "NotAllowed").await;
    let names = json!({"allowedNamespaces": {"names": [namespace], "selector": null}});
    scene.patch_instance(names).await;
    scene.ready("ksa", "ci").await;
}

#[tokio::test]
async fn an_instance_that_comes_later_is_noticed_at_once() {
    let scene = Scene::inside(World::shared().await).await;
    scene.apply("ServiceAccount", "ci", json!({})).await;
    scene.complaint("ksa", "ci", "NotAllowed").await;
    scene.connect(json!({})).await;
    scene.ready("ksa", "ci").await;
    scene.begin_delete("kci", &scene.instance).await;
    scene.complaint("ksa", "ci", "NotAllowed").await;
}

#[tokio::test]
async fn a_silent_backend_does_not_hold_up_another() {
    let (silent, gate) = Scene::behind_gate(json!({
        "guardrails": {"unrestricted": true}, "timeouts": {"connect": "1s", "request": "3s"},
    }))
    .await;
    connected(&silent).await;
    let well = Scene::new().await;
    connected(&well).await;
    gate.rule(|_, _| Verdict::Silence);
    // More than there are places for.
    let names: Vec<String> = (0..40).map(|number| format!("ci-{number}")).collect();
    let objects = names
        .iter()
        .map(|name| silent.object("ServiceAccount", name, json!({})));
    let list = json!({"apiVersion": "v1", "kind": "List", "items": objects.collect::<Vec<_>>()});
    silent.world.apply(&list).await;
    well.apply("ServiceAccount", "ci", one_token()).await;
    well.ready("ksa", "ci").await;
    let said = instance_says(&silent, "BackendUnavailable").await;
    assert!(said.contains("no complete answer in time"), "{said}");
    gate.open();
    for name in &names {
        silent.ready("ksa", name).await;
    }
}

#[tokio::test]
async fn one_outage_is_one_condition() {
    let (scene, gate) = Scene::behind_gate(json!({"guardrails": {"unrestricted": true}})).await;
    let names: Vec<String> = (0..10).map(|number| format!("ci-{number}")).collect();
    for name in &names {
        scene.apply("ServiceAccount", name, json!({})).await;
    }
    for name in &names {
        scene.ready("ksa", name).await;
    }
    let versions = async || {
        let mut versions = Vec::new();
        for name in &names {
            let object = scene.get("ksa", name).await.unwrap();
            versions.push(object["metadata"]["resourceVersion"].clone());
        }
        versions
    };
    let before = versions().await;
    gate.rule(|_, _| Verdict::Answer(500));
    // The instance is looked at because it changed; the outage is noticed there.
    scene
        .patch_instance(json!({"lastUsedGranularity": "2s"}))
        .await;
    instance_says(&scene, "BackendUnavailable").await;
    let mark = gate.passed().len();
    scene
        .wait("two more looks", async || {
            (gate.passed().len() >= mark + 2).then_some(())
        })
        .await;
    let configs = |passed: &Passed| passed.path == "/api/v1/configs";
    assert!(
        gate.passed()[mark..].iter().all(configs),
        "nobody but the probe asks"
    );
    assert_eq!(
        versions().await,
        before,
        "nothing is written to objects that need nothing"
    );
    gate.open();
    connected(&scene).await;
    assert_eq!(versions().await, before);
}

#[tokio::test]
async fn a_failure_of_one_route_is_no_outage() {
    let (scene, gate) = Scene::behind_gate(json!({"guardrails": {"unrestricted": true}})).await;
    gate.rule(|method, path| {
        Verdict::when(
            path.ends_with("/groups") && *method == Method::POST,
            Verdict::Answer(500),
        )
    });
    scene
        .apply("Group", "bots", json!({"groupName": scene.unique("g")}))
        .await;
    let said = scene.complaint("kgrp", "bots", "BackendUnavailable").await;
    assert!(said.contains("POST") && said.contains("500"), "{said}");
    let start = Instant::now();
    let tries = |passed: &Passed| passed.is_write() && passed.path.ends_with("/groups");
    scene
        .wait("three tries", async || {
            (gate.count(tries) >= 3).then_some(())
        })
        .await;
    assert!(
        start.elapsed() > Duration::from_secs(2),
        "each later than the one before"
    );
    scene.apply("ServiceAccount", "ci", one_token()).await;
    scene.ready("ksa", "ci").await;
    gate.open();
    scene.ready("kgrp", "bots").await;
}

#[tokio::test]
async fn a_backend_that_asks_for_a_pause_gets_it() {
    let (scene, gate) = Scene::behind_gate(json!({"guardrails": {"unrestricted": true}})).await;
    connected(&scene).await;
    gate.rule(|method, _| Verdict::when(*method == Method::POST, Verdict::Throttle(5)));
    scene.apply("ServiceAccount", "ci", json!({})).await;
    let said = scene.complaint("ksa", "ci", "BackendThrottled").await;
    assert!(said.contains("told to slow down"), "{said}");
    let (mark, start) = (gate.passed().len(), Instant::now());
    gate.open();
    scene.apply("ServiceAccount", "other", json!({})).await;
    scene
        .wait("the next request", async || {
            (gate.passed().len() > mark).then_some(())
        })
        .await;
    // The condition was written a moment after the answer.
    assert!(
        start.elapsed() > Duration::from_secs(3),
        "{:?}",
        start.elapsed()
    );
    scene.ready("ksa", "ci").await;
    scene.ready("ksa", "other").await;
}

#[tokio::test]
async fn a_right_that_the_operator_lacks() {
    let (scene, gate) = Scene::behind_gate(json!({"guardrails": {"unrestricted": true}})).await;
    gate.rule(|method, path| {
        Verdict::when(
            path.ends_with("/roles") && *method == Method::POST,
            Verdict::Answer(403),
        )
    });
    let spec = json!({"roleName": scene.unique("r"), "permissions": {"FLOW": ["READ"]}});
    scene.apply("Role", "runner", spec).await;
    let said = scene.complaint("krole", "runner", "Forbidden").await;
    assert!(
        said.contains("give the operator's credential this right"),
        "{said}"
    );
    let object = scene.get("krole", "runner").await.unwrap();
    assert_eq!(find(&object, "Stalled")["status"], "True");
    gate.open();
    scene.ready("krole", "runner").await;
}

#[tokio::test]
async fn a_lost_answer_makes_no_second_account() {
    let (scene, gate) = Scene::behind_gate(json!({"guardrails": {"unrestricted": true}})).await;
    gate.rule(|method, path| {
        let made = path.ends_with("/service-accounts") || path.ends_with("/groups");
        Verdict::when(made && *method == Method::POST, Verdict::Lose)
    });
    let viewer = json!([{"kind": "External", "name": "Viewer"}]);
    scene
        .apply(
            "Group",
            "bots",
            json!({"groupName": scene.unique("g"), "roles": viewer}),
        )
        .await;
    scene.complaint("kgrp", "bots", "BackendUnavailable").await;
    let spec = json!({"roles": viewer});
    scene.apply("ServiceAccount", "ci", spec).await;
    scene.complaint("ksa", "ci", "BackendUnavailable").await;
    let made = scene
        .backend
        .find_account(&scene.unique("ci"))
        .await
        .unwrap()
        .unwrap();
    let bots = scene
        .backend
        .find_group(&scene.unique("g"))
        .await
        .unwrap()
        .unwrap();
    gate.open();
    assert_eq!(scene.id("ksa", "ci").await, made.id.0, "found by its mark");
    assert_eq!(scene.id("kgrp", "bots").await, bots.id.0);
    scene
        .has_bindings(&principal(made.id.as_str()), &["Viewer@*"])
        .await;
    scene
        .patch("ksa", "ci", json!({"spec": {"roles": null}}))
        .await;
    scene.has_bindings(&principal(made.id.as_str()), &[]).await;
}

#[tokio::test]
async fn a_deletion_waits_for_the_backend() {
    let (scene, gate) = Scene::behind_gate(json!({
        "guardrails": {"unrestricted": true}, "resync": {"objects": "1s", "tokens": "1h"},
    }))
    .await;
    scene.apply("ServiceAccount", "ci", one_token()).await;
    let id = scene.id("ksa", "ci").await;
    gate.rule(|_, _| Verdict::Answer(502));
    instance_says(&scene, "BackendUnavailable").await;
    scene.begin_delete("ksa", "ci").await;
    let told = |object: &Value| {
        let message = find(object, "Synced")["message"].clone();
        message
            .as_str()
            .is_some_and(|said| said.contains("deletionPolicy: Orphan"))
    };
    scene.until("ksa", "ci", "what it waits for", told).await;
    gate.open();
    scene.gone("ksa", "ci").await;
    assert!(is_gone(&scene.backend.account(&id.as_str().into()).await));
}
