//! `ClusterInstance` and `Instance`: connects to a backend, looks it over, and tells the objects that refer to it.

mod address;
mod conditions;
mod connection;
mod credential;
mod holder;
mod rotation;

use std::sync::Arc;
use std::time::Duration;

use kube::ResourceExt;
use kube::core::object::HasStatus;
use kube::runtime::controller::Action;
use tokio::time::Instant;
use tracing::{info, warn};

use self::connection::Connection;
use super::backend::{Backend, Standing};
use super::context::Context;
use super::error::Error;
use super::inventory::Inventory;
use super::kind::{Pass, key_of};
use super::outcome::{Down, Stop};
use super::patch::write_status;
use super::referrers::Key;
use super::tokens::TokenHolder;
use crate::api::condition::Reason;
use crate::api::guardrails::Guardrails;
use crate::api::instance::{AllowedNamespaces, InstanceStatus};
use crate::api::settings::InstanceSettings;
use crate::api::{ClusterInstance, Instance};
use crate::iam::client::Client;
use crate::iam::wire::{Configs, Me};
use crate::ops::metrics::Outcome;

/// Both kinds of instance.
pub trait Connects:
    TokenHolder<Status = InstanceStatus> + HasStatus<Status = InstanceStatus>
{
    /// How to reach the backend.
    fn settings(&self) -> &InstanceSettings;
    /// What its objects may do; `None` = all that the credential may.
    fn guardrails(&self) -> Option<&Guardrails>;
    /// Whether no namespace may use it.
    fn is_closed(&self) -> bool;
}

impl Connects for ClusterInstance {
    fn settings(&self) -> &InstanceSettings {
        &self.spec.settings
    }

    fn guardrails(&self) -> Option<&Guardrails> {
        Some(&self.spec.guardrails)
    }

    fn is_closed(&self) -> bool {
        self.spec.allowed_namespaces == AllowedNamespaces::default()
    }
}

impl Connects for Instance {
    fn settings(&self) -> &InstanceSettings {
        &self.spec.settings
    }

    fn guardrails(&self) -> Option<&Guardrails> {
        None
    }

    fn is_closed(&self) -> bool {
        false
    }
}

/// How soon a backend that fails is tried again: doubling from the first to the second.
const PROBE: (Duration, Duration) = (Duration::from_secs(2), Duration::from_mins(1));

/// One look at an instance.
pub(super) async fn reconcile<K: Connects>(
    object: Arc<K>,
    context: Arc<Context>,
) -> Result<Action, std::convert::Infallible> {
    let started = Instant::now();
    context.stores.filled().await;
    // Somebody may have agreed to what the brake holds.
    context.brake.poke();
    let key = key_of(&*object);
    let api = K::api(context.client.clone(), &key.namespace);
    // Which backend it was is in the status: an old one must not be looked at.
    let object = match context.freshest(&key, &*object, api).await {
        Ok(Some(object)) => object,
        Ok(None) => return Ok(Action::await_change()),
        Err(error) => return Ok(Action::requeue(failed(&context, &key, &error))),
    };
    let mut pass = Pass::new(Arc::clone(&context), object);
    let (outcome, pause) = if pass.object.meta().deletion_timestamp.is_some() {
        leave(&mut pass, &key).await
    } else {
        let (outcome, pause) = live(&mut pass, &key).await;
        (outcome, Some(pause))
    };
    context
        .metrics
        .reconciled(K::NAME.metric(), outcome, started.elapsed());
    let Some(pause) = pause else {
        return Ok(Action::await_change());
    };
    let least = match outcome {
        Outcome::Done => MOMENT,
        _ => LEAST_PAUSE,
    };
    Ok(Action::requeue(sooner(pause, least, &pass)))
}

