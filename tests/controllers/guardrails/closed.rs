//! Each guardrail both ways.

use rstest::rstest;
use serde_json::{Value, json};

use super::{closed, set, wait_for_a_look};
use crate::scene::find;

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

    fn account(field: &'static str, closed: Value, open: Value, spec: Value) -> Self {
        Self::new(field, closed, open, "ServiceAccount", spec)
    }
}

fn viewer() -> Value {
    json!([{"kind": "External", "name": "Viewer"}])
}

fn in_namespace() -> Value {
    json!([{"kind": "External", "name": "Viewer", "namespaces": ["company.team"]}])
}

fn token(fields: &Value) -> Value {
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
    Case::account("guardrails.roles", closed, open, json!({"roles": viewer()}))
}

fn whole_tenant() -> Case {
    let (closed, open) = (
        json!({"roles": ["Viewer"], "kestraNamespaces": ["company"]}),
        json!({"roles": ["Viewer"], "kestraNamespaces": ["*"]}),
    );
    let spec = json!({"roles": viewer()});
    Case::account("guardrails.kestraNamespaces", closed, open, spec)
}

fn kestra_namespace() -> Case {
    let (closed, open) = (
        json!({"roles": ["Viewer"], "kestraNamespaces": ["company.team.a", "company.teams"]}),
        json!({"roles": ["Viewer"], "kestraNamespaces": ["company"]}),
    );
    let spec = json!({"roles": in_namespace()});
    Case::account("guardrails.kestraNamespaces", closed, open, spec)
}

fn account_names() -> Case {
    let (closed, open) = (json!({}), json!({"accountNames": ["bot-{{namespace}}"]}));
    let spec = json!({"accountName": "bot-NAMESPACE"});
    Case::account("guardrails.accountNames", closed, open, spec)
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
    let spec = token(&json!({"lifetime": "25h"}));
    Case::account("guardrails.maxLifetime", closed, open, spec)
}

fn never_expires() -> Case {
    let (closed, open) = (json!({}), json!({"allowNeverExpires": true}));
    let spec = token(&json!({"neverExpires": true}));
    Case::account("guardrails.allowNeverExpires", closed, open, spec)
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
        ..Case::account("guardrails.tokensPerNamespace", closed, open, spec)
    }
}

fn unrestricted() -> Case {
    let (closed, open) = (json!({}), json!({"unrestricted": true}));
    let spec = json!({"accountName": "own-NAMESPACE", "roles": viewer()});
    Case::account("guardrails.accountNames", closed, open, spec)
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
