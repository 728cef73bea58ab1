//! The operator's binary as a child process.

use std::path::Path;
use std::process::Command;

use k8s_openapi::api::coordination::v1::Lease;
use kestra_iam_operator::api;
use kube::Api;
use testbed::{ControlPlane, Process, Scratch};
use tokio::sync::OnceCell;

/// Intervals that make an election quick and leave room for a busy machine.
pub(crate) const QUICK: [&str; 4] = [
    "--lease-duration=4s",
    "--renew-deadline=3s",
    "--renew-interval=500ms",
    "--retry-period=200ms",
];

/// One running `kestra-iam-operator run`.
pub(crate) struct Replica {
    pub(crate) process: Process,
    pub(crate) url: String,
    _scratch: Scratch,
}

/// An answer of a probe.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: String,
}

impl Replica {
    /// Starts a replica in that namespace and waits until it listens.
    pub(crate) async fn start(
        kubeconfig: &Path,
        namespace: &str,
        name: &str,
        flags: &[&str],
    ) -> Self {
        let scratch = Scratch::new(name).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_kestra-iam-operator"));
        command.args(["run", "--listen=127.0.0.1:0", "--namespace", namespace]);
        command
            .args(["--lease-identity", name, "--kubeconfig"])
            .arg(kubeconfig);
        command.args(QUICK).args(flags);
        let process = Process::start(name, &command, &scratch.file("log")).unwrap();
        let url = process.url().await.unwrap();
        Self {
            process,
            url,
            _scratch: scratch,
        }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let response = client
            .get(format!("{}{path}", self.url))
            .send()
            .await
            .unwrap();
        Answer {
            status: response.status().as_u16(),
            body: response.text().await.unwrap(),
        }
    }

    /// Waits until a line of `/readyz` contains `text`, and returns the answer.
    pub(crate) async fn reports(&self, text: &str) -> Answer {
        let told = async || {
            let answer = self.get("/readyz").await;
            answer.body.contains(text).then_some(answer)
        };
        self.process
            .wait_for(&format!("`{text}` in /readyz"), told)
            .await
            .unwrap()
    }

    /// Waits until it leads and all its parts are ready.
    pub(crate) async fn leads(&self) {
        let led = async || {
            let answer = self.get("/readyz").await;
            (answer.status == 200 && answer.body.contains("ready: leads")).then_some(())
        };
        self.process
            .wait_for("a leader that is ready", led)
            .await
            .unwrap();
    }
}

/// The shared control plane, once it knows the custom resources.
pub(crate) async fn control() -> &'static ControlPlane {
    static INSTALLED: OnceCell<()> = OnceCell::const_new();
    let control = ControlPlane::shared().await;
    let install = async || {
        control
            .install(&api::to_yaml(&api::crds()).unwrap())
            .await
            .unwrap();
    };
    INSTALLED.get_or_init(install).await;
    control
}

/// The Leases of a namespace.
pub(crate) async fn leases(control: &ControlPlane, namespace: &str) -> Api<Lease> {
    Api::namespaced(control.client().await.unwrap(), namespace)
}

/// Who holds the operator's Lease.
pub(crate) async fn holder(leases: &Api<Lease>) -> Option<String> {
    let lease = leases.get_opt("kestra-iam-operator").await.unwrap()?;
    lease.spec?.holder_identity
}
