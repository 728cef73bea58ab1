//! Objects that go while their backend is away.

use std::time::Duration;

use serde_json::{Value, json};
use testbed::gate::{Answer, Gate, Rule, Verdict, When};

use crate::bench::{Bench, brisk, condition};
use crate::oracle::Allowance;

const CI: (&str, &str) = ("ServiceAccount", "ci");

/// The default of `--hand-over-after`.
const HAND_OVER_AFTER: Duration = Duration::from_mins(5);

/// A bench whose backend can be taken away, and one operator that leads.
async fn gated() -> (Bench, Gate) {
    let bench = Bench::builder().prepare().await;
    let gate = Gate::to(bench.server.url()).unwrap();
    bench.connect(gate.url(), json!({})).await;
    let operator = bench.run("first", &bench.kubeconfig, &[]).await;
    operator.leads().await;
    (bench, gate)
}

/// The backend is away until this is lifted.
fn outage(gate: &Gate) -> Rule {
    gate.rule(When::any(), Verdict::Answer(Answer::status(503)))
}

/// Waits until nothing is owed any more.
async fn settled(bench: &Bench) {
    bench
        .wait("nothing to be owed", async || {
            bench.advance(Duration::from_secs(1)).await;
            bench.owed().await.is_empty().then_some(())
        })
        .await;
}

#[tokio::test]
async fn fault_46_deleted_while_the_backend_is_away() {
    let (bench, gate) = gated().await;
    let id = bench.account("ci").await;
    bench.account("stays").await;
    let stays = bench.consume("stays-default").await;
    let value = bench.value("ci-default").await;
    let away = outage(&gate);
    bench.begin_delete(CI.0, CI.1).await;
    bench.complaint(CI.0, CI.1, "BackendUnavailable").await;
    assert_eq!(bench.owed().await.len(), 0, "it is waited for");
    bench.advance(HAND_OVER_AFTER).await;
    bench.gone(CI.0, CI.1).await;
    assert_eq!(bench.owed().await.len(), 1);
    assert!(bench.works(&value).await, "nobody could revoke it");
    // Made anew meanwhile, it waits for what its forerunner left.
    let spec = json!({"tokens": [brisk("default")]});
    bench.apply(CI.0, CI.1, spec).await;
    let holds = |object: &Value| condition(object, "Ready")["status"] == "False";
    bench.until(CI.0, CI.1, "waits", holds).await;
    away.lift();
    settled(&bench).await;
    assert!(!bench.works(&value).await);
    assert_ne!(bench.id(CI.0, CI.1).await, id);
    let consumer = bench.consume("ci-default").await;
    consumer.calls(20).await;
    stays.calls(20).await;
    bench.judge().await;
}

#[tokio::test]
async fn fault_48_namespace_deleted_while_the_backend_is_away() {
    let (bench, gate) = gated().await;
    let id = bench.account("ci").await;
    let consumer = bench.consume("ci-default").await;
    let value = bench.value("ci-default").await;
    let away = outage(&gate);
    consumer.calls(20).await;
    bench.begin_delete("Namespace", &bench.namespace).await;
    bench.gone("Namespace", &bench.namespace).await;
    assert_eq!(bench.owed().await.len(), 1);
    assert!(bench.works(&value).await, "whoever still has it");
    consumer.stop().await;
    away.lift();
    settled(&bench).await;
    assert!(!bench.works(&value).await);
    assert!(bench.backend.account(&id.as_str().into()).await.is_err());
    // No Event can be told in a namespace that ends.
    bench
        .judge_with(Allowance {
            forbidden: &["events"],
            ..Allowance::default()
        })
        .await;
}
