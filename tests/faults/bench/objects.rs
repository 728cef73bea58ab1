//! Objects of the bench's namespace, and waiting for facts about them.

use std::time::Duration;

use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::api::events::v1::Event;
use kube::api::{Api, DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams};
use kube::core::{ApiResource, GroupVersionKind};
use serde_json::{Value, json};
use testbed::wait_for;

use super::Bench;

const SECOND: Duration = Duration::from_secs(1);

/// Who the tests are among the managers of fields.
const MANAGER: &str = "faults";

/// One of our kinds.
pub fn ours(kind: &str) -> ApiResource {
    let gvk = GroupVersionKind::gvk("kestra-iam.dev", "v1alpha1", kind);
    ApiResource::from_gvk(&gvk)
}

/// A kind that rows touch.
fn resource(kind: &str) -> ApiResource {
    let gvk = match kind {
        "Secret" | "Namespace" | "ResourceQuota" | "ConfigMap" | "Pod" => {
            GroupVersionKind::gvk("", "v1", kind)
        }
        "Deployment" | "StatefulSet" => GroupVersionKind::gvk("apps", "v1", kind),
        "Lease" => GroupVersionKind::gvk("coordination.k8s.io", "v1", kind),
        "ClusterRole" => GroupVersionKind::gvk("rbac.authorization.k8s.io", "v1", kind),
        "ValidatingAdmissionPolicy" | "ValidatingAdmissionPolicyBinding" => {
            GroupVersionKind::gvk("admissionregistration.k8s.io", "v1", kind)
        }
        _ => return ours(kind),
    };
    ApiResource::from_gvk(&gvk)
}

/// A condition of an object; null if it is not there.
pub fn condition(object: &Value, kind: &str) -> Value {
    let conditions = object["status"]["conditions"].as_array();
    let mut conditions = conditions.into_iter().flatten();
    conditions
        .find(|found| found["type"] == kind)
        .cloned()
        .unwrap_or_default()
}

/// Puts the fields of one object into another, in place of those of the same name.
pub fn merge(into: &mut Value, from: Value) {
    if let Value::Object(fields) = from {
        for (name, value) in fields {
            into[name] = value;
        }
    }
}

impl Bench {
    /// Those of a kind in the users' namespace, in the operator's for its own, or in the whole cluster.
    pub fn api(&self, kind: &str) -> Api<DynamicObject> {
        let client = self.kube().clone();
        let namespace = match kind {
            "Lease" | "Revocation" => &self.home,
            "ServiceAccount" | "Group" | "Role" | "RoleBinding" | "ApiToken" | "Secret"
            | "ResourceQuota" | "Pod" | "Deployment" | "StatefulSet" => &self.namespace,
            _ => return Api::all_with(client, &resource(kind)),
        };
        Api::namespaced_with(client, namespace, &resource(kind))
    }

    /// The Secrets of the users' namespace.
    pub fn secrets(&self) -> Api<Secret> {
        Api::namespaced(self.kube().clone(), &self.namespace)
    }

    /// An object of ours in the users' namespace that refers to the instance.
    pub fn object(&self, kind: &str, name: &str, spec: Value) -> Value {
        let mut all = json!({"instanceRef": {"name": self.instance}});
        merge(&mut all, spec);
        json!({
            "apiVersion": "kestra-iam.dev/v1alpha1", "kind": kind,
            "metadata": {"name": name, "namespace": self.namespace}, "spec": all,
        })
    }

    /// Applies it.
    pub async fn apply(&self, kind: &str, name: &str, spec: Value) {
        self.try_apply(&self.object(kind, name, spec))
            .await
            .unwrap();
    }

    /// Applies any object, of whatever namespace.
    pub async fn apply_manifest(&self, manifest: &Value) {
        self.try_apply(manifest).await.unwrap();
    }

    /// Applies any object, unless the API server refuses it.
    pub async fn try_apply(&self, manifest: &Value) -> Result<(), kube::Error> {
        let word = |value: &Value| value.as_str().map(str::to_owned);
        let resource = resource(manifest["kind"].as_str().unwrap());
        let client = self.kube().clone();
        let api: Api<DynamicObject> = match word(&manifest["metadata"]["namespace"]) {
            Some(namespace) => Api::namespaced_with(client, &namespace, &resource),
            None => Api::all_with(client, &resource),
        };
        let name = word(&manifest["metadata"]["name"]).unwrap();
        let (parameters, patch) = (PatchParams::apply(MANAGER).force(), Patch::Apply(manifest));
        api.patch(&name, &parameters, &patch).await.map(|_| ())
    }

    /// Creates an object of the users' namespace, without the fields that its kind does not have.
    pub async fn create(&self, object: &Value) {
        let api = self.api(object["kind"].as_str().unwrap());
        let object = serde_json::from_value(object.clone()).unwrap();
        api.create(&PostParams::default(), &object).await.unwrap();
    }

