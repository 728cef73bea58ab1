//! Faults and bad input: a condition that says what to do, no storm, nothing lost, and recovery by itself.

mod backends;
mod credentials;
mod outages;
mod permission;
mod unreadable;

use std::net::TcpListener;

use serde_json::{Value, json};
use testbed::IamServer;

use crate::scene::{Scene, find};
use crate::world::{World, binary};

/// An address at which nobody listens.
pub fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

fn one_token() -> Value {
    json!({"tokens": [{"name": "default", "lifetime": "1h"}]})
}

/// What the instance's `Ready` says once it is false for this reason.
async fn instance_says(scene: &Scene, reason: &str) -> String {
    let instance = scene.instance.clone();
    scene.complaint("kci", &instance, reason).await
}

async fn connected(scene: &Scene) {
    let instance = scene.instance.clone();
    scene.condition("kci", &instance, "Ready", "True", "").await;
}

/// Whether an object is ready although its instance is down, which it says for this reason.
async fn ready_though(scene: &Scene, kind: &str, name: &str, reason: &str) {
    let object = scene.condition(kind, name, "Synced", "False", reason).await;
    assert_eq!(find(&object, "Ready")["status"], "True", "{object:#}");
}

/// Any change, so that the object is looked at.
async fn touch(scene: &Scene, kind: &str, name: &str) {
    let change =
        json!({"metadata": {"annotations": {"kestra-iam.dev/rotate-requested-at": "other=x"}}});
    scene.patch(kind, name, change).await;
}

async fn own_server(flags: &[&str]) -> IamServer {
    let world = World::shared().await;
    let mut all: Vec<String> = flags.iter().map(|&flag| flag.to_owned()).collect();
    all.extend(world.clock.args().map(|arg| arg.display().to_string()));
    IamServer::start(binary(), &all).await.unwrap()
}
