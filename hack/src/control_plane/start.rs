//! Starts the three programs with the flags that a test wants.

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use k8s_openapi::api::core::v1::{Namespace, ServiceAccount};
use kube::ResourceExt;
use kube::api::{Api, PostParams};

use super::ControlPlane;
use super::files::Files;
use crate::binaries::Binaries;
use crate::kubeconfig;
use crate::log::say;
use crate::process::Process;

const ATTEMPTS: usize = 5;

/// Free a moment ago; another process may take one before ours does.
pub(super) struct Ports {
    etcd: u16,
    etcd_peers: u16,
    api_server: u16,
}

/// What a program says when somebody else took its port.
const TAKEN: &str = "address already in use";

/// Starts a control plane on the ports that `pick` finds, on others when a port is taken meanwhile.
pub(super) async fn start(
    binaries: Binaries,
    mut pick: impl FnMut() -> Result<Ports>,
) -> Result<ControlPlane> {
    for _ in 1..ATTEMPTS {
        match attempt(binaries.clone(), pick()?).await {
            Err(error) if format!("{error:#}").contains(TAKEN) => {
                say("another process took a port of the control plane; starting it again");
            }
            outcome => return outcome,
        }
    }
    attempt(binaries, pick()?).await
}

async fn attempt(binaries: Binaries, ports: Ports) -> Result<ControlPlane> {
    let files = Files::write()?;
    let etcd = run(&files, "etcd", &etcd(&binaries, &files, &ports))?;
    let api_server = run(
        &files,
        "kube-apiserver",
        &api_server(&binaries, &files, &ports),
    )?;
    let url = format!("https://127.0.0.1:{}", ports.api_server);
    await_api_server(&etcd, &api_server, &files, &url).await?;
    let manager = run(
        &files,
        "kube-controller-manager",
        &controller_manager(&binaries, &files),
    )?;
    await_controllers(&manager, &files).await?;
    Ok(ControlPlane {
        manager,
        api_server,
        etcd,
        url,
        etcd_url: ports.etcd_url(),
        binaries,
        files,
    })
}

fn run(files: &Files, name: &str, command: &Command) -> Result<Process> {
    Process::start(name, command, &files.scratch.file(&format!("{name}.log")))
}

impl Ports {
    pub(super) fn free() -> Result<Self> {
        let listen = || TcpListener::bind("127.0.0.1:0").context("no free port on 127.0.0.1");
        // Held together, so that they differ.
        let listeners = [listen()?, listen()?, listen()?];
        let port = |i: usize| Ok::<_, std::io::Error>(listeners[i].local_addr()?.port());
        Ok(Self {
            etcd: port(0)?,
            etcd_peers: port(1)?,
            api_server: port(2)?,
        })
    }

    fn etcd_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.etcd)
    }
}

/// It may lose everything with the machine, and elects itself at once: there is nobody else.
fn etcd(binaries: &Binaries, files: &Files, ports: &Ports) -> Command {
    let data = files.scratch.file("etcd");
    let clients = ports.etcd_url();
    let peers = format!("http://127.0.0.1:{}", ports.etcd_peers);
    let flags = format!(
        "--unsafe-no-fsync
         --heartbeat-interval=10
         --election-timeout=100
         --data-dir={data}
         --listen-client-urls={clients}
         --advertise-client-urls={clients}
         --listen-peer-urls={peers}
         --initial-advertise-peer-urls={peers}
         --initial-cluster=default={peers}",
        data = data.display(),
    );
    command(binaries.program("etcd"), &flags)
}

/// It serves this machine alone, so no endpoint is written down for pods. The audit log may grow to any size: it is
/// never moved aside under whoever counts its lines.
fn api_server(binaries: &Binaries, files: &Files, ports: &Ports) -> Command {
    let flags = format!(
        "--etcd-servers=http://127.0.0.1:{etcd}
         --bind-address=127.0.0.1
         --secure-port={port}
         --endpoint-reconciler-type=none
         --service-cluster-ip-range=10.0.0.0/24
         --authorization-mode=Node,RBAC
         --token-auth-file={tokens}
         --cert-dir={certificates}
         --service-account-issuer=https://kubernetes.default.svc.cluster.local
         --service-account-key-file={account_key}
         --service-account-signing-key-file={account_key}
         --audit-policy-file={audit_policy}
         --audit-log-path={audit_log}
         --audit-log-maxsize=100000",
        etcd = ports.etcd,
        port = ports.api_server,
        tokens = files.tokens().display(),
        certificates = files.certificates().display(),
        account_key = files.account_key().display(),
        audit_policy = files.audit_policy().display(),
        audit_log = files.audit_log().display(),
    );
    command(binaries.program("kube-apiserver"), &flags)
}

