//! Guardrails that tighten, and what they are judged by.

use std::time::Duration;

use serde_json::json;

use super::set;
use crate::backend::{group, principal};
use crate::scene::Scene;

#[tokio::test]
async fn tighter_guardrails_take_away_what_breaks_them() {
    let open = json!({
        "roles": ["Viewer", "Launcher"], "kestraNamespaces": ["*"], "groups": ["*"],
        "permissions": ["*:*"],
    });
    let scene = Scene::with(json!({"guardrails": open})).await;
    let role = json!({"roleName": scene.unique("r"), "permissions": {"FLOW": ["DELETE"]}});
    scene.apply("Role", "runner", role).await;
    let roles = json!([
        {"kind": "External", "name": "Viewer"},
        {"kind": "External", "name": "Launcher", "namespaces": ["company.a", "company.b"]},
        {"kind": "Role", "name": "runner"},
    ]);
    let spec = json!({"groupName": scene.unique("g"), "roles": roles});
    scene.apply("Group", "bots", spec).await;
    let spec = json!({
        "groups": [{"kind": "Group", "name": "bots"}], "roles": roles,
        "tokens": [{"name": "default", "lifetime": "1h"}],
    });
    scene.apply("ServiceAccount", "ci", spec).await;
    let account = scene.id("ksa", "ci").await;
    let bots = scene.id("kgrp", "bots").await;
    let value = scene.value("ci-default").await;
    let own = format!("{}@*", scene.unique("r"));
    let all = [
        "Viewer@*",
        "Launcher@company.a",
        "Launcher@company.b",
        own.as_str(),
    ];
    scene.has_bindings(&principal(&account), &all).await;
    scene.has_bindings(&group(&bots), &all).await;

    // Whoever suspends an object keeps nothing by it.
    for (kind, name) in [("ksa", "ci"), ("kgrp", "bots"), ("krole", "runner")] {
        scene.suspend(kind, name).await;
    }
    let tight = json!({
        "roles": ["Viewer", "Launcher"], "kestraNamespaces": ["company.a"], "permissions": ["FLOW:READ"],
    });
    set(&scene, &tight).await;
    for (kind, name) in [("ksa", "ci"), ("kgrp", "bots"), ("krole", "runner")] {
        scene.complaint(kind, name, "NotAllowed").await;
    }
    scene
        .has_bindings(&principal(&account), &["Launcher@company.a"])
        .await;
    scene
        .has_bindings(&group(&bots), &["Launcher@company.a"])
        .await;
    scene.is_in(&account, &[]).await;
    assert!(scene.works(&value).await, "it runs out");

    set(&scene, &json!({"unrestricted": true})).await;
    for (kind, name) in [("krole", "runner"), ("kgrp", "bots"), ("ksa", "ci")] {
        scene.resume(kind, name).await;
        scene.ready(kind, name).await;
    }
    scene.has_bindings(&principal(&account), &all).await;
    scene.is_in(&account, &[&bots.as_str().into()]).await;
}

#[tokio::test]
async fn a_role_is_judged_by_what_it_allows_and_not_by_what_its_object_says() {
    let scene = Scene::with(json!({"guardrails": {
        "permissions": ["*:*"], "kestraNamespaces": ["*"],
    }}))
    .await;
    let spec = json!({"roleName": scene.unique("r"), "permissions": {"FLOW": ["DELETE"]}});
    scene.apply("Role", "runner", spec).await;
    scene.ready("krole", "runner").await;
    let tight = json!({"permissions": ["FLOW:READ"], "kestraNamespaces": ["*"], "roles": ["*"]});
    set(&scene, &tight).await;
    scene.complaint("krole", "runner", "NotAllowed").await;
    // The spec is harmless now, and the role at the backend is what it was.
    let harmless = json!({"spec": {"permissions": {"FLOW": ["READ"]}, "suspend": true}});
    scene.patch("krole", "runner", harmless).await;
    scene.complaint("krole", "runner", "Suspended").await;
    let spec = json!({"roles": [{"kind": "Role", "name": "runner"}]});
    scene.apply("ServiceAccount", "ci", spec).await;
    let said = scene.complaint("ksa", "ci", "NotAllowed").await;
    assert!(said.contains("FLOW:DELETE"), "{said}");
    scene.resume("krole", "runner").await;
    scene.ready("ksa", "ci").await;
}

