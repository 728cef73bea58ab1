//! A bench: an IAM server, an operator under the chart's rights, and a control plane that is this bench's alone.

mod objects;
mod operator;
mod plane;
mod rights;
mod tokens;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kestra_iam_operator::clock::Clock;
use kestra_iam_operator::iam::client::{Client as Backend, Config, Credential};
use kestra_iam_operator::iam::model::TokenValue;
use serde_json::{Value, json};
use testbed::audit::Mark;
use testbed::{ControlPlane, DrivenClock, IamServer, Scratch};

pub use self::objects::{condition, merge, ours};
pub use self::operator::Operator;
use self::plane::Turn;
pub use self::tokens::{brisk, encoded, entry_of};
use crate::consumer::{Consumer, Source};
use crate::tables::Tables;
use crate::witness::Witness;

/// The binary under test.
pub fn binary() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_kestra-iam-operator"))
}

/// Everything that a row needs. It is watched from its start on; [`Bench::judge`] is its end.
pub struct Bench {
    // In the order in which they are to end: the control plane goes to the next bench last.
    operators: Mutex<Vec<Arc<Operator>>>,
    consumers: Mutex<Vec<Consumer>>,
    /// What was seen in Secrets, objects and tables over time.
    pub witness: Witness,
    /// The IAM server; its tables outlive a restart.
    pub server: IamServer,
    /// The clock of the server.
    pub clock: DrivenClock,
    /// The clock of the operators.
    pub operator_clock: DrivenClock,
    scratch: Scratch,
    kube: kube::Client,
    authorities: Vec<String>,
    /// An administrator's view of the server, past every gate.
    pub backend: Backend,
    /// The operator's own namespace.
    pub home: String,
    /// The users' namespace.
    pub namespace: String,
    /// The name of the `ClusterInstance`.
    pub instance: String,
    /// A kubeconfig of the service account that has exactly the chart's rights.
    pub kubeconfig: PathBuf,
    /// The place in the audit log where the bench started.
    pub start: Mark,
    turn: Turn,
}

/// How a bench is made.
#[derive(Default)]
pub struct Builder {
    instance: Value,
    operator: Vec<String>,
    server: Vec<String>,
    server_program: Option<PathBuf>,
    chart: Vec<String>,
    authorities: Vec<String>,
    is_alone: bool,
}

impl Builder {
    /// These fields of the instance's spec besides the usual ones.
    pub fn instance(mut self, fields: Value) -> Self {
        merge(&mut self.instance, fields);
        self
    }

    /// More flags of the first operator.
    pub fn operator(mut self, flags: &[&str]) -> Self {
        self.operator.extend(flags.iter().map(|&flag| flag.into()));
        self
    }

    /// More flags of the server.
    pub fn server(mut self, flags: &[&str]) -> Self {
        self.server.extend(flags.iter().map(|&flag| flag.into()));
        self
    }

    /// A program that runs the server in its own way: it is called like the binary under test.
    pub fn server_program(mut self, program: PathBuf) -> Self {
        self.server_program = Some(program);
        self
    }

    /// The rights are those of the chart with these values, each as `name=value`.
    pub fn chart(mut self, values: &[&str]) -> Self {
        self.chart.extend(values.iter().map(|&value| value.into()));
        self
    }

    /// Administrator and consumers trust these authorities, each as PEM.
    pub fn trusting(mut self, authorities: &[&str]) -> Self {
        let authorities = authorities.iter().map(|&authority| authority.into());
        self.authorities.extend(authorities);
        self
    }

    /// On a control plane that no other bench gets afterwards: the row breaks it.
    pub fn own_plane(mut self) -> Self {
        self.is_alone = true;
        self
    }

    /// Server, namespaces and rights, but no instance and no operator yet. This is where a gate goes in between:
    /// [`Bench::connect`] takes the URL of the backend, [`Bench::run`] the operator's kubeconfig.
    pub async fn prepare(self) -> Bench {
        let turn = if self.is_alone {
            Turn::alone().await
        } else {
            Turn::take().await
        };
        Bench::lay(turn, self).await
    }

