//! Requests to an API server that does not answer.

use std::path::Path;
use std::time::Duration;

use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::core::v1::ConfigMap;
use kestra_iam_operator::ops::cluster::{Cluster, Options, explain};
use kube::Api;
use kube::api::{PostParams, WatchEvent, WatchParams};
use testbed::{ControlPlane, Scratch};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

async fn cluster(kubeconfig: &Path, request_timeout: Duration) -> Cluster {
    let options = Options {
        kubeconfig: Some(kubeconfig.to_owned()),
        connect_timeout: Duration::from_secs(5),
        request_timeout,
    };
    Cluster::new(&options).await.unwrap()
}

/// Asks a server that sends `answer` and then nothing more, and returns what the client says.
async fn asked(answer: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut connection, _) = listener.accept().await.unwrap();
        let mut request = [0; 1024];
        assert_ne!(connection.read(&mut request).await.unwrap(), 0);
        connection.write_all(answer.as_bytes()).await.unwrap();
        let mut rest = Vec::new();
        connection.read_to_end(&mut rest).await.unwrap();
    });
    let scratch = Scratch::new("mute").unwrap();
    let kubeconfig = scratch.file("kubeconfig");
    let config = serde_json::json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "x",
        "clusters": [{"name": "x", "cluster": {"server": format!("http://{address}")}}],
        "contexts": [{"name": "x", "context": {"cluster": "x", "user": "x"}}],
        "users": [{"name": "x", "user": {}}],
    });
    std::fs::write(&kubeconfig, config.to_string()).unwrap();
    let cluster = cluster(&kubeconfig, Duration::from_millis(300)).await;
    explain(&cluster.version().await.unwrap_err())
}

#[tokio::test]
async fn a_request_without_an_answer_has_an_end() {
    let error = asked("").await;
    assert_eq!(error, "the API server did not answer within 300ms");
}

#[tokio::test]
async fn an_answer_that_stops_half_way_has_an_end() {
    let error =
        asked("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n{")
            .await;
    assert_eq!(error, "the API server did not answer within 300ms");
}

#[tokio::test]
async fn a_watch_outlives_the_time_of_a_request() {
    let control = ControlPlane::shared().await;
    let namespace = control.namespace("watch").await.unwrap();
    let limit = Duration::from_secs(2);
    let client = cluster(&control.kubeconfig(), limit).await.client;
    let maps: Api<ConfigMap> = Api::namespaced(client, &namespace);
    let late = async |event: WatchEvent<ConfigMap>| matches!(event, WatchEvent::Added(map) if map.metadata.name.as_deref() == Some("late"));
    let watch = maps
        .watch(&WatchParams::default(), "0")
        .await
        .unwrap()
        .boxed();
    let seen = tokio::spawn(async move { watch.try_any(late).await });
    tokio::time::sleep(2 * limit).await;
    let mut map = ConfigMap::default();
    map.metadata.name = Some("late".to_owned());
    maps.create(&PostParams::default(), &map).await.unwrap();
    assert!(seen.await.unwrap().unwrap());
}
