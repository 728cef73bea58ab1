//! The way that every object goes: the freshest object → its backend → observe, plan, apply → status.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use kube::ResourceExt;
use kube::api::{Api, Patch, PatchParams};
use kube::runtime::controller::Action;
use serde_json::{Value, json};
use tokio::time::Instant;
use tracing::{debug, warn};

use super::backend::Backend;
use super::context::{Context, namespace_of};
use super::departure;
use super::error::Error;
use super::kind::{Kind, Pass, Reconciled, expirations, instance_key, is_held, key_of};
use super::outcome::{Blocked, Down, Stop};
use super::patch::{status_patch, to_json};
use super::referrers::{Key, KindName};
use super::status::{self, TokensLive};
use super::urgency;
use crate::api::condition::Reason;
use crate::api::names::{FIELD_MANAGER, FINALIZER};
use crate::ops::metrics::Outcome;

/// One pass over one object. Never an error for kube's runtime: what to do about one is decided here.
pub(super) async fn reconcile<K: Kind>(
    object: Arc<K>,
    context: Arc<Context>,
) -> Result<Action, std::convert::Infallible> {
    context.stores.filled().await;
    let key = key_of(&*object);
    let instance = instance_key(object.instance_ref(), &key.namespace);
    let urgency = urgency::of(&context, &*object);
    let Some(_turn) = context.turns.take(instance, &key, urgency) else {
        return Ok(park(&context, &key));
    };
    let started = Instant::now();
    if let Err(wait) = admitted(&context, &key, &*object, started) {
        return Ok(Action::requeue(wait));
    }
    let api = Api::namespaced(context.client.clone(), &key.namespace);
    let object = match context.freshest(&key, &*object, api).await {
        Ok(Some(object)) => object,
        Ok(None) => return Ok(Action::await_change()),
        Err(error) => {
            let (metrics, kind) = (&context.metrics, K::NAME.metric());
            metrics.failed(kind, error.reason().as_str());
            metrics.reconciled(kind, Outcome::Failed, started.elapsed());
            return Ok(retry(&context, &key, &error));
        }
    };
    let mut pass = Pass::new(Arc::clone(&context), object);
    let mut referents = pass.object.referents();
    referents.insert(pass.instance_key());
    context.referrers.note(&key, referents);
    let (outcome, action) = if pass.object.meta().deletion_timestamp.is_some() {
        departure::end(&mut pass).await
    } else {
        let ended = live(&mut pass).await;
        pass.tell_expiry();
        ended
    };
    context
        .metrics
        .reconciled(K::NAME.metric(), outcome, started.elapsed());
    Ok(action)
}

/// It is woken when its turn comes. One that went meanwhile would never come.
fn park(context: &Context, key: &Key) -> Action {
    if context.memory.is_identified(key) {
        return Action::requeue(context.recheck());
    }
    context.turns.forget(key);
    Action::await_change()
}

/// Who edits an object all the time holds up neither its tokens nor the others of its backend. One on its way out does
/// not wait.
fn admitted<K: Kind>(
    context: &Context,
    key: &Key,
    object: &K,
    now: Instant,
) -> Result<(), Duration> {
    let metadata = object.meta();
    match metadata.generation {
        Some(generation) if metadata.deletion_timestamp.is_none() => {
            context.memory.admit(key, generation, now)
        }
        _ => Ok(()),
    }
}

async fn live<K: Kind>(pass: &mut Pass<K>) -> (Outcome, Action) {
    let stop = match pass.backend() {
        Ok(Some(backend)) => {
            let result = match paid(pass) {
                Ok(()) => K::live(pass, &backend).await,
                owed => owed,
            };
            note(&pass.context, &backend, result.as_ref().err());
            result.err()
        }
        // The instance wakes it as soon as it was looked at.
        Ok(None) => return (Outcome::Deferred, Action::await_change()),
        Err(stop) => Some(stop),
    };
    conclude(pass, stop).await
}

/// What a former object of this name left has to go first, or it would be taken for this one's.
fn paid<K: Kind>(pass: &Pass<K>) -> Result<(), Stop> {
    let context = &pass.context;
    let Some(revocation) = context.owed.of(&pass.key()) else {
        return Ok(());
    };
    let namespace = &context.settings.namespace;
    let revocation = Key::new(KindName::Revocation, namespace, &revocation);
    context.wakers.wake(&revocation);
    let message = format!("waits for what a former object of this name left: {revocation}");
    Err(Blocked::unsynced(Reason::RevocationOwed, message).into())
}