    /// The same with the instance connected to the server itself, and one operator that leads.
    pub async fn start(self) -> Bench {
        let (fields, flags) = (self.instance.clone(), self.operator.clone());
        let bench = self.prepare().await;
        bench.connect(bench.server.url(), fields).await;
        let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
        bench
            .run("first", &bench.kubeconfig, &flags)
            .await
            .leads()
            .await;
        bench
    }
}

impl Bench {
    /// A bench with one operator that leads, and an instance that allows everything.
    pub async fn start() -> Self {
        Self::builder().start().await
    }

    /// A bench of another kind.
    pub fn builder() -> Builder {
        Builder {
            instance: json!({}),
            ..Builder::default()
        }
    }

    async fn lay(turn: Turn, builder: Builder) -> Self {
        let clock = DrivenClock::new().unwrap();
        let (mut flags, authorities) = (builder.server, builder.authorities);
        flags.extend(clock.args().map(|arg| arg.display().to_string()));
        let program = builder.server_program;
        let program = program.as_deref().unwrap_or_else(|| binary());
        let server = IamServer::start(program, &flags).await.unwrap();
        let home = namespace(&turn, "kestra-iam-operator").await;
        let namespace = namespace(&turn, "team").await;
        let kubeconfig = rights::grant(&turn, &home, &builder.chart).await;
        let start = turn.audit().mark().unwrap();
        let kube = turn.client().await.unwrap();
        let now = Clock::offset_by(offset_file(&clock));
        let witness = Witness::start(&kube, Tables::of(&server), now);
        witness.know(server.admin_token());
        Self {
            operators: Mutex::default(),
            consumers: Mutex::default(),
            witness,
            backend: administrator(&server, &authorities),
            authorities,
            server,
            clock,
            operator_clock: DrivenClock::new().unwrap(),
            scratch: Scratch::new("faults").unwrap(),
            kube,
            home,
            instance: namespace.clone(),
            namespace,
            kubeconfig,
            start,
            turn,
        }
    }

    /// The control plane.
    pub fn plane(&self) -> &ControlPlane {
        &self.turn
    }

    /// Takes the chart's service account and rights away from the operator.
    pub async fn uninstall(&self) {
        rights::revoke(&self.turn, &self.home, &[]).await;
    }

    /// Gives them to it again. Answers with the kubeconfig of the new service account.
    pub async fn install(&self) -> PathBuf {
        rights::grant(&self.turn, &self.home, &[]).await
    }

    /// A client of `system:masters`.
    pub fn kube(&self) -> &kube::Client {
        &self.kube
    }

    /// The tables of the server.
    pub fn tables(&self) -> Tables {
        Tables::of(&self.server)
    }

    /// The server's clock, to be read.
    pub fn now(&self) -> Clock {
        Clock::offset_by(offset_file(&self.clock))
    }

    /// The user that the operator is to the API server.
    pub fn user(&self) -> String {
        format!("system:serviceaccount:{0}:{0}", self.home)
    }

    /// The operator's credential, and an instance that reaches the backend at `url`: the server's own or a gate's.
    pub async fn connect(&self, url: &str, fields: Value) {
        self.put_credential(self.server.admin_token()).await;
        let mut spec = json!({
            "url": url,
            "credentials": {"secretRef": {"name": "credential"}},
            "allowedNamespaces": {"names": [self.namespace]},
            "guardrails": {"unrestricted": true, "adoption": ["*"]},
            "lastUsedGranularity": "1s",
        });
        merge(&mut spec, fields);
        self.apply_manifest(&json!({
            "apiVersion": "kestra-iam.dev/v1alpha1", "kind": "ClusterInstance",
            "metadata": {"name": self.instance}, "spec": spec,
        }))
        .await;
    }

    /// Writes the Secret that the instance takes its credential from.
    pub async fn put_credential(&self, token: &str) {
        self.witness.know(token);
        self.apply_manifest(&json!({
            "apiVersion": "v1", "kind": "Secret",
            "metadata": {"name": "credential", "namespace": self.home},
            "stringData": {"token": token},
        }))
        .await;
    }

