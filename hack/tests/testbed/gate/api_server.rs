//! In front of a real API server.

use http_body_util::BodyExt;
use k8s_openapi::api::core::v1::{ConfigMap, ServiceAccount};
use kube::api::{Api, PostParams};
use kube::client::Body;
use testbed::ControlPlane;
use testbed::gate::{EventsOf, Fate, Gate, Verdict, When};

async fn client(gate: &Gate, plane: &ControlPlane) -> kube::Client {
    let kubeconfig = gate.kubeconfig(&plane.kubeconfig()).unwrap();
    testbed::client(&kubeconfig).await.unwrap()
}

fn named(name: &str) -> ConfigMap {
    let mut object = ConfigMap::default();
    object.metadata.name = Some(name.to_owned());
    object
}

#[tokio::test]
async fn callers_keep_who_they_are() {
    let plane = ControlPlane::shared().await;
    let gate = Gate::to_api_server(plane).unwrap();
    let namespace = plane.namespace("gate").await.unwrap();
    let accounts: Api<ServiceAccount> = Api::namespaced(plane.client().await.unwrap(), &namespace);
    let mut account = ServiceAccount::default();
    account.metadata.name = Some("nobody".to_owned());
    let create = PostParams::default();
    accounts.create(&create, &account).await.unwrap();
    let theirs = plane.kubeconfig_for(&namespace, "nobody").await.unwrap();
    let theirs = gate.kubeconfig(&theirs).unwrap();
    let nobody = testbed::client(&theirs).await.unwrap();
    let maps: Api<ConfigMap> = Api::namespaced(nobody, &namespace);
    let refused = maps.create(&create, &named("a")).await.unwrap_err();
    assert!(refused.to_string().contains("gate"), "{refused}");
    let maps: Api<ConfigMap> = Api::namespaced(client(&gate, plane).await, &namespace);
    maps.create(&create, &named("a")).await.unwrap();
    let path = format!("/api/v1/namespaces/{namespace}/configmaps");
    let seen: Vec<_> = gate
        .requests()
        .into_iter()
        .map(|request| (request.path, request.status))
        .collect();
    assert_eq!(seen, [(path.clone(), Some(403)), (path, Some(201))]);
}

#[tokio::test]
async fn a_write_whose_answer_is_lost_is_done() {
    let plane = ControlPlane::shared().await;
    let gate = Gate::to_api_server(plane).unwrap();
    let namespace = plane.namespace("gate").await.unwrap();
    let maps: Api<ConfigMap> = Api::namespaced(client(&gate, plane).await, &namespace);
    let create = PostParams::default();
    gate.rule(When::write().nth(1), Verdict::Lose);
    maps.create(&create, &named("a")).await.unwrap_err();
    maps.get("a").await.unwrap();
}

#[tokio::test]
async fn events_of_a_real_watch_are_told_apart() {
    let plane = ControlPlane::shared().await;
    let gate = Gate::to_api_server(plane).unwrap();
    let namespace = plane.namespace("gate").await.unwrap();
    let client = client(&gate, plane).await;
    let of = EventsOf::watch("*/configmaps").object("*/dropped");
    let dropped = gate.events(of, Fate::Drop);
    let uri = format!("/api/v1/namespaces/{namespace}/configmaps?watch=true");
    let request = http::Request::get(uri).body(Body::empty()).unwrap();
    let mut watch = client.send(request).await.unwrap().into_body();
    let maps: Api<ConfigMap> = Api::namespaced(client, &namespace);
    for name in ["dropped", "delivered"] {
        let create = PostParams::default();
        maps.create(&create, &named(name)).await.unwrap();
    }
    let mut text = String::new();
    while !text.contains("\"delivered\"") {
        let frame = watch.frame().await.unwrap().unwrap();
        let data = frame.into_data().unwrap();
        text.push_str(std::str::from_utf8(&data).unwrap());
    }
    dropped.reached(1).await.unwrap();
    assert!(!text.contains("\"dropped\""), "{text}");
}