/// A backend that fails as a whole is closed for all, and probed by its instance's controller.
pub(super) fn note(context: &Context, backend: &Backend, stop: Option<&Stop>) {
    if backend.report(&context.metrics) > 0 {
        context.backends.well(&backend.key);
    }
    let is_in_doubt = match stop {
        Some(Stop::Failed(Error::Backend(error))) => context.backends.failed(&backend.key, error),
        Some(Stop::Failed(Error::AnotherBackend)) => true,
        _ => false,
    };
    if is_in_doubt {
        context.wakers.wake(&backend.key);
    }
}

/// Writes the status down and decides when to come back.
pub(super) async fn conclude<K: Kind>(pass: &mut Pass<K>, stop: Option<Stop>) -> (Outcome, Action) {
    let key = pass.key();
    if let Some(Stop::Failed(error)) = &stop
        && error.is_conflict()
    {
        // Nothing is wrong: the next pass sees what somebody else wrote. What this one learnt is kept if it can be.
        let _ = pass.checkpoint().await;
        return (Outcome::Deferred, retry(&pass.context, &key, error));
    }
    pass.context.authority.note(&key, stop.as_ref());
    let written = pass.write_status(stop.as_ref()).await;
    let error = match (&written, &stop) {
        (_, Some(Stop::Failed(error))) | (Err(error), _) => Some(error),
        _ => None,
    };
    let due = due(pass);
    if let Some(error) = error {
        pass.context
            .metrics
            .failed(K::NAME.metric(), error.reason().as_str());
        let pause = pause(&pass.context, &key, error);
        return (Outcome::Failed, Action::requeue(sooner(pause, due)));
    }
    pass.context.memory.succeeded(&key);
    if let Some(Stop::Blocked(Blocked { reason, .. }) | Stop::Down(Down { reason, .. })) = stop {
        debug!(object = %key, %reason, "waits");
        let pause = sooner(pass.context.recheck(), due);
        return (Outcome::Deferred, Action::requeue(pause));
    }
    let action = due.map_or_else(Action::await_change, Action::requeue);
    (Outcome::Done, action)
}

pub(super) fn retry(context: &Context, key: &Key, error: &Error) -> Action {
    Action::requeue(pause(context, key, error))
}

/// How long to wait after a failure, which is logged.
fn pause(context: &Context, key: &Key, error: &Error) -> Duration {
    let failures = context.memory.failed(key);
    let pause = error.retry_after(failures, rand::random());
    let reason = error.reason();
    if error.is_conflict() {
        debug!(object = %key, "changed meanwhile");
    } else {
        warn!(object = %key, %reason, failures, ?pause, "{error}");
    }
    pause
}

/// How long until the pass' own next instant, whatever else it waits for: a rotation, or the end of a token, which the
/// conditions have to tell.
fn due<K: Kind>(pass: &Pass<K>) -> Option<Duration> {
    let expirations = pass.expirations();
    // What is due stays so where nothing is done about it.
    let next = pass.next.filter(|_| !pass.context.authority.observes());
    until_first(next, expirations, pass.context.clock.now())
}

fn until_first(
    next: Option<Timestamp>,
    expirations: Vec<Timestamp>,
    now: Timestamp,
) -> Option<Duration> {
    let ahead = expirations.into_iter().filter(|end| *end > now);
    let first = ahead.chain(next).min()?;
    let pause = first.duration_since(now);
    Some(pause.max(SignedDuration::from_millis(100)).unsigned_abs())
}

/// Whichever comes first. However soon something is due, a pass that did not come through is not repeated at once.
fn sooner(pause: Duration, due: Option<Duration>) -> Duration {
    due.map_or(pause, |due| due.max(LEAST_PAUSE).min(pause))
}

const LEAST_PAUSE: Duration = Duration::from_secs(1);

impl<K: Reconciled> Pass<K> {
    fn api(&self) -> Api<K> {
        K::api(self.context.client.clone(), namespace_of(&self.object))
    }

