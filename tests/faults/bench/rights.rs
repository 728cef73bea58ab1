//! The service account of the operator, with what the chart gives it and nothing else.

use std::path::PathBuf;
use std::process::Command;

use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{Namespace, Secret};
use kube::api::{Api, ListParams};
use testbed::{ControlPlane, wait_for};

const CHART: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/charts/kestra-iam-operator");

/// Applies the chart's service account and rights with these values, and waits until the API server heeds them. The
/// account is named as its namespace. Answers with its kubeconfig.
pub async fn grant(plane: &ControlPlane, home: &str, values: &[String]) -> PathBuf {
    let manifest = render(home, values);
    plane
        .kubectl(&["apply", "-f", "-"], &manifest)
        .await
        .unwrap();
    let kubeconfig = plane.kubeconfig_for(home, home).await.unwrap();
    let client = testbed::client(&kubeconfig).await.unwrap();
    let leases: Api<Lease> = Api::namespaced(client.clone(), home);
    let secrets: Api<Secret> = Api::all(client.clone());
    let namespaces: Api<Namespace> = Api::all(client);
    let first = ListParams::default().limit(1);
    wait_for("the chart's rights", async || {
        leases.get_opt("none").await.ok()?;
        secrets.list_metadata(&first).await.ok()?;
        namespaces.get_opt("none").await.ok().map(|_| ())
    })
    .await
    .unwrap();
    kubeconfig
}

/// Takes away what [`grant`] applied, as an uninstallation does.
pub async fn revoke(plane: &ControlPlane, home: &str, values: &[String]) {
    let manifest = render(home, values);
    plane
        .kubectl(&["delete", "--wait=true", "-f", "-"], &manifest)
        .await
        .unwrap();
}

fn render(home: &str, values: &[String]) -> String {
    let mut helm = Command::new(testbed::helm().unwrap());
    helm.args(["template", home, CHART, "--namespace", home]);
    helm.args(["--kube-version", testbed::KUBERNETES]);
    for template in ["rbac", "serviceaccount"] {
        helm.args(["--show-only", &format!("templates/{template}.yaml")]);
    }
    for value in values {
        helm.args(["--set", value]);
    }
    let output = helm.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    String::from_utf8(output.stdout).unwrap()
}
