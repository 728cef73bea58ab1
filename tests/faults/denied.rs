//! What the API server does not let the operator do: rights, quotas, admission.

use k8s_openapi::api::authorization::v1::SubjectAccessReview;
use k8s_openapi::api::rbac::v1::Role;
use kube::api::{Api, Patch, PatchParams, PostParams};
use serde_json::{Value, json};
use testbed::Exit;

use crate::bench::{Bench, brisk, condition};
use crate::oracle::Allowance;

const CI: (&str, &str) = ("ServiceAccount", "ci");

/// The rules that the operator has now.
async fn rules(bench: &Bench, role: &str) -> Value {
    bench.get("ClusterRole", role).await["rules"].clone()
}

/// The same without these verbs on a resource.
fn without(rules: &Value, resource: &str, verbs: &[&str]) -> Value {
    let mut rules = rules.as_array().unwrap().clone();
    for rule in &mut rules {
        let resources = rule["resources"].as_array().unwrap();
        if resources.iter().any(|it| it == resource) {
            let left = rule["verbs"].as_array_mut().unwrap();
            left.retain(|verb| !verbs.iter().any(|it| verb == it));
        }
    }
    rules.retain(|rule| rule["verbs"] != json!([]));
    json!(rules)
}

/// Gives the operator these rules, and waits until the API server heeds them.
async fn set(bench: &Bench, rules: &Value, (verb, group, resource): (&str, &str, &str)) {
    let role = format!("{}-objects", bench.home);
    let before = may(bench, verb, group, resource).await;
    bench
        .patch("ClusterRole", &role, json!({"rules": rules}))
        .await;
    bench
        .wait("the API server to heed the rights", async || {
            (may(bench, verb, group, resource).await != before).then_some(())
        })
        .await;
}

/// Whether the operator may do this in the users' namespace.
async fn may(bench: &Bench, verb: &str, group: &str, resource: &str) -> bool {
    let (resource, sub) = resource.split_once('/').unwrap_or((resource, ""));
    let review = json!({
        "apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview",
        "spec": {"user": bench.user(), "resourceAttributes": {
            "namespace": bench.namespace, "verb": verb, "group": group, "resource": resource,
            "subresource": sub,
        }},
    });
    let reviews: Api<SubjectAccessReview> = Api::all(bench.kube().clone());
    let review = serde_json::from_value(review).unwrap();
    let answer = reviews
        .create(&PostParams::default(), &review)
        .await
        .unwrap();
    answer.status.unwrap().allowed
}

/// How many tokens were issued since that change.
async fn issues(bench: &Bench, since: i64) -> usize {
    let changes = bench.tables().changes_since(since).await.unwrap();
    let issues = changes
        .iter()
        .filter(|change| change.starts_with("POST") && change.contains("api-tokens"));
    issues.count()
}

/// Waits until the operator asked so often, in a dry run, whether a Secret would be taken.
async fn rehearsals(bench: &Bench, times: usize) {
    bench
        .wait("dry runs of a publish", async || {
            let requests = bench.plane().audit().since(bench.start).unwrap();
            let user = bench.user();
            let tried = requests.iter().filter(|request| {
                let is_dry = request.path.contains("dryRun=All");
                is_dry && request.user == user && request.resource == "secrets"
            });
            (tried.count() >= times).then_some(())
        })
        .await;
}

/// An account whose Secret is refused: one token is issued before anybody knows, and no more.
async fn refused(bench: &Bench) {
    let changes = bench.tables().changes().await.unwrap();
    bench
        .apply(CI.0, CI.1, json!({"tokens": [brisk("default")]}))
        .await;
    let object = bench
        .has(CI.0, CI.1, ("TokenIssued", "False", "KubernetesRefused"))
        .await;
    assert_eq!(condition(&object, "Stalled")["status"], "True");
    rehearsals(bench, 2).await;
    assert_eq!(issues(bench, changes).await, 1, "no more are minted");
    let live = bench.live().await;
    let ours = live.iter().filter(|token| token.mark().is_some());
    assert_eq!(ours.count(), 0, "and it is gone again");
}

/// Everything is as it should be once nothing is in the way any more.
async fn recovered(bench: &Bench, forbidden: &'static [&'static str]) {
    bench.ready(CI.0, CI.1).await;
    bench.consume("ci-default").await.calls(20).await;
    bench
        .judge_with(Allowance {
            forbidden,
            ..Allowance::default()
        })
        .await;
}

#[tokio::test]
async fn fault_37_no_right_to_write_secrets() {
    let bench = Bench::start().await;
    let all = rules(&bench, &format!("{}-objects", bench.home)).await;
    let create = ("create", "", "secrets");
    set(&bench, &without(&all, "secrets", &["create"]), create).await;
    refused(&bench).await;
    set(&bench, &all, create).await;
    recovered(&bench, &["secrets"]).await;
}

