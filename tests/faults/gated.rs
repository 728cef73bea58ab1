//! A bench whose operator reaches API server and backend through gates.

use std::ops::Deref;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};
use testbed::gate::{Gate, Request, Rule};

use crate::bench::Bench;

/// The operator's Lease.
const LEASE: &str = "kestra-iam-operator";

/// A Lease that its holder gave up in order: nobody waits for its end.
fn released() -> Value {
    json!({"holderIdentity": "", "leaseDurationSeconds": 1})
}

/// A bench with a gate on either side of its operator. Consumers and the test itself go past them.
pub struct Gated {
    pub bench: Bench,
    /// In front of the API server.
    pub api: Gate,
    /// In front of the backend.
    pub iam: Gate,
    /// The operator's kubeconfig, by way of the gate.
    pub way: PathBuf,
}

impl Deref for Gated {
    type Target = Bench;

    fn deref(&self) -> &Bench {
        &self.bench
    }
}

impl Gated {
    /// With an operator that leads and an instance that allows everything.
    pub async fn start() -> Self {
        Self::with(&[], json!({})).await
    }

    /// The same with more flags of the operator and more fields of the instance.
    pub async fn with(flags: &[&str], instance: Value) -> Self {
        let gated = Self::around(Bench::builder().prepare().await);
        gated.go(flags, instance).await;
        gated
    }

    /// A bench that has no operator yet.
    pub fn around(bench: Bench) -> Self {
        let api = Gate::to_api_server(bench.plane()).unwrap();
        let iam = Gate::to(bench.server.url()).unwrap();
        let way = api.kubeconfig(&bench.kubeconfig).unwrap();
        Self {
            bench,
            api,
            iam,
            way,
        }
    }

    /// Connects the instance and starts the operator, both by way of the gates.
    pub async fn go(&self, flags: &[&str], instance: Value) {
        self.connect(self.iam.url(), instance).await;
        self.apply_manifest(&json!({
            "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
            "metadata": {"name": LEASE, "namespace": self.home}, "spec": released(),
        }))
        .await;
        self.run("first", &self.way, flags).await.leads().await;
        let is_ready = ("Ready", "True", "");
        self.has("ClusterInstance", &self.instance, is_ready).await;
    }

    /// One more instance of this name beside the bench's, with its backend at `url`.
    pub async fn connect_as(&self, name: &str, url: &str) {
        self.apply_manifest(&json!({
            "apiVersion": "kestra-iam.dev/v1alpha1", "kind": "ClusterInstance",
            "metadata": {"name": name},
            "spec": {
                "url": url,
                "credentials": {"secretRef": {"name": "credential"}},
                "allowedNamespaces": {"names": [self.namespace]},
                "guardrails": {"unrestricted": true},
                "lastUsedGranularity": "1s",
            },
        }))
        .await;
        self.has("ClusterInstance", name, ("Ready", "True", ""))
            .await;
    }

    /// Kills the operator where it stands, lets the rules go that held it, and starts it again at once.
    pub async fn crash(&self, rules: &[&Rule]) {
        self.kill(rules).await;
        self.revive().await;
    }

    /// Kills the operator where it stands, and lets the rules go that held it.
    pub async fn kill(&self, rules: &[&Rule]) {
        self.operator().process.kill().await.unwrap();
        let under_way = || self.api.under_way() + self.iam.under_way();
        let look = async || (under_way() == 0).then_some(());
        self.wait("the end of its connections", look).await;
        for rule in rules {
            rule.lift();
        }
    }

    /// Starts the killed operator again, as if it had given its Lease up: no test needs the wait for its end.
    pub async fn revive(&self) {
        self.patch("Lease", LEASE, json!({"spec": released()}))
            .await;
        self.operator().restart().await;
    }
}

/// The most of these requests that came within one second.
pub fn fastest_second(requests: &[Request]) -> usize {
    let within = |first: usize| {
        let end = requests[first].arrived + Duration::from_secs(1);
        requests[first..].partition_point(|request| request.arrived < end)
    };
    (0..requests.len()).map(within).max().unwrap_or(0)
}

#[tokio::test]
async fn the_fastest_second_begins_anywhere() {
    let start = tokio::time::Instant::now();
    let at = |millis: u64| Request {
        number: 0,
        arrived: start + Duration::from_millis(millis),
        method: axum::http::Method::GET,
        path: String::new(),
        query: String::new(),
        status: None,
    };
    assert_eq!(fastest_second(&[]), 0);
    let requests = [0, 600, 900, 1100, 1599, 1600, 3000].map(at);
    assert_eq!(fastest_second(&requests), 4);
}
