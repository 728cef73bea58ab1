//! Who comes after an operator: another leader, or the same cluster under another id.

use std::sync::Arc;

use axum::http::Method;
use kestra_iam_operator::iam::client::Owner;
use serde_json::{Value, json};
use testbed::Exit;

use crate::gate::{Gate, Verdict};
use crate::scene::Scene;
use crate::world::{HOME, World};

/// An operator that leads for a second on one renewal.
const LEADS: [&str; 9] = [
    "--leader-elect=true",
    "--lease-duration",
    "2s",
    "--renew-deadline",
    "1s",
    "--renew-interval",
    "250ms",
    "--retry-period",
    "250ms",
];

async fn holder(world: &World) -> String {
    let args = [
        "get",
        "lease",
        "kestra-iam-operator",
        "-n",
        HOME,
        "-o",
        "jsonpath={.spec.holderIdentity}",
    ];
    world.kubectl(&args, "").await
}

#[tokio::test]
async fn who_lost_the_lease_in_the_middle_of_its_work_changes_nothing_more() {
    let scene = Scene::inside(Arc::new(World::start(&LEADS, &[]).await)).await;
    let gate = Gate::to(&scene.url).await;
    scene
        .connect(json!({"url": gate.url(), "guardrails": {"unrestricted": true}}))
        .await;
    gate.rule(|method, path| {
        let makes_account = *method == Method::POST && path.ends_with("/service-accounts");
        Verdict::when(makes_account, Verdict::Wait)
    });
    let spec = json!({"tokens": [{"name": "default", "lifetime": "1h"}]});
    scene.apply("ServiceAccount", "ci", spec).await;
    let waits = async || (gate.waiting() == 1).then_some(());
    scene.wait("an account that is being made", waits).await;
    let (world, first) = (&scene.world, holder(&scene.world).await);

    // As if its node had been asleep: another one leads meanwhile, which has nothing to do here.
    world.operator.pause().unwrap();
    let flags = [&LEADS[..], &["--watch-namespace", HOME]].concat();
    let _second = world.another_operator("second", &flags);
    let leads = async || (holder(world).await != first).then_some(());
    scene.wait("another leader", leads).await;
    gate.open();
    let answered = async || (gate.writes().len() == 1).then_some(());
    scene.wait("the answer", answered).await;
    world.operator.resume().unwrap();
    assert_eq!(world.operator.wait().await.unwrap(), Exit::Code(1));
    assert_eq!(gate.writes().len(), 1, "{:?}", gate.writes());
}

#[tokio::test]
async fn a_cluster_under_another_id_keeps_what_it_had_if_it_is_told_the_former_one() {
    let scene = Scene::inside(Arc::new(World::start(&[], &[]).await)).await;
    scene
        .connect(json!({"guardrails": {"unrestricted": true}}))
        .await;
    let spec = json!({"groupName": scene.unique("g")});
    scene.apply("Group", "bots", spec).await;
    let spec = json!({
        "groups": [{"kind": "Group", "name": "bots"}],
        "tokens": [{"name": "default", "lifetime": "1h"}],
    });
    scene.apply("ServiceAccount", "ci", spec).await;
    scene.ready("ksa", "ci").await;
    let (account, bots) = (scene.id("ksa", "ci").await, scene.id("kgrp", "bots").await);
    let token = scene.value("ci-default").await;
    let world = &scene.world;

    // Nobody tells it: what is there is another cluster's, and left alone.
    world.operator.kill().await.unwrap();
    let stranger = world.another_operator("stranger", &["--cluster-id", "moved"]);
    scene.complaint("ksa", "ci", "NameConflict").await;
    scene.complaint("kgrp", "bots", "NameConflict").await;
    assert!(scene.works(&token).await);
    stranger.kill().await.unwrap();

    let flags = ["--cluster-id", "moved", "--former-cluster-ids", "test"];
    let _heir = world.another_operator("heir", &flags);
    let described = json!({"spec": {"description": "moved"}});
    scene.patch("ksa", "ci", described).await;
    let moved = |object: &Value| object["status"]["observedGeneration"] == 2;
    scene.until("ksa", "ci", "was looked at", moved).await;
    scene.ready("ksa", "ci").await;
    scene.ready("kgrp", "bots").await;
    assert_eq!(scene.id("ksa", "ci").await, account);
    assert_eq!(scene.id("kgrp", "bots").await, bots);
    assert!(scene.works(&token).await);
    let owner = Owner::Account(account.as_str().into());
    let tokens = scene.backend.tokens(&owner).await.unwrap();
    assert_eq!(tokens.len(), 1, "none was made anew");
    scene.delete("ksa", "ci").await;
    scene.refused("the token", &token).await;
}