    /// Merges fields into an object.
    pub async fn patch(&self, kind: &str, name: &str, fields: Value) {
        let (parameters, patch) = (PatchParams::default(), Patch::Merge(&fields));
        let patched = self.api(kind).patch(name, &parameters, &patch).await;
        patched.unwrap();
    }

    /// Has an order in an annotation of an object.
    pub async fn order(&self, kind: &str, name: &str, annotation: &str, value: &str) {
        let key = format!("kestra-iam.dev/{annotation}");
        let fields = json!({"metadata": {"annotations": {key: value}}});
        self.patch(kind, name, fields).await;
    }

    /// Deletes an object, and does not wait for its end.
    pub async fn begin_delete(&self, kind: &str, name: &str) {
        let deletion = DeleteParams::default();
        self.api(kind).delete(name, &deletion).await.unwrap();
    }

    /// Deletes an object and waits until it is gone.
    pub async fn delete(&self, kind: &str, name: &str) {
        self.begin_delete(kind, name).await;
        self.gone(kind, name).await;
    }

    /// Waits until it is gone.
    pub async fn gone(&self, kind: &str, name: &str) {
        self.until(kind, name, "is gone", Value::is_null).await;
    }

    /// Lets time pass until it is gone.
    pub async fn gone_in_time(&self, kind: &str, name: &str) {
        self.wait(&format!("the end of {kind} {name}"), async || {
            self.advance(SECOND).await;
            self.get(kind, name).await.is_null().then_some(())
        })
        .await;
    }

    /// An object as it is; null if it is not there.
    pub async fn get(&self, kind: &str, name: &str) -> Value {
        let object = self.api(kind).get_opt(name).await.unwrap();
        object.map_or(Value::Null, |object| serde_json::to_value(object).unwrap())
    }

    /// Waits for a fact about whatever the row looks at.
    pub async fn wait<T>(&self, what: &str, look: impl AsyncFnMut() -> Option<T>) -> T {
        match wait_for(what, look).await {
            Ok(found) => found,
            Err(error) => panic!("{error:#}\n{}", self.tails()),
        }
    }

    /// Waits for a fact about an object, and gives the object.
    pub async fn until(
        &self,
        kind: &str,
        name: &str,
        fact: &str,
        holds: impl Fn(&Value) -> bool,
    ) -> Value {
        let mut last = Value::Null;
        let what = format!("{kind} {name}: {fact}");
        let found = wait_for(&what, async || {
            last = self.get(kind, name).await;
            holds(&last).then(|| last.clone())
        });
        match found.await {
            Ok(object) => object,
            Err(error) => panic!("{error:#}\n{last:#}\n{}", self.tails()),
        }
    }

    /// Waits until a condition is so for the spec as it is; an empty reason stands for any.
    pub async fn has(
        &self,
        kind: &str,
        name: &str,
        (type_, status, reason): (&str, &str, &str),
    ) -> Value {
        let fact = format!("{type_}={status}/{reason}");
        let holds = |object: &Value| {
            let found = condition(object, type_);
            let current =
                object["status"]["observedGeneration"] == object["metadata"]["generation"];
            current && found["status"] == status && (reason.is_empty() || found["reason"] == reason)
        };
        self.until(kind, name, &fact, holds).await
    }

    /// Waits until it is ready.
    pub async fn ready(&self, kind: &str, name: &str) -> Value {
        self.has(kind, name, ("Ready", "True", "")).await
    }

    /// The message of an object's `Ready` condition, once it is false for this reason.
    pub async fn complaint(&self, kind: &str, name: &str, reason: &str) -> String {
        let object = self.has(kind, name, ("Ready", "False", reason)).await;
        let message = condition(&object, "Ready")["message"].clone();
        message.as_str().unwrap().to_owned()
    }

    /// Waits for an Event of this reason about an object whose note contains these words; how often it was told.
    pub async fn told(&self, name: &str, reason: &str, words: &str) -> i32 {
        let events: Api<Event> = Api::namespaced(self.kube().clone(), &self.namespace);
        let is_meant = |event: &Event| {
            let about = event.regarding.as_ref().and_then(|it| it.name.as_deref());
            let note = event.note.as_deref().unwrap_or_default();
            about == Some(name) && event.reason.as_deref() == Some(reason) && note.contains(words)
        };
        let what = format!("the Event {reason} about {name}");
        self.wait(&what, async || {
            let all = events.list(&ListParams::default()).await.unwrap();
            let meant = all.iter().filter(|event| is_meant(event));
            let times = meant.map(|event| event.series.as_ref().map_or(1, |series| series.count));
            let times: i32 = times.sum();
            (times > 0).then_some(times)
        })
        .await
    }

    /// The ends of all operators' logs.
    pub fn tails(&self) -> String {
        let operators = self.operators();
        let tails = operators.iter().map(|operator| operator.process.tail());
        tails.collect::<Vec<_>>().join("\n")
    }
}