    /// Holds the object until what it makes at the backend is gone, and writes these annotations with the same
    /// request. Nothing is sent if that is so already, and where nothing will be made.
    pub async fn hold(&mut self, annotations: &[(&str, String)]) -> Result<(), Error> {
        let known = self.object.annotations();
        let is_noted = annotations
            .iter()
            .all(|(name, text)| known.get(*name) == Some(text));
        if (is_held(&self.object) && is_noted) || self.context.authority.observes() {
            return Ok(());
        }
        let mut finalizers = self.object.finalizers().to_vec();
        if !is_held(&self.object) {
            finalizers.push(FINALIZER.to_owned());
        }
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
    pub(super) async fn release(&mut self) -> Result<(), Error> {
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

    /// Writes the status as it is now, in the middle of a pass, so that a later step may rely on it. Where no later step is
    /// taken it says nothing: who acts some day would rely on it.
    pub async fn checkpoint(&mut self) -> Result<(), Error> {
        if self.context.authority.observes() {
            return Ok(());
        }
        let new = to_json(&self.status)?;
        let (old_conditions, generation) =
            self.object.status().map(K::conditions).unwrap_or_default();
        let kept = (to_json(&old_conditions)?, to_json(&generation)?);
        self.put_status(new, kept).await
    }

    async fn put_status(&mut self, mut new: Value, kept: (Value, Value)) -> Result<(), Error> {
        let (conditions, generation) = kept;
        new["conditions"] = conditions;
        new["observedGeneration"] = generation;
        let Some(patch) = status_patch(&self.object, self.object.status(), &new)? else {
            return Ok(());
        };
        let (api, parameters) = (self.api(), PatchParams::apply(FIELD_MANAGER));
        let (name, patch) = (self.name().to_owned(), Patch::Merge(&patch));
        let patched = api.patch_status(&name, &parameters, &patch);
        self.object = self.context.tell(patched).await?;
        self.note_write();
        Ok(())
    }

    fn note_write(&self) {
        let version = self.object.resource_version();
        self.context.memory.wrote(&self.key(), version.as_deref());
    }
}

impl<K: Kind> Pass<K> {
    /// Tells the metrics when the first of the object's tokens expires, whichever way the pass ended.
    fn tell_expiry(&self) {
        let soonest = expirations::<K>(&self.status).into_iter().min();
        self.context
            .metrics
            .expires(&self.key().to_string(), soonest);
    }

    /// When the object's tokens expire, on our clock: an outage shows no other.
    fn expirations(&self) -> Vec<Timestamp> {
        let ahead = self.context.backends.clock_offset(&self.instance_key());
        let ends = expirations::<K>(&self.status).into_iter();
        ends.map(|end| end.checked_sub(ahead).unwrap_or(end))
            .collect()
    }

    /// Writes what the pass came to, and tells people if it is news.
    async fn write_status(&mut self, stop: Option<&Stop>) -> Result<(), Error> {
        let now = self.context.clock.now();
        let (old, old_generation) = self.object.status().map(K::conditions).unwrap_or_default();
        let generation = self.object.meta().generation;
        let live = self.expirations().iter().all(|expires| *expires > now);
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
        let conditions = status::conditions(&findings, now);
        let news = status::news(old, &conditions);
        let kept = (to_json(&conditions)?, to_json(&generation)?);
        let status = match self.object.status() {
            Some(known) if self.context.authority.observes() => to_json(known)?,
            None if self.context.authority.observes() => to_json(&K::Status::default())?,
            _ => to_json(&self.status)?,
        };
        self.put_status(status, kept).await?;
        for news in news {
            self.context.announce(self.regarding.clone(), news).await;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_hours(1);

    #[test]
    fn a_pass_comes_back_for_a_rotation_and_for_the_end_of_a_token() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let until = |next: Option<i64>, ends: &[i64]| {
            let ends = ends.iter().map(|&end| at(end)).collect();
            until_first(next.map(at), ends, at(1000)).map(|pause| pause.as_secs())
        };
        assert_eq!(until(None, &[]), None);
        assert_eq!(until(Some(1060), &[1090]), Some(60));
        assert_eq!(until(None, &[1090, 1030]), Some(30));
        assert_eq!(until(None, &[900]), None, "told already");
        assert_eq!(until(Some(900), &[]), Some(0), "overdue");
    }

    #[test]
    fn whoever_waits_for_something_else_does_not_miss_what_is_due() {
        let minute = Duration::from_mins(1);
        assert_eq!(sooner(HOUR, None), HOUR);
        assert_eq!(sooner(HOUR, Some(minute)), minute);
        assert_eq!(sooner(minute, Some(HOUR)), minute);
        assert_eq!(sooner(HOUR, Some(Duration::ZERO)), LEAST_PAUSE);
    }
}
