//! The end of the real binary.

use rustix::process::{Signal, kill_process};
use testbed::Exit;

use crate::proxy::Wire;
use crate::replica::{Replica, control, holder, leases};

#[tokio::test]
async fn sigterm_releases_the_lease_and_ends_with_success() {
    let control = control().await;
    let namespace = control.namespace("term").await.unwrap();
    let replica = Replica::start(&control.kubeconfig(), &namespace, "only", &[]).await;
    replica.leads().await;
    assert_eq!(replica.process.terminate().await.unwrap(), Exit::Code(0));
    assert_eq!(
        holder(&leases(control, &namespace).await).await.as_deref(),
        Some("")
    );
    assert!(
        replica.process.log().contains("Ended in order"),
        "{}",
        replica.process.log()
    );
}

#[tokio::test]
async fn sigint_is_as_good() {
    let control = control().await;
    let namespace = control.namespace("int").await.unwrap();
    let replica = Replica::start(&control.kubeconfig(), &namespace, "only", &[]).await;
    replica.leads().await;
    kill_process(replica.process.id(), Signal::INT).unwrap();
    assert_eq!(replica.process.wait().await.unwrap(), Exit::Code(0));
    assert_eq!(
        holder(&leases(control, &namespace).await).await.as_deref(),
        Some("")
    );
}

#[tokio::test]
async fn a_replica_that_stands_by_leaves_the_lease_alone() {
    let control = control().await;
    let namespace = control.namespace("standby").await.unwrap();
    let leader = Replica::start(&control.kubeconfig(), &namespace, "leader", &[]).await;
    leader.leads().await;
    let standby = Replica::start(&control.kubeconfig(), &namespace, "standby", &[]).await;
    standby.reports("stands by").await;
    assert_eq!(standby.process.terminate().await.unwrap(), Exit::Code(0));
    let holder = holder(&leases(control, &namespace).await).await.unwrap();
    assert!(holder.starts_with("leader_"), "{holder}");
    leader.leads().await;
}

#[tokio::test]
async fn an_end_is_not_held_up_by_an_api_server_that_does_not_answer() {
    let control = control().await;
    let namespace = control.namespace("hung").await.unwrap();
    let wire = Wire::to(control).await;
    let replica = Replica::start(wire.kubeconfig(), &namespace, "only", &[]).await;
    replica.leads().await;
    wire.freeze();
    assert_eq!(replica.process.terminate().await.unwrap(), Exit::Code(0));
    assert!(
        replica.process.log().contains("left to expire"),
        "{}",
        replica.process.log()
    );
}

#[tokio::test]
async fn a_second_signal_ends_at_once() {
    let control = control().await;
    let namespace = control.namespace("twice").await.unwrap();
    let wire = Wire::to(control).await;
    let replica = Replica::start(wire.kubeconfig(), &namespace, "only", &[]).await;
    replica.leads().await;
    wire.freeze();
    kill_process(replica.process.id(), Signal::TERM).unwrap();
    replica
        .process
        .wait_for_line("a second signal ends the process at once")
        .await
        .unwrap();
    let ready = replica.get("/readyz").await;
    assert_eq!(ready.status, 503);
    assert!(
        ready.body.starts_with("not ready: shutting down\n"),
        "{}",
        ready.body
    );
    assert_eq!(replica.process.terminate().await.unwrap(), Exit::Code(1));
    assert!(
        replica
            .process
            .log()
            .contains("error: ended at once by a second signal")
    );
}
