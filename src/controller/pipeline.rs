//! The way that every object goes: the freshest object → its backend → observe, plan, apply → status.

use std::sync::Arc;

use jiff::SignedDuration;
use kube::ResourceExt;
use kube::api::{Api, Patch, PatchParams};
use kube::runtime::controller::Action;
use serde_json::{Value, json};
use tokio::time::Instant;
use tracing::{debug, info, warn};

use super::backend::Backend;
use super::context::{Context, namespace_of};
use super::error::Error;
use super::kind::{Kind, Pass, key_of};
use super::outcome::{Blocked, Stop};
use super::referrers::Key;
use super::status::{self, TokensLive};
use crate::api::names::{FIELD_MANAGER, FINALIZER};
use crate::api::policy::DeletionPolicy;
use crate::ops::metrics::Outcome;

/// One pass over one object. Never an error for kube's runtime: what to do about one is decided here.
pub(super) async fn reconcile<K: Kind>(
    object: Arc<K>,
    context: Arc<Context>,
) -> Result<Action, std::convert::Infallible> {
    let started = Instant::now();
    context.stores.filled().await;
    let key = key_of(&*object);
    let object = match freshest(&context, &key, &*object).await {
        Ok(Some(object)) => object,
        Ok(None) => return Ok(Action::await_change()),
        Err(error) => return Ok(retry(&context, &key, &error)),
    };
    let mut pass = Pass::new(Arc::clone(&context), object);
    let (outcome, action) = if pass.object.meta().deletion_timestamp.is_some() {
        end(&mut pass).await
    } else {
        live(&mut pass).await
    };
    context
        .metrics
        .reconciled(K::NAME.metric(), outcome, started.elapsed());
    Ok(action)
}

/// The object as the cache shows it, or read anew if the cache is older than our last write of it.
async fn freshest<K: Kind>(context: &Context, key: &Key, cached: &K) -> Result<Option<K>, Error> {
    if !context
        .memory
        .is_stale(key, cached.resource_version().as_deref())
    {
        return Ok(Some(cached.clone()));
    }
    let api: Api<K> = Api::namespaced(context.client.clone(), &key.namespace);
    context
        .within("read the object", api.get_opt(&key.name))
        .await
}

async fn live<K: Kind>(pass: &mut Pass<K>) -> (Outcome, Action) {
    let mut referents = pass.object.referents();
    referents.insert(pass.instance_key());
    pass.context.referrers.note(&pass.key(), referents);
    let stop = match pass.backend() {
        Ok(Some(backend)) => {
            let result = K::live(pass, &backend).await;
            trip(&pass.context, &backend, result.as_ref().err());
            result.err()
        }
        // The instance wakes it as soon as it was looked at.
        Ok(None) => return (Outcome::Deferred, Action::await_change()),
        Err(blocked) => Some(blocked.into()),
    };
    conclude(pass, stop).await
}

/// An object that was never held has nothing at the backend. With `Orphan` the backend is not needed.
async fn end<K: Kind>(pass: &mut Pass<K>) -> (Outcome, Action) {
    let held = pass
        .object
        .finalizers()
        .iter()
        .any(|finalizer| finalizer == FINALIZER);
    if !held {
        return (Outcome::Done, Action::await_change());
    }
    let result = match (pass.object.deletion_policy(), pass.backend()) {
        (DeletionPolicy::Orphan, _) => K::orphan(pass).await,
        (DeletionPolicy::Delete, Ok(Some(backend))) => {
            let result = K::end(pass, &backend).await;
            trip(&pass.context, &backend, result.as_ref().err());
            result
        }
        (DeletionPolicy::Delete, Ok(None)) => return (Outcome::Deferred, Action::await_change()),
        (DeletionPolicy::Delete, Err(blocked)) => Err(keeps(&blocked).into()),
    };
    let result = match result {
        Ok(()) => pass.release().await.map_err(Stop::from),
        Err(stop) => Err(stop),
    };
    match result {
        Ok(()) => (Outcome::Done, forget(pass)),
        Err(stop) => conclude(pass, Some(stop)).await,
    }
}

/// What keeps an object from being deleted, and the way out.
fn keeps(blocked: &Blocked) -> Blocked {
    let message = format!(
        "is being deleted, and what it made at the backend has to go first: {}. To leave it there, set \
         deletionPolicy: Orphan",
        blocked.message
    );
    Blocked {
        condition: blocked.condition,
        reason: blocked.reason,
        message,
    }
}

fn forget<K: Kind>(pass: &Pass<K>) -> Action {
    let key = pass.key();
    pass.context.wake_referrers(&key);
    pass.context.referrers.forget(&key);
    pass.context.memory.forget(&key);
    info!(object = %key, "deleted");
    Action::await_change()
}

/// A backend that fails as a whole is closed for all, and probed by its instance's controller.
fn trip(context: &Context, backend: &Backend, stop: Option<&Stop>) {
    let Some(Stop::Failed(Error::Backend(error))) = stop else {
        return;
    };
    if context.backends.trip(&backend.key, error) {
        context.wakers.wake(&backend.key);
    }
}

