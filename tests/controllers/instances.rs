//! Instances: what their status tells, how they are reached, how much of the backend is used.

use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use testbed::IamServer;
use tokio::time::Instant;

use crate::authority::{Secured, authority};
use crate::gate::{Gate, Verdict};
use crate::scene::{Scene, find};
use crate::world::{World, own_address};

fn one_token() -> Value {
    json!({"tokens": [{"name": "default", "lifetime": "1h"}]})
}

async fn connected(scene: &Scene) -> Value {
    let instance = scene.instance.clone();
    scene.condition("kci", &instance, "Ready", "True", "").await
}

#[tokio::test]
async fn a_status_tells_what_the_backend_is() {
    let scene = Scene::new().await;
    let status = connected(&scene).await["status"].clone();
    assert_eq!(status["version"], "1.3.26");
    assert_eq!(status["edition"], "EE");
    assert_eq!(status["protocol"], "1.x");
    assert_eq!(status["tenant"], "main");
    let me = scene.backend.me().await.unwrap();
    assert_eq!(status["identity"]["id"], me.id.as_str());
    assert_eq!(status["identity"]["superAdmin"], true);
    let uuid = scene.backend.configs().await.unwrap().uuid;
    assert_eq!(status["uuid"], json!(uuid));
    assert!(
        status["credentialExpirationTime"].is_null(),
        "the admin's token never expires"
    );
}

#[tokio::test]
async fn an_instance_that_allows_no_namespace_says_so() {
    let scene = Scene::with(json!({"allowedNamespaces": {}})).await;
    let said = find(&connected(&scene).await, "Ready")["message"].to_string();
    assert!(
        said.contains("no namespace may use it yet: name some in spec.allowedNamespaces"),
        "{said}"
    );
    scene
        .patch_instance(json!({"allowedNamespaces": {"selector": {}}}))
        .await;
    let said = find(&connected(&scene).await, "Ready")["message"].clone();
    assert_eq!(said, "everything is as declared");
}

#[tokio::test]
async fn the_end_of_the_credential_is_told_in_time() {
    let scene = Scene::inside(World::shared().await).await;
    let operator = scene.account_by_hand(&scene.unique("operator"), "").await;
    let admin = scene.role_id("Admin").await;
    scene
        .grant_by_hand(&crate::backend::principal(operator.id.as_str()), &admin)
        .await;
    let token = scene.issue(&operator.id, Duration::from_hours(48)).await;
    scene.put_credential(token.expose()).await;
    let instance = scene.instance(json!({"guardrails": {"unrestricted": true}}));
    scene.world.apply(&instance).await;
    let object = connected(&scene).await;
    let said = find(&object, "Expiring");
    assert_eq!(said["status"], "True", "{object:#}");
    assert!(object["status"]["credentialExpirationTime"].is_string());
}

#[tokio::test]
async fn a_server_of_the_second_line() {
    let world = World::shared().await;
    let mut flags = vec!["--compat".to_owned(), "2.x".to_owned()];
    flags.extend(world.clock.args().map(|arg| arg.display().to_string()));
    let server = IamServer::start(crate::world::binary(), &flags)
        .await
        .unwrap();
    let scene = Scene::at(&server, json!({})).await;
    assert_eq!(connected(&scene).await["status"]["protocol"], "2.x");
    let permissions = json!({"FLOW": ["VIEW", "LIST"]});
    let spec = json!({"roleName": "reader", "permissions": permissions});
    scene.apply("Role", "reader", spec).await;
    let spec = json!({"groupName": "bots", "roles": [{"kind": "Role", "name": "reader"}]});
    scene.apply("Group", "bots", spec).await;
    let mut spec = one_token();
    spec["groups"] = json!([{"kind": "Group", "name": "bots"}]);
    spec["roles"] = json!([{"kind": "External", "name": "Viewer"}]);
    scene.apply("ServiceAccount", "ci", spec).await;
    let id = scene.id("ksa", "ci").await;
    scene
        .has_effective(&id, &["reader@* GROUP", "Viewer@* BINDING"])
        .await;
    assert!(scene.works(&scene.value("ci-default").await).await);
    for (kind, name) in [("ksa", "ci"), ("kgrp", "bots"), ("krole", "reader")] {
        scene.delete(kind, name).await;
    }
}

