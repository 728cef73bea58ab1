//! An operator that only tells what it would do.

use std::sync::Arc;
use std::time::Duration;

use kestra_iam_operator::iam::model::PrincipalId;
use serde_json::{Value, json};
use testbed::Process;
use testbed::audit::Mark;

use crate::gate::Gate;
use crate::metrics::scrape;
use crate::scene::{Scene, find};
use crate::world::World;

/// Flags of the operator of [`World::start`], and that it is to change nothing.
pub const OBSERVES: [&str; 3] = ["--cluster-id", "test", "--observe-only"];

/// What something would be done for.
const OBJECTS: [(&str, &str); 10] = [
    ("ksa", "ci"),
    ("ksa", "late"),
    ("ksa", "loose"),
    LEAVING,
    ("ksa", "new"),
    ("kgrp", "theirs"),
    ("kgrp", "new"),
    ("krole", "new"),
    ("krb", "new"),
    ("ktok", "new"),
];

/// That of them which is on its way out.
const LEAVING: (&str, &str) = ("ksa", "old");

/// What an operator that acts has made, and what came over it since: the rotation of `late` is due.
struct Before {
    scene: Scene,
    gate: Gate,
    ci: PrincipalId,
}

fn token(lifetime: &str) -> Value {
    json!({"tokens": [{"name": "default", "lifetime": lifetime}]})
}

impl Before {
    async fn made() -> Self {
        let world = Arc::new(World::start(&[], &[]).await);
        let scene = Scene::inside(world).await;
        let gate = Gate::to(&scene.url).await;
        let open = json!({"unrestricted": true, "adoption": ["*"]});
        scene
            .connect(json!({"url": gate.url(), "guardrails": open}))
            .await;
        let bots = json!({"groupName": scene.unique("bots")});
        scene.apply("Group", "bots", bots).await;
        let mut ci = token("720h");
        ci["groups"] = json!([{"kind": "Group", "name": "bots"}]);
        scene.apply("ServiceAccount", "ci", ci).await;
        for (name, lifetime) in [("late", "24h"), ("loose", "720h"), ("old", "720h")] {
            scene.apply("ServiceAccount", name, token(lifetime)).await;
            scene.ready("ksa", name).await;
        }
        let ci = scene.id("ksa", "ci").await.as_str().into();
        scene.world.operator.kill().await.unwrap();
        Self { scene, gate, ci }
    }

    /// What people do meanwhile, in the cluster and at the backend.
    async fn disturb(&self) {
        let (scene, ci) = (&self.scene, &self.ci);
        let bots = scene.get("kgrp", "bots").await.unwrap()["status"]["id"].clone();
        let bots = bots.as_str().unwrap().into();
        scene.backend.remove_member(&bots, ci).await.unwrap();
        scene.backend.grant_access(ci).await.unwrap();
        scene.kubectl(&["delete", "secret", "loose-default"]).await;
        scene.begin_delete("ksa", "old").await;
        scene.world.clock.advance(Duration::from_hours(20)).unwrap();
    }

    /// Objects of all kinds that nobody has seen yet.
    async fn ask_for_more(&self) {
        let scene = &self.scene;
        let group = scene.unique("theirs");
        scene.group_by_hand(&group, "by hand").await;
        let taken = json!({"groupName": group, "adoptionPolicy": "TakeOver"});
        scene.apply("Group", "theirs", taken).await;
        scene.apply("ServiceAccount", "new", token("24h")).await;
        let group = json!({"groupName": scene.unique("new")});
        scene.apply("Group", "new", group).await;
        let role = json!({"roleName": scene.unique("new"), "permissions": {"FLOW": ["READ"]}});
        scene.apply("Role", "new", role).await;
        let binding = json!({
            "roleRef": {"kind": "External", "name": "Viewer"},
            "subjects": [{"kind": "ServiceAccount", "name": "ci"}],
        });
        scene.apply("RoleBinding", "new", binding).await;
        let more = json!({"owner": {"serviceAccountRef": {"name": "ci"}}, "lifetime": "24h"});
        scene.apply("ApiToken", "new", more).await;
    }

    /// What is told of each object.
    async fn told(&self) -> Vec<(&'static str, &'static str, String)> {
        let mut told = Vec::new();
        for (kind, name) in OBJECTS {
            let message = self.scene.complaint(kind, name, "ObserveOnly").await;
            told.push((kind, name, message));
        }
        told
    }
}

/// How many objects something would be done for, as the observer counts them.
async fn withheld(scene: &Scene, observer: &Process, objects: usize) {
    let gauge = format!("kestra_iam_changes_withheld {objects}\n");
    let counted = async || scrape(observer).await?.contains(&gauge).then_some(());
    scene.wait(&gauge, counted).await;
}

