//! Workloads that take the token at their start, rolled by the controllers of Kubernetes.

use kube::api::ListParams;
use serde_json::{Map, Value, json};

use crate::bench::entry_of;
use crate::gated::Gated;

const KINDS: [&str; 2] = ["Deployment", "StatefulSet"];

/// Start of the annotation by which a pod template tells for which token it was rolled.
const ROLLED_FOR: &str = "kestra-iam.dev/token-";

/// As the `restart` of an entry names them.
pub fn all() -> Value {
    json!(KINDS.map(|kind| json!({"kind": kind, "name": name(kind)})))
}

fn name(kind: &str) -> String {
    format!("{}-bot", kind.to_lowercase())
}

/// Creates them, and waits until each has its pod.
pub async fn lay(gated: &Gated) {
    for kind in KINDS {
        gated.apply_manifest(&manifest(gated, kind)).await;
    }
    for kind in KINDS {
        let first = async || (pods(gated, kind).await.len() == 1).then_some(());
        gated.wait("the first pod", first).await;
    }
}

/// A workload whose pod is replaced at once: there is no node that could say that it is ready.
fn manifest(gated: &Gated, kind: &str) -> Value {
    let labels = json!({"app": name(kind)});
    let mut spec = json!({
        "replicas": 1,
        "selector": {"matchLabels": labels},
        "template": {
            "metadata": {"labels": labels},
            "spec": {"containers": [{"name": "bot", "image": "example.com/bot:1"}]},
        },
    });
    match kind {
        "Deployment" => spec["strategy"] = json!({"type": "Recreate"}),
        _ => spec["podManagementPolicy"] = json!("Parallel"),
    }
    json!({
        "apiVersion": "apps/v1", "kind": kind,
        "metadata": {"name": name(kind), "namespace": gated.namespace}, "spec": spec,
    })
}

/// Waits until the pods of each are those of the current token.
pub async fn rolled(gated: &Gated) {
    gated
        .wait("the pods of the current token", async || {
            let states = state(gated, 0).await;
            let are_new = |state: &Value| state["pods"] == json!(["current"]);
            states.as_object()?.values().all(are_new).then_some(())
        })
        .await;
}

/// How often each was rolled in the run of this number, given that it was once in each before, and for which token, by
/// its template and by its pods.
pub async fn state(gated: &Gated, run: usize) -> Value {
    let account = gated.get("ServiceAccount", "ci").await;
    let entry = entry_of(&account, "default");
    let word = |field: &str| entry[field].to_string().replace('"', "");
    let current = format!("ci-default g{} {}", word("generation"), word("id"));
    let marks = |metadata: &Value| -> Vec<String> {
        let marks = marks_in(metadata).into_iter();
        marks
            .map(|mark| mark.replace(&current, "current"))
            .collect()
    };
    let mut states = Map::new();
    for kind in KINDS {
        let workload = gated.get(kind, &name(kind)).await;
        let generation = workload["metadata"]["generation"].as_i64().unwrap();
        let template = &workload["spec"]["template"]["metadata"];
        let pods = pods(gated, kind).await;
        let state = json!({
            "rollouts": generation - i64::try_from(run).unwrap(),
            "marks": marks(template),
            "pods": pods.iter().flat_map(marks).collect::<Vec<_>>(),
        });
        states.insert(kind.to_owned(), state);
    }
    Value::Object(states)
}

/// The metadata of a workload's pods.
async fn pods(gated: &Gated, kind: &str) -> Vec<Value> {
    let own = ListParams::default().labels(&format!("app={}", name(kind)));
    let pods = gated.api("Pod").list_metadata(&own).await.unwrap();
    let metadata = pods.iter().map(|pod| json!(pod.metadata));
    metadata.collect()
}

/// For which tokens something was rolled.
fn marks_in(metadata: &Value) -> Vec<String> {
    let annotations = metadata["annotations"].as_object().into_iter().flatten();
    let marks = annotations.filter(|(name, _)| name.starts_with(ROLLED_FOR));
    marks
        .map(|(_, mark)| mark.as_str().unwrap().to_owned())
        .collect()
}
