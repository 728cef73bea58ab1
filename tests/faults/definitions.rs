//! Definitions of another version than the operator's.

use kestra_iam_operator::api;
use kube::api::{DynamicObject, PostParams};
use serde_json::{Value, json};
use testbed::audit::Mark;
use testbed::gate::Request;

use crate::bench::{Bench, brisk, merge};
use crate::gated::Gated;

const CI: (&str, &str) = ("ServiceAccount", "ci");
const SECRET: &str = "ci-default";

/// Fields of an account that a former version of its definition did not have, as paths into the schema.
const NEWER: [&str; 8] = [
    "/properties/spec/properties/tokens/items/properties/restart",
    "/properties/spec/properties/tokens/items/properties/rotation/properties/permissionChangePolicy",
    "/properties/spec/properties/tokens/items/properties/rotation/properties/windows",
    "/properties/spec/properties/tokens/items/properties/secret/properties/previousValuePolicy",
    "/properties/status/properties/soonestExpirationTime",
    "/properties/status/properties/tokens/items/properties/handledRotateRequest",
    "/properties/status/properties/tokens/items/properties/historySince",
    "/properties/status/properties/tokens/items/properties/prefix",
];

/// Today's definition of accounts.
fn todays() -> Value {
    let mut crds = api::crds().into_iter();
    let crd = crds.find(|crd| crd.spec.names.kind == CI.0);
    serde_json::to_value(crd.unwrap()).unwrap()
}

/// A former one: without the newer fields, without rules, and with a status that may hold anything.
fn former() -> Value {
    let mut crd = todays();
    let schema = &mut crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
    for path in NEWER {
        let (parent, field) = path.rsplit_once('/').unwrap();
        let fields = schema.pointer_mut(parent).unwrap().as_object_mut().unwrap();
        assert!(fields.remove(field).is_some(), "there is no {path}");
    }
    without_rules(schema);
    schema["properties"]["status"]["x-kubernetes-preserve-unknown-fields"] = json!(true);
    crd
}

/// Takes away the rules, which may speak of fields that are not there.
fn without_rules(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            fields.remove("x-kubernetes-validations");
            fields.values_mut().for_each(without_rules);
        }
        Value::Array(items) => items.iter_mut().for_each(without_rules),
        _ => {}
    }
}

/// An account whose only entry uses a newer field.
fn with_newer() -> Value {
    let mut entry = brisk("default");
    merge(
        &mut entry,
        json!({"secret": {"previousValuePolicy": "Keep"}}),
    );
    json!({"tokens": [entry]})
}

impl Gated {
    /// Has the definition of accounts be this one, and waits until the API server goes by it, and until the operator
    /// watches by way of it.
    async fn define(&self, definition: &Value) {
        let mark = self.api.mark();
        let text = definition.to_string();
        let replace = ["replace", "-f", "-"];
        self.plane().kubectl(&replace, &text).await.unwrap();
        let is_newer = *definition == todays();
        self.wait("the other definition", async || {
            (self.keeps_newer().await == is_newer).then_some(())
        })
        .await;
        if self.operators().is_empty() {
            return;
        }
        let is_watch =
            |request: &Request| request.is_watch() && request.path.ends_with("/serviceaccounts");
        self.wait("a watch of what it defines", async || {
            let asked = self.api.requests();
            asked.iter().skip(mark).any(is_watch).then_some(())
        })
        .await;
    }

    /// Whether the API server takes the newer fields.
    async fn keeps_newer(&self) -> bool {
        let probe = self.object(CI.0, "probe", with_newer());
        let probe: DynamicObject = serde_json::from_value(probe).unwrap();
        let dry = PostParams {
            dry_run: true,
            ..PostParams::default()
        };
        let taken = self.bench.api(CI.0).create(&dry, &probe).await.unwrap();
        taken.data["spec"]["tokens"][0]["secret"]["previousValuePolicy"].is_string()
    }

    /// What the operator wrote since, the Lease apart.
    fn writes(&self, since: Mark) -> Vec<String> {
        let user = self.user();
        let requests = self.plane().audit().since(since).unwrap().into_iter();
        let own = requests.filter(|it| it.user == user && it.is_write());
        let own = own.filter(|it| it.resource != "leases");
        own.map(|it| format!("{} {}", it.verb, it.path)).collect()
    }

    /// Other definitions are no reason to issue or revoke anything; each account is written once at most.
    async fn redefined(&self, definition: &Value, accounts: usize) {
        self.rest().await;
        let value = self.value(SECRET).await;
        let changes = self.tables().changes().await.unwrap();
        let mark = self.plane().audit().mark().unwrap();
        self.define(definition).await;
        self.rest().await;
        let since = self.tables().changes_since(changes).await.unwrap();
        assert_eq!(since, Vec::<String>::new());
        assert_eq!(self.value(SECRET).await, value);
        let writes = self.writes(mark);
        assert!(writes.len() <= accounts, "{writes:#?}");
    }
}

