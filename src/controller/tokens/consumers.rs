//! Looks at the workloads that take a token at their start, and rolls them after a rotation.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod as KubePod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::api::{Api, DynamicObject, ListParams, Patch, PatchParams};
use kube::core::{ApiResource, GroupVersionKind, ObjectMeta, Selector};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tracing::info;

use super::TokenHolder;
use super::round::Round;
use crate::api::condition::{ConditionType, Finding, Reason};
use crate::api::names::FIELD_MANAGER;
use crate::api::token::Workload;
use crate::controller::error::Error;
use crate::controller::outcome::Stop;
use crate::plan::mark::hex;
use crate::plan::token::{Consumer, Pod, Rollout, rollout};

/// Start of the annotation on a pod template that names the token for which its workload was rolled last. What follows
/// tells apart the tokens that one workload takes.
const ROLLED_FOR: &str = "kestra-iam.dev/token-";

/// Pods that do not end any more by themselves hold nothing.
const RUNNING: &str = "status.phase!=Succeeded,status.phase!=Failed";

/// Whether workloads may be rolled at all (`--restart-consumers`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Restarts {
    /// They may.
    Allowed,
    /// The operator has no right to.
    Off,
}

impl<K: TokenHolder> Round<'_, K> {
    /// Looks at the workloads and their pods.
    pub(super) async fn consumers(&mut self) -> Result<(), Error> {
        let mut seen = Vec::new();
        for workload in &self.entry.policy.restart {
            let rollout = match self.rollout(workload).await {
                Ok(rollout) => rollout,
                Err(error) if error.is_not_found() || error.is_denied() => Rollout::Unknown,
                Err(error) => return Err(error),
            };
            seen.push(Consumer {
                workload: workload.clone(),
                rollout,
            });
        }
        self.sight.seen.consumers = Some(seen);
        Ok(())
    }

    async fn rollout(&self, workload: &Workload) -> Result<Rollout, Error> {
        let get = self.workloads(workload);
        let get = get.get(&workload.name);
        let context = &self.pass.context;
        let found = context.within("read the workload", get).await?;
        let spec = &found.data["spec"];
        let mark = mark_in(&spec["template"]["metadata"]["annotations"], &self.key());
        let pods = self.pods(&spec["selector"]).await?;
        let published = self.backend.on_our_clock(self.published_at());
        Ok(rollout(mark, &self.mark(), &pods, published))
    }

    async fn pods(&self, selector: &Value) -> Result<Vec<Pod>, Error> {
        let selector: LabelSelector = serde_json::from_value(selector.clone()).unwrap_or_default();
        let Ok(selector) = Selector::try_from(selector) else {
            return Ok(Vec::new());
        };
        let context = &self.pass.context;
        let api: Api<KubePod> = Api::namespaced(context.client.clone(), self.pass.namespace());
        let parameters = ListParams::default().labels_from(&selector).fields(RUNNING);
        let list = api.list_metadata(&parameters);
        let list = context.within("list the workload's pods", list).await?;
        let pods = list.items.into_iter();
        Ok(pods.map(|pod| self.pod(pod.metadata)).collect())
    }

    fn pod(&self, metadata: ObjectMeta) -> Pod {
        let created = metadata.creation_timestamp.map(|time| time.0);
        let mut annotations = metadata.annotations.unwrap_or_default();
        Pod {
            mark: annotations.remove(&self.key()),
            created: created.unwrap_or(Timestamp::MIN),
        }
    }

    /// Has a workload replace its pods, once for each token.
    pub(super) async fn restart(&mut self, workload: &Workload) -> Result<(), Stop> {
        let patch =
            json!({"spec": {"template": {"metadata": {"annotations": {self.key(): self.mark()}}}}});
        let api = self.workloads(workload);
        let (parameters, patch) = (PatchParams::apply(FIELD_MANAGER), Patch::Merge(&patch));
        let patched = api.patch(&workload.name, &parameters, &patch);
        let rollout = match self.pass.context.change("roll the workload", patched).await {
            Ok(_) => Rollout::Running,
            Err(error) if error.is_not_found() || error.is_denied() => Rollout::Unknown,
            Err(error) => return Err(error.into()),
        };
        let consumers = self.sight.seen.consumers.iter_mut().flatten();
        for consumer in consumers.filter(|consumer| consumer.workload == *workload) {
            consumer.rollout = rollout;
        }
        if rollout == Rollout::Running {
            let key = self.pass.key();
            info!(object = %key, %workload, "rolled for a new token");
            let note = format!(
                "{workload} is rolled: its pods take {} at their start",
                self.entry.label()
            );
            let secret = Some(self.secret_name());
            let reason = Reason::RolloutInProgress;
            self.pass.event(reason, "Restart", note, secret).await;
        }
        Ok(())
    }

    fn workloads(&self, workload: &Workload) -> Api<DynamicObject> {
        let kind = GroupVersionKind::gvk("apps", "v1", workload.kind.as_str());
        let resource = ApiResource::from_gvk(&kind);
        let client = self.pass.context.client.clone();
        Api::namespaced_with(client, self.pass.namespace(), &resource)
    }

    /// The annotation by which this entry's tokens are known.
    fn key(&self) -> String {
        let digest = hex(&Sha256::digest(&self.sight.seen.seed));
        format!("{ROLLED_FOR}{}", &digest[..10])
    }

    /// What names the current token: its Secret, its generation, and its id, which no other token has.
    fn mark(&self) -> String {
        let current = self.sight.seen.current();
        let (generation, id) = current.map_or((0, ""), |it| (it.generation, it.id.0.as_str()));
        format!("{} g{generation} {id}", self.secret_name())
    }

    fn published_at(&self) -> Timestamp {
        let current = self.sight.seen.current();
        current.map_or(Timestamp::MAX, |current| current.published)
    }

    /// What is said of workloads whose pods have an older token, or of which that is not known.
    pub(super) fn lagging(&self) -> Option<Finding> {
        let consumers = self.sight.seen.consumers.as_ref()?;
        let named = |is_meant: fn(Rollout) -> bool| {
            let meant = consumers
                .iter()
                .filter(|consumer| is_meant(consumer.rollout));
            let names: Vec<String> = meant.map(|it| it.workload.to_string()).collect();
            names.join(", ")
        };
        let label = self.entry.label();
        let running = named(Rollout::lags);
        let unknown = named(|it| it == Rollout::Unknown);
        let (reason, message) = if !unknown.is_empty() {
            let message = format!(
                "{unknown}, to be rolled for {label}, is not there or may not be looked at and changed: correct restart, or \
                 have the operator's rights extended"
            );
            (Reason::ReferenceNotFound, message)
        } else if !running.is_empty() {
            let message = format!(
                "{running} still has pods with an older value of {label}, which works until they are replaced or its \
                 overlap ends"
            );
            (Reason::RolloutInProgress, message)
        } else {
            return None;
        };
        let kind = ConditionType::ConsumersOutdated;
        Some(Finding::new(kind, true, reason, message))
    }
}

fn mark_in<'v>(annotations: &'v Value, key: &str) -> Option<&'v str> {
    annotations.get(key)?.as_str()
}