/// Looks, keeps the operator's own token alive, and writes the status. Answers how long until the next look.
async fn live<K: Connects>(pass: &mut Pass<K>, key: &Key) -> (Outcome, Duration) {
    let context = Arc::clone(&pass.context);
    let credential = rotation::id(pass);
    let looked = look(pass, key).await;
    let kept = match &looked {
        Ok(connection) => rotation::keep(pass, connection).await,
        Err(_) => Ok(()),
    };
    let now = context.clock.now();
    let (status, looked) = match looked {
        Ok(connection) => (conditions::connected(pass, &connection, now), Ok(())),
        Err(stop) => (conditions::failed(&pass.object, &stop, now), Err(stop)),
    };
    let written = write(pass, key, status).await;
    context.authority.note(key, kept.as_ref().err());
    if let Err(stop) = looked.and_then(|()| Ok(written?)) {
        return (Outcome::Failed, troubled(&context, key, &stop));
    }
    let resync = pass.object.settings().resync.objects.std();
    match kept {
        Err(stop) if !stop.is_withheld() => {
            // The backend can be worked with: whoever does is not looked over for this each time.
            (Outcome::Failed, again(&context, key, &stop, resync))
        }
        _ => {
            context.memory.succeeded(key);
            if rotation::id(pass) != credential {
                // The other credential is to be used from now on.
                pass.wake_at(now);
            }
            (Outcome::Done, resync)
        }
    }
}

/// Takes along what the operator issued for itself. Answers how long until the next try; `None` = it is gone.
async fn leave<K: Connects>(pass: &mut Pass<K>, key: &Key) -> (Outcome, Option<Duration>) {
    let Err(stop) = rotation::end(pass).await else {
        return (Outcome::Done, None);
    };
    let context = Arc::clone(&pass.context);
    context.authority.note(key, Some(&stop));
    if context.backends.get(key).is_none() {
        // Whoever refers to it is not to wait for a look that does not come.
        close(&context, key, None, &stop);
    }
    let status = InstanceStatus {
        credential: pass.status.credential.clone(),
        ..conditions::failed(&pass.object, &stop, context.clock.now())
    };
    let pause = match write(pass, key, status).await {
        Ok(()) => troubled(&context, key, &stop),
        Err(error) => failed(&context, key, &error),
    };
    (Outcome::Failed, Some(pause))
}

/// Writes the status. Where nothing is changed, what was made where stays: another backend may come in its place.
async fn write<K: Connects>(
    pass: &Pass<K>,
    key: &Key,
    mut status: InstanceStatus,
) -> Result<(), Error> {
    let context = &pass.context;
    if context.authority.observes() {
        let known = HasStatus::status(&pass.object).cloned().unwrap_or_default();
        (status.uuid, status.tenant) = (known.uuid, known.tenant);
        status.credential = known.credential;
    }
    let api = K::api(context.client.clone(), &key.namespace);
    write_status(context, key, &api, &pass.object, &status).await
}

/// So long at least until the next look after one that came through.
const MOMENT: Duration = Duration::from_millis(100);

/// And after one that did not, however soon something is due.
const LEAST_PAUSE: Duration = Duration::from_secs(1);

/// The pause, or less if something is due before, and yet no less than this.
fn sooner<K: Connects>(pause: Duration, least: Duration, pass: &Pass<K>) -> Duration {
    // What is due stays so where nothing is done about it.
    let next = pass.next.filter(|_| !pass.context.authority.observes());
    let Some(next) = next else {
        return pause;
    };
    let until = next.duration_since(pass.context.clock.now());
    let until = Duration::try_from(until).unwrap_or_default();
    pause.min(until.max(least))
}

/// How long until the next look after a look that came to nothing.
fn troubled(context: &Context, key: &Key, stop: &Stop) -> Duration {
    match stop {
        Stop::Failed(error) => failed(context, key, error),
        stop => {
            let metrics = &context.metrics;
            metrics.failed(key.kind.metric(), stop.reason().as_str());
            probe(context, key)
        }
    }
}

/// How long until the next look after a failure; what the backend asks for is obeyed.
fn failed(context: &Context, key: &Key, error: &Error) -> Duration {
    let reason = error.reason();
    context.metrics.failed(key.kind.metric(), reason.as_str());
    let asked = match error {
        Error::Backend(error) => error.retry_after().unwrap_or_default(),
        _ => Duration::ZERO,
    };
    probe(context, key).max(asked)
}

