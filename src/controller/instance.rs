//! `ClusterInstance` and `Instance`: connects to a backend, looks it over, and tells the objects that refer to it.

mod address;
mod conditions;
mod connection;

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::NamespaceResourceScope;
use kube::api::Api;
use kube::core::object::HasStatus;
use kube::runtime::controller::Action;
use kube::{Resource, ResourceExt};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::Instant;
use tracing::{info, warn};

use self::connection::Connection;
use super::backend::{Backend, Standing};
use super::context::{Context, name_of, namespace_of};
use super::error::Error;
use super::inventory::Inventory;
use super::outcome::{Down, Stop};
use super::patch::write_status;
use super::referrers::{Key, KindName};
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
    Resource<DynamicType = ()>
    + HasStatus<Status = InstanceStatus>
    + Clone
    + std::fmt::Debug
    + DeserializeOwned
    + Serialize
    + Send
    + Sync
    + 'static
{
    /// Its name.
    const NAME: KindName;

    /// How to reach the backend.
    fn settings(&self) -> &InstanceSettings;
    /// What its objects may do; `None` = all that the credential may.
    fn guardrails(&self) -> Option<&Guardrails>;
    /// Whether no namespace may use it.
    fn is_closed(&self) -> bool;
    /// The namespace of its credential.
    fn secret_namespace<'a>(&'a self, operator: &'a str) -> &'a str;
    /// The API of its scope.
    fn api(client: kube::Client, namespace: &str) -> Api<Self>;
}

impl Connects for ClusterInstance {
    const NAME: KindName = KindName::ClusterInstance;

    fn settings(&self) -> &InstanceSettings {
        &self.spec.settings
    }

    fn guardrails(&self) -> Option<&Guardrails> {
        Some(&self.spec.guardrails)
    }

    fn is_closed(&self) -> bool {
        self.spec.allowed_namespaces == AllowedNamespaces::default()
    }

    fn secret_namespace<'a>(&'a self, operator: &'a str) -> &'a str {
        operator
    }

    fn api(client: kube::Client, _: &str) -> Api<Self> {
        Api::all(client)
    }
}

impl Connects for Instance {
    const NAME: KindName = KindName::Instance;

    fn settings(&self) -> &InstanceSettings {
        &self.spec.settings
    }

    fn guardrails(&self) -> Option<&Guardrails> {
        None
    }

    fn is_closed(&self) -> bool {
        false
    }

    fn secret_namespace<'a>(&'a self, _: &'a str) -> &'a str {
        namespace_of(self)
    }

    fn api(client: kube::Client, namespace: &str) -> Api<Self> {
        namespaced(client, namespace)
    }
}

fn namespaced<K>(client: kube::Client, namespace: &str) -> Api<K>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
{
    Api::namespaced(client, namespace)
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
    let key = Key::new(K::NAME, namespace_of(&*object), name_of(&*object));
    let api = K::api(context.client.clone(), &key.namespace);
    // Which backend it was is in the status: an old one must not be looked at.
    let object = match context.freshest(&key, &*object, api).await {
        Ok(Some(object)) if object.meta().deletion_timestamp.is_none() => object,
        Ok(_) => return Ok(Action::await_change()),
        Err(error) => return Ok(Action::requeue(failed(&context, &key, &error))),
    };
    let looked = look(&context, &key, &object).await;
    let now = context.clock.now();
    let (mut status, stop) = match looked {
        Ok(connection) => (conditions::connected(&object, &connection, now), None),
        Err(stop) => (conditions::failed(&object, &stop, now), Some(stop)),
    };
    if context.authority.observes() {
        // Nothing was made there, and another backend may come in its place.
        let known = object.status().cloned().unwrap_or_default();
        (status.uuid, status.tenant) = (known.uuid, known.tenant);
    }
    let api = K::api(context.client.clone(), &key.namespace);
    let written = write_status(&context, &key, &api, &object, &status).await;
    let error = match (&stop, &written) {
        (Some(Stop::Failed(error)), _) | (None, Err(error)) => Some(error),
        _ => None,
    };
    let outcome = if stop.is_some() || error.is_some() {
        Outcome::Failed
    } else {
        Outcome::Done
    };
    let pause = match (error, &stop) {
        (Some(error), _) => failed(&context, &key, error),
        (None, Some(stop)) => {
            let metrics = &context.metrics;
            metrics.failed(K::NAME.metric(), stop.reason().as_str());
            probe(&context, &key)
        }
        (None, None) => {
            context.memory.succeeded(&key);
            object.settings().resync.objects.std()
        }
    };
    context
        .metrics
        .reconciled(K::NAME.metric(), outcome, started.elapsed());
    Ok(Action::requeue(pause))
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
    let failures = context.memory.failed(key);
    let pause = PROBE.0.saturating_mul(1 << failures.clamp(1, 6));
    (pause.min(PROBE.1) / 2).mul_f64(1.0 + rand::random::<f64>())
}

/// Connects, proves that it is the backend that it was, sweeps over what it holds, and tells the objects.
async fn look<K: Connects>(
    context: &Arc<Context>,
    key: &Key,
    object: &K,
) -> Result<Connection, Stop> {
    let before = context.backends.get(key);
    let result = connection::connect(context, key, object).await;
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
    if context.instance_uid(key) != object.uid() {
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
