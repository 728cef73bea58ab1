//! Guardrails: closed unless opened, judged by what is at the backend, and followed when they tighten.

use kube::api::{Patch, PatchParams};
use rstest::rstest;
use serde_json::{Value, json};

use crate::backend::{group, principal};
use crate::gate::{Gate, Passed};
use crate::scene::{Scene, find};

/// What is refused while a guardrail is closed, and what the refusal says.
struct Case {
    closed: Value,
    open: Value,
    kind: &'static str,
    spec: Value,
    reason: &'static str,
    says: &'static str,
}

impl Case {
    fn new(
        field: &'static str,
        closed: Value,
        open: Value,
        kind: &'static str,
        spec: Value,
    ) -> Self {
        Self {
            closed,
            open,
            kind,
            spec,
            reason: "NotAllowed",
            says: field,
        }
    }
}

fn viewer() -> Value {
    json!([{"kind": "External", "name": "Viewer"}])
}

fn in_namespace() -> Value {
    json!([{"kind": "External", "name": "Viewer", "namespaces": ["company.team"]}])
}

fn token(fields: Value) -> Value {
    let mut token = json!({"name": "default"});
    token
        .as_object_mut()
        .unwrap()
        .extend(fields.as_object().unwrap().clone());
    json!({"tokens": [token]})
}

fn roles() -> Case {
    let (closed, open) = (
        json!({"kestraNamespaces": ["*"], "roles": ["View", "*iewer2"]}),
        json!({"kestraNamespaces": ["*"], "roles": ["View*"]}),
    );
    Case::new(
        "guardrails.roles",
        closed,
        open,
        "ServiceAccount",
        json!({"roles": viewer()}),
    )
}

fn whole_tenant() -> Case {
    let (closed, open) = (
        json!({"roles": ["Viewer"], "kestraNamespaces": ["company"]}),
        json!({"roles": ["Viewer"], "kestraNamespaces": ["*"]}),
    );
    let spec = json!({"roles": viewer()});
    Case::new(
        "guardrails.kestraNamespaces",
        closed,
        open,
        "ServiceAccount",
        spec,
    )
}

fn kestra_namespace() -> Case {
    let (closed, open) = (
        json!({"roles": ["Viewer"], "kestraNamespaces": ["company.team.a", "company.teams"]}),
        json!({"roles": ["Viewer"], "kestraNamespaces": ["company"]}),
    );
    let spec = json!({"roles": in_namespace()});
    Case::new(
        "guardrails.kestraNamespaces",
        closed,
        open,
        "ServiceAccount",
        spec,
    )
}

fn account_names() -> Case {
    let (closed, open) = (json!({}), json!({"accountNames": ["bot-{{namespace}}"]}));
    let spec = json!({"accountName": "bot-NAMESPACE"});
    Case::new(
        "guardrails.accountNames",
        closed,
        open,
        "ServiceAccount",
        spec,
    )
}

fn groups_made() -> Case {
    let (closed, open) = (
        json!({"groups": ["x-*"]}),
        json!({"groups": ["{{namespace}}-*"]}),
    );
    let spec = json!({"groupName": "NAMESPACE-bots"});
    Case::new("guardrails.groups", closed, open, "Group", spec)
}

fn permissions() -> Case {
    let (closed, open) = (
        json!({"permissions": ["FLOW:READ"], "roles": ["*"]}),
        json!({"permissions": ["FLOW:*"]}),
    );
    let spec = json!({
        "roleName": "NAMESPACE-r", "permissions": {"FLOW": ["READ", "DELETE"]},
    });
    Case::new("guardrails.permissions", closed, open, "Role", spec)
}

fn lifetime() -> Case {
    let (closed, open) = (json!({"maxLifetime": "24h"}), json!({"maxLifetime": "25h"}));
    let spec = token(json!({"lifetime": "25h"}));
    Case::new(
        "guardrails.maxLifetime",
        closed,
        open,
        "ServiceAccount",
        spec,
    )
}

