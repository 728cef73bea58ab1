//! `ClusterInstance` and `Instance`: connects to a backend, looks it over, and tells the objects that refer to it.

mod address;
mod conditions;
mod connection;

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::NamespaceResourceScope;
use kube::api::{Api, Patch, PatchParams};
use kube::runtime::controller::Action;
use kube::{Resource, ResourceExt};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use tokio::time::Instant;
use tracing::{info, warn};

use self::connection::Connection;
use super::backend::{Backend, Standing};
use super::context::{Context, name_of, namespace_of};
use super::error::Error;
use super::inventory::Inventory;
use super::outcome::{Blocked, Stop};
use super::referrers::{Key, KindName};
use super::status::merge_patch;
use crate::api::guardrails::Guardrails;
use crate::api::instance::{Identity, InstanceStatus};
use crate::api::names::FIELD_MANAGER;
use crate::api::settings::InstanceSettings;
use crate::api::{ClusterInstance, Instance};
use crate::iam::client::Client;
use crate::ops::metrics::Outcome;

/// Both kinds of instance.
pub trait Connects:
    Resource<DynamicType = ()>
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
    /// The namespace of its credential.
    fn secret_namespace<'a>(&'a self, operator: &'a str) -> &'a str;
    /// Its status as it is.
    fn status(&self) -> Option<&InstanceStatus>;
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

    fn secret_namespace<'a>(&'a self, operator: &'a str) -> &'a str {
        operator
    }

    fn status(&self) -> Option<&InstanceStatus> {
        self.status.as_ref()
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

    fn secret_namespace<'a>(&'a self, _: &'a str) -> &'a str {
        namespace_of(self)
    }

    fn status(&self) -> Option<&InstanceStatus> {
        self.status.as_ref()
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
    let key = Key::new(K::NAME, namespace_of(&*object), name_of(&*object));
    if object.meta().deletion_timestamp.is_some() {
        return Ok(Action::await_change());
    }
    let before = context.backends.get(&key);
    let looked = look(&context, &key, &*object).await;
    let (status, stop) = match looked {
        Ok(connection) => (
            conditions::connected(&*object, &connection, context.clock.now()),
            None,
        ),
        Err(stop) => (
            conditions::failed(&*object, &stop, context.clock.now()),
            Some(stop),
        ),
    };
    note(&context, &key, before.as_ref(), stop.as_ref());
    let written = write(&context, &*object, &status).await;
    let outcome = if stop.is_some() || written.is_err() {
        Outcome::Failed
    } else {
        Outcome::Done
    };
    context
        .metrics
        .reconciled(K::NAME.metric(), outcome, started.elapsed());
    if let Err(error) = &written {
        warn!(object = %key, "{error}");
    }
    if stop.is_none() && written.is_ok() {
        context.memory.succeeded(&key);
        return Ok(Action::requeue(object.settings().resync.objects.std()));
    }
    let failures = context.memory.failed(&key);
    let pause = PROBE
        .0
        .saturating_mul(1 << failures.clamp(1, 6))
        .min(PROBE.1)
        / 2;
    Ok(Action::requeue(pause.mul_f64(1.0 + rand::random::<f64>())))
}

/// Connects if anything changed, proves that it is the same backend, and sweeps over what it holds.
async fn look<K: Connects>(
    context: &Arc<Context>,
    key: &Key,
    object: &K,
) -> Result<Connection, Stop> {
    address::permitted(context, object).await?;
    let config = connection::config(context, object).await?;
    let connection = connection::connect(context, key, object, config).await?;
    connection
        .backend
        .inventory
        .sweep(&connection.backend.client)
        .await?;
    let backend = Arc::clone(&connection.backend);
    context.backends.set(key, Standing::Ready(backend));
    Ok(connection)
}

/// Tells the objects that wait: all of them when the instance came back, went away or was swept.
fn note(context: &Context, key: &Key, before: Option<&Standing>, stop: Option<&Stop>) {
    let was_ready = matches!(before, Some(Standing::Ready(_)));
    match stop {
        None if was_ready => {}
        None => info!(object = %key, "backend connected"),
        Some(stop) => {
            let blocked = blocked(key, stop);
            if was_ready {
                warn!(object = %key, reason = %blocked.reason, "{}", blocked.message);
            }
            context.backends.set(key, Standing::Down(blocked));
        }
    }
    // A backend that goes on failing is no news to anybody.
    if stop.is_none() || was_ready || before.is_none() {
        context.wake_referrers(key);
    }
}

/// What objects say while their instance is not usable: the class of the trouble, and where to look.
fn blocked(key: &Key, stop: &Stop) -> Blocked {
    let reason = match stop {
        Stop::Blocked(blocked) => blocked.reason,
        Stop::Failed(error) => error.reason(),
    };
    let message = format!(
        "waits for {} {}, which is not ready ({reason}); see its conditions",
        key.kind.as_str(),
        key.name
    );
    Blocked::unsynced(reason, message)
}

async fn write<K: Connects>(
    context: &Context,
    object: &K,
    status: &InstanceStatus,
) -> Result<(), Error> {
    let json = |status: &InstanceStatus| {
        serde_json::to_value(status).map_err(|source| Error::Json {
            what: "the status",
            source,
        })
    };
    let old = object
        .status()
        .map(json)
        .transpose()?
        .unwrap_or_else(|| json!({}));
    let Some(patch) = merge_patch(&old, &json(status)?) else {
        return Ok(());
    };
    let patch = json!({
        "metadata": {"resourceVersion": object.resource_version()},
        "status": patch,
    });
    let api = K::api(context.client.clone(), namespace_of(object));
    let (parameters, patch) = (PatchParams::apply(FIELD_MANAGER), Patch::Merge(&patch));
    let patched = api.patch_status(name_of(object), &parameters, &patch);
    context
        .change("write the instance's status", patched)
        .await?;
    Ok(())
}

/// Forgets an instance that is gone, and tells the objects that referred to it.
pub(super) fn gone(context: &Context, key: &Key) {
    context.backends.remove(key);
    context.memory.forget(key);
    context.wake_referrers(key);
}

/// A backend for objects, from what its instance says.
fn backend<K: Connects>(
    key: &Key,
    object: &K,
    client: Client,
    identity: Identity,
    inventory: Arc<Inventory>,
) -> Backend {
    let settings = object.settings();
    Backend {
        key: key.clone(),
        client,
        inventory,
        url: settings.url.clone(),
        name_template: settings.account_name_template.clone(),
        guardrails: object.guardrails().cloned(),
        granularity: settings.last_used_granularity.signed(),
        token_sweep: settings.resync.tokens.signed(),
        identity,
    }
}
