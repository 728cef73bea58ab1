//! What runs: a control plane, an IAM server and an operator; and words to look at them.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use k8s_openapi::api::core::v1::Secret;
use kube::api::{Api, DynamicObject};
use kube::core::{ApiResource, GroupVersionKind};
use serde_json::Value;
use testbed::{ControlPlane, Exit, IamServer, Process, Scratch, wait_for};
use tokio::time::{Duration, sleep};

use crate::kestra::Kestra;

/// Where the operator lives.
pub const HOME: &str = "kestra-iam";
/// The team whose objects are applied.
pub const TEAM: &str = "team-a";
/// The operator, as the API server's audit log calls it.
pub const OPERATOR: &str = "system:serviceaccount:kestra-iam:operator";

/// Everything that runs. Dropped, it leaves nothing behind.
pub struct World {
    // In the order in which they are to end.
    pub operator: Operator,
    pub server: IamServer,
    pub kestra: Kestra,
    pub plane: ControlPlane,
    client: kube::Client,
    /// Every value of a token that was ever read here, to be searched for where it must not be.
    values: RefCell<BTreeSet<String>>,
}

/// The running operator.
pub struct Operator {
    pub process: Process,
    /// Where it answers probes and serves metrics.
    pub url: String,
    _scratch: Scratch,
}

impl Operator {
    /// Starts it. The Lease is real and its intervals are short, since a first start waits for one lease's duration.
    pub async fn start(program: &Path, kubeconfig: &Path) -> Result<Self> {
        let mut command = Command::new(program);
        command.arg("run").arg("--kubeconfig").arg(kubeconfig);
        command.args(["--namespace", HOME, "--listen", "127.0.0.1:0"]);
        command.args(["--lease-duration", "6s", "--renew-deadline", "5s"]);
        command.args(["--renew-interval", "1s", "--retry-period", "500ms"]);
        command.args(["--log-level", "debug"]);
        let scratch = Scratch::new("operator")?;
        let process = Process::start("operator", &command, &scratch.file("log"))?;
        let line = process.wait_for_line("listening on http://").await?;
        let (_, url) = line.split_once("listening on ").context("no address")?;
        Ok(Self {
            url: url.to_owned(),
            process,
            _scratch: scratch,
        })
    }

    /// The metrics as text.
    pub async fn metrics(&self) -> Result<String> {
        let client = reqwest::Client::builder().no_proxy().build()?;
        let url = format!("{}/metrics", self.url);
        Ok(client.get(url).send().await?.text().await?)
    }

    /// Whether it leads, as its metrics say.
    pub async fn leads(&self) -> Result<bool> {
        let metrics = self.metrics().await?;
        Ok(metrics.lines().any(|line| line == "kestra_iam_leader 1"))
    }

    /// How many requests it has sent to the IAM server, as its log says.
    pub fn backend_calls(&self) -> usize {
        self.process.log().matches("called the backend").count()
    }
}

impl World {
    pub fn new(
        plane: ControlPlane,
        client: kube::Client,
        server: IamServer,
        operator: Operator,
    ) -> Result<Self> {
        Ok(Self {
            kestra: Kestra::new(server.url())?,
            values: RefCell::new(BTreeSet::from([server.admin_token().to_owned()])),
            operator,
            server,
            plane,
            client,
        })
    }

    /// kubectl in the team's namespace, with these words and this input.
    pub async fn kubectl(&self, args: &[&str], stdin: &str) -> Result<String> {
        let args = [&["--namespace", TEAM], args].concat();
        self.plane.kubectl(&args, stdin).await
    }

    /// Applies manifests in the team's namespace.
    pub async fn apply(&self, manifests: &str) -> Result<()> {
        self.kubectl(&["apply", "-f", "-"], manifests).await?;
        Ok(())
    }

    /// Waits until objects are Ready, given as kubectl wants them.
    pub async fn ready(&self, objects: &[&str]) -> Result<String> {
        let wait = ["wait", "--for=condition=Ready", "--timeout=2m"];
        self.kubectl(&[&wait, objects].concat(), "").await
    }

    /// One of the team's service accounts, as JSON; null if it is gone.
    pub async fn account(&self, name: &str) -> Result<Value> {
        let kind = GroupVersionKind::gvk("kestra-iam.dev", "v1alpha1", "ServiceAccount");
        let resource = ApiResource::from_gvk(&kind);
        let accounts: Api<DynamicObject> =
            Api::namespaced_with(self.client.clone(), TEAM, &resource);
        let found = accounts.get_opt(name).await?;
        Ok(found.map(|object| object.data).unwrap_or_default())
    }

