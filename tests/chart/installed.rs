//! The chart on a real API server.

use std::process::Command;

use serde_json::{Value, json};
use testbed::audit::{Mark, Request};
use testbed::{ControlPlane, IamServer, Process, Scratch, wait_for};

use crate::rendered::documents;
use crate::{CHART, binary, helm, render};

const HOME: &str = "iam";

/// The release, and the operator's service account.
const USER: &str = "kestra-iam-operator";

/// Installs the chart with an instance in its values, as the README tells, and with these values besides. Answers
/// with its notes.
fn install(plane: &ControlPlane, url: &str, values: &[&str]) -> String {
    let kubeconfig = plane.kubeconfig();
    let instance = json!({
        "name": "default", "url": url, "tenant": "main", "secretName": "kestra-credential",
        "allowedNamespaces": {"names": ["team-a"]}, "guardrails": {"unrestricted": true},
    });
    let instance = format!("clusterInstance={instance}");
    let mut args = vec![
        "install",
        USER,
        CHART,
        "--namespace",
        HOME,
        "--create-namespace",
    ];
    args.extend(["--kubeconfig", kubeconfig.to_str().unwrap()]);
    let values = [values, &[&instance]].concat();
    args.extend(values.into_iter().flat_map(|value| ["--set-json", value]));
    let output = helm(&args);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{}", text(&output.stderr));
    let notes = text(&output.stdout);
    assert!(
        notes.contains("kubectl create secret generic kestra-credential -n iam"),
        "{notes}"
    );
    notes
}

/// A control plane with the chart, the credential that its notes ask for, and a namespace `team-a`.
struct Installed {
    plane: ControlPlane,
    scratch: Scratch,
    _server: IamServer,
}

impl Installed {
    async fn with(values: &[&str]) -> Self {
        let plane = ControlPlane::start().await.unwrap();
        let server = IamServer::start(binary(), &[] as &[&str]).await.unwrap();
        install(&plane, server.url(), values);
        let secret = format!("--from-literal=token={}", server.admin_token());
        let create = [
            "create",
            "secret",
            "generic",
            "kestra-credential",
            "-n",
            HOME,
        ];
        let create = [&create[..], &[&secret]].concat();
        plane.kubectl(&create, "").await.unwrap();
        let create = ["create", "namespace", "team-a"];
        plane.kubectl(&create, "").await.unwrap();
        Self {
            plane,
            scratch: Scratch::new("chart").unwrap(),
            _server: server,
        }
    }

    /// An operator with the rights that the chart gives.
    async fn operator(&self, flags: &[&str]) -> Process {
        let kubeconfig = self.plane.kubeconfig_for(HOME, USER).await.unwrap();
        let mut command = Command::new(binary());
        command.args(["run", "--namespace", HOME, "--listen", "127.0.0.1:0"]);
        command.arg("--kubeconfig").arg(kubeconfig);
        command.args(["--lease-duration=6s", "--renew-deadline=5s"]);
        command.args(["--renew-interval=1s", "--retry-period=500ms"]);
        command.args(flags);
        let log = self.scratch.file("operator.log");
        Process::start("operator", &command, &log).unwrap()
    }

    async fn kubectl(&self, args: &[&str], stdin: &str) {
        let args = [args, &["-n", "team-a"]].concat();
        self.plane.kubectl(&args, stdin).await.unwrap();
    }

    /// What the operator asked the API server for since then, and was not refused.
    fn granted(&self, mark: Mark) -> Vec<Request> {
        let mut requests = self.plane.audit().since(mark).unwrap();
        let user = format!("system:serviceaccount:{HOME}:{USER}");
        requests.retain(|request| request.user == user);
        let refused = requests.iter().filter(|request| request.code == 403);
        assert_eq!(refused.count(), 0, "{requests:?}");
        requests
    }
}

#[tokio::test]
async fn the_operator_works_with_the_rights_that_the_chart_gives() {
    let installed = Installed::with(&[]).await;
    let operator = installed.operator(&[]).await;
    let plane = &installed.plane;
    let mark = plane.audit().mark().unwrap();
    let apply = ["apply", "-f", "-"];
    installed.kubectl(&apply, &objects()).await;
    until(plane, &operator, "is ready", is_ready).await;
    let rotate = ["annotate", "ksa/ci", "kestra-iam.dev/rotate-requested-at=1"];
    installed.kubectl(&rotate, "").await;
    until(plane, &operator, "has its second token", |account| {
        account["status"]["tokens"][0]["generation"] == 2
    })
    .await;
    let delete = ["delete", "-f", "-"];
    installed.kubectl(&delete, &objects()).await;
    let requests = installed.granted(mark);
    assert!(requests.len() > 10, "the audit log tells of the operator");
}

#[tokio::test]
async fn who_only_observes_needs_no_more_rights_than_the_chart_gives_it() {
    let installed = Installed::with(&["observeOnly=true"]).await;
    let mark = installed.plane.audit().mark().unwrap();
    let operator = installed.operator(&["--observe-only"]).await;
    let apply = ["apply", "-f", "-"];
    installed.kubectl(&apply, &objects()).await;
    until(&installed.plane, &operator, "is told of", |account| {
        is(account, "False", "ReferenceNotFound")
    })
    .await;
    let alone = json!({"spec": {"groups": null}}).to_string();
    let patch = ["patch", "ksa/ci", "--type=merge", "-p", &alone];
    installed.kubectl(&patch, "").await;
    until(&installed.plane, &operator, "is not made", |account| {
        is(account, "False", "ObserveOnly")
    })
    .await;
    let requests = installed.granted(mark);
    let mut requests = requests.iter();
    assert!(requests.any(|request| request.resource == "serviceaccounts/status"));
}

