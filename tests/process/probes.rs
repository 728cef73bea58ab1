//! `/livez`, `/readyz` and `/metrics` of the real binary.

use kestra_iam_operator::api;
use testbed::{ControlPlane, Exit, Scratch};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::replica::{Replica, control};

#[tokio::test]
async fn a_replica_that_leads_is_alive_and_ready_and_measured() {
    let control = control().await;
    let namespace = control.namespace("probes").await.unwrap();
    let replica = Replica::start(&control.kubeconfig(), &namespace, "only", &[]).await;
    replica.leads().await;
    let live = replica.get("/livez").await;
    assert_eq!(
        (live.status, live.body.lines().next()),
        (200, Some("alive"))
    );
    let metrics = replica.get("/metrics").await.body;
    assert!(
        metrics.contains(concat!(
            "kestra_iam_build_info{version=\"",
            env!("CARGO_PKG_VERSION"),
            "\"} 1"
        )),
        "{metrics}"
    );
    assert!(metrics.ends_with("# EOF\n"));
    let elsewhere = replica.get("/").await;
    assert_eq!(
        (elsewhere.status, elsewhere.body.as_str()),
        (404, "here are /livez, /readyz and /metrics\n")
    );
}

#[tokio::test]
async fn without_an_api_server_a_replica_is_alive_but_not_ready_and_says_why() {
    let scratch = Scratch::new("nowhere").unwrap();
    let kubeconfig = scratch.file("kubeconfig");
    let config = serde_json::json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "x",
        "clusters": [{"name": "x", "cluster": {"server": "http://127.0.0.1:1"}}],
        "contexts": [{"name": "x", "context": {"cluster": "x", "user": "x"}}],
        "users": [{"name": "x", "user": {}}],
    });
    std::fs::write(&kubeconfig, config.to_string()).unwrap();
    let replica = Replica::start(&kubeconfig, "default", "only", &[]).await;
    let ready = replica.reports("Connection refused").await;
    assert_eq!(ready.status, 503);
    assert!(ready.body.starts_with("not ready\n"), "{}", ready.body);
    assert!(
        ready
            .body
            .contains("API server  waiting for an answer from http://127.0.0.1:1/"),
        "{}",
        ready.body
    );
    assert_eq!(replica.get("/livez").await.status, 200);
    assert_eq!(replica.process.terminate().await.unwrap(), Exit::Code(0));
}

#[tokio::test]
async fn a_cluster_without_the_custom_resources_is_waited_for() {
    let bare = ControlPlane::start().await.unwrap();
    let namespace = bare.namespace("bare").await.unwrap();
    let replica = Replica::start(&bare.kubeconfig(), &namespace, "only", &[]).await;
    let ready = replica
        .reports("waiting for the first lists of custom resources")
        .await;
    assert_eq!(ready.status, 503);
    bare.install(&api::to_yaml(&api::crds()).unwrap())
        .await
        .unwrap();
    replica.leads().await;
}

#[tokio::test]
async fn a_cluster_without_the_custom_resources_holds_up_no_end() {
    let bare = ControlPlane::start().await.unwrap();
    let namespace = bare.namespace("bare").await.unwrap();
    let replica = Replica::start(&bare.kubeconfig(), &namespace, "only", &[]).await;
    replica
        .reports("waiting for the first lists of custom resources")
        .await;
    assert_eq!(replica.process.terminate().await.unwrap(), Exit::Code(0));
    let log = replica.process.log();
    assert!(
        log.contains("Ended in order") && !log.contains("cut off"),
        "{log}"
    );
}

#[tokio::test]
async fn a_lease_that_may_not_be_touched_is_named_with_the_reason() {
    let control = control().await;
    let namespace = control.namespace("norights").await.unwrap();
    control
        .kubectl(
            &["-n", &namespace, "create", "serviceaccount", "nobody"],
            "",
        )
        .await
        .unwrap();
    let kubeconfig = control.kubeconfig_for(&namespace, "nobody").await.unwrap();
    let replica = Replica::start(&kubeconfig, &namespace, "only", &[]).await;
    let ready = replica.reports("cannot get resource \"leases\"").await;
    assert_eq!(ready.status, 503);
}

#[tokio::test]
async fn a_client_that_sends_no_request_is_cut_off() {
    let control = control().await;
    let namespace = control.namespace("slow").await.unwrap();
    let replica = Replica::start(&control.kubeconfig(), &namespace, "only", &[]).await;
    let address = replica.url.trim_start_matches("http://");
    let mut client = TcpStream::connect(address).await.unwrap();
    client.write_all(b"GET /livez HTTP/1.1\r\n").await.unwrap();
    let mut answer = Vec::new();
    client.read_to_end(&mut answer).await.unwrap();
    assert!(
        !String::from_utf8_lossy(&answer).contains("200"),
        "the request was never whole"
    );
}