fn never_expires() -> Case {
    let (closed, open) = (json!({}), json!({"allowNeverExpires": true}));
    let spec = token(json!({"neverExpires": true}));
    Case::new(
        "guardrails.allowNeverExpires",
        closed,
        open,
        "ServiceAccount",
        spec,
    )
}

fn number_of_tokens() -> Case {
    let (closed, open) = (
        json!({"tokensPerNamespace": 1}),
        json!({"tokensPerNamespace": 2}),
    );
    let spec = json!({"tokens": [
        {"name": "one", "lifetime": "1h"}, {"name": "two", "lifetime": "1h"},
    ]});
    Case {
        reason: "QuotaExceeded",
        ..Case::new(
            "guardrails.tokensPerNamespace",
            closed,
            open,
            "ServiceAccount",
            spec,
        )
    }
}

fn unrestricted() -> Case {
    let (closed, open) = (json!({}), json!({"unrestricted": true}));
    let spec = json!({"accountName": "own-NAMESPACE", "roles": viewer()});
    Case::new(
        "guardrails.accountNames",
        closed,
        open,
        "ServiceAccount",
        spec,
    )
}

/// The instance with other guardrails: all of them are replaced.
async fn set(scene: &Scene, guardrails: &Value) {
    let api = scene.api("kci").unwrap();
    let replace = json!([{"op": "add", "path": "/spec/guardrails", "value": guardrails}]);
    let patch = Patch::Json::<()>(serde_json::from_value(replace).unwrap());
    let parameters = PatchParams::default();
    api.patch(&scene.instance, &parameters, &patch)
        .await
        .unwrap();
}

async fn closed(guardrails: &Value) -> (Scene, Gate) {
    Scene::behind_gate(json!({"guardrails": guardrails})).await
}

#[rstest]
#[case::roles(roles())]
#[case::whole_tenant(whole_tenant())]
#[case::kestra_namespace(kestra_namespace())]
#[case::account_names(account_names())]
#[case::groups_made(groups_made())]
#[case::permissions(permissions())]
#[case::lifetime(lifetime())]
#[case::never_expires(never_expires())]
#[case::number_of_tokens(number_of_tokens())]
#[case::unrestricted(unrestricted())]
#[tokio::test]
async fn closed_refuses_and_sends_nothing_and_open_lets_pass(#[case] case: Case) {
    let (scene, gate) = closed(&case.closed).await;
    let spec = case.spec.to_string().replace("NAMESPACE", &scene.namespace);
    let spec: Value = serde_json::from_str(&spec).unwrap();
    wait_for_a_look(&scene).await;
    let before = gate.passed().len();
    scene.apply(case.kind, "it", spec).await;
    let object = scene
        .condition(case.kind, "it", "Accepted", "False", case.reason)
        .await;
    let said = find(&object, "Ready")["message"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(
        said.contains(case.says) && said.contains("administrator"),
        "{said}"
    );
    assert_eq!(
        gate.passed()[before..],
        [],
        "nothing is asked, nothing is sent"
    );
    assert!(object["metadata"]["finalizers"].is_null(), "{object:#}");
    set(&scene, &case.open).await;
    scene.ready(case.kind, "it").await;
}

async fn wait_for_a_look(scene: &Scene) {
    let instance = scene.instance.clone();
    scene.condition("kci", &instance, "Ready", "True", "").await;
}

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
    assert_eq!(gate.count(Passed::is_write), 1, "one token alone");
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
        scene
            .patch(kind, name, json!({"spec": {"suspend": true}}))
            .await;
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
        scene
            .patch(kind, name, json!({"spec": {"suspend": false}}))
            .await;
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
    scene
        .patch("krole", "runner", json!({"spec": {"suspend": false}}))
        .await;
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
    assert!(said.contains("token number 2"), "{said}");
    scene.delete("ksa", "first").await;
    scene.ready("ksa", "second").await;
}
