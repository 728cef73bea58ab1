//! Tokens that are issued in vain, and how many of them.

use std::time::Duration;

use axum::http::Method;
use kube::api::PostParams;
use serde_json::{Value, json};
use testbed::audit::Mark;

use super::patient;
use crate::crashes::behind_gate;
use crate::gate::{Gate, Verdict};
use crate::scene::{Scene, find};

/// How many tokens were asked for through the gate.
fn issued(gate: &Gate) -> usize {
    gate.count(|passed| passed.method == Method::POST && passed.path.ends_with("/api-tokens"))
}

/// Whether the namespace takes Secrets.
async fn takes_secrets(scene: &Scene) -> bool {
    let probe = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "probe"}, "data": {"token": "eA=="},
    });
    let dry = PostParams {
        dry_run: true,
        ..PostParams::default()
    };
    let probe = serde_json::from_value(probe).unwrap();
    let api = scene.api("secret").unwrap();
    match api.create(&dry, &probe).await {
        Ok(_) => true,
        Err(error) => {
            assert!(error.to_string().contains("QUOTED"), "{error}");
            false
        }
    }
}

async fn accept_secrets(scene: &Scene) {
    let name = &scene.namespace;
    for kind in [
        "validatingadmissionpolicybinding",
        "validatingadmissionpolicy",
    ] {
        scene.kubectl(&["delete", kind, name]).await;
    }
    let accepts = async || takes_secrets(scene).await.then_some(());
    scene.wait("the policy is gone", accepts).await;
}

impl Scene {
    /// Waits until the next token waits for the pace; what the condition says of it.
    async fn paced(&self, condition: &str) -> String {
        let message = |object: &Value| find(object, condition)["message"].to_string();
        let paced = |object: &Value| message(object).contains("the next try waits until");
        let object = self.until("ksa", "ci", "is paced", paced).await;
        message(&object)
    }

    /// Waits until so many writes of a Secret were tried without an effect.
    async fn rehearsed(&self, times: usize) {
        let audit = self.world.plane.audit();
        let look = async || {
            let requests = audit.since(Mark::default()).unwrap();
            let tried = requests.iter().filter(|request| {
                let is_dry = request.path.contains("dryRun=All");
                let by_operator = request.user_agent.starts_with("kestra-iam-operator/");
                by_operator && is_dry && request.namespace == self.namespace
            });
            (tried.count() >= times).then_some(())
        };
        self.wait("dry runs of a publish", look).await;
    }
}

/// An admission policy of the scene's namespace that refuses every Secret and quotes it.
async fn refuse_secrets(scene: &Scene) {
    let name = &scene.namespace;
    let rule = json!({
        "apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE", "DELETE"],
        "resources": ["secrets"],
    });
    let policy = json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": name},
        "spec": {
            "failurePolicy": "Fail", "matchConstraints": {"resourceRules": [rule]},
            "validations": [{
                "expression": "false",
                "messageExpression": "'QUOTED ' + request.name",
            }],
        },
    });
    let own = json!({"matchLabels": {"kubernetes.io/metadata.name": name}});
    let binding = json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": name},
        "spec": {
            "policyName": name, "validationActions": ["Deny"],
            "matchResources": {"namespaceSelector": own},
        },
    });
    scene.world.apply(&policy).await;
    scene.world.apply(&binding).await;
    let refuses = async || (!takes_secrets(scene).await).then_some(());
    scene.wait("the policy refuses and quotes", refuses).await;
}

#[tokio::test]
async fn secrets_that_may_not_be_written_are_no_reason_for_a_storm_and_what_refuses_them_is_not_quoted()
 {
    let (_turn, scene) = Scene::private().await;
    let gate = behind_gate(&scene).await;
    refuse_secrets(&scene).await;
    let spec = json!({"tokens": [patient("default")]});
    scene.apply("ServiceAccount", "ci", spec).await;
    let object = scene
        .condition("ksa", "ci", "TokenIssued", "False", "KubernetesRefused")
        .await;
    assert_eq!(find(&object, "Stalled")["reason"], "KubernetesRefused");
    let message = find(&object, "TokenIssued")["message"].to_string();
    assert!(
        message.contains("write the token into the Secret"),
        "{message}"
    );
    assert!(!message.contains("QUOTED"), "{message}");

    scene.rehearsed(2).await;
    let issues = gate.count(|passed| passed.is_write() && passed.path.contains("/api-tokens"));
    assert_eq!(issues, 2, "one was issued, and revoked at once");
    let object = scene.get("ksa", "ci").await.unwrap();
    for (condition, status) in [("Ready", "False"), ("Synced", "False"), ("Stalled", "True")] {
        let found = find(&object, condition);
        assert_eq!(found["status"], status, "{found}");
        assert_eq!(found["reason"], "KubernetesRefused", "{found}");
    }
    let id = object["status"]["id"].as_str().unwrap();
    assert_eq!(scene.tokens(id).await.len(), 0);
    accept_secrets(&scene).await;
    scene.advance(Duration::from_mins(2));
    scene.ready("ksa", "ci").await;
    assert!(scene.works(&scene.value("ci-default").await).await);
    assert_eq!(scene.tokens(id).await.len(), 1);
    let log = scene.world.operator.log();
    assert!(!log.contains("QUOTED"));
}

