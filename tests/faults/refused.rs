//! What must be refused: durations and names beyond their bounds, grasps at what is others', Secrets that are to become
//! something else.

use std::collections::BTreeSet;
use std::time::Duration;

use kestra_iam_operator::iam::wire::{GroupRequest, RoleRequest};
use kube::api::{Api, DynamicObject};
use serde_json::{Value, json};

use crate::bench::{Bench, brisk, condition, merge, ours};
use crate::end_state::end_state;

const CI: (&str, &str) = ("ServiceAccount", "ci");

/// An account whose only entry is brisk but for these fields.
fn with_entry(fields: Value) -> Value {
    let mut entry = brisk("default");
    merge(&mut entry, fields);
    json!({"tokens": [entry]})
}

/// The changes at the backend since the bench was connected.
async fn changes(bench: &Bench, since: i64) -> Vec<String> {
    bench.tables().changes_since(since).await.unwrap()
}

/// Each of these specs is refused at admission.
async fn are_refused(bench: &Bench, specs: &[Value]) {
    for spec in specs {
        let object = bench.object(CI.0, CI.1, spec.clone());
        let refused = bench.try_apply(&object).await;
        let Err(kube::Error::Api(status)) = refused else {
            panic!("accepted: {spec}");
        };
        assert_eq!(status.code, 422, "{spec}: {}", status.message);
    }
}

#[tokio::test]
async fn fault_45_durations_beyond_their_bounds() {
    let bench = Bench::start().await;
    let before = bench.tables().changes().await.unwrap();
    let lifetimes = [
        "0s",
        "59s",
        "-1h",
        "PT0S",
        "P100Y",
        "1e9h",
        "99999999999999999999h",
        "",
        " ",
        "1h ",
        "١h",
    ];
    let mut refused: Vec<Value> = lifetimes
        .iter()
        .map(|lifetime| with_entry(json!({"lifetime": lifetime})))
        .collect();
    refused.extend([
        with_entry(json!({"rotation": {"renewBefore": "1h"}})),
        with_entry(json!({"rotation": {"renewBefore": "31m"}})),
        with_entry(json!({"rotation": {"renewBefore": "0s"}})),
        with_entry(json!({"rotation": {"renewBeforePercentage": 51}})),
        with_entry(json!({"rotation": {"interval": "59s"}})),
        with_entry(json!({"rotation": {"overlap": {"min": "2h", "max": "1h"}}})),
        with_entry(json!({"neverExpires": true})),
    ]);
    are_refused(&bench, &refused).await;
    bench.judge().await;
    assert_eq!(changes(&bench, before).await, Vec::<String>::new());
    // The bounds themselves will do.
    let bounds = json!([
        {"name": "short", "lifetime": "60s"},
        {"name": "long", "lifetime": "87600h"},
        {"name": "ever", "neverExpires": true, "rotation": {"interval": "60s"}},
    ]);
    bench.apply(CI.0, CI.1, json!({"tokens": bounds})).await;
    for entry in ["short", "long", "ever"] {
        let value = bench.value(&format!("ci-{entry}")).await;
        assert!(bench.works(&value).await, "{entry}");
    }
    let consumer = bench.consume("ci-long").await;
    consumer.calls(20).await;
    consumer.stop().await;
    bench.delete(CI.0, CI.1).await;
    bench.judge().await;
}

