//! The operator as a process.

use std::path::Path;
use std::process::Command;

use testbed::Process;

use super::Bench;

/// Intervals that make an election quick and leave room for a busy machine, and a request timeout from which it follows
/// when an unknown token is settled: after 24 s of the driven clock.
const QUICK: [&str; 5] = [
    "--lease-duration=4s",
    "--renew-deadline=3s",
    "--renew-interval=500ms",
    "--retry-period=200ms",
    "--request-timeout=10s",
];

/// One `kestra-iam-operator run`, however often it is killed and started again.
pub struct Operator {
    /// The program.
    pub process: Process,
    http: reqwest::Client,
}

impl Operator {
    pub(super) fn start(
        bench: &Bench,
        mut command: Command,
        name: &str,
        kubeconfig: &Path,
        flags: &[&str],
    ) -> Self {
        command.args(["run", "--namespace", &bench.home]);
        command.args(["--listen", "127.0.0.1:0", "--lease-identity", name]);
        command.arg("--kubeconfig").arg(kubeconfig);
        command.args(bench.operator_clock.args());
        command.args(QUICK.iter().filter(|usual| !is_given(flags, usual)));
        if !is_given(flags, "--log-level=") {
            command.arg("--log-level=debug");
        }
        command.args(flags);
        let log = bench.scratch.file(&format!("{name}.log"));
        Self {
            process: Process::start(name, &command, &log).unwrap(),
            http: reqwest::Client::builder().no_proxy().build().unwrap(),
        }
    }

    /// Where this run serves probes and metrics.
    pub async fn address(&self) -> String {
        self.process.url().await.unwrap()
    }

    /// What it answers at a path, if it answers.
    pub async fn get(&self, path: &str) -> Option<(u16, String)> {
        if self.process.exit().unwrap().is_some() {
            return None;
        }
        let url = format!("{}{path}", self.address().await);
        let answer = self.http.get(url).send().await.ok()?;
        Some((answer.status().as_u16(), answer.text().await.ok()?))
    }

    /// Waits until it leads and all its parts are ready.
    pub async fn leads(&self) {
        let leads = async || {
            let (status, body) = self.get("/readyz").await?;
            (status == 200 && body.contains("ready: leads")).then_some(())
        };
        self.process.wait_for("a leader", leads).await.unwrap();
    }

    /// Kills it if it still runs, starts it again, and waits until it leads.
    pub async fn restart(&self) {
        self.process.restart().await.unwrap();
        self.leads().await;
    }
}

/// Whether one of these flags says otherwise than this.
fn is_given(flags: &[&str], usual: &str) -> bool {
    let name = usual.split('=').next().unwrap_or(usual);
    flags
        .iter()
        .any(|flag| flag.split('=').next() == Some(name))
}
