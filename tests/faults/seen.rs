//! What is told of the work: metrics, logs.

use std::collections::BTreeSet;

use serde_json::json;

use crate::bench::{Bench, brisk};
use crate::scale::scaled;

/// The names of all series in a text of metrics, with their labels.
fn series(metrics: &str) -> BTreeSet<String> {
    let lines = metrics.lines().filter(|line| !line.starts_with('#'));
    let names = lines.filter_map(|line| line.rsplit_once(' '));
    names.map(|(name, _)| name.to_owned()).collect()
}

#[tokio::test]
async fn fault_65_metrics_under_a_flood() {
    let bench = Bench::start().await;
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
