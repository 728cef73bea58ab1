//! Several replicas, frozen leaders, a Lease that somebody edits, an operator that is killed all the time.

use std::sync::Arc;
use std::time::Duration;

use kube::api::DeleteParams;
use rand::RngExt;
use rstest::rstest;
use serde_json::{Value, json};
use testbed::Exit;
use testbed::gate::{Request, Verdict};

use crate::bench::{Bench, Operator, brisk, entry_of};
use crate::gated::Gated;
use crate::killed::{issue, publish};
use crate::scale::{random, scaled};

const CI: (&str, &str) = ("ServiceAccount", "ci");
const LEASE: &str = "kestra-iam-operator";

/// Waits until one of these leads, and gives its place.
async fn leader(bench: &Bench, operators: &[Arc<Operator>]) -> usize {
    bench
        .wait("one of them to lead", async || {
            for (place, operator) in operators.iter().enumerate() {
                let (_, body) = operator.get("/readyz").await.unwrap_or_default();
                if body.contains("ready: leads") {
                    return Some(place);
                }
            }
            None
        })
        .await
}

/// A bench with an instance, and no operator yet.
async fn connected() -> Bench {
    let bench = Bench::builder().prepare().await;
    bench.connect(bench.server.url(), json!({})).await;
    bench
}

#[tokio::test]
async fn fault_40_two_replicas_at_once() {
    let bench = connected().await;
    let path = &bench.kubeconfig;
    let mut consumers = Vec::new();
    for round in 0..scaled(3, 50) {
        let name = format!("ci-{round}");
        let spec = json!({"tokens": [brisk("default")]});
        bench.apply("ServiceAccount", &name, spec).await;
        let names = ["one", "two"].map(|name| format!("{name}-{round}"));
        let (one, two) = tokio::join!(
            bench.run(&names[0], path, &[]),
            bench.run(&names[1], path, &[]),
        );
        let both = [one, two];
        leader(&bench, &both).await;
        bench.ready("ServiceAccount", &name).await;
        consumers.push(bench.consume(&format!("{name}-default")).await);
        for place in 0..=round {
            let account = bench.get("ServiceAccount", &format!("ci-{place}")).await;
            let entry = entry_of(&account, "default");
            assert_eq!(entry["generation"], 1, "no duplicate: {entry}");
        }
        let live = bench.live().await;
        let ours = live.iter().filter(|token| token.mark().is_some());
        assert_eq!(ours.count(), round + 1, "no duplicate");
        for operator in &both {
            operator.process.kill().await.unwrap();
        }
    }
    bench.run("last", path, &[]).await.leads().await;
    bench.judge().await;
}

#[tokio::test]
async fn fault_42_leader_frozen_in_a_rotation() {
    let gated = Gated::start().await;
    gated.account("ci").await;
    let consumer = gated.consume("ci-default").await;
    gated.rest().await;
    let old = gated.value("ci-default").await;
    let first = gated.operator();
    // It goes past the gate, which sees the first alone.
    let second = gated.run("second", &gated.kubeconfig, &[]).await;
    // Frozen as soon as the token is there, wherever the rest of the work is by then.
    gated.order(CI.0, CI.1, "rotate-requested-at", "1").await;
    gated
        .wait("a token that is issued", async || {
            (gated.live().await.len() == 3).then_some(())
        })
        .await;
    first.process.pause().unwrap();
    second.leads().await;
    gated.other_value("ci-default", &old).await;
    tokio::time::sleep(Duration::from_secs(scaled(0, 60))).await;
    // What is on its way still arrives, but nothing new is begun.
    gated.rest().await;
    let (cluster, backend) = (gated.api.mark(), gated.iam.mark());
    first.process.resume().unwrap();
    assert_eq!(first.process.wait().await.unwrap(), Exit::Code(1));
    let log = first.process.log();
    assert!(
        log.contains("the Lease kestra-iam-operator is lost"),
        "{log}"
    );
    let mut written = gated.api.requests().split_off(cluster);
    written.extend(gated.iam.requests().split_off(backend));
    written.retain(|request| request.is_write() && !request.path.contains("/leases/"));
    assert_eq!(written, [], "it changes nothing on its old renewal");
    consumer.calls(20).await;
    gated.judge().await;
}

/// When the write of a former leader arrives that it sent as the leader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Arrival {
    /// When the new leader has looked at Secret and backend, and is about to issue a token.
    AfterTheLook,
    /// When all is done, and the new leader's token published.
    AtRest,
}

/// What the former leader was at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Work {
    /// The first token: there is no Secret yet.
    FirstIssue,
    /// A rotation.
    Rotation,
}