/// Each controller asks for an account and a token first: the usual 20 requests a second would make that take seconds.
fn controller_manager(binaries: &Binaries, files: &Files) -> Command {
    let flags = format!(
        "--kubeconfig={kubeconfig}
         --kube-api-qps=1000
         --kube-api-burst=1000
         --use-service-account-credentials
         --service-account-private-key-file={account_key}
         --root-ca-file={ca}
         --leader-elect=false
         --secure-port=0",
        kubeconfig = files.manager_kubeconfig().display(),
        account_key = files.account_key().display(),
        ca = files.ca().display(),
    );
    command(binaries.program("kube-controller-manager"), &flags)
}

/// One flag a line.
fn command(program: PathBuf, flags: &str) -> Command {
    let mut command = Command::new(program);
    command.args(flags.lines().map(str::trim));
    command
}

/// Ready is the server when it says so: the roles of RBAC exist then.
pub(super) async fn await_api_server(
    etcd: &Process,
    server: &Process,
    files: &Files,
    url: &str,
) -> Result<()> {
    let certificate = async || files.ca().exists().then_some(());
    server.wait_for("its certificate", certificate).await?;
    let Files {
        admin_token,
        manager_token,
        ..
    } = files;
    kubeconfig::write(&files.admin_kubeconfig(), url, &files.ca(), admin_token)?;
    kubeconfig::write(&files.manager_kubeconfig(), url, &files.ca(), manager_token)?;
    let ready = async || {
        if !matches!(etcd.exit(), Ok(None)) {
            return Some(Err(anyhow::anyhow!("etcd ended\n{}", etcd.tail())));
        }
        let answer = tokio::time::timeout(ONE_TRY, is_ready(files)).await;
        answer.ok()?.ok().map(Ok)
    };
    server.wait_for("the API server's readiness", ready).await?
}

/// A request that came while the server was starting may stay without an answer: then another one is sent.
const ONE_TRY: Duration = Duration::from_secs(5);

/// Asks on a connection of its own.
async fn is_ready(files: &Files) -> Result<()> {
    let client = kubeconfig::client(&files.admin_kubeconfig()).await?;
    let request = http::Request::get("/readyz").body(Vec::new())?;
    client.request_text(request).await?;
    Ok(())
}

/// The controllers work once a new namespace is given its account.
pub(super) async fn await_controllers(manager: &Process, files: &Files) -> Result<()> {
    let client = kubeconfig::client(&files.admin_kubeconfig()).await?;
    let mut namespace = Namespace::default();
    namespace.metadata.generate_name = Some("controllers-".to_owned());
    let namespaces = Api::all(client.clone());
    let namespace = namespaces
        .create(&PostParams::default(), &namespace)
        .await?;
    let accounts: Api<ServiceAccount> = Api::namespaced(client, &namespace.name_any());
    let account = async || accounts.get("default").await.ok();
    manager
        .wait_for("the account of a namespace", account)
        .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::{Finder, Scratch};

    #[tokio::test]
    async fn a_failed_start_is_told_with_the_log_of_who_failed() {
        let whole = Binaries::find().unwrap();
        let scratch = Scratch::new("broken").unwrap();
        for name in ["etcd", "kube-controller-manager", "kubectl"] {
            symlink(whole.program(name), scratch.file(name)).unwrap();
        }
        let stand_in = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/tests/stand-ins/kube-apiserver"
        );
        symlink(stand_in, scratch.file("kube-apiserver")).unwrap();
        let mut finder = Finder::from_env();
        finder.assets = Some(scratch.path().to_owned());

        let error = start(finder.find().unwrap(), Ports::free)
            .await
            .unwrap_err();
        let told = format!("{error:?}");
        assert!(
            told.contains("kube-apiserver ended (exit code 1)"),
            "{told}"
        );
        assert!(told.contains("log of kube-apiserver"), "{told}");
        assert!(told.contains("unknown flag: --etcd-servers"), "{told}");
    }

    #[tokio::test]
    async fn a_lost_race_for_a_port_is_run_again() {
        let other = TcpListener::bind("127.0.0.1:0").unwrap();
        let taken = other.local_addr().unwrap().port();
        let mut picks = 0;
        let control = start(Binaries::find().unwrap(), || {
            picks += 1;
            let mut ports = Ports::free()?;
            match picks {
                1 => ports.api_server = taken,
                2 => ports.etcd = taken,
                _ => {}
            }
            Ok(ports)
        });
        let control = control.await.unwrap();
        assert_eq!(picks, 3);
        let version = control.kubectl(&["version"], "").await.unwrap();
        assert!(version.contains("Server Version: v1.36.2"), "{version}");
    }
}