fn objects() -> String {
    let object = |kind: &str, name: &str, spec: Value| {
        json!({
            "apiVersion": "kestra-iam.dev/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec,
        })
        .to_string()
    };
    let token = json!({"name": "default", "lifetime": "1h"});
    [
        object("Role", "runner", json!({"permissions": {"FLOW": ["READ"]}})),
        object(
            "Group",
            "bots",
            json!({"roles": [{"kind": "Role", "name": "runner"}]}),
        ),
        object(
            "ServiceAccount",
            "ci",
            json!({"groups": [{"kind": "Group", "name": "bots"}], "tokens": [token]}),
        ),
        object(
            "ApiToken",
            "more",
            json!({"owner": {"serviceAccountRef": {"name": "ci"}}, "lifetime": "1h"}),
        ),
        object(
            "RoleBinding",
            "viewers",
            json!({
                "roleRef": {"kind": "External", "name": "Viewer"},
                "subjects": [{"kind": "ServiceAccount", "name": "ci"}],
            }),
        ),
    ]
    .join("\n---\n")
}

fn is_ready(account: &Value) -> bool {
    is(account, "True", "Synced")
}

/// Whether it is ready, or not, for this reason.
fn is(account: &Value, status: &str, reason: &str) -> bool {
    let conditions = account["status"]["conditions"].as_array();
    let mut conditions = conditions.into_iter().flatten();
    conditions.any(|it| it["type"] == "Ready" && it["status"] == status && it["reason"] == reason)
}

async fn until(
    plane: &ControlPlane,
    operator: &Process,
    fact: &str,
    holds: impl Fn(&Value) -> bool,
) {
    let what = format!("account ci {fact}");
    let mut last = Value::Null;
    let found = wait_for(&what, async || {
        let text = plane
            .kubectl(&["get", "ksa/ci", "-n", "team-a", "-o", "json"], "")
            .await
            .ok()?;
        last = serde_json::from_str(&text).ok()?;
        holds(&last).then_some(())
    });
    if let Err(error) = found.await {
        panic!("{error:#}\n{last:#}\n{}", operator.tail());
    }
}

#[tokio::test]
async fn its_pods_may_run_where_pod_security_is_restricted() {
    let plane = ControlPlane::shared().await;
    let namespace = plane.namespace("restricted").await.unwrap();
    let label = "pod-security.kubernetes.io/enforce=restricted";
    plane
        .kubectl(&["label", "namespace", &namespace, label], "")
        .await
        .unwrap();
    let manifest = render(&[]).unwrap();
    let deployment = documents(&manifest)
        .into_iter()
        .find(|document| document["kind"] == "Deployment")
        .unwrap();
    let mut pod = deployment["spec"]["template"].clone();
    pod["apiVersion"] = json!("v1");
    pod["kind"] = json!("Pod");
    pod["metadata"]["name"] = json!("operator");
    plane
        .kubectl(&["create", "serviceaccount", "extra", "-n", &namespace], "")
        .await
        .unwrap();
    pod["spec"]["serviceAccountName"] = json!("extra");
    let apply = ["apply", "--dry-run=server", "-n", &namespace, "-f", "-"];
    plane.kubectl(&apply, &pod.to_string()).await.unwrap();
    pod["spec"]["containers"][0]["securityContext"]["allowPrivilegeEscalation"] = json!(true);
    let refused = plane.kubectl(&apply, &pod.to_string()).await.unwrap_err();
    assert!(
        format!("{refused:#}").contains("restricted"),
        "the admission is at work: {refused:#}"
    );
}

/// The names of all definitions of ours.
async fn definitions(plane: &ControlPlane) -> Vec<String> {
    let names = plane
        .kubectl(&["get", "crd", "-o", "name"], "")
        .await
        .unwrap();
    let ours = names
        .lines()
        .filter(|name| name.ends_with("kestra-iam.dev"));
    ours.map(str::to_owned).collect()
}

#[tokio::test]
async fn what_helm_uninstalls_leaves_definitions_and_objects() {
    let plane = ControlPlane::start().await.unwrap();
    let notes = install(&plane, "http://127.0.0.1:9", &[]);
    let order = "kubectl delete ksa,ktok,krb,krole,kgrp --all -A";
    assert!(notes.contains(order), "{notes}");
    let before = definitions(&plane).await;
    assert_eq!(before.len(), kestra_iam_operator::api::crds().len());
    plane
        .kubectl(&["create", "namespace", "team-a"], "")
        .await
        .unwrap();
    plane
        .kubectl(&["apply", "-n", "team-a", "-f", "-"], &objects())
        .await
        .unwrap();

    let kubeconfig = plane.kubeconfig();
    let kubeconfig = kubeconfig.to_str().unwrap();
    let name = "kestra-iam-operator";
    let args = ["uninstall", name, "-n", HOME, "--kubeconfig", kubeconfig];
    let output = helm(&args);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    assert_eq!(definitions(&plane).await, before);
    let account = ["get", "ksa", "ci", "-n", "team-a"];
    plane.kubectl(&account, "").await.unwrap();
    // The order that the notes name is one that kubectl takes.
    let words: Vec<&str> = order.split(' ').skip(1).collect();
    plane.kubectl(&words, "").await.unwrap();
    assert!(plane.kubectl(&account, "").await.is_err());
}