/// A slow former leader publishes after the new one has looked: either may win, one token is left, and it works.
#[rstest]
#[case::first_issue_after_the_look(Work::FirstIssue, Arrival::AfterTheLook)]
#[case::first_issue_at_rest(Work::FirstIssue, Arrival::AtRest)]
#[case::rotation_after_the_look(Work::Rotation, Arrival::AfterTheLook)]
#[case::rotation_at_rest(Work::Rotation, Arrival::AtRest)]
#[tokio::test]
async fn a_former_leader_publishes_after_the_new_one_has_looked(
    #[case] work: Work,
    #[case] arrival: Arrival,
) {
    let gated = Gated::start().await;
    let second = gated.run("second", &gated.kubeconfig, &[]).await;
    if work == Work::Rotation {
        gated.with_consumer().await;
    }
    let mark = gated.api.mark();
    let late = gated.api.rule(publish().times(1), Verdict::Late);
    match work {
        Work::FirstIssue => gated.make().await,
        Work::Rotation => gated.rotate("1").await,
    }
    gated.struck(&late).await;
    let looks = gated.iam.mark();
    let held = gated.iam.rule(issue().times(1), Verdict::HoldBefore);
    gated.operator().process.kill().await.unwrap();
    second.leads().await;
    gated.struck(&held).await;
    let is_look = |it: &Request| it.method == "GET" && it.path.ends_with("/api-tokens");
    let looked = gated.iam.requests().split_off(looks);
    assert!(looked.iter().any(is_look), "{looked:?}");
    if arrival == Arrival::AtRest {
        held.lift();
        gated.ready(CI.0, CI.1).await;
        gated.rest().await;
    }
    let before = gated.get("Secret", "ci-default").await;
    late.lift();
    let is_publish = |it: &Request| it.is_write() && it.path.contains("/secrets");
    let answer = gated
        .wait("the answer to the late write", async || {
            let sent = gated.api.requests().split_off(mark);
            sent.iter().find(|it| is_publish(it))?.status
        })
        .await;
    if arrival == Arrival::AtRest {
        assert_eq!(answer, 409, "the Secret is another one by now");
        assert_eq!(gated.get("Secret", "ci-default").await, before);
    }
    held.lift();
    let consumer = gated.consume("ci-default").await;
    gated.ready(CI.0, CI.1).await;
    consumer.calls(20).await;
    gated.judge().await;
    let id = gated.id(CI.0, CI.1).await;
    assert_eq!(gated.tokens(&id).await.len(), 1, "the other one is gone");
}

#[tokio::test]
async fn fault_43_lease_deleted_and_edited() {
    let bench = Bench::start().await;
    bench.account("ci").await;
    let consumer = bench.consume("ci-default").await;
    let holder = |lease: &Value| lease["spec"]["holderIdentity"].clone();
    let first = holder(&bench.get("Lease", LEASE).await);
    assert!(first.as_str().unwrap().starts_with("first_"), "{first}");
    bench.begin_delete("Lease", LEASE).await;
    bench
        .until("Lease", LEASE, "is back", |lease| holder(lease) == first)
        .await;
    let second = bench.run("second", &bench.kubeconfig, &[]).await;
    let theirs = json!({"spec": {"holderIdentity": "somebody"}});
    bench.patch("Lease", LEASE, theirs).await;
    // Whoever finds another's name has lost, and a replica takes over once that one shows no sign.
    let exit = bench.operator().process.wait().await.unwrap();
    assert_eq!(exit, Exit::Code(1));
    second.leads().await;
    let old = bench.value("ci-default").await;
    bench.order(CI.0, CI.1, "rotate-requested-at", "1").await;
    bench.other_value("ci-default", &old).await;
    consumer.calls(20).await;
    bench.judge().await;
}

/// Kills an operator again and again after some tenths of a second, while tokens are rotated and accounts come and go.
/// It holds no election: with one it would never come to work.
#[tokio::test]
async fn fault_67_killed_all_the_time() {
    let bench = connected().await;
    let mut random = random("fault_67");
    let accounts = scaled(4, 20);
    let name = |number: usize| format!("ci-{number}");
    let spec = || json!({"tokens": [brisk("default"), brisk("other")]});
    let path = &bench.kubeconfig;
    let victim = bench.run("victim", path, &["--leader-elect=false"]).await;
    for number in 0..accounts {
        bench.account_with(&name(number), spec()).await;
    }
    let mut consumers = Vec::new();
    for number in 0..accounts - 1 {
        consumers.push(bench.consume(&format!("{}-default", name(number))).await);
    }
    let last = name(accounts - 1);
    for kill in 0..scaled(25, 600) {
        let account = name(random.random_range(0..accounts - 1));
        bench
            .order(CI.0, &account, "rotate-requested-at", &kill.to_string())
            .await;
        if kill % 5 == 4 {
            let _ = bench
                .api(CI.0)
                .delete(&last, &DeleteParams::default())
                .await;
        } else {
            let _ = bench.try_apply(&bench.object(CI.0, &last, spec())).await;
        }
        let pause = Duration::from_millis(random.random_range(100..500));
        tokio::time::sleep(pause).await;
        victim.process.restart().await.unwrap();
    }
    victim.process.kill().await.unwrap();
    bench.run("last", path, &[]).await.leads().await;
    for number in 0..accounts - 1 {
        bench.ready(CI.0, &name(number)).await;
    }
    for consumer in consumers {
        consumer.calls(20).await;
    }
    bench.judge().await;
}