fn probe(context: &Context, key: &Key) -> Duration {
    backoff(context, key, PROBE.1)
}

/// Doubling with each failure up to this.
fn backoff(context: &Context, key: &Key, most: Duration) -> Duration {
    let failures = context.memory.failed(key);
    let pause = PROBE.0.saturating_mul(1 << failures.clamp(1, 16));
    (pause.min(most) / 2).mul_f64(1.0 + rand::random::<f64>())
}

/// How long until the next look where nothing but the operator's own token is in trouble.
fn again(context: &Context, key: &Key, stop: &Stop, most: Duration) -> Duration {
    if matches!(stop, Stop::Failed(error) if error.is_conflict()) {
        return troubled(context, key, stop);
    }
    let metrics = &context.metrics;
    metrics.failed(key.kind.metric(), stop.reason().as_str());
    backoff(context, key, most)
}

/// Connects, proves that it is the backend that it was, sweeps over what it holds, and tells the objects.
async fn look<K: Connects>(pass: &Pass<K>, key: &Key) -> Result<Connection, Stop> {
    let context = &pass.context;
    let before = context.backends.get(key);
    let result = connection::connect(pass).await;
    context.backends.report(key, &context.metrics);
    match &result {
        Ok(connection) => {
            if !matches!(before, Some(Standing::Ready(_))) {
                info!(object = %key, "backend connected");
            }
            let backend = Arc::clone(&connection.backend);
            context.backends.set(key, Standing::Ready(backend));
            context.wake_referrers(key);
        }
        Err(stop) => close(context, key, before.as_ref(), stop),
    }
    // It may have gone while it was looked at; another of its name is another one.
    if context.instance_uid(key) != pass.object.uid() {
        context.backends.remove(key);
    }
    result
}

/// An outage is one condition here, and none on each object that needs nothing of the backend just now. They are told
/// if what they have is not what it was, and those that wait for a first word get it.
fn close(context: &Context, key: &Key, before: Option<&Standing>, stop: &Stop) {
    let down = down(key, stop);
    let is_news = match before {
        Some(Standing::Down(before)) => before.reason != down.reason,
        Some(Standing::Ready(_)) | None => true,
    };
    if is_news {
        warn!(object = %key, reason = %down.reason, "{}", stop.message());
    }
    let concerns_all = matches!(down.reason, Reason::InstanceChanged | Reason::NotAllowed);
    context.backends.set(key, Standing::Down(down));
    if before.is_none() || (is_news && concerns_all) {
        context.wake_referrers(key);
    }
}

/// What objects say while their instance is not usable: the class of the trouble, and where to look.
fn down(key: &Key, stop: &Stop) -> Down {
    let reason = stop.reason();
    let message = format!(
        "waits for {} {}, which is not ready ({reason}); see its conditions",
        key.kind.as_str(),
        key.name
    );
    Down { reason, message }
}

/// Forgets an instance that is gone, and tells the objects that referred to it.
pub(super) fn gone(context: &Context, key: &Key) {
    context.backends.remove(key);
    context.brake.forget(key);
    context.memory.forget(key);
    context.authority.note(key, None);
    context.wake_referrers(key);
}

/// A backend for objects, from what its instance says.
fn backend<K: Connects>(
    key: &Key,
    object: &K,
    client: Client,
    (configs, me): (&Configs, &Me),
    inventory: Arc<Inventory>,
) -> Backend {
    let settings = object.settings();
    Backend {
        key: key.clone(),
        client,
        inventory,
        uuid: configs.uuid.clone(),
        url: settings.url.clone(),
        name_template: settings.account_name_template.clone(),
        guardrails: object.guardrails().cloned(),
        granularity: settings.last_used_granularity.signed(),
        sweep: settings.resync.objects,
        token_sweep: settings.resync.tokens.signed(),
        identity: connection::identity(me),
    }
}