#[tokio::test]
async fn the_place_of_a_token_is_free_again_when_an_older_object_goes() {
    let scene = Scene::with(json!({"guardrails": {"tokensPerNamespace": 1}})).await;
    let one = json!({"tokens": [{"name": "default", "lifetime": "1h"}]});
    scene.apply("ServiceAccount", "first", one.clone()).await;
    scene.ready("ksa", "first").await;
    scene.apply("ServiceAccount", "second", one).await;
    let said = scene.complaint("ksa", "second", "QuotaExceeded").await;
    let expected = "allows 1 token, others of this namespace hold 1 and this object asks for 1";
    assert!(said.contains(expected), "{said}");
    // Whoever has a token keeps its place at every later look, also where the clock cannot tell who came first.
    let described = json!({"spec": {"description": "still here"}});
    scene.patch("ksa", "first", described).await;
    scene.ready("ksa", "first").await;
    scene.delete("ksa", "first").await;
    scene.ready("ksa", "second").await;
}

#[tokio::test]
async fn the_place_of_a_token_is_free_again_when_an_older_object_wants_less() {
    let scene = Scene::with(json!({"guardrails": {"tokensPerNamespace": 2}})).await;
    let (one, other) = (
        json!({"name": "one", "lifetime": "1h"}),
        json!({"name": "other", "lifetime": "1h"}),
    );
    let spec = json!({"tokens": [one, other]});
    scene.apply("ServiceAccount", "first", spec).await;
    scene.ready("ksa", "first").await;
    let spec = json!({"tokens": [one]});
    scene.apply("ServiceAccount", "second", spec.clone()).await;
    scene.complaint("ksa", "second", "QuotaExceeded").await;
    scene.apply("ServiceAccount", "first", spec).await;
    scene.ready("ksa", "second").await;
}

/// So many entries, each with a token of its own.
fn tokens(number: usize) -> serde_json::Value {
    let entries: Vec<_> = (1..=number)
        .map(|entry| json!({"name": format!("t{entry}"), "lifetime": "1h"}))
        .collect();
    json!({"tokens": entries})
}

#[tokio::test]
async fn who_grows_takes_no_token_away_from_anybody() {
    let scene = Scene::with(json!({"guardrails": {"tokensPerNamespace": 3}})).await;
    for name in ["first", "second"] {
        scene.apply("ServiceAccount", name, tokens(1)).await;
        scene.ready("ksa", name).await;
    }
    let first = scene.value("first-t1").await;
    scene.apply("ServiceAccount", "first", tokens(3)).await;
    let said = scene.complaint("ksa", "first", "QuotaExceeded").await;
    let expected = "allows 3 tokens, others of this namespace hold 1 and this object asks for 3";
    assert!(said.contains(expected), "{said}");
    let described = json!({"spec": {"description": "still here"}});
    scene.patch("ksa", "second", described).await;
    scene.ready("ksa", "second").await;
    // What the refused one holds still counts, works, and is renewed: nothing more is held by that.
    scene
        .order("ksa", "first", "rotate-requested-at", "1")
        .await;
    let renewed = scene.other_value("first-t1", &first).await;
    scene.complaint("ksa", "first", "QuotaExceeded").await;
    assert!(scene.get("secret", "first-t2").await.is_none());
    scene.apply("ServiceAccount", "third", tokens(2)).await;
    scene.complaint("ksa", "third", "QuotaExceeded").await;
    assert!(scene.works(&renewed).await);
    scene.apply("ServiceAccount", "first", tokens(2)).await;
    scene.ready("ksa", "first").await;
}

#[tokio::test]
async fn a_limit_that_is_tightened_leaves_the_oldest_their_tokens() {
    let scene = Scene::with(json!({"guardrails": {"tokensPerNamespace": 2}})).await;
    let mut ages = Vec::new();
    for name in ["first", "second"] {
        scene.apply("ServiceAccount", name, tokens(1)).await;
        let object = scene.ready("ksa", name).await;
        let text = |field: &str| object["metadata"][field].as_str().unwrap().to_owned();
        // Times of creation are whole seconds.
        ages.push((text("creationTimestamp"), text("uid"), name));
    }
    ages.sort();
    let [(.., older), (.., younger)] = &ages[..] else {
        panic!("two objects: {ages:?}")
    };
    set(&scene, &json!({"tokensPerNamespace": 1})).await;
    scene.complaint("ksa", younger, "QuotaExceeded").await;
    let described = json!({"spec": {"description": "still here"}});
    scene.patch("ksa", older, described).await;
    scene.ready("ksa", older).await;
    scene
        .order("ksa", younger, "rotate-requested-at", "1")
        .await;
    scene
        .condition("ksa", younger, "Expiring", "True", "NotAllowed")
        .await;
    scene.complaint("ksa", younger, "QuotaExceeded").await;
}

