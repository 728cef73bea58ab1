//! etcd, API server and controller manager as child processes: no root, no Docker.

mod files;
mod namespace;
mod start;
mod state;

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::api::{Api, PostParams};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;
use tokio::sync::OnceCell;
use tokio::time::sleep;

use self::files::Files;
pub use self::namespace::Namespace;
use crate::audit::AuditLog;
use crate::binaries::Binaries;
use crate::kubeconfig;
use crate::process::Process;

static SHARED: OnceCell<ControlPlane> = OnceCell::const_new();

/// A running control plane of its own ports, data and certificates, on loopback addresses.
///
/// It ends when dropped, and with the process that started it, however that ends. It needs no async runtime to live.
#[derive(Debug)]
pub struct ControlPlane {
    // In the order in which they are to end; the folder goes last.
    manager: Process,
    api_server: Process,
    etcd: Process,
    url: String,
    etcd_url: String,
    binaries: Binaries,
    files: Files,
}

impl ControlPlane {
    /// The one that all tests of a test binary share: take a [`Namespace`] each, and break nothing.
    ///
    /// # Panics
    ///
    /// When it can't be started, with the reason and the ends of the logs.
    pub async fn shared() -> &'static Self {
        match SHARED.get_or_try_init(Self::start).await {
            Ok(shared) => shared,
            Err(error) => fail(&error),
        }
    }

    /// One of one's own, for a test that breaks it.
    pub async fn start() -> Result<Self> {
        let binaries = tokio::task::spawn_blocking(Binaries::find).await??;
        start::start(binaries, start::Ports::free).await
    }

    /// The API server's address.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The token of a member of `system:masters`, which may do everything.
    #[must_use]
    pub fn admin_token(&self) -> &str {
        &self.files.admin_token
    }

    /// The certificates to trust, as a PEM file.
    #[must_use]
    pub fn ca(&self) -> PathBuf {
        self.files.ca()
    }

    /// The key of the API server's certificate, for whoever stands in front of it.
    pub(crate) fn key(&self) -> PathBuf {
        self.files.key()
    }

    /// A kubeconfig file of the same `system:masters`.
    #[must_use]
    pub fn kubeconfig(&self) -> PathBuf {
        self.files.admin_kubeconfig()
    }

    /// The API server's process, to be paused, killed or started again on a control plane of one's own.
    #[must_use]
    pub fn api_server(&self) -> &Process {
        &self.api_server
    }

    /// Every request that the API server answered.
    #[must_use]
    pub fn audit(&self) -> AuditLog {
        AuditLog::new(self.files.audit_log())
    }

    /// The folder of the programs, kubectl among them.
    #[must_use]
    pub fn binaries(&self) -> &Binaries {
        &self.binaries
    }

    /// A client of `system:masters` that lives as long as the present runtime.
    pub async fn client(&self) -> Result<kube::Client> {
        kubeconfig::client(&self.kubeconfig()).await
    }

    /// A new namespace: `prefix` and some letters that make it unique.
    pub async fn namespace(&self, prefix: &str) -> Result<Namespace<'_>> {
        Namespace::create(self, prefix).await
    }

    /// Installs custom resource definitions, and lets all controllers know them at once: by itself the garbage
    /// collector looks for new kinds every 30 s.
    pub async fn install(&self, definitions: &str) -> Result<()> {
        self.kubectl(&["apply", "--server-side", "-f", "-"], definitions)
            .await?;
        let established = [
            "wait",
            "--for=condition=Established",
            "--timeout=2m",
            "-f",
            "-",
        ];
        self.kubectl(&established, definitions).await?;
        self.manager.restart().await?;
        start::await_controllers(&self.manager, &self.files).await
    }

    /// A kubeconfig file of an existing Kubernetes service account, with a token good for a day.
    pub async fn kubeconfig_for(&self, namespace: &str, service_account: &str) -> Result<PathBuf> {
        let accounts: Api<ServiceAccount> = Api::namespaced(self.client().await?, namespace);
        let request = TokenRequest {
            spec: Some(TokenRequestSpec {
                expiration_seconds: Some(24 * 60 * 60),
                ..Default::default()
            }),
            ..Default::default()
        };
        let answer = accounts
            .create_token_request(service_account, &PostParams::default(), &request)
            .await?;
        let token = answer.status.and_then(|status| status.token);
        let token = token.context("a token request without an answer")?;
        let file = self
            .files
            .scratch
            .file(&format!("{namespace}.{service_account}.kubeconfig"));
        kubeconfig::write(&file, &self.url, &self.ca(), &token)?;
        Ok(file)
    }

    /// Runs kubectl as `system:masters` with `stdin` as its input, and returns what it printed.
    ///
    /// Fails with what it said on standard error when it does.
    pub async fn kubectl(&self, args: &[&str], stdin: &str) -> Result<String> {
        let mut command = Command::new(self.binaries.program("kubectl"));
        command
            .arg("--kubeconfig")
            .arg(self.kubeconfig())
            .args(args);
        command.env("KUBECACHEDIR", self.files.scratch.file("kubectl-cache"));
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut kubectl = command.kill_on_drop(true).spawn()?;
        let mut input = kubectl.stdin.take().context("kubectl has no input")?;
        let feed = async {
            // It may end without reading: its own words tell why.
            let _ = input.write_all(stdin.as_bytes()).await;
            drop(input);
        };
        let ((), output) = tokio::join!(feed, kubectl.wait_with_output());
        let output = output?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            bail!("kubectl {}: {}", args.join(" "), said.trim_end());
        }
        Ok(String::from_utf8(output.stdout)?)
    }

    /// Waits, without end, until one of its programs ends by itself; tells which, with the end of its log.
    pub async fn ended(&self) -> String {
        loop {
            for process in [&self.etcd, &self.api_server, &self.manager] {
                if !matches!(process.exit(), Ok(None)) {
                    return process.tail();
                }
            }
            sleep(Duration::from_secs(1)).await;
        }
    }

    /// All output of the three programs so far.
    #[must_use]
    pub fn logs(&self) -> String {
        [&self.etcd, &self.api_server, &self.manager]
            .map(Process::log)
            .concat()
    }

    /// The last lines of the three logs.
    #[must_use]
    pub fn tails(&self) -> String {
        [&self.etcd, &self.api_server, &self.manager]
            .map(Process::tail)
            .join("\n")
    }
}

#[expect(clippy::panic, reason = "no test can go on without its control plane")]
fn fail(error: &anyhow::Error) -> ! {
    panic!("no control plane: {error:?}")
}