/// What the operator wrote since then, other than statuses and Events.
fn changed(scene: &Scene, mark: Mark) -> Vec<String> {
    let requests = scene.world.plane.audit().since(mark).unwrap();
    let ours = requests.into_iter().filter(|request| {
        let by_operator = request.user_agent.starts_with("kestra-iam-operator/");
        let tells = request.resource.ends_with("/status") || request.resource == "events";
        by_operator && request.is_write() && !tells
    });
    ours.map(|request| format!("{} {} {}", request.verb, request.resource, request.name))
        .collect()
}

#[tokio::test]
async fn all_that_would_be_done_is_told_and_nothing_is_done() {
    let before = Before::made().await;
    let (scene, gate) = (&before.scene, &before.gate);
    before.disturb().await;
    before.ask_for_more().await;
    let mark = scene.world.plane.audit().mark().unwrap();
    let writes = gate.writes().len();
    let (secrets, tokens) = (secrets(scene).await, ids(&before).await);
    let observer = scene.world.another_operator("observer", &OBSERVES);

    let unique = |name: &str| scene.unique(name);
    let expected = [
        format!("would put the account into group {}", unique("bots")),
        "would issue token default (Rotated)".to_owned(),
        "would issue token default (SecretMissing)".to_owned(),
        "would revoke token ".to_owned(),
        format!("would create account {}", unique("new")),
        format!("would take over group {}", unique("theirs")),
        format!("would create group {}", unique("new")),
        format!("would create role {}", unique("new")),
        "would grant role Viewer in the whole tenant".to_owned(),
        "would issue the token (Issued)".to_owned(),
    ];
    for ((kind, name, told), expected) in before.told().await.iter().zip(&expected) {
        assert!(told.starts_with(expected), "{kind} {name}: {told}");
        assert!(
            observer.log().contains(told.as_str()),
            "{kind} {name}: {told}"
        );
    }
    withheld(scene, &observer, expected.len()).await;
    let bots = scene.ready("kgrp", "bots").await;
    assert_eq!(find(&bots, "Ready")["reason"], "Synced");

    // Once more, by another process that finds all of it told.
    observer.restart().await.unwrap();
    withheld(scene, &observer, expected.len()).await;
    observer.kill().await.unwrap();

    assert_eq!(gate.writes().split_off(writes), [""; 0]);
    assert_eq!(changed(scene, mark), [""; 0]);
    assert_eq!(self::secrets(scene).await, secrets);
    assert_eq!(ids(&before).await, tokens);
    let new = scene.get("ksa", "new").await.unwrap();
    assert_eq!(new["metadata"]["finalizers"], Value::Null);
    let status = new["status"].as_object().unwrap();
    let members: Vec<&String> = status.keys().collect();
    assert_eq!(members, ["conditions", "observedGeneration"]);
    let theirs = scene.get("kgrp", "theirs").await.unwrap();
    assert_eq!(theirs["status"]["adopted"], Value::Null);
    let old = scene.get("ksa", "old").await.unwrap();
    assert_eq!(old["metadata"]["finalizers"][0], "kestra-iam.dev/cleanup");
}

#[tokio::test]
async fn who_acts_afterwards_does_what_was_told() {
    let before = Before::made().await;
    let scene = &before.scene;
    before.disturb().await;
    before.ask_for_more().await;
    let observer = scene.world.another_operator("observer", &OBSERVES);
    before.told().await;
    observer.kill().await.unwrap();
    scene.world.operator.restart().await.unwrap();
    scene.gone(LEAVING.0, LEAVING.1).await;
    for (kind, name) in OBJECTS.into_iter().filter(|it| *it != LEAVING) {
        scene.ready(kind, name).await;
    }
    for secret in [
        "ci-default",
        "late-default",
        "loose-default",
        "new-default",
        "new",
    ] {
        assert!(scene.works(&scene.value(secret).await).await, "{secret}");
    }
}

/// The names and versions of all Secrets of the namespace.
async fn secrets(scene: &Scene) -> String {
    let columns = "custom-columns=N:.metadata.name,V:.metadata.resourceVersion";
    scene.kubectl(&["get", "secrets", "-o", columns]).await
}

/// The ids of the tokens of `ci`.
async fn ids(before: &Before) -> Vec<String> {
    let owner = kestra_iam_operator::iam::client::Owner::Account(before.ci.clone());
    let tokens = before.scene.backend.tokens(&owner).await.unwrap();
    tokens.into_iter().map(|token| token.id.0).collect()
}
