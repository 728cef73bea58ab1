//! A real Kubernetes, an IAM server with a fresh superadmin, an operator.

use std::path::Path;
use std::process::Command;

use anyhow::{Result, ensure};
use serde_json::json;
use testbed::{ControlPlane, IamServer};

use crate::report::{Broken, Report};
use crate::world::{HOME, Operator, World, program};

const OPERATOR_MANIFESTS: &str = include_str!("../operator.yaml");

pub async fn start(report: &Report) -> Result<World, Broken> {
    report.chapter("What runs");
    let program = report
        .fact("The operator's program is built", async { program() })
        .await?;
    let plane = report
        .fact("A Kubernetes control plane answers", ControlPlane::start())
        .await?;
    let kubeconfig = plane.kubeconfig();
    report.detail(&format!(
        "etcd, API server and controller manager; KUBECONFIG={}",
        kubeconfig.display()
    ));
    let server = report
        .fact("The IAM server answers like Kestra 1.x", serve(&program))
        .await?;
    report.detail(&format!(
        "{}, with a superadmin whose token was made just now",
        server.url()
    ));
    report
        .fact(
            "The operator runs, and the custom resources are defined",
            install(&program, plane, server),
        )
        .await
}

/// Waits until the operator works.
pub async fn lead(world: &World, report: &Report) -> Result<(), Broken> {
    report
        .fact("The operator holds its Lease and is ready", leads(world))
        .await
}

async fn serve(program: &Path) -> Result<IamServer> {
    let server = IamServer::start(program, &["--log-level", "debug"]).await?;
    let client = reqwest::Client::builder().no_proxy().build()?;
    let url = format!("{}/api/v1/configs", server.url());
    let configs: serde_json::Value = client.get(url).send().await?.json().await?;
    let version = configs["version"].as_str().unwrap_or_default();
    ensure!(
        version.starts_with("1."),
        "it calls itself version {version:?}"
    );
    Ok(server)
}

/// The operator starts first: while it waits for the Lease, which nobody ever held, its kinds come to be.
async fn install(program: &Path, plane: ControlPlane, server: IamServer) -> Result<World> {
    plane
        .kubectl(&["apply", "-f", "-"], OPERATOR_MANIFESTS)
        .await?;
    let credential = json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "kestra-credential", "namespace": HOME},
        "stringData": {"token": server.admin_token()},
    });
    plane
        .kubectl(&["apply", "-f", "-"], &credential.to_string())
        .await?;
    let kubeconfig = plane.kubeconfig_for(HOME, "operator").await?;
    let operator = Operator::start(program, &kubeconfig).await?;
    let definitions = Command::new(program).arg("crds").output()?;
    plane
        .install(&String::from_utf8(definitions.stdout)?)
        .await?;
    let client = plane.client().await?;
    World::new(plane, client, server, operator)
}

async fn leads(world: &World) -> Result<()> {
    let leads = async || world.operator.leads().await.ok()?.then_some(());
    let operator = &world.operator.process;
    operator.wait_for("its lead", leads).await?;
    let ready = format!("{}/readyz", world.operator.url);
    operator.wait_for_http(&ready).await
}