/// The `Instance` of the examples in the scene's namespace, at the scene's backend, with its credential beside it.
pub async fn own_instance(scene: &Scene, fields: Value) {
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret",
        "metadata": {"name": "kestra-credential", "namespace": scene.namespace},
        "stringData": {"token": scene.admin},
    });
    scene.world.apply(&secret).await;
    let example = fs::read_to_string("examples/namespaced-instance.yaml").unwrap();
    let mut instance: Value = serde_saphyr::from_str(&example).unwrap();
    instance["metadata"]["namespace"] = json!(scene.namespace);
    let spec = instance["spec"].as_object_mut().unwrap();
    spec.insert("url".to_owned(), json!(scene.url));
    spec.extend(fields.as_object().unwrap().clone());
    scene.world.apply(&instance).await;
}

#[tokio::test]
async fn an_instance_of_ones_own_works_over_tls_without_guardrails() {
    let world = World::shared().await;
    let secured = Secured::start(&world, own_address()).await;
    let (url, admin) = (secured.server.url(), secured.server.admin_token());
    let scene = Scene::of(Arc::clone(&world), url, admin, Some(&secured.ca)).await;
    own_instance(&scene, json!({"tls": {"caBundle": secured.ca}})).await;
    scene.condition("ki", "own", "Ready", "True", "").await;
    let mut spec = one_token();
    spec["instanceRef"] = json!({"kind": "Instance", "name": "own"});
    spec["roles"] = json!([{"kind": "External", "name": "Admin"}]);
    scene.apply("ServiceAccount", "ci", spec).await;
    let id = scene.id("ksa", "ci").await;
    scene.has_effective(&id, &["Admin@* BINDING"]).await;
    assert!(scene.works(&scene.value("ci-default").await).await);
    scene.delete("ksa", "ci").await;
}

#[tokio::test]
async fn an_instance_of_ones_own_may_not_point_anywhere() {
    let scene = Scene::inside(World::shared().await).await;
    let api_server = scene.world.plane.url().to_owned();
    for (url, says) in [
        (scene.url.as_str(), "starts with https://"),
        ("https://kestra.example.com", "--instance-hosts"),
        (
            "https://localhost:8443",
            "an address that no Instance may use",
        ),
        (api_server.as_str(), "--instance-hosts"),
    ] {
        own_instance(&scene, json!({"url": url})).await;
        let said = scene.complaint("ki", "own", "NotAllowed").await;
        assert!(said.contains(says), "{url}: {said}");
    }
    let spec = json!({"instanceRef": {"kind": "Instance", "name": "own"}});
    scene.apply("ServiceAccount", "ci", spec).await;
    scene.complaint("ksa", "ci", "NotAllowed").await;
}

#[tokio::test]
async fn whom_to_trust_is_said_in_the_spec_or_in_a_secret() {
    let world = World::shared().await;
    let secured = Secured::start(&world, IpAddr::V4(Ipv4Addr::LOCALHOST)).await;
    let (url, admin) = (secured.server.url(), secured.server.admin_token());
    let scene = Scene::of(Arc::clone(&world), url, admin, Some(&secured.ca)).await;
    let (_, stranger) = authority("a stranger");
    let trusting = |tls: Value| json!({"tls": tls, "guardrails": {"unrestricted": true}});
    scene.connect(trusting(json!({"caBundle": stranger}))).await;
    let said = scene
        .complaint("kci", &scene.instance, "BackendUnavailable")
        .await;
    assert!(said.contains("issuer is unknown"), "{said}");
    scene
        .patch_instance(json!({"tls": {"caBundle": secured.ca}}))
        .await;
    connected(&scene).await;

    let name = scene.unique("ca");
    let refer = json!({"tls": {"caBundle": null, "caSecretRef": {"name": name}}});
    scene.patch_instance(refer).await;
    let said = scene
        .complaint("kci", &scene.instance, "CredentialMissing")
        .await;
    assert!(said.contains(&name), "{said}");
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret",
        "metadata": {"name": name, "namespace": "operator"}, "stringData": {"ca.crt": secured.ca},
    });
    world.apply(&secret).await;
    connected(&scene).await;
    let nonsense = json!({"stringData": {"ca.crt": "-----BEGIN CERTIFICATE-----\n!"}});
    let patch = nonsense.to_string();
    let args = [
        "patch",
        "secret",
        name.as_str(),
        "-n",
        "operator",
        "--type=merge",
        "-p",
        &patch,
    ];
    world.kubectl(&args, "").await;
    let said = scene.complaint("kci", &scene.instance, "Invalid").await;
    assert!(said.contains("PEM"), "{said}");
}