    /// Starts one more operator, by way of this kubeconfig. Each has a log and an identity of this name.
    pub async fn run(&self, name: &str, kubeconfig: &Path, flags: &[&str]) -> Arc<Operator> {
        let command = Command::new(binary());
        self.run_by(command, name, kubeconfig, flags).await
    }

    /// The same by a command that runs the operator with the arguments after its own.
    pub async fn run_by(
        &self,
        command: Command,
        name: &str,
        kubeconfig: &Path,
        flags: &[&str],
    ) -> Arc<Operator> {
        let started = Operator::start(self, command, name, kubeconfig, flags);
        let operator = Arc::new(started);
        self.operators.lock().unwrap().push(Arc::clone(&operator));
        operator.address().await;
        operator
    }

    /// The operator that was started first.
    pub fn operator(&self) -> Arc<Operator> {
        Arc::clone(&self.operators.lock().unwrap()[0])
    }

    /// All operators so far, those that ended included.
    pub fn operators(&self) -> Vec<Arc<Operator>> {
        self.operators.lock().unwrap().clone()
    }

    /// Starts a consumer of the token in a Secret, once there is one. It is judged with the rest.
    pub async fn consume(&self, secret: &str) -> Consumer {
        self.value(secret).await;
        self.follow(secret)
    }

    /// The same before there is one.
    pub fn follow(&self, secret: &str) -> Consumer {
        self.follow_from(Source::Named(secret.to_owned()))
    }

    /// A consumer of the Secret that the status of an account names.
    pub fn follow_pointer(&self, account: &str) -> Consumer {
        let accounts = Box::new(self.api("ServiceAccount"));
        self.follow_from(Source::Pointed(accounts, account.to_owned()))
    }

    fn follow_from(&self, source: Source) -> Consumer {
        let http = client(&self.authorities);
        let consumer = Consumer::start(self.secrets(), source, self.server.url(), http);
        self.consumers.lock().unwrap().push(consumer.clone());
        consumer
    }

    /// All consumers so far.
    pub fn consumers(&self) -> Vec<Consumer> {
        self.consumers.lock().unwrap().clone()
    }

    /// Has the witness look at the cluster from its present state on.
    pub fn watch_anew(&self) {
        self.witness.watch(&self.kube);
    }

    /// Puts the operators' clock so many milliseconds ahead of the server's, or behind it if they are negative.
    pub fn set_ahead(&self, millis: i64) {
        let server = std::fs::read_to_string(offset_file(&self.clock)).unwrap();
        let server: i64 = server.trim().parse().unwrap();
        self.operator_clock.set(server + millis).unwrap();
    }

    /// Moves the clocks of server and operators, once each consumer has looked at its Secret: no program sleeps through
    /// what a jump skips.
    pub async fn advance(&self, by: Duration) {
        for consumer in self.consumers() {
            consumer.refresh().await;
        }
        self.clock.advance(by).unwrap();
        self.operator_clock.advance(by).unwrap();
    }
}

async fn namespace(plane: &ControlPlane, prefix: &str) -> String {
    plane.namespace(prefix).await.unwrap().to_string()
}

fn offset_file(clock: &DrivenClock) -> PathBuf {
    let [_, file] = clock.args();
    file
}

/// A client that trusts these authorities.
fn client(authorities: &[String]) -> reqwest::Client {
    let mut client = reqwest::Client::builder().no_proxy();
    for authority in authorities {
        let authority = reqwest::Certificate::from_pem(authority.as_bytes()).unwrap();
        client = client.add_root_certificate(authority);
    }
    client.build().unwrap()
}

fn administrator(server: &IamServer, authorities: &[String]) -> Backend {
    let token = TokenValue::new(server.admin_token().to_owned());
    let credential = Credential::Bearer(token);
    let mut config = Config::new(server.url(), "main", credential, Clock::system());
    config.requests_per_second = 10_000;
    if !authorities.is_empty() {
        config.ca = Some(authorities.concat().into_bytes());
    }
    Backend::new(&config).unwrap()
}
