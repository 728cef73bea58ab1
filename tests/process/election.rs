//! Several replicas of the real binary.

use testbed::{ControlPlane, Exit};

use crate::replica::{Replica, control, holder, leases};

/// Two replicas, the first of which leads.
async fn two(control: &ControlPlane, namespace: &str) -> (Replica, Replica) {
    let kubeconfig = control.kubeconfig();
    let first = Replica::start(&kubeconfig, namespace, "first", &[]).await;
    first.leads().await;
    let second = Replica::start(&kubeconfig, namespace, "second", &[]).await;
    let answer = second.reports("stands by: first_").await;
    assert_eq!(
        answer.status, 200,
        "a replica that stands by is ready: {}",
        answer.body
    );
    (first, second)
}

#[tokio::test]
async fn of_two_replicas_one_leads() {
    let control = control().await;
    let namespace = control.namespace("two").await.unwrap();
    let (first, second) = two(control, &namespace).await;
    let of = async |replica: &Replica| replica.get("/metrics").await.body;
    assert!(of(&first).await.contains("kestra_iam_leader 1\n"));
    assert!(of(&second).await.contains("kestra_iam_leader 0\n"));
}

#[tokio::test]
async fn when_the_leader_is_killed_the_other_leads() {
    let control = control().await;
    let namespace = control.namespace("killed").await.unwrap();
    let (first, second) = two(control, &namespace).await;
    assert_eq!(first.process.kill().await.unwrap(), Exit::Signal(9));
    second.leads().await;
    let holder = holder(&leases(control, &namespace).await).await.unwrap();
    assert!(holder.starts_with("second_"), "{holder}");
}

#[tokio::test]
async fn a_leader_that_was_frozen_ends_once_another_has_taken_over() {
    let control = control().await;
    let namespace = control.namespace("frozen").await.unwrap();
    let (first, second) = two(control, &namespace).await;
    first.process.pause().unwrap();
    second.leads().await;
    first.process.resume().unwrap();
    assert_eq!(first.process.wait().await.unwrap(), Exit::Code(1));
    assert!(
        first
            .process
            .log()
            .contains("error: the Lease kestra-iam-operator is lost"),
        "{}",
        first.process.log()
    );
    second.leads().await;
}

#[tokio::test]
async fn without_an_election_there_is_no_lease() {
    let control = control().await;
    let namespace = control.namespace("alone").await.unwrap();
    let kubeconfig = control.kubeconfig();
    let only = Replica::start(&kubeconfig, &namespace, "only", &["--leader-elect=false"]).await;
    only.reports("ready: acts without an election").await;
    assert!(
        only.get("/metrics")
            .await
            .body
            .contains("kestra_iam_leader 1\n")
    );
    assert_eq!(only.process.terminate().await.unwrap(), Exit::Code(0));
    assert_eq!(holder(&leases(control, &namespace).await).await, None);
}