/// Writes the status down and decides when to come back.
async fn conclude<K: Kind>(pass: &mut Pass<K>, stop: Option<Stop>) -> (Outcome, Action) {
    let key = pass.key();
    let written = pass.write_status(stop.as_ref()).await;
    let error = match (&written, &stop) {
        (_, Some(Stop::Failed(error))) | (Err(error), _) => Some(error),
        _ => None,
    };
    if let Some(error) = error {
        pass.context
            .metrics
            .failed(K::NAME.metric(), error.reason().as_str());
        return (Outcome::Failed, retry(&pass.context, &key, error));
    }
    pass.context.memory.succeeded(&key);
    match stop {
        Some(Stop::Blocked(blocked)) => {
            debug!(object = %key, reason = %blocked.reason, "waits");
            (Outcome::Deferred, Action::requeue(pass.context.recheck()))
        }
        _ => (Outcome::Done, wake(pass)),
    }
}

fn retry(context: &Context, key: &Key, error: &Error) -> Action {
    let failures = context.memory.failed(key);
    let pause = error.retry_after(failures, rand::random());
    let reason = error.reason();
    if error.is_conflict() {
        debug!(object = %key, "changed meanwhile");
    } else {
        warn!(object = %key, %reason, failures, ?pause, "{error}");
    }
    Action::requeue(pause)
}

fn wake<K: Kind>(pass: &Pass<K>) -> Action {
    let Some(next) = pass.next else {
        return Action::await_change();
    };
    let pause = next
        .duration_since(pass.context.clock.now())
        .max(SignedDuration::from_millis(100));
    Action::requeue(pause.unsigned_abs())
}

impl<K: Kind> Pass<K> {
    fn api(&self) -> Api<K> {
        Api::namespaced(self.context.client.clone(), namespace_of(&self.object))
    }

    /// Holds the object until what it makes at the backend is gone, and writes these annotations with the same
    /// request. Nothing is sent if that is so already.
    pub async fn hold(&mut self, annotations: &[(&str, String)]) -> Result<(), Error> {
        if self
            .object
            .finalizers()
            .iter()
            .any(|finalizer| finalizer == FINALIZER)
        {
            return Ok(());
        }
        let mut finalizers = self.object.finalizers().to_vec();
        finalizers.push(FINALIZER.to_owned());
        let annotations: Value = annotations
            .iter()
            .map(|(name, text)| (*name, text.as_str()))
            .collect();
        let patch = json!({"metadata": {
            "finalizers": finalizers,
            "annotations": annotations,
            "resourceVersion": self.object.resource_version(),
        }});
        self.patch("hold the object", &patch).await
    }

    /// Lets the object go.
    async fn release(&mut self) -> Result<(), Error> {
        let rest = self
            .object
            .finalizers()
            .iter()
            .filter(|finalizer| *finalizer != FINALIZER);
        let patch = json!({"metadata": {
            "finalizers": rest.collect::<Vec<_>>(),
            "resourceVersion": self.object.resource_version(),
        }});
        match self.patch("let the object go", &patch).await {
            Err(error) if error.is_not_found() => Ok(()),
            result => result,
        }
    }

    async fn patch(&mut self, operation: &'static str, patch: &Value) -> Result<(), Error> {
        let (api, parameters) = (self.api(), PatchParams::apply(FIELD_MANAGER));
        let (name, patch) = (self.name().to_owned(), Patch::Merge(patch));
        let patched = api.patch(&name, &parameters, &patch);
        self.object = self.context.change(operation, patched).await?;
        self.note_write();
        Ok(())
    }

    /// Writes the status as it is now, in the middle of a pass, so that a later step may rely on it.
    pub async fn checkpoint(&mut self) -> Result<(), Error> {
        let new = json(&self.status)?;
        let (old_conditions, generation) =
            self.object.status().map(K::conditions).unwrap_or_default();
        let kept = (json(&old_conditions)?, json(&generation)?);
        self.put_status(new, kept).await
    }

    /// Writes what the pass came to.
    async fn write_status(&mut self, stop: Option<&Stop>) -> Result<(), Error> {
        let now = self.context.clock.now();
        let (old, old_generation) = self.object.status().map(K::conditions).unwrap_or_default();
        let generation = self.object.meta().generation;
        let live = K::expirations(&self.status)
            .iter()
            .all(|expires| *expires > now);
        let findings = status::Pass {
            generation,
            old,
            old_generation,
            stop,
            findings: &self.findings,
            tokens_live: if live {
                TokensLive::All
            } else {
                TokensLive::NotAll
            },
        };
        let conditions = json(&status::conditions(&findings, now))?;
        self.put_status(json(&self.status)?, (conditions, json(&generation)?))
            .await
    }

    async fn put_status(&mut self, mut new: Value, kept: (Value, Value)) -> Result<(), Error> {
        let old = self
            .object
            .status()
            .map(json)
            .transpose()?
            .unwrap_or_else(|| json!({}));
        let (conditions, generation) = kept;
        new["conditions"] = conditions;
        new["observedGeneration"] = generation;
        let Some(patch) = status::merge_patch(&old, &new) else {
            return Ok(());
        };
        let patch = json!({
            "metadata": {"resourceVersion": self.object.resource_version()},
            "status": patch,
        });
        let (api, parameters) = (self.api(), PatchParams::apply(FIELD_MANAGER));
        let (name, patch) = (self.name().to_owned(), Patch::Merge(&patch));
        let patched = api.patch_status(&name, &parameters, &patch);
        self.object = self.context.change("write the status", patched).await?;
        self.note_write();
        Ok(())
    }

    fn note_write(&self) {
        let version = self.object.resource_version();
        self.context.memory.wrote(&self.key(), version.as_deref());
    }
}

fn json<T: serde::Serialize>(value: &T) -> Result<Value, Error> {
    serde_json::to_value(value).map_err(|source| Error::Json {
        what: "the status",
        source,
    })
}