#[tokio::test]
async fn fault_37_no_right_to_write_status_and_events() {
    let bench = Bench::start().await;
    bench.account("ci").await;
    let consumer = bench.consume("ci-default").await;
    bench.rest().await;
    let all = rules(&bench, &format!("{}-objects", bench.home)).await;
    // Without Events all goes on.
    let events = ("create", "events.k8s.io", "events");
    set(
        &bench,
        &without(&all, "events", &["create", "patch"]),
        events,
    )
    .await;
    let old = bench.value("ci-default").await;
    bench.order(CI.0, CI.1, "rotate-requested-at", "1").await;
    bench.other_value("ci-default", &old).await;
    bench.rest().await;
    set(&bench, &all, events).await;
    // Without a status nothing new is issued again and again.
    let status = ("patch", "kestra-iam.dev", "serviceaccounts/status");
    let deaf = without(&all, "serviceaccounts/status", &["patch"]);
    set(&bench, &deaf, status).await;
    let changes = bench.tables().changes().await.unwrap();
    let old = bench.value("ci-default").await;
    bench.order(CI.0, CI.1, "rotate-requested-at", "2").await;
    bench.other_value("ci-default", &old).await;
    bench
        .wait("passes whose status is refused", async || {
            let requests = bench.plane().audit().since(bench.start).unwrap();
            let refused = requests.iter().filter(|request| {
                request.code == 403 && request.resource == "serviceaccounts/status"
            });
            (refused.count() >= 3).then_some(())
        })
        .await;
    let log = bench.operator().process.log();
    assert!(log.contains("cannot write the status"), "it is logged");
    assert_eq!(issues(&bench, changes).await, 1);
    set(&bench, &all, status).await;
    consumer.calls(20).await;
    recovered(&bench, &["serviceaccounts", "events"]).await;
}

#[tokio::test]
async fn fault_37_no_right_to_the_lease() {
    let bench = Bench::start().await;
    bench.account("ci").await;
    let consumer = bench.consume("ci-default").await;
    let roles: Api<Role> = Api::namespaced(bench.kube().clone(), &bench.home);
    let all = json!(roles.get(&bench.home).await.unwrap().rules);
    let set = async |rules: &Value| {
        let rules = json!({"rules": rules});
        let (parameters, patch) = (PatchParams::default(), Patch::Merge(&rules));
        roles.patch(&bench.home, &parameters, &patch).await.unwrap();
    };
    set(&without(&all, "leases", &["get", "create", "update"])).await;
    let exit = bench.operator().process.wait().await.unwrap();
    assert_eq!(exit, Exit::Code(1), "who cannot renew does not act");
    bench.operator().process.restart().await.unwrap();
    let operator = bench.operator();
    bench
        .wait("the reason", async || {
            let (status, body) = operator.get("/readyz").await?;
            (status == 503 && body.contains("leases")).then_some(())
        })
        .await;
    set(&all).await;
    operator.leads().await;
    consumer.calls(20).await;
    recovered(&bench, &["leases"]).await;
}

#[tokio::test]
async fn fault_38_quota_leaves_no_room() {
    let bench = Bench::start().await;
    bench
        .apply_manifest(&json!({
            "apiVersion": "v1", "kind": "ResourceQuota",
            "metadata": {"name": "few", "namespace": bench.namespace},
            "spec": {"hard": {"count/secrets": "0"}},
        }))
        .await;
    bench
        .until("ResourceQuota", "few", "is counted", |quota| {
            quota["status"]["used"]["count/secrets"].is_string()
        })
        .await;
    refused(&bench).await;
    let object = bench.get(CI.0, CI.1).await;
    let message = condition(&object, "Ready")["message"].clone();
    assert!(message.to_string().contains("ResourceQuota"), "{message}");
    bench.begin_delete("ResourceQuota", "few").await;
    recovered(&bench, &["secrets"]).await;
}

/// A policy of the users' namespace that refuses every Secret, and its binding.
fn policy(bench: &Bench) -> [Value; 2] {
    let name = &bench.namespace;
    let api = "admissionregistration.k8s.io/v1";
    let rule = json!({
        "apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"],
        "resources": ["secrets"],
    });
    let own = json!({"matchLabels": {"kubernetes.io/metadata.name": name}});
    [
        json!({
            "apiVersion": api, "kind": "ValidatingAdmissionPolicy", "metadata": {"name": name},
            "spec": {
                "failurePolicy": "Fail", "matchConstraints": {"resourceRules": [rule]},
                "validations": [{"expression": "false", "message": "no Secret today"}],
            },
        }),
        json!({
            "apiVersion": api, "kind": "ValidatingAdmissionPolicyBinding", "metadata": {"name": name},
            "spec": {
                "policyName": name, "validationActions": ["Deny"],
                "matchResources": {"namespaceSelector": own},
            },
        }),
    ]
}

/// Whether the users' namespace takes Secrets.
async fn takes_secrets(bench: &Bench) -> bool {
    let probe = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "probe"},
    });
    let dry = PostParams {
        dry_run: true,
        ..PostParams::default()
    };
    let probe = serde_json::from_value(probe).unwrap();
    bench.secrets().create(&dry, &probe).await.is_ok()
}

#[tokio::test]
async fn fault_39_admission_refuses_the_secret() {
    let bench = Bench::start().await;
    let [policy, binding] = policy(&bench);
    for manifest in [&policy, &binding] {
        bench.apply_manifest(manifest).await;
    }
    bench
        .wait("the policy", async || {
            (!takes_secrets(&bench).await).then_some(())
        })
        .await;
    refused(&bench).await;
    for manifest in [&binding, &policy] {
        let kind = manifest["kind"].as_str().unwrap();
        bench.begin_delete(kind, &bench.namespace).await;
    }
    recovered(&bench, &["secrets"]).await;
}