    /// Waits until a service account is so, and gives what `look` makes of it.
    pub async fn until<T>(
        &self,
        name: &str,
        what: &str,
        look: impl Fn(&Value) -> Option<T>,
    ) -> Result<T> {
        let mut last = Value::Null;
        let what = format!("{name}: {what}");
        let seen = wait_for(&what, async || {
            last = self.account(name).await.ok()?;
            look(&last)
        });
        let outcome = seen.await;
        outcome.with_context(|| format!("its status is {:#}", last["status"]))
    }

    /// The team's Secrets.
    pub fn secrets(&self) -> Api<Secret> {
        Api::namespaced(self.client.clone(), TEAM)
    }

    /// The token in one of the team's Secrets.
    pub async fn token(&self, secret: &str) -> Result<String> {
        let value = token_in(&self.secrets().get(secret).await?)?;
        self.remember(&value);
        Ok(value)
    }

    /// Notes a value of a token that no Secret holds.
    pub fn remember(&self, value: &str) {
        self.values.borrow_mut().insert(value.to_owned());
    }

    /// Waits until a Secret holds another token than this.
    pub async fn other_token(&self, secret: &str, old: &str) -> Result<String> {
        let what = format!("another token in the Secret {secret}");
        wait_for(&what, async || {
            self.token(secret).await.ok().filter(|value| value != old)
        })
        .await
    }

    /// Every token that was read here so far.
    pub fn values(&self) -> BTreeSet<String> {
        self.values.borrow().clone()
    }

    /// What GET answers to the superadmin.
    pub async fn look_up(&self, path: &str) -> Result<Value> {
        let answer = self.kestra.get(self.server.admin_token(), path).await?;
        answer.with_status(200)
    }

    /// What POST answers to the superadmin.
    pub async fn make(&self, path: &str, body: &Value) -> Result<Value> {
        let answer = self
            .kestra
            .post(self.server.admin_token(), path, body)
            .await?;
        ensure!(
            (200..300).contains(&answer.status),
            "POST {path}: {} {}",
            answer.status,
            answer.body
        );
        Ok(answer.body)
    }

    /// Whether a token is taken: the name of its owner, or the refusal.
    pub async fn owner_of(&self, token: &str) -> Result<String> {
        let answer = self.kestra.get(token, "/api/v1/me").await?;
        let me = answer.with_status(200)?;
        let name = me["profile"]["username"].as_str();
        Ok(name.context("an owner without a name")?.to_owned())
    }

    /// Fails unless a token is refused as unknown.
    pub async fn is_refused(&self, token: &str) -> Result<()> {
        let answer = self.kestra.get(token, "/api/v1/me").await?;
        answer.with_status(401)?;
        Ok(())
    }

    /// The last lines of the operator's log and the IAM server's.
    pub fn tails(&self) -> String {
        let ours = [&self.operator.process, self.server.process()];
        ours.map(Process::tail).join("\n")
    }

    /// Waits, without end, until something ends by itself; tells what, with the end of its log.
    pub async fn ended(&self) -> String {
        tokio::select! {
            tail = self.plane.ended() => tail,
            tail = ended(&self.operator.process) => tail,
            tail = ended(self.server.process()) => tail,
        }
    }

    /// Asks the operator to end, and waits until it has.
    pub async fn end_operator(&self) -> Result<()> {
        match self.operator.process.terminate().await? {
            Exit::Code(0) => Ok(()),
            exit => bail!("{exit}\n{}", self.operator.process.tail()),
        }
    }

    /// Tells what can be tried while everything runs.
    pub fn invite(&self) {
        let programs = self.plane.binaries().folder().display();
        println!("\nAll of it goes on running until Ctrl-C. In another terminal:\n");
        println!("  export KUBECONFIG={}", self.plane.kubeconfig().display());
        println!("  export PATH={programs}:$PATH  # for kubectl\n");
        println!("  kubectl get kestra-iam -A");
        println!("  kubectl -n {TEAM} describe ksa ci-bot");
        println!(
            "  kubectl -n {TEAM} annotate ksa quickstart --overwrite \
             kestra-iam.dev/rotate-requested-at=\"$(date)\""
        );
    }
}

async fn ended(process: &Process) -> String {
    while matches!(process.exit(), Ok(None)) {
        sleep(Duration::from_secs(1)).await;
    }
    process.tail()
}

/// The token that a Secret holds.
pub fn token_in(secret: &Secret) -> Result<String> {
    let data = secret.data.as_ref().and_then(|data| data.get("token"));
    let bytes = data.context("the Secret has no key token")?;
    Ok(String::from_utf8(bytes.0.clone())?)
}

/// The operator's program, built beside this one.
pub fn program() -> Result<PathBuf> {
    let program = std::env::current_exe()?.with_file_name("kestra-iam-operator");
    ensure!(
        program.is_file(),
        "{} is not there: start the demo with make demo, which builds it",
        program.display()
    );
    Ok(program)
}
