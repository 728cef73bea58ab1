//! Clocks that jump, and that differ.

use std::time::Duration;

use kestra_iam_operator::clock::Clock;
use serde_json::json;
use testbed::gate::{Answer, Verdict, When};

use crate::bench::{Bench, brisk, condition, entry_of, merge};
use crate::gated::Gated;

const CI: (&str, &str) = ("ServiceAccount", "ci");
const MINUTE: i64 = 60_000;
const DAY: i64 = 24 * 60 * MINUTE;

/// The generations of the tokens of these accounts.
async fn generations(bench: &Bench, names: &[String]) -> Vec<i64> {
    let mut generations = Vec::new();
    for name in names {
        let account = bench.get(CI.0, name).await;
        let entry = entry_of(&account, "default");
        generations.push(entry["generation"].as_i64().unwrap());
    }
    generations
}

/// Waits until the operator has passed over an object after its clock has jumped.
async fn looked(bench: &Bench, edit: &str) {
    let edit = json!({"spec": {"description": edit}});
    bench.patch(CI.0, "ci-0", edit).await;
    bench.ready(CI.0, "ci-0").await;
}

#[tokio::test]
async fn fault_44_clocks_differ_and_jump() {
    let bench = Bench::start().await;
    let names: Vec<String> = (0..5).map(|number| format!("ci-{number}")).collect();
    let mut entry = brisk("default");
    merge(&mut entry, json!({"lifetime": "10h"}));
    for name in &names {
        bench.account_with(name, json!({"tokens": [entry]})).await;
        bench.consume(&format!("{name}-default")).await;
    }
    bench.rest().await;
    for ahead in [10 * MINUTE, -10 * MINUTE, DAY, -DAY, 0] {
        bench.set_ahead(ahead);
        looked(&bench, &format!("{ahead} ms ahead")).await;
        bench.judge().await;
        let all = generations(&bench, &names).await;
        assert_eq!(all, [1; 5], "no rotation by a clock {ahead} ms ahead");
    }
    // Nor is one missed: the backend's clock counts, whatever the operator's says.
    for ahead in [DAY, -DAY] {
        let before = generations(&bench, &names).await;
        bench.set_ahead(ahead);
        bench.advance(Duration::from_hours(7)).await;
        for (name, before) in names.iter().zip(&before) {
            let rotated = |entry: &serde_json::Value| entry["generation"] == before + 1;
            bench
                .entry((name.as_str(), "default"), "rotates once", rotated)
                .await;
        }
        bench.judge().await;
        let after = generations(&bench, &names).await;
        let once: Vec<i64> = before.iter().map(|generation| generation + 1).collect();
        assert_eq!(after, once, "once");
    }
}

#[tokio::test]
async fn fault_44_a_token_dies_in_an_outage_while_clocks_differ() {
    let gated = Gated::start().await;
    gated.account("ci-0").await;
    let consumer = gated.consume("ci-0-default").await;
    gated.rest().await;
    for ahead in [-DAY, DAY] {
        let old = gated.value("ci-0-default").await;
        gated.set_ahead(ahead);
        looked(&gated, &format!("{ahead} ms ahead")).await;
        let away = Verdict::Answer(Answer::status(503));
        let down = gated.iam.rule(When::any(), away);
        gated.advance(Duration::from_mins(30)).await;
        gated.instance_says("BackendUnavailable").await;
        // Something is wanted of the backend, so that the outage is told here too.
        let order = ahead.to_string();
        gated
            .order(CI.0, "ci-0", "rotate-requested-at", &order)
            .await;
        let object = gated.has(CI.0, "ci-0", ("Synced", "False", "")).await;
        assert_eq!(condition(&object, "Ready")["status"], "True", "it works");
        let broken = consumer.excuse();
        gated.advance(Duration::from_mins(31)).await;
        assert!(!gated.works(&old).await);
        gated.has(CI.0, "ci-0", ("Ready", "False", "")).await;
        down.lift();
        gated.instance_works().await;
        gated.other_value("ci-0-default", &old).await;
        broken.take_back().await;
        gated.ready(CI.0, "ci-0").await;
    }
    consumer.calls(20).await;
    gated.judge().await;
}

#[tokio::test]
async fn fault_44_the_servers_clock_jumps() {
    let bench = Bench::start().await;
    bench.account("ci").await;
    let consumer = bench.consume("ci-default").await;
    bench.rest().await;
    let old = bench.value("ci-default").await;
    // By more than the lifetime: the token is dead, and replaced as soon as somebody looks.
    let broken = consumer.excuse();
    let now: Clock = bench.now();
    let before = now.now();
    bench.clock.advance(Duration::from_hours(25)).unwrap();
    assert!(now.now() > before);
    bench.order(CI.0, CI.1, "rotate-requested-at", "1").await;
    bench.other_value("ci-default", &old).await;
    broken.take_back().await;
    consumer.calls(20).await;
    bench.judge().await;
}