#[tokio::test]
async fn a_rotation_that_cannot_be_published_makes_no_storm_either() {
    let (_turn, scene) = Scene::private().await;
    let gate = behind_gate(&scene).await;
    let id = scene.account("ci", json!([patient("default")])).await;
    let first = scene.value("ci-default").await;
    refuse_secrets(&scene).await;
    scene.advance(Duration::from_mins(45));
    scene.rehearsed(2).await;
    assert_eq!(issued(&gate), 1 + 1);
    let object = scene.get("ksa", "ci").await.unwrap();
    assert_eq!(find(&object, "Ready")["status"], "True", "its token works");
    scene.has_tokens(&id, 1).await;
    accept_secrets(&scene).await;
    scene.advance(Duration::from_mins(2));
    let second = scene.other_value("ci-default", &first).await;
    assert!(scene.works(&second).await);
}

#[tokio::test]
async fn values_that_cannot_be_used_leave_the_account_ready_and_are_tried_again() {
    let (_turn, scene) = Scene::private().await;
    let gate = behind_gate(&scene).await;
    let id = scene.account("ci", json!([patient("default")])).await;
    let first = scene.value("ci-default").await;
    gate.rule(|method, path| {
        let is_issue = *method == Method::POST && path.ends_with("/api-tokens");
        Verdict::when(is_issue, Verdict::Change("fullToken", json!("two\nlines")))
    });
    scene.order("ksa", "ci", "rotate-requested-at", "1").await;
    let object = scene
        .condition("ksa", "ci", "TokenIssued", "False", "BackendProtocol")
        .await;
    assert_eq!(find(&object, "Ready")["status"], "True", "its token works");
    let message = scene.paced("TokenIssued").await;
    assert!(message.contains("never published"), "{message}");
    assert_eq!(issued(&gate), 1 + 3);
    let object = scene.get("ksa", "ci").await.unwrap();
    assert_eq!(find(&object, "Ready")["status"], "True", "its token works");
    assert_eq!(find(&object, "Reconciling")["reason"], "BackendProtocol");
    assert_eq!(find(&object, "Stalled"), Value::Null, "tried again");
    scene.has_tokens(&id, 1).await;
    gate.open();
    scene.advance(Duration::from_mins(2));
    scene.other_value("ci-default", &first).await;
}

#[tokio::test]
async fn what_refuses_to_let_a_secret_go_is_not_quoted_either() {
    let (_turn, scene) = Scene::private().await;
    let spec = json!({"deletionPolicy": "Orphan", "tokens": [patient("default")]});
    scene.apply("ServiceAccount", "orphan", spec).await;
    scene.ready("ksa", "orphan").await;
    scene
        .account("ci", json!([patient("kept"), patient("gone")]))
        .await;
    refuse_secrets(&scene).await;
    scene.begin_delete("ksa", "orphan").await;
    scene.order("ksa", "ci", "compromised", "gone=leaked").await;
    let only = json!({"tokens": [patient("kept")]});
    scene.apply("ServiceAccount", "ci", only).await;
    for (name, operation) in [
        ("orphan", "cannot let the Secret go: it answered 422"),
        ("ci", "cannot delete the Secret: it answered 422"),
    ] {
        let message = |object: &Value| find(object, "Synced")["message"].to_string();
        let is_told = |object: &Value| message(object).contains(operation);
        let object = scene.until("ksa", name, operation, is_told).await;
        assert!(!object.to_string().contains("QUOTED"), "{object:#}");
    }
    accept_secrets(&scene).await;
    scene.gone("ksa", "orphan").await;
    scene.gone("secret", "ci-gone").await;
    assert!(!scene.world.operator.log().contains("QUOTED"));
}

#[tokio::test]
async fn a_secret_that_changes_all_the_time_makes_no_storm() {
    let (_turn, scene) = Scene::private().await;
    let gate = behind_gate(&scene).await;
    scene.account("ci", json!([patient("default")])).await;
    let first = scene.value("ci-default").await;
    // Each token that is issued meets a Secret that somebody has touched since the decision.
    gate.rule(|method, path| {
        let is_issue = *method == Method::POST && path.ends_with("/api-tokens");
        Verdict::when(is_issue, Verdict::Wait)
    });
    scene.order("ksa", "ci", "rotate-requested-at", "1").await;
    for number in 1..=3 {
        let waits = async || (issued(&gate) == number && gate.waiting() == 1).then_some(());
        scene.wait("a token that is issued", waits).await;
        let touch = number.to_string();
        scene.order("secret", "ci-default", "touched", &touch).await;
        gate.release();
    }
    scene
        .condition("ksa", "ci", "Reconciling", "True", "NotDue")
        .await;
    assert_eq!(issued(&gate), 1 + 3);
    gate.open();
    scene.advance(Duration::from_mins(2));
    scene.other_value("ci-default", &first).await;
}
