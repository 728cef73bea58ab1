//! I6: what a run leaves behind, without what differs from run to run. Two runs that come to the same end have equal
//! pictures.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Secret;
use kestra_iam_operator::plan::mark::strip;
use kestra_iam_operator::plan::token::History;
use kube::ResourceExt;
use kube::api::ListParams;
use serde_json::{Value, json};

use crate::bench::Bench;
use crate::tables::Token;
use crate::witness::{HISTORY, KINDS};

/// What the backend has besides tokens, one line a thing, by names.
const TABLES: [(&str, &str); 5] = [
    (
        "accounts",
        "SELECT username || ': ' || COALESCE(description, '') FROM principals
         WHERE kind = 'SERVICE_ACCOUNT' ORDER BY username",
    ),
    (
        "groups",
        "SELECT name || ': ' || COALESCE(description, '') FROM user_groups ORDER BY name",
    ),
    (
        "roles",
        "SELECT name || ' ' || permissions || ': ' || COALESCE(description, '') FROM roles
         WHERE NOT is_managed ORDER BY name",
    ),
    (
        "memberships",
        "SELECT g.name || ' < ' || p.username FROM memberships m
         JOIN user_groups g ON g.id = m.group_id JOIN principals p ON p.id = m.principal_id ORDER BY 1",
    ),
    (
        "bindings",
        "SELECT r.name || '@' || b.namespace || ' ' || COALESCE(p.username, g.name) FROM bindings b
         JOIN roles r ON r.id = b.role_id LEFT JOIN principals p ON p.id = b.principal_id
         LEFT JOIN user_groups g ON g.id = b.group_id ORDER BY 1",
    ),
];

/// The end state of a bench: backend, objects and Secrets, without ids, instants, generations, resource versions and the
/// names of the bench's namespaces.
pub async fn end_state(bench: &Bench) -> Value {
    let mut state = BTreeMap::new();
    for (name, query) in TABLES {
        let lines = bench.tables().texts(query).await.unwrap();
        let lines = lines.iter().map(|line| strip(line).to_owned());
        state.insert(name.to_owned(), json!(lines.collect::<Vec<_>>()));
    }
    let live = bench.live().await;
    let mut tokens: Vec<_> = live.iter().filter_map(token).collect();
    tokens.sort();
    state.insert("tokens".to_owned(), json!(tokens));
    let secrets = bench.secrets().list(&ListParams::default()).await.unwrap();
    let secrets: Vec<_> = secrets.iter().map(|it| secret(it, &live)).collect();
    state.insert("secrets".to_owned(), json!(secrets));
    for kind in KINDS {
        let objects = bench.api(kind).list(&ListParams::default()).await.unwrap();
        let objects = objects
            .iter()
            .map(|it| object(&serde_json::to_value(it).unwrap()));
        state.insert(kind.to_owned(), json!(objects.collect::<Vec<_>>()));
    }
    let text = json!(state).to_string();
    let text = text
        .replace(&bench.namespace, "TEAM")
        .replace(&bench.home, "HOME");
    serde_json::from_str(&text).unwrap()
}

/// A token of ours.
fn token(token: &Token) -> Option<String> {
    let (owner, entry) = (&token.owner, token.entry()?);
    let (age, extended) = (token.max_age, token.extended);
    Some(format!("{owner} {entry} {age:?} extended={extended}"))
}

/// A Secret without its values. A history forgets what was revoked with the next issue only.
fn secret(secret: &Secret, live: &[Token]) -> Value {
    let metadata = &secret.metadata;
    let history = secret.annotations().get(HISTORY);
    let history = history.and_then(|text| History::parse(text));
    let annotations = secret.annotations().keys().filter(|key| *key != HISTORY);
    let owners = metadata.owner_references.iter().flatten();
    let retired = history.iter().flat_map(|history| &history.retired);
    let is_live = |id: &str| live.iter().any(|token| token.id == id);
    let retired = retired.filter(|retired| is_live(retired.id.as_str()));
    json!({
        "name": metadata.name.as_deref().map(unnumbered),
        "labels": metadata.labels,
        "annotations": annotations.collect::<Vec<_>>(),
        "owners": owners.map(|owner| format!("{}/{}", owner.kind, owner.name)).collect::<Vec<_>>(),
        "keys": secret.data.iter().flat_map(BTreeMap::keys).collect::<Vec<_>>(),
        "type": secret.type_,
        "immutable": secret.immutable,
        "hasCurrent": history.is_some(),
        "retired": retired.count(),
    })
}

/// The name of a Secret without its number, if each token has its own.
pub fn unnumbered(name: &str) -> &str {
    match name.rsplit_once("-g") {
        Some((base, number)) if number.parse::<u32>().is_ok() => base,
        _ => name,
    }
}

/// An object with its conditions and tokens. Why its newest token was issued is no state.
fn object(object: &Value) -> Value {
    let status = &object["status"];
    let conditions = status["conditions"].as_array().into_iter().flatten();
    let mut conditions: Vec<_> = conditions
        .filter(|found| found["type"] != "TokenIssued")
        .map(|found| format!("{}={} {}", found["type"], found["status"], found["reason"]))
        .collect();
    conditions.sort();
    let entries = status["tokens"].as_array().into_iter().flatten();
    let tokens = entries
        .chain([&status["token"]])
        .filter(|token| !token.is_null());
    let tokens: Vec<_> = tokens
        .map(|token| {
            json!([
                token["name"],
                token["secretName"].as_str().map(unnumbered),
                token["retired"].is_array()
            ])
        })
        .collect();
    let count = |name: &str| status[name].as_array().map(Vec::len);
    json!({
        "name": object["metadata"]["name"],
        "finalizers": object["metadata"]["finalizers"],
        "spec": object["spec"],
        "conditions": conditions,
        "tokens": tokens,
        "accountName": status["accountName"],
        "groups": count("groups"),
        "bindings": count("bindings"),
    })
}
