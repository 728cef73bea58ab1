//! Whom memberships, grants and tokens may be for.

use serde_json::{Value, json};

use super::{closed, set, wait_for_a_look};
use crate::backend::{group, principal};
use crate::scene::find;

#[tokio::test]
async fn groups_that_only_the_backend_knows_take_a_word_too() {
    let (scene, gate) = closed(&json!({"groups": ["other"]})).await;
    let team = scene.group_by_hand(&scene.unique("team"), "").await;
    wait_for_a_look(&scene).await;
    let spec = json!({"groups": [{"kind": "External", "name": scene.unique("team")}]});
    scene.apply("ServiceAccount", "ci", spec).await;
    let refused = scene.complaint("ksa", "ci", "NotAllowed").await;
    let spec = json!({"groups": [{"kind": "External", "name": scene.unique("none")}]});
    scene.apply("ServiceAccount", "lost", spec).await;
    let absent = scene.complaint("ksa", "lost", "NotAllowed").await;
    assert_eq!(
        refused.replace(&scene.unique("team"), "it"),
        absent.replace(&scene.unique("none"), "it"),
        "there and not there read the same"
    );
    assert_eq!(gate.writes(), Vec::<String>::new());
    set(&scene, &json!({"groups": ["*-team"]})).await;
    let account = scene.id("ksa", "ci").await;
    scene.is_in(&account, &[&team.id]).await;
}

#[tokio::test]
async fn subjects_that_only_the_backend_knows_take_a_word_too() {
    let base = json!({"roles": ["Viewer"], "kestraNamespaces": ["*"]});
    let (scene, gate) = closed(&base).await;
    let theirs = scene.account_by_hand(&scene.unique("theirs"), "").await;
    let team = scene.group_by_hand(&scene.unique("team"), "").await;
    let email = format!("{}@example.com", scene.namespace);
    let user = scene.user(&email, json!({})).await;
    let subjects = [
        (
            "ExternalServiceAccount",
            theirs.name.clone(),
            principal(theirs.id.as_str()),
        ),
        ("ExternalGroup", team.name.clone(), group(team.id.as_str())),
        ("ExternalUser", email.clone(), principal(user.as_str())),
    ];
    for (kind, name, _) in &subjects {
        let spec = json!({
            "roleRef": {"kind": "External", "name": "Viewer"},
            "subjects": [{"kind": kind, "name": name}],
        });
        scene.apply("RoleBinding", &kind.to_lowercase(), spec).await;
        let said = scene
            .complaint("krb", &kind.to_lowercase(), "NotAllowed")
            .await;
        assert!(said.contains("guardrails.subjects"), "{said}");
    }
    assert_eq!(gate.writes(), Vec::<String>::new());
    for (position, (kind, _, subject)) in subjects.iter().enumerate() {
        let mut open = base.clone();
        open["subjects"] = json!([{"kind": kind, "name": "*"}]);
        set(&scene, &open).await;
        scene.ready("krb", &kind.to_lowercase()).await;
        scene.has_bindings(subject, &["Viewer@*"]).await;
        // The one before is refused again, and what it gave is taken away.
        if let Some((kind, _, subject)) = position.checked_sub(1).map(|before| &subjects[before]) {
            scene
                .complaint("krb", &kind.to_lowercase(), "NotAllowed")
                .await;
            scene.has_bindings(subject, &[]).await;
        }
    }
}

#[tokio::test]
async fn a_token_for_a_user_takes_a_word_too_and_one_for_a_superadmin_another() {
    let (scene, gate) = closed(&json!({})).await;
    let (ann, root) = (
        format!("ann@{}.com", scene.namespace),
        format!("root@{}.com", scene.namespace),
    );
    scene.user(&ann, json!({})).await;
    scene.user(&root, json!({"superAdmin": true})).await;
    wait_for_a_look(&scene).await;
    let before = gate.passed().len();
    for (name, user) in [("ann", &ann), ("root", &root)] {
        let spec = json!({"owner": {"user": user}, "lifetime": "1h"});
        scene.apply("ApiToken", name, spec).await;
        let said = scene.complaint("ktok", name, "NotAllowed").await;
        assert!(said.contains("guardrails.tokenSubjects"), "{said}");
    }
    assert_eq!(gate.passed()[before..], []);
    let mut open = json!({"tokenSubjects": ["*@{{namespace}}.com"]});
    set(&scene, &open).await;
    scene.ready("ktok", "ann").await;
    let fact = "names the guardrail that is closed";
    let closed = |object: &Value| {
        let message = find(object, "Ready")["message"].clone();
        message
            .as_str()
            .is_some_and(|said| said.contains("guardrails.allowSuperAdmin"))
    };
    scene.until("ktok", "root", fact, closed).await;
    assert_eq!(gate.writes().len(), 1, "one token alone");
    open["allowSuperAdmin"] = json!(true);
    set(&scene, &open).await;
    scene.ready("ktok", "root").await;
}

#[tokio::test]
async fn a_superadmin_is_closed_even_to_the_unrestricted() {
    let open = json!({"unrestricted": true, "adoption": ["*"]});
    let (scene, gate) = closed(&open).await;
    let email = format!("{}@example.com", scene.namespace);
    let user = scene.user(&email, json!({"superAdmin": true})).await;
    let spec = json!({
        "roleRef": {"kind": "External", "name": "Viewer"},
        "subjects": [{"kind": "ExternalUser", "name": email}],
    });
    scene.apply("RoleBinding", "root", spec).await;
    let said = scene.complaint("krb", "root", "NotAllowed").await;
    assert!(said.contains("guardrails.allowSuperAdmin"), "{said}");
    assert_eq!(gate.writes(), Vec::<String>::new());
    let mut allowed = open;
    allowed["allowSuperAdmin"] = json!(true);
    set(&scene, &allowed).await;
    scene.ready("krb", "root").await;
    scene
        .has_bindings(&principal(user.as_str()), &["Viewer@*"])
        .await;
}
