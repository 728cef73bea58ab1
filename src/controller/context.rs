//! What all controllers share.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::future::Future;
use std::time::Duration;

use k8s_openapi::api::core::v1::{Namespace, ObjectReference, Secret};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::api::Api;
use kube::core::{PartialObjectMeta, Selector, SelectorExt};
use kube::runtime::events::{Event, EventType, Recorder};
use kube::runtime::reflector::{ObjectRef, Store};
use kube::{Client, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use tokio::sync::watch;
use tracing::debug;

use super::authority::Authority;
use super::backend::Backends;
use super::brake::Brake;
use super::error::{During, Error};
use super::kind::{Kind, key_of};
use super::memory::Memory;
use super::quota::Places;
use super::referrers::{Key, KindName, Referrers, Wakers};
use super::revocation::Owed;
use super::secret_index::SecretIndex;
use super::settings::Settings;
use super::turns::Turns;
use crate::api::condition::ConditionType;
use crate::api::instance::AllowedNamespaces;
use crate::api::{
    ApiToken, ClusterInstance, Group, Instance, Revocation, Role, RoleBinding, ServiceAccount,
};
use crate::clock::Clock;
use crate::ops::metrics::Metrics;

const NO_LABELS: BTreeMap<String, String> = BTreeMap::new();

/// What all controllers share.
pub struct Context {
    /// The API server.
    pub client: Client,
    /// How to work.
    pub settings: Settings,
    /// Wall time.
    pub clock: Clock,
    /// Whether anything may be changed.
    pub authority: Authority,
    /// What is counted.
    pub metrics: Metrics,
    /// Events; one recorder, or nothing is aggregated.
    pub recorder: Recorder,
    /// The backends.
    pub backends: Backends,
    /// Who refers to what.
    pub referrers: Referrers,
    /// How objects are woken.
    pub wakers: Wakers,
    /// Whose turn it is.
    pub turns: Turns,
    /// What is remembered between passes.
    pub memory: Memory,
    /// Who has a place for tokens in its namespace.
    pub places: Places,
    /// What the watches show.
    pub stores: Stores,
    /// Which Secrets are whose.
    pub secrets_of: SecretIndex,
    /// What former objects left.
    pub owed: Owed,
    /// Whether deleted objects may end.
    pub brake: Brake,
}

/// What the watches show.
#[derive(Clone)]
pub struct Stores {
    pub cluster_instances: Store<ClusterInstance>,
    pub instances: Store<Instance>,
    pub service_accounts: Store<ServiceAccount>,
    pub groups: Store<Group>,
    pub roles: Store<Role>,
    pub role_bindings: Store<RoleBinding>,
    pub api_tokens: Store<ApiToken>,
    /// In the operator's own namespace.
    pub revocations: Store<Revocation>,
    /// Metadata alone, and of our own Secrets alone: values are never cached.
    pub secrets: Store<PartialObjectMeta<Secret>>,
    /// Metadata alone.
    pub namespaces: Store<PartialObjectMeta<Namespace>>,
    /// How many of them were not filled yet.
    pub unfilled: watch::Receiver<usize>,
}

impl Stores {
    /// Whether every store was filled once.
    #[must_use]
    pub fn are_filled(&self) -> bool {
        *self.unfilled.borrow() == 0
    }

    /// Waits until every store was filled once.
    ///
    /// Not by the stores' own `wait_until_ready`: it wakes one of several waiters only (kube-runtime 5.0.0).
    pub async fn filled(&self) {
        // A sender that is gone has ended the process.
        let _ = self
            .unfilled
            .clone()
            .wait_for(|unfilled| *unfilled == 0)
            .await;
    }
}

impl Context {
    /// Waits for the API server's answer, but not for ever: kube has no limit of its own.
    pub async fn within<T>(
        &self,
        operation: &'static str,
        request: impl Future<Output = Result<T, kube::Error>>,
    ) -> Result<T, Error> {
        match tokio::time::timeout(self.settings.request_timeout, request).await {
            Ok(answer) => answer.during(operation),
            Err(_) => Err(Error::Silence { operation }),
        }
    }

    /// The object as the cache shows it, or read anew if the cache is older than our last write of it; `None` = gone.
    pub async fn freshest<K>(&self, key: &Key, cached: &K, api: Api<K>) -> Result<Option<K>, Error>
    where
        K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned,
    {
        let version = cached.meta().resource_version.as_deref();
        if !self.memory.is_stale(key, version) {
            return Ok(Some(cached.clone()));
        }
        self.within("read the object", api.get_opt(&key.name)).await
    }

    /// Like [`Context::within`], for a change; refused as by [`Authority::may`].
    pub async fn change<T>(
        &self,
        operation: &'static str,
        request: impl Future<Output = Result<T, kube::Error>>,
    ) -> Result<T, Error> {
        self.authority.may(operation)?;
        self.within(operation, request).await
    }

    /// Like [`Context::within`], for a status, by which things are told; refused as by [`Authority::may_tell`].
    pub async fn tell<T>(
        &self,
        request: impl Future<Output = Result<T, kube::Error>>,
    ) -> Result<T, Error> {
        self.authority.may_tell()?;
        self.within("write the status", request).await
    }

    /// Writes an Event. One that cannot be written holds nothing up.
    pub async fn publish(&self, regarding: ObjectReference, event: &Event) {
        let published = self.recorder.publish(event, &regarding);
        if let Err(error) = self.within("write the Event", published).await {
            debug!(event.reason, "{error}");
        }
    }

    /// Tells people of a condition: a warning unless it says that all is well.
    pub async fn announce(&self, regarding: ObjectReference, news: &Condition) {
        let is_well = news.type_ == ConditionType::Ready.as_str() && news.status == "True";
        let type_ = if is_well {
            EventType::Normal
        } else {
            EventType::Warning
        };
        let event = Event {
            type_,
            reason: news.reason.clone(),
            note: Some(news.message.clone()),
            action: "Reconcile".to_owned(),
            secondary: None,
        };
        self.publish(regarding, &event).await;
    }

    /// Whether there is this instance.
    #[must_use]
    pub fn knows(&self, instance: &Key) -> bool {
        self.instance_uid(instance).is_some()
    }

    /// The uid of an instance that is there.
    #[must_use]
    pub fn instance_uid(&self, instance: &Key) -> Option<String> {
        if instance.kind == KindName::Instance {
            return self.stores.instances.get(&instance.reference())?.uid();
        }
        let stores = &self.stores;
        stores.cluster_instances.get(&instance.reference())?.uid()
    }

    /// Whether there is an instance that objects of this namespace may use.
    #[must_use]
    pub fn allows(&self, instance: &Key, namespace: &str) -> bool {
        if instance.kind == KindName::Instance {
            return self.knows(instance);
        }
        let instance = self.stores.cluster_instances.get(&instance.reference());
        instance.is_some_and(|instance| self.admits(&instance.spec.allowed_namespaces, namespace))
    }

    fn admits(&self, allowed: &AllowedNamespaces, namespace: &str) -> bool {
        if allowed.names.iter().any(|name| name == namespace) {
            return true;
        }
        let Some(selector) = &allowed.selector else {
            return false;
        };
        let Ok(selector) = Selector::try_from(selector.clone()) else {
            return false;
        };
        let labels = self.stores.namespaces.get(&ObjectRef::new(namespace));
        labels.is_some_and(|object| {
            selector.matches(object.metadata.labels.as_ref().unwrap_or(&NO_LABELS))
        })
    }

    /// Whether a namespace is being deleted.
    #[must_use]
    pub fn is_ending(&self, namespace: &str) -> bool {
        let namespace = self.stores.namespaces.get(&ObjectRef::new(namespace));
        namespace.is_some_and(|object| object.metadata.deletion_timestamp.is_some())
    }

    /// Wakes all that refer to `referent`.
    pub fn wake_referrers(&self, referent: &Key) {
        for referrer in self.referrers.of(referent) {
            self.wakers.wake(&referrer);
        }
    }

    /// Wakes all objects of a namespace.
    pub fn wake_namespace(&self, namespace: &str) {
        let stores = &self.stores;
        self.wake_all(&stores.service_accounts, namespace);
        self.wake_all(&stores.groups, namespace);
        self.wake_all(&stores.roles, namespace);
        self.wake_all(&stores.role_bindings, namespace);
        self.wake_all(&stores.api_tokens, namespace);
    }

    fn wake_all<K: Kind>(&self, store: &Store<K>, namespace: &str) {
        for object in store.state() {
            if namespace_of(&*object) == namespace {
                self.wakers.wake(&key_of(&*object));
            }
        }
    }

    /// When to look again at something that no watch tells about; spread at random so that not all come at once.
    #[must_use]
    pub fn recheck(&self) -> Duration {
        self.settings
            .recheck
            .mul_f64(0.75 + rand::random::<f64>() / 4.0)
    }
}

/// The namespace of an object; empty for cluster-scoped ones.
#[must_use]
pub fn namespace_of<K: Resource>(object: &K) -> &str {
    object.meta().namespace.as_deref().unwrap_or_default()
}

/// The name of an object.
#[must_use]
pub fn name_of<K: Resource>(object: &K) -> &str {
    object.meta().name.as_deref().unwrap_or_default()
}