#[tokio::test]
async fn fault_53_names_made_to_break_out() {
    let bench = Bench::start().await;
    let before = bench.tables().changes().await.unwrap();
    let names = [
        "../admin",
        "%2e%2e%2fadmin",
        "a%2fb",
        "a/b",
        "a\r\nX-Evil: 1",
        "'; DROP TABLE tokens; --",
        "a\"b",
        "{{namespace}}",
        "a?b=c",
        "a#b",
        "ä",
        "-a",
        "a-",
        "a--b",
        "A",
        " a",
        "",
        &"a".repeat(64),
        &"a".repeat(253),
    ];
    let account = names.map(|name| json!({"accountName": name}));
    are_refused(&bench, &account).await;
    let entry = names.map(|name| with_entry(json!({"name": name})));
    are_refused(&bench, &entry).await;
    let secret = names
        .iter()
        .filter(|name| !["a--b", &"a".repeat(64), &"a".repeat(253)].contains(*name));
    let secret: Vec<Value> = secret
        .map(|name| with_entry(json!({"secret": {"name": name}})))
        .collect();
    are_refused(&bench, &secret).await;
    assert_eq!(changes(&bench, before).await, Vec::<String>::new());

    // Names without a bound here are data there.
    let odd = "a/b?c=%2f&d='; DROP TABLE roles; -- \"{{x}}\" ä";
    let role = json!({"roleName": odd, "permissions": {"FLOW": ["READ"]}});
    bench.apply("Role", "odd", role).await;
    bench.apply("Group", "odd", json!({"groupName": odd})).await;
    for kind in ["Role", "Group"] {
        bench.ready(kind, "odd").await;
    }
    // The longest names, equal in all that is left of them when they are cut.
    let long = ["1", "2"].map(|end| format!("{}{end}", "n".repeat(62)));
    let tokens = long.clone().map(|name| {
        let mut entry = brisk(&name);
        merge(&mut entry, json!({"secret": {"name": name}}));
        entry
    });
    let account = "a".repeat(63);
    let spec = json!({
        "accountName": account, "tokens": tokens, "groups": [{"kind": "Group", "name": "odd"}],
        "roles": [{"kind": "Role", "name": "odd"}],
    });
    let id = bench.account_with("ci", spec).await;
    let issued = bench.tokens(&id).await;
    let names: BTreeSet<_> = issued.iter().map(|token| &token.name).collect();
    assert_eq!(names.len(), 2, "told apart");
    bench.consume(&long[0]).await.calls(20).await;
    bench.judge().await;
    assert!(bench.backend.find_role(odd).await.unwrap().is_some());
}

/// An object of a namespace that the instance is not for comes to nothing.
async fn is_not_for_outsiders(bench: &Bench) {
    let outside = format!("{}-outside", bench.namespace);
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": outside}});
    bench.apply_manifest(&namespace).await;
    let before = bench.tables().changes().await.unwrap();
    let mut object = bench.object(CI.0, "outsider", with_entry(json!({})));
    object["metadata"]["namespace"] = json!(outside);
    bench.apply_manifest(&object).await;
    let accounts: Api<DynamicObject> =
        Api::namespaced_with(bench.kube().clone(), &outside, &ours(CI.0));
    bench
        .wait("a refusal of the outsider", async || {
            let object = accounts.get("outsider").await.ok()?;
            let accepted = condition(&serde_json::to_value(object).unwrap(), "Accepted");
            (accepted["reason"] == "NotAllowed").then_some(())
        })
        .await;
    assert_eq!(changes(bench, before).await, Vec::<String>::new());
}

#[tokio::test]
async fn fault_58_grasps_at_what_is_others() {
    let guarded = json!({"guardrails": {"adoption": []}});
    let bench = Bench::builder().instance(guarded).start().await;
    bench.account("ci").await;
    let consumer = bench.consume("ci-default").await;
    bench.rest().await;
    let before = bench.tables().changes().await.unwrap();
    let role = |name: &str| json!({"roles": [{"kind": "External", "name": name}]});
    let me = bench.backend.me().await.unwrap();
    let admin = me.profile.unwrap().username.unwrap();
    let grasps = [
        ("ServiceAccount", "role", role("Admin")),
        (
            "ServiceAccount",
            "name",
            json!({"accountName": "admin-of-others"}),
        ),
        (
            "ServiceAccount",
            "me",
            json!({"accountName": admin, "adoptionPolicy": "TakeOver"}),
        ),
        (
            "ServiceAccount",
            "group",
            json!({"groups": [{"kind": "External", "name": "Admins"}]}),
        ),
        (
            "Role",
            "role",
            json!({"roleName": "Admin", "permissions": {"FLOW": ["READ"]}}),
        ),
        (
            "Group",
            "group",
            json!({"groupName": "others", "roles": [{"kind": "External", "name": "Admin"}]}),
        ),
        (
            "RoleBinding",
            "grant",
            json!({
                "roleRef": {"kind": "External", "name": "Admin"},
                "subjects": [{"kind": "ServiceAccount", "name": "ci"}],
            }),
        ),
        (
            "ApiToken",
            "user",
            json!({"owner": {"user": "root@example.com"}, "lifetime": "1h"}),
        ),
        (
            "ServiceAccount",
            "elsewhere",
            json!({"instanceRef": {"name": "nowhere"}}),
        ),
    ];
    for (kind, name, spec) in &grasps {
        bench.apply(kind, name, spec.clone()).await;
        let object = bench
            .has(kind, name, ("Accepted", "False", "NotAllowed"))
            .await;
        let finalizers = &object["metadata"]["finalizers"];
        assert!(finalizers.is_null(), "{kind} {name}: {finalizers}");
        assert_eq!(condition(&object, "Ready")["status"], "False");
    }
    assert_eq!(changes(&bench, before).await, Vec::<String>::new());
    // No reference to a Secret has a namespace, and no object a tenant: there are no such fields.
    let mut elsewhere = with_entry(json!({"secret": {"name": "x", "namespace": bench.home}}));
    elsewhere["tenant"] = json!("others");
    bench.create(&bench.object(CI.0, "astray", elsewhere)).await;
    let astray = bench.ready(CI.0, "astray").await;
    assert_eq!(astray["spec"]["tenant"], Value::Null);
    bench.value("x").await;
    consumer.calls(20).await;
    bench.judge().await;
    is_not_for_outsiders(&bench).await;
    let granted = "SELECT r.name FROM bindings b JOIN roles r ON r.id = b.role_id
                   JOIN principals p ON p.id = b.principal_id WHERE p.description LIKE '%kestra-iam.dev%'";
    let granted = bench.tables().texts(granted).await.unwrap();
    assert_eq!(granted, Vec::<String>::new());
}