#[tokio::test]
async fn fault_51_definitions_of_a_former_version_replaced_and_back() {
    let gated = Gated::around(Bench::builder().own_plane().prepare().await);
    gated.define(&former()).await;
    gated.go(&["--min-issue-interval=1s"], json!({})).await;
    let names = ["ci", "ci-1", "ci-2"];
    for name in names {
        gated.account(name).await;
    }
    let consumer = gated.consume(SECRET).await;
    // What nobody knows any more is stored too.
    let unknown = json!({"status": {"formerly": {"is": ["so"]}}}).to_string();
    let args = [
        "patch",
        "ksa",
        "ci",
        "--subresource=status",
        "--type=merge",
        "-n",
    ];
    let args = [&args[..], &[&gated.namespace, "-p", &unknown]].concat();
    gated.plane().kubectl(&args, "").await.unwrap();
    assert!(gated.get(CI.0, CI.1).await["status"]["formerly"].is_object());

    let process = gated.operator().process.id();
    gated.redefined(&todays(), names.len()).await;
    assert!(gated.get(CI.0, CI.1).await["status"]["formerly"].is_null());
    // The same process knows what is new.
    gated.apply(CI.0, CI.1, with_newer()).await;
    gated.rotate("1").await;
    gated.rotated("1").await;
    let keeps = |secret: &Value| secret["data"]["token.previous"].is_string();
    gated
        .until("Secret", SECRET, "keeps the value before", keeps)
        .await;
    assert_eq!(gated.operator().process.id(), process);

    gated.redefined(&former(), names.len()).await;
    let value = gated.value(SECRET).await;
    gated.crash(&[]).await;
    gated.rest().await;
    assert_eq!(
        gated.value(SECRET).await,
        value,
        "nothing is asked for anew"
    );
    gated.rotate("2").await;
    gated.other_value(SECRET, &value).await;

    gated.redefined(&todays(), names.len()).await;
    gated.ready(CI.0, CI.1).await;
    consumer.calls(20).await;
    gated.judge().await;
}

/// Changes the schema of accounts as a newer or older version of the definitions has it.
async fn redefine(bench: &Bench, patch: Value) {
    let patch = patch.to_string();
    let definition = "crd/serviceaccounts.kestra-iam.dev";
    let args = ["patch", definition, "--type=json", "-p", &patch];
    bench.plane().kubectl(&args, "").await.unwrap();
}

/// Where the schema of accounts has the fields of their specs.
const SPEC: &str = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties";

/// Creates an account, once the API server takes what it has.
async fn create(bench: &Bench, name: &str, spec: Value) {
    let object = bench.object(CI.0, name, spec);
    let object = serde_json::from_value(object).unwrap();
    let api = bench.api(CI.0);
    bench
        .wait("an account of another version", async || {
            api.create(&PostParams::default(), &object).await.ok()
        })
        .await;
}

#[tokio::test]
async fn fault_52_definitions_of_another_version() {
    let bench = Bench::builder().own_plane().start().await;
    bench.account("ci").await;
    let consumer = bench.consume("ci-default").await;
    // Newer ones: a field and a value that this operator does not know.
    let newer = json!([
        {"op": "add", "path": format!("{SPEC}/purpose"), "value": {"type": "string"}},
        {"op": "replace", "path": format!("{SPEC}/deletionPolicy"), "value": {"type": "string"}},
    ]);
    redefine(&bench, newer).await;
    let tokens = json!([brisk("default")]);
    create(
        &bench,
        "purposeful",
        json!({"purpose": "new", "tokens": tokens}),
    )
    .await;
    create(
        &bench,
        "odd",
        json!({"deletionPolicy": "Shred", "tokens": tokens}),
    )
    .await;
    bench.ready(CI.0, "purposeful").await;
    let log = async || {
        let log = bench.operator().process.log();
        log.contains("cannot be read").then_some(())
    };
    bench.wait("a word on what cannot be read", log).await;
    let secret = bench.get("Secret", "odd-default").await;
    assert_eq!(secret, Value::Null, "nothing is done for it");
    // It is no reason to end, nor to do anything about it after a restart.
    assert!(bench.operator().process.exit().unwrap().is_none());
    bench.operator().restart().await;
    bench.delete(CI.0, "odd").await;
    consumer.calls(20).await;
    bench.judge().await;
    let purposeful = bench.get(CI.0, "purposeful").await;
    assert_eq!(purposeful["spec"]["purpose"], "new", "it is kept");

    // Older ones: without a kind. It is waited for, without an end and without a loop of crashes.
    bench
        .plane()
        .kubectl(&["delete", "crd", "apitokens.kestra-iam.dev"], "")
        .await
        .unwrap();
    bench.operator().process.restart().await.unwrap();
    let operator = bench.operator();
    let waits = async || {
        let (status, body) = operator.get("/readyz").await?;
        (status == 503 && body.contains("waiting for the first lists")).then_some(())
    };
    bench.wait("the operator to wait", waits).await;
    assert_eq!(operator.get("/livez").await.unwrap().0, 200);
    let mut crds = api::crds();
    crds.retain(|crd| crd.spec.names.kind == "ApiToken");
    let crds = api::to_yaml(&crds).unwrap();
    bench
        .plane()
        .kubectl(&["apply", "-f", "-"], &crds)
        .await
        .unwrap();
    operator.leads().await;
    consumer.calls(20).await;
    bench.judge().await;
}
