//! Guardrails: closed unless opened, judged by what is at the backend, and followed when they tighten.

mod closed;
mod documented;
mod subjects;
mod tightened;

use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use crate::gate::Gate;
use crate::scene::Scene;

/// The instance with other guardrails: all of them are replaced.
pub async fn set(scene: &Scene, guardrails: &Value) {
    let api = scene.api("kci").unwrap();
    let replace = json!([{"op": "add", "path": "/spec/guardrails", "value": guardrails}]);
    let patch = Patch::Json::<()>(serde_json::from_value(replace).unwrap());
    let parameters = PatchParams::default();
    api.patch(&scene.instance, &parameters, &patch)
        .await
        .unwrap();
}

async fn closed(guardrails: &Value) -> (Scene, Gate) {
    Scene::behind_gate(json!({"guardrails": guardrails})).await
}

async fn wait_for_a_look(scene: &Scene) {
    let instance = scene.instance.clone();
    scene.condition("kci", &instance, "Ready", "True", "").await;
}
