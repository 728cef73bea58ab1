//! What is told of the work: metrics, logs.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use testbed::gate::{Answer, Gate, Rule, Verdict, When};

use crate::bench::{Bench, brisk, merge};
use crate::scale::scaled;

const CI: (&str, &str) = ("ServiceAccount", "ci");

/// The names of all series in a text of metrics, with their labels.
fn series(metrics: &str) -> BTreeSet<String> {
    let lines = metrics.lines().filter(|line| !line.starts_with('#'));
    let names = lines.filter_map(|line| line.rsplit_once(' '));
    names.map(|(name, _)| name.to_owned()).collect()
}

#[tokio::test]
async fn fault_65_metrics_under_a_flood() {
    let budget = json!({"budget": {"requestsPerSecond": 10_000}});
    let bench = Bench::builder().instance(budget).start().await;
    let operator = bench.operator();
    let make = async |number: usize| {
        let name = format!("ci-{number}");
        let spec = json!({"tokens": [brisk("default")]});
        bench.apply("ServiceAccount", &name, spec).await;
        name
    };
    // One of each kind of thing that is counted: a first issue, and a failure.
    let first = make(0).await;
    bench.ready("ServiceAccount", &first).await;
    let consumer = bench.consume(&format!("{first}-default")).await;
    bench.rest().await;
    let (_, before) = operator.get("/metrics").await.unwrap();
    let count = scaled(20, 10_000);
    let flood = async {
        for _ in 0..scaled(200, 2000) {
            let (status, _) = operator.get("/metrics").await.unwrap();
            assert_eq!(status, 200);
        }
    };
    let accounts = async {
        for number in 1..count {
            make(number).await;
        }
    };
    tokio::join!(flood, accounts);
    for number in 1..count {
        bench.ready("ServiceAccount", &format!("ci-{number}")).await;
    }
    bench.rest().await;
    let (_, after) = operator.get("/metrics").await.unwrap();
    let (before, after) = (series(&before), series(&after));
    let named = after.iter().filter(|name| name.contains("ci-"));
    assert_eq!(named.count(), 0, "no series of one object");
    let new: Vec<_> = after.difference(&before).collect();
    assert!(new.len() < 5, "more objects, the same series: {new:?}");
    consumer.calls(20).await;
    bench.judge().await;
}

/// Longer than an issue out of turn ever waits.
const PACE: Duration = Duration::from_mins(20);

/// A backend whose answers to issues hold the value where nobody looks for it, and whose errors repeat what they were
/// sent, while everything is logged that there is.
#[tokio::test]
async fn fault_64_everything_logged_and_the_backend_echoes() {
    let bench = Bench::builder().prepare().await;
    let gate = Gate::to(bench.server.url()).unwrap();
    bench.connect(gate.url(), json!({})).await;
    // Libraries are silent unless they are named.
    let libraries = [
        "hyper",
        "hyper_util",
        "reqwest",
        "kube_client",
        "kube_runtime",
        "tower",
        "rustls",
    ];
    let level = libraries
        .map(|library| format!("{library}=trace"))
        .join(",");
    let flags = [
        "--log-format=json".to_owned(),
        format!("--log-level=trace,{level}"),
    ];
    let flags = flags.each_ref().map(String::as_str);
    let operator = bench.run("first", &bench.kubeconfig, &flags).await;
    operator.leads().await;
    let mut entry = brisk("default");
    merge(&mut entry, json!({"lifetime": "100h"}));
    bench.account_with("ci", json!({"tokens": [entry]})).await;
    let consumer = bench.consume("ci-default").await;
    let echo = Echo::default();
    let misplaced = gate.rule(issue(), echo.misplaces());
    bench.order(CI.0, CI.1, "rotate-requested-at", "1").await;
    misplaced.reached(1).await.unwrap();
    bench
        .has(CI.0, CI.1, ("TokenIssued", "False", "BackendProtocol"))
        .await;
    misplaced.lift();
    for status in [400, 422, 500] {
        let old = bench.value("ci-default").await;
        let (heard, repeated) = (
            gate.rule(issue(), echo.hears()),
            echo.repeats(&gate, status),
        );
        bench
            .order(CI.0, CI.1, "rotate-requested-at", &status.to_string())
            .await;
        bench.advance(PACE).await;
        repeated.reached(1).await.unwrap();
        bench.has(CI.0, CI.1, ("TokenIssued", "False", "")).await;
        heard.lift();
        repeated.lift();
        bench.advance(PACE).await;
        bench.other_value("ci-default", &old).await;
    }
    let heard = echo.0.lock().unwrap().clone();
    assert!(heard.len() >= 4, "there was something to leak");
    for value in &heard {
        bench.witness.know(value);
    }
    let talkative = talkative(&operator.process.log());
    for library in ["hyper_util", "kube_client"] {
        assert!(talkative.contains(library), "{talkative:?}");
    }
    consumer.calls(20).await;
    bench.judge().await;
}

/// The crates that a log has lines of beyond `info`.
fn talkative(log: &str) -> BTreeSet<String> {
    let lines = log
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok());
    let deep = lines.filter(|line: &Value| line["level"] == "TRACE" || line["level"] == "DEBUG");
    let targets = deep.filter_map(|line| line["target"].as_str().map(str::to_owned));
    let crates = targets.map(|target| target.split("::").next().unwrap().to_owned());
    crates.collect()
}

/// The values that a backend gave out.
#[derive(Clone, Default)]
struct Echo(Arc<Mutex<Vec<String>>>);

impl Echo {
    /// Hears the value that an issue answers with.
    fn hears(&self) -> Verdict {
        let heard = Arc::clone(&self.0);
        Verdict::edit(move |json| {
            let value = json["fullToken"].as_str().unwrap().to_owned();
            heard.lock().unwrap().push(value);
        })
    }

    /// The same, and the value stands in another member than it should.
    fn misplaces(&self) -> Verdict {
        let heard = Arc::clone(&self.0);
        Verdict::edit(move |json| {
            let value = json["fullToken"].take();
            heard
                .lock()
                .unwrap()
                .push(value.as_str().unwrap().to_owned());
            *json = json!({"id": value, "token": value, "fullToken": [value]});
        })
    }

    /// The check of a fresh value is answered by an error that repeats it.
    fn repeats(&self, gate: &Gate, status: u16) -> Rule {
        let (heard, known) = (Arc::clone(&self.0), self.0.lock().unwrap().len());
        gate.decide(move |request| {
            let heard = heard.lock().unwrap();
            let fresh = heard.get(known..)?.last()?;
            let said = json!({"message": format!("refused: Authorization: Bearer {fresh}")});
            (request.path == "/api/v1/me").then(|| Verdict::Answer(Answer::json(status, &said)))
        })
    }
}

fn issue() -> When {
    When::method("POST").path("*/api-tokens")
}