#[tokio::test]
async fn fault_59_secrets_that_are_to_become_something_else() {
    let bench = Bench::start().await;
    let template =
        |metadata: Value| with_entry(json!({"secret": {"template": {"metadata": metadata}}}));
    let injections = [
        json!({"annotations": {"kubernetes.io/service-account.name": "default"}}),
        json!({"labels": {"argocd.argoproj.io/secret-type": "cluster"}}),
        json!({"annotations": {"replicator.v1.mittwald.de/replicate-to": "*"}}),
        json!({"labels": {"kestra-iam.dev/owner-name": "another"}}),
    ];
    for metadata in injections {
        let object = bench.object(CI.0, CI.1, template(metadata.clone()));
        match bench.try_apply(&object).await {
            Err(kube::Error::Api(status)) => assert_eq!(status.code, 422, "{metadata}"),
            Err(error) => panic!("{error}"),
            Ok(()) => {
                bench.has(CI.0, CI.1, ("Accepted", "False", "")).await;
            }
        }
        assert_eq!(bench.get("Secret", "ci-default").await, Value::Null);
    }
    let typed = with_entry(json!({"secret": {"type": "kubernetes.io/service-account-token"}}));
    bench.create(&bench.object(CI.0, "typed", typed)).await;
    bench.ready(CI.0, "typed").await;
    let consumer = bench.consume("typed-default").await;
    let secret = bench.get("Secret", "typed-default").await;
    assert_eq!(secret["type"], "Opaque", "there is no such field");
    assert!(secret["data"]["ca.crt"].is_null());
    consumer.calls(20).await;
    bench.judge().await;
}

#[tokio::test]
async fn fault_54_very_large_objects() {
    let bench = Bench::start().await;
    let before = bench.tables().changes().await.unwrap();
    let many = |kind: &str, count: usize| {
        let names = (0..count)
            .map(|number| json!({"kind": "External", "name": format!("{kind}-{number}")}));
        names.collect::<Vec<_>>()
    };
    let tokens: Vec<Value> = (0..17).map(|number| brisk(&format!("t{number}"))).collect();
    let too_large = [
        json!({"description": "d".repeat(1 << 20)}),
        json!({"groups": many("group", 65)}),
        json!({"groups": many("group", 10_000)}),
        json!({"roles": many("role", 10_000)}),
        json!({"tokens": tokens}),
    ];
    are_refused(&bench, &too_large).await;
    bench.judge().await;
    assert_eq!(changes(&bench, before).await, Vec::<String>::new());
    // The largest that there is.
    for number in 0..64 {
        let group = GroupRequest {
            name: Some(format!("group-{number}")),
            description: None,
            members_id: None,
        };
        bench.backend.create_group(&group).await.unwrap();
        let role = RoleRequest {
            name: Some(format!("role-{number}")),
            description: None,
            permissions: Some(serde_json::from_value(json!({"FLOW": ["READ"]})).unwrap()),
            is_default: None,
        };
        bench.backend.create_role(&role).await.unwrap();
    }
    // What is only known there is found by the next sweep.
    bench.advance(Duration::from_mins(11)).await;
    let spec = json!({
        "groups": many("group", 64), "roles": many("role", 64), "tokens": &tokens[..16],
    });
    bench.account_with("ci", spec).await;
    bench.consume("ci-t0").await.calls(20).await;
    bench.judge().await;
    let state = end_state(&bench).await;
    let ours = |table: &str| {
        let lines = state[table].as_array().unwrap().iter();
        lines
            .filter(|line| line.as_str().unwrap().contains("TEAM-ci"))
            .count()
    };
    assert_eq!((ours("memberships"), ours("bindings")), (64, 64));
}