#[tokio::test]
async fn no_more_requests_are_under_way_than_the_budget_says() {
    let (scene, gate) = Scene::behind_gate(json!({
        "guardrails": {"unrestricted": true}, "budget": {"inFlight": 2, "requestsPerSecond": 1000},
    }))
    .await;
    gate.rule(|_, _| Verdict::Late(Duration::from_millis(100)));
    // All at once: whoever comes alone finds nobody under way.
    let names = ["a", "b", "c", "d", "e", "f"];
    let groups = names.map(|name| {
        let spec = json!({"groupName": scene.unique(name)});
        scene.object("Group", name, spec)
    });
    let accounts = names.map(|name| scene.object("ServiceAccount", name, json!({})));
    let items = [groups, accounts].concat();
    let all = json!({"apiVersion": "v1", "kind": "List", "items": items});
    scene.world.apply(&all).await;
    for name in names {
        scene.ready("kgrp", name).await;
        scene.ready("ksa", name).await;
    }
    assert_eq!(gate.most(), 2);
}

#[tokio::test]
async fn no_more_objects_of_a_kind_are_worked_on_than_the_flag_says() {
    let world = Arc::new(World::start(&["--concurrency", "2"], &[]).await);
    let scene = Scene::inside(world).await;
    let gate = Gate::to(&scene.url).await;
    scene
        .connect(json!({
            "url": gate.url(), "guardrails": {"unrestricted": true},
            "budget": {"inFlight": 16, "requestsPerSecond": 1000},
        }))
        .await;
    connected(&scene).await;
    gate.rule(|_, _| Verdict::Late(Duration::from_millis(200)));
    let names = ["a", "b", "c", "d", "e", "f"];
    let items = names.map(|name| {
        let spec = json!({"groupName": scene.unique(name)});
        scene.object("Group", name, spec)
    });
    let all = json!({"apiVersion": "v1", "kind": "List", "items": items});
    scene.world.apply(&all).await;
    for name in names {
        scene.ready("kgrp", name).await;
    }
    assert_eq!(gate.most(), 2);
}

#[tokio::test]
async fn no_more_requests_are_sent_per_second_than_the_budget_says() {
    let per_second = 5;
    let (scene, gate) = Scene::behind_gate(json!({
        "guardrails": {"unrestricted": true}, "budget": {"inFlight": 16, "requestsPerSecond": per_second},
        // Each look makes no new budget.
        "resync": {"objects": "1s", "tokens": "1h"},
    }))
    .await;
    scene
        .wait("the first request", async || {
            (!gate.passed().is_empty()).then_some(())
        })
        .await;
    let start = Instant::now();
    scene
        .wait("thirty more", async || {
            (gate.passed().len() > 30).then_some(())
        })
        .await;
    // A second's worth at once, and the rest at the rate.
    let least = Duration::from_secs(30 / per_second - 2);
    assert!(start.elapsed() >= least, "{:?}", start.elapsed());
    scene.apply("ServiceAccount", "ci", json!({})).await;
    scene.ready("ksa", "ci").await;
}

#[tokio::test]
async fn nobody_waits_longer_than_the_timeout_says() {
    let (scene, gate) = Scene::behind_gate(json!({
        "guardrails": {"unrestricted": true}, "timeouts": {"connect": "1s", "request": "2s"},
    }))
    .await;
    connected(&scene).await;
    gate.rule(|_, _| Verdict::Silence);
    let start = Instant::now();
    scene
        .patch_instance(json!({"lastUsedGranularity": "2s"}))
        .await;
    let said = scene
        .complaint("kci", &scene.instance, "BackendUnavailable")
        .await;
    assert!(said.contains("no complete answer in time"), "{said}");
    assert!(start.elapsed() >= Duration::from_secs(2));
    scene
        .patch_instance(json!({"timeouts": {"request": "1h"}}))
        .await;
    gate.rule(|_, _| Verdict::Late(Duration::from_millis(2500)));
    connected(&scene).await;
}