#[tokio::test]
async fn a_dead_token_of_a_refused_object_leaves_its_place_to_those_who_wait() {
    let (_turn, scene) = Scene::private().await;
    set(&scene, &json!({"tokensPerNamespace": 1})).await;
    scene.apply("ServiceAccount", "first", tokens(1)).await;
    scene.ready("ksa", "first").await;
    let mut refused = tokens(1);
    refused["roles"] = json!([{"kind": "External", "name": "Viewer"}]);
    scene.apply("ServiceAccount", "first", refused).await;
    scene.complaint("ksa", "first", "NotAllowed").await;
    scene.apply("ServiceAccount", "second", tokens(1)).await;
    scene.complaint("ksa", "second", "QuotaExceeded").await;
    scene.advance(Duration::from_mins(61));
    scene.ready("ksa", "second").await;
    let said = scene.complaint("ksa", "first", "NotAllowed").await;
    assert!(said.contains("Viewer"), "{said}");
}

#[tokio::test]
async fn who_is_not_made_holds_no_place_and_who_is_refused_gives_up_what_it_wants_no_more() {
    let scene = Scene::with(json!({"guardrails": {
        "tokensPerNamespace": 2, "maxLifetime": "24h", "accountNames": ["*"],
    }}))
    .await;
    let taken = scene.unique("taken");
    scene.account_by_hand(&taken, "").await;
    let wanting = [
        (
            "refused",
            json!({"roles": [{"kind": "External", "name": "Viewer"}]}),
            "NotAllowed",
        ),
        (
            "lost",
            json!({"groups": [{"kind": "Group", "name": "nobody"}]}),
            "ReferenceNotFound",
        ),
        ("named", json!({"accountName": taken}), "NameConflict"),
    ];
    for (name, more, reason) in wanting {
        let mut spec = tokens(2);
        spec.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        scene.apply("ServiceAccount", name, spec).await;
        scene.complaint("ksa", name, reason).await;
    }
    let of_nobody = json!({"owner": {"serviceAccountRef": {"name": "nobody"}}, "lifetime": "1h"});
    scene.apply("ApiToken", "lost", of_nobody).await;
    scene.complaint("ktok", "lost", "ReferenceNotFound").await;
    scene.apply("ServiceAccount", "first", tokens(2)).await;
    scene.ready("ksa", "first").await;
    scene.apply("ServiceAccount", "second", tokens(1)).await;
    scene.complaint("ksa", "second", "QuotaExceeded").await;
    let shrunk = json!({"tokens": [{"name": "t1", "lifetime": "25h"}]});
    scene.apply("ServiceAccount", "first", shrunk).await;
    scene.complaint("ksa", "first", "NotAllowed").await;
    scene.ready("ksa", "second").await;
}

#[tokio::test]
async fn who_asks_for_too_much_blocks_nobody_and_is_woken_when_others_shrink() {
    let scene = Scene::with(json!({"guardrails": {"tokensPerNamespace": 3}})).await;
    scene.apply("ServiceAccount", "big", tokens(5)).await;
    scene.complaint("ksa", "big", "QuotaExceeded").await;
    scene.apply("ServiceAccount", "small", tokens(1)).await;
    scene.ready("ksa", "small").await;
    scene.apply("ServiceAccount", "big", tokens(3)).await;
    let said = scene.complaint("ksa", "big", "QuotaExceeded").await;
    assert!(said.contains("asks for 3"), "{said}");
    scene.apply("ServiceAccount", "small", tokens(0)).await;
    scene.ready("ksa", "big").await;
}

#[tokio::test]
async fn what_a_refused_object_loses_is_free_for_those_who_wait() {
    let scene = Scene::with(json!({"guardrails": {"tokensPerNamespace": 2}})).await;
    scene.apply("ServiceAccount", "first", tokens(1)).await;
    scene.ready("ksa", "first").await;
    let mut refused = tokens(1);
    refused["roles"] = json!([{"kind": "External", "name": "Viewer"}]);
    scene.apply("ServiceAccount", "first", refused).await;
    scene.complaint("ksa", "first", "NotAllowed").await;
    scene.apply("ServiceAccount", "second", tokens(2)).await;
    scene.complaint("ksa", "second", "QuotaExceeded").await;
    scene.order("ksa", "first", "compromised", "leaked").await;
    scene.ready("ksa", "second").await;
}
