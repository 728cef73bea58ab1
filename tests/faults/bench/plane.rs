//! Control planes, each for one bench at a time: an operator sees every instance and every object of its cluster.

use std::ops::Deref;
use std::process::Command;
use std::sync::Mutex;

use kube::ResourceExt;
use kube::api::{Api, DeleteParams, DynamicObject, ListParams, Patch, PatchParams};
use serde_json::json;
use testbed::ControlPlane;

use super::binary;
use super::objects::ours;

/// Those that nobody has at present. There are as many as benches were at work at the same time.
static FREE: Mutex<Vec<ControlPlane>> = Mutex::new(Vec::new());

const KINDS: [&str; 7] = [
    "ClusterInstance",
    "ServiceAccount",
    "Group",
    "Role",
    "RoleBinding",
    "ApiToken",
    "Revocation",
];

/// A control plane for as long as a bench has it.
pub struct Turn {
    plane: Option<ControlPlane>,
    /// What becomes of it: whoever breaks it keeps it.
    is_shared: bool,
}

impl Turn {
    /// A free one, swept; a new one if none is free.
    pub async fn take() -> Self {
        let free = FREE.lock().unwrap().pop();
        let plane = match free {
            Some(plane) => {
                sweep(&plane).await;
                plane
            }
            None => start().await,
        };
        Self {
            plane: Some(plane),
            is_shared: true,
        }
    }

    /// One that ends with the bench.
    pub async fn alone() -> Self {
        Self {
            plane: Some(start().await),
            is_shared: false,
        }
    }
}

impl Deref for Turn {
    type Target = ControlPlane;

    fn deref(&self) -> &ControlPlane {
        self.plane.as_ref().expect("it is given back by the drop")
    }
}

/// After a failure nobody knows in what state it is.
impl Drop for Turn {
    fn drop(&mut self) {
        let plane = self.plane.take();
        if self.is_shared && !std::thread::panicking() {
            FREE.lock().unwrap().extend(plane);
        }
    }
}

async fn start() -> ControlPlane {
    let plane = ControlPlane::start().await.unwrap();
    let crds = Command::new(binary()).arg("crds").output().unwrap();
    let crds = String::from_utf8(crds.stdout).unwrap();
    plane.install(&crds).await.unwrap();
    plane
}

/// Takes away what the bench before left: its operator is gone, so nobody would finalize it.
async fn sweep(plane: &ControlPlane) {
    let client = plane.client().await.unwrap();
    for kind in KINDS {
        let all: Api<DynamicObject> = Api::all_with(client.clone(), &ours(kind));
        for object in all.list(&ListParams::default()).await.unwrap() {
            let api = match object.namespace() {
                Some(namespace) => Api::namespaced_with(client.clone(), &namespace, &ours(kind)),
                None => all.clone(),
            };
            remove(&api, &object.name_any()).await;
        }
    }
}

async fn remove(api: &Api<DynamicObject>, name: &str) {
    let free = json!({"metadata": {"finalizers": null}});
    let (parameters, patch) = (PatchParams::default(), Patch::Merge(&free));
    api.patch(name, &parameters, &patch).await.unwrap();
    // Deleted already, it is gone with its last finalizer.
    let deleted = api.delete(name, &DeleteParams::default()).await;
    assert!(
        deleted.is_ok() || api.get_opt(name).await.unwrap().is_none(),
        "{name} does not go"
    );
}
