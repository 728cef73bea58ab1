//! What things cost: writes to the API server, requests to the backend.

use std::collections::BTreeSet;

use axum::http::Method;
use serde_json::json;
use testbed::audit::Mark;

use crate::gate::Passed;
use crate::metrics::scrape;
use crate::scene::Scene;

fn one_token() -> serde_json::Value {
    json!({"tokens": [{"name": "default", "lifetime": "1h"}]})
}

/// What the operator asked the API server to change in the scene's namespace since `mark`, Events aside.
fn writes(scene: &Scene, mark: Mark) -> Vec<String> {
    let requests = scene.world.plane.audit().since(mark).unwrap();
    let ours = requests.into_iter().filter(|request| {
        let by_operator = request.user_agent.starts_with("kestra-iam-operator/");
        let here = request.namespace == scene.namespace || request.name == scene.instance;
        by_operator && here && request.is_write() && request.resource != "events"
    });
    ours.map(|request| format!("{} {} {}", request.verb, request.resource, request.name))
        .collect()
}

#[tokio::test]
async fn a_new_account_costs_three_writes_and_four_calls() {
    let (scene, gate) = Scene::behind_gate(json!({"guardrails": {"unrestricted": true}})).await;
    scene
        .condition("kci", &scene.instance, "Ready", "True", "")
        .await;
    let (mark, calls) = (
        scene.world.plane.audit().mark().unwrap(),
        gate.passed().len(),
    );
    scene.apply("ServiceAccount", "ci", one_token()).await;
    let id = scene.id("ksa", "ci").await;
    let expected = [
        "patch serviceaccounts ci",
        "create secrets ",
        "patch serviceaccounts/status ci",
    ];
    let found = writes(&scene, mark);
    let verbs: Vec<&str> = found
        .iter()
        .map(|write| write.trim_end_matches("ci-default"))
        .collect();
    assert_eq!(verbs, expected);
    let calls: Vec<(Method, String)> = gate.passed()[calls..]
        .iter()
        .map(|passed| (passed.method.clone(), passed.path.replace(&id, "ID")))
        .collect();
    let account = "/api/v1/main/service-accounts";
    let tokens = format!("{account}/ID/api-tokens");
    let expected = [
        (Method::POST, account.to_owned()),
        (Method::POST, tokens.clone()),
        (Method::GET, tokens),
        (Method::GET, "/api/v1/me".to_owned()),
    ];
    assert_eq!(calls, expected);
}

#[tokio::test]
async fn a_sweep_is_a_handful_of_requests_and_a_steady_account_none() {
    let (scene, gate) = Scene::behind_gate(json!({"guardrails": {"unrestricted": true}})).await;
    scene.apply("ServiceAccount", "ci", one_token()).await;
    let bots = json!({"groupName": scene.unique("g")});
    scene.apply("Group", "bots", bots).await;
    let account = scene.id("ksa", "ci").await;
    let group = scene.id("kgrp", "bots").await;
    let mark = gate.passed().len();
    // One more look at everything.
    scene
        .patch_instance(json!({"lastUsedGranularity": "2s"}))
        .await;
    let (account, group) = (
        format!("/api/v1/main/service-accounts/{account}"),
        format!("/api/v1/main/groups/{group}"),
    );
    let looked = |passed: &Passed| passed.path == group;
    scene
        .wait("a look at the group", async || {
            gate.passed()[mark..].iter().any(looked).then_some(())
        })
        .await;
    let change = json!({"spec": {"description": "x"}});
    scene.patch("ksa", "ci", change).await;
    scene.ready("ksa", "ci").await;
    let since = gate.passed().split_off(mark);
    let since: BTreeSet<String> = since
        .iter()
        .map(|passed| format!("{} {}", passed.method, passed.path))
        .collect();
    let expected = [
        "GET /api/v1/configs",
        "GET /api/v1/me",
        "GET /api/v1/me/api-tokens",
        "GET /api/v1/main/service-accounts",
        "GET /api/v1/main/groups/search",
        "GET /api/v1/main/roles/search",
        "GET /api/v1/main/bindings/search",
        &format!("GET {group}"),
        // The change of the account alone.
        &format!("GET {account}"),
        &format!("PUT {account}"),
    ];
    assert_eq!(since, expected.map(str::to_owned).into());
}

/// Waits until the operator has come through a pass over an object of each kind since it started.
async fn looked_at(scene: &Scene, kinds: &[&str]) {
    scene
        .wait("a pass over an object of each kind", async || {
            let text = scrape(&scene.world.operator).await?;
            let done = |kind: &&str| {
                let counter = format!("reconciles_total{{kind=\"{kind}\",outcome=\"done\"}}");
                text.contains(&counter)
            };
            kinds.iter().all(done).then_some(())
        })
        .await;
}

#[tokio::test]
async fn a_restart_with_nothing_changed_writes_nothing() {
    let (_turn, scene) = Scene::private().await;
    let role = json!({"roleName": scene.unique("r"), "permissions": {"FLOW": ["READ"]}});
    scene.apply("Role", "runner", role).await;
    let roles = json!([{"kind": "Role", "name": "runner"}]);
    scene
        .apply(
            "Group",
            "bots",
            json!({"groupName": scene.unique("g"), "roles": roles}),
        )
        .await;
    let mut account = one_token();
    account["groups"] = json!([{"kind": "Group", "name": "bots"}]);
    account["roles"] = roles;
    scene.apply("ServiceAccount", "ci", account).await;
    let binding = json!({
        "roleRef": {"kind": "External", "name": "Viewer"},
        "subjects": [{"kind": "ServiceAccount", "name": "ci"}, {"kind": "Group", "name": "bots"}],
    });
    scene.apply("RoleBinding", "view", binding).await;
    let token = json!({"owner": {"serviceAccountRef": {"name": "ci"}}, "lifetime": "1h"});
    scene.apply("ApiToken", "more", token).await;
    let missing = json!({"groups": [{"kind": "Group", "name": "nobody"}]});
    scene.apply("ServiceAccount", "waiting", missing).await;
    let objects = [
        ("krole", "runner"),
        ("kgrp", "bots"),
        ("ksa", "ci"),
        ("krb", "view"),
        ("ktok", "more"),
    ];
    for (kind, name) in objects {
        scene.ready(kind, name).await;
    }
    scene.complaint("ksa", "waiting", "ReferenceNotFound").await;
    let audit = scene.world.plane.audit();
    let before = audit.mark().unwrap();
    scene.world.operator.restart().await.unwrap();
    let objects = ["Role", "Group", "ServiceAccount", "RoleBinding", "ApiToken"];
    looked_at(&scene, &objects).await;
    // Whatever comes later in the queue has come by then.
    scene.apply("ServiceAccount", "last", json!({})).await;
    scene.ready("ksa", "last").await;
    let found = writes(&scene, before);
    let others: Vec<_> = found
        .iter()
        .filter(|write| !write.ends_with(" last"))
        .collect();
    assert_eq!(others, Vec::<&String>::new());
}
