//! Where controllers hear of changes: one watch per kind, each with the store that it fills.

use std::fmt::Debug;
use std::future::ready;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Poll, ready as ready_or_wait};

use futures::stream::poll_fn;
use futures::{Stream, StreamExt, TryStreamExt};
use k8s_openapi::api::core::v1::{Namespace, Secret};
use kube::api::Api;
use kube::core::error_boundary::InvalidObject;
use kube::core::{DeserializeGuard, NamespaceResourceScope, PartialObjectMeta};
use kube::runtime::reflector::{Store, store};
use kube::runtime::utils::PredicateConfig;
use kube::runtime::watcher::{self, Event};
use kube::runtime::{Predicate, WatchStreamExt, predicates};
use kube::{Client, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use tokio::sync::watch;
use tracing::warn;

use crate::api::names::OWNER_KIND;
use crate::api::{
    ApiToken, ClusterInstance, Group, Instance, Revocation, Role, RoleBinding, ServiceAccount,
};
use crate::controller::context::{Context, Stores};
use crate::controller::referrers::{Key, KindName};
use crate::controller::secret_index::SecretIndex;
use crate::controller::settings::Settings;
use crate::ops::health::Component;

/// How many objects a list brings at once.
const PAGE: u32 = 500;

/// The events of one watch.
pub(super) type Events<K> = Pin<Box<dyn Stream<Item = Result<Event<K>, watcher::Error>> + Send>>;

/// A watch with the store that it fills.
pub(super) struct Feed<K: Resource<DynamicType = ()> + Clone + 'static> {
    /// What it showed.
    pub(super) store: Store<K>,
    /// What it shows.
    pub(super) events: Events<K>,
}

/// All watches.
pub(super) struct Feeds {
    pub(super) cluster_instances: Feed<ClusterInstance>,
    pub(super) instances: Feed<Instance>,
    pub(super) service_accounts: Feed<ServiceAccount>,
    pub(super) groups: Feed<Group>,
    pub(super) roles: Feed<Role>,
    pub(super) role_bindings: Feed<RoleBinding>,
    pub(super) api_tokens: Feed<ApiToken>,
    /// In the operator's own namespace.
    pub(super) revocations: Feed<Revocation>,
    /// Metadata of our own Secrets: values are never watched.
    pub(super) secrets: Feed<PartialObjectMeta<Secret>>,
    /// Metadata.
    pub(super) namespaces: Feed<PartialObjectMeta<Namespace>>,
    /// Metadata of the Secrets in the operator's namespace: credentials among them.
    pub(super) credentials: Events<PartialObjectMeta<Secret>>,
    unfilled: watch::Receiver<usize>,
}

impl Feeds {
    pub(super) fn new(client: &Client, settings: &Settings) -> Self {
        let every = watcher::Config::default().page_size(PAGE);
        let (owned, own) = (every.clone().labels(OWNER_KIND), &settings.namespace);
        let namespace = settings.watch_namespace.as_deref();
        let namespaces = match namespace {
            Some(name) => every.clone().fields(&format!("metadata.name={name}")),
            None => every.clone(),
        };
        let credentials = lasting(Api::namespaced(client.clone(), own), every.clone());
        let (filling, unfilled) = watch::channel(0);
        let filling = Arc::new(filling);
        Self {
            cluster_instances: feed(objects(Api::all(client.clone()), every.clone()), &filling),
            instances: feed(objects(scoped(client, namespace), every.clone()), &filling),
            service_accounts: feed(objects(scoped(client, namespace), every.clone()), &filling),
            groups: feed(objects(scoped(client, namespace), every.clone()), &filling),
            roles: feed(objects(scoped(client, namespace), every.clone()), &filling),
            role_bindings: feed(objects(scoped(client, namespace), every.clone()), &filling),
            api_tokens: feed(objects(scoped(client, namespace), every.clone()), &filling),
            revocations: feed(objects(scoped(client, Some(own)), every), &filling),
            secrets: feed(lasting(scoped(client, namespace), owned), &filling),
            namespaces: feed(lasting(Api::all(client.clone()), namespaces), &filling),
            credentials: credentials.default_backoff().boxed(),
            unfilled,
        }
    }

    pub(super) fn stores(&self) -> Stores {
        Stores {
            cluster_instances: self.cluster_instances.store.clone(),
            instances: self.instances.store.clone(),
            service_accounts: self.service_accounts.store.clone(),
            groups: self.groups.store.clone(),
            roles: self.roles.store.clone(),
            role_bindings: self.role_bindings.store.clone(),
            api_tokens: self.api_tokens.store.clone(),
            revocations: self.revocations.store.clone(),
            secrets: self.secrets.store.clone(),
            namespaces: self.namespaces.store.clone(),
            unfilled: self.unfilled.clone(),
        }
    }
}

fn scoped<K>(client: &Client, namespace: Option<&str>) -> Api<K>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
{
    match namespace {
        Some(namespace) => Api::namespaced(client.clone(), namespace),
        None => Api::all(client.clone()),
    }
}

/// A watch that begins anew with a list when it is told at its start that it goes back too far. kube does so only where
/// a watch that runs is told; here it would ask for the same again and again.
fn lasting<K>(
    api: Api<K>,
    config: watcher::Config,
) -> impl Stream<Item = Result<Event<K>, watcher::Error>> + Send
where
    K: Resource + Clone + Debug + DeserializeOwned + Send + 'static,
{
    let begin = move || watcher::watcher(api.clone(), config.clone()).boxed();
    let mut running = begin();
    poll_fn(move |cx| {
        let event = ready_or_wait!(running.poll_next_unpin(cx));
        if matches!(&event, Some(Err(error)) if is_too_old(error)) {
            running = begin();
        }
        Poll::Ready(event)
    })
}

fn is_too_old(error: &watcher::Error) -> bool {
    const GONE: u16 = 410;
    matches!(error, watcher::Error::WatchStartFailed(kube::Error::Api(status)) if status.code == GONE)
}

/// What becomes of the objects of a kind. One that cannot be read is left out, and holds nobody else up.
fn objects<K>(
    api: Api<DeserializeGuard<K>>,
    config: watcher::Config,
) -> impl Stream<Item = Result<Event<K>, watcher::Error>> + Send
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + 'static,
{
    lasting(api, config).try_filter_map(|event| ready(Ok(readable(event))))
}

fn readable<K: Resource<DynamicType = ()>>(event: Event<DeserializeGuard<K>>) -> Option<Event<K>> {
    let read = |DeserializeGuard(object): DeserializeGuard<K>| {
        let told = |InvalidObject { error, metadata }: &InvalidObject| {
            let (namespace, name) = (metadata.namespace.as_deref(), metadata.name.as_deref());
            let kind = K::kind(&());
            warn!(%kind, namespace, name, "cannot be read, and is left as it is: {error}");
        };
        object.inspect_err(told).ok()
    };
    Some(match event {
        Event::Apply(object) => Event::Apply(read(object)?),
        Event::Delete(object) => Event::Delete(read(object)?),
        Event::Init => Event::Init,
        Event::InitApply(object) => Event::InitApply(read(object)?),
        Event::InitDone => Event::InitDone,
    })
}

/// A watch that fills a store; what nobody reads is dropped before it is kept.
fn feed<K>(
    changes: impl Stream<Item = Result<Event<K>, watcher::Error>> + Send + 'static,
    filling: &Arc<watch::Sender<usize>>,
) -> Feed<K>
where
    K: Resource<DynamicType = ()> + Clone + Send + Sync + 'static,
{
    let (store, writer) = store();
    let events = changes.default_backoff().modify(prune).reflect(writer);
    filling.send_modify(|unfilled| *unfilled += 1);
    let (filling, mut first) = (Arc::clone(filling), true);
    let events = events.inspect(move |event| {
        if first && matches!(event, Ok(Event::InitDone)) {
            first = false;
            filling.send_modify(|unfilled| *unfilled -= 1);
        }
    });
    Feed {
        store,
        events: events.boxed(),
    }
}

fn prune<K: Resource>(object: &mut K) {
    object.managed_fields_mut().clear();
    object
        .annotations_mut()
        .remove("kubectl.kubernetes.io/last-applied-configuration");
}

/// Signs of life of the watches.
#[derive(Clone)]
pub(super) struct Beats(pub(super) Arc<Component>);

impl Beats {
    /// Each event is one.
    pub(super) fn heard<K: Send + 'static>(&self, events: Events<K>) -> Events<K> {
        let beats = self.clone();
        let heard = events.inspect(move |event| {
            if event.is_ok() {
                beats.0.beat();
            }
        });
        heard.boxed()
    }
}

/// Says what is waited for until all stores are full.
pub(super) async fn report(context: Arc<Context>, health: Arc<Component>) {
    health.waiting_for("the first lists of custom resources, Secrets and namespaces");
    context.stores.filled().await;
    health.ready("watches");
    std::future::pending::<()>().await;
}

/// A Secret of ours that changes or goes wakes its owner. After a new list nobody knows what happened meanwhile, so that
/// all owners are woken.
pub(super) async fn secrets(context: Arc<Context>, events: Events<PartialObjectMeta<Secret>>) {
    let listed = SecretIndex::new(&context.settings.namespace);
    let handle = |event: Event<PartialObjectMeta<Secret>>| {
        let woken = match &event {
            Event::Init => Vec::new(),
            Event::InitApply(secret) => {
                context.secrets_of.note(&secret.metadata);
                listed.note(&secret.metadata);
                Vec::new()
            }
            Event::InitDone => context.secrets_of.replace(&listed),
            Event::Apply(secret) => {
                let is_news = context.secrets_of.is_news(&secret.metadata);
                let mut owners = context.secrets_of.note(&secret.metadata);
                owners.retain(|_| is_news);
                owners
            }
            Event::Delete(secret) => Vec::from_iter(context.secrets_of.forget(&secret.metadata)),
        };
        for owner in &woken {
            context.wakers.wake(owner);
        }
        ready(())
    };
    events
        .filter_map(|event| ready(event.ok()))
        .for_each(handle)
        .await;
}

/// A namespace whose labels change may be allowed now, or no longer; in one that is being deleted nobody waits for a
/// backend.
pub(super) async fn namespaces(
    context: Arc<Context>,
    events: Events<PartialObjectMeta<Namespace>>,
) {
    let wake = |namespace: PartialObjectMeta<Namespace>| {
        context.wake_namespace(namespace.metadata.name.as_deref().unwrap_or_default());
        ready(())
    };
    let changed = events.applied_objects();
    let relevant = predicates::labels.combine(ending);
    let changed = changed.predicate_filter(relevant, PredicateConfig::default());
    changed
        .filter_map(|namespace| ready(namespace.ok()))
        .for_each(wake)
        .await;
}

/// Tells a namespace that is being deleted from one that is not.
#[expect(clippy::unnecessary_wraps, reason = "what a predicate is")]
fn ending(namespace: &PartialObjectMeta<Namespace>) -> Option<u64> {
    Some(u64::from(namespace.metadata.deletion_timestamp.is_some()))
}

/// A Secret in the operator's namespace that changes wakes the instances that name it.
pub(super) async fn credentials(context: Arc<Context>, events: Events<PartialObjectMeta<Secret>>) {
    let wake = |secret: PartialObjectMeta<Secret>| {
        let name = secret.metadata.name.unwrap_or_default();
        for instance in context.stores.cluster_instances.state() {
            let settings = &instance.spec.settings;
            let ca = settings.tls.ca_secret_ref.as_ref();
            let credentials = &settings.credentials;
            let is_rotated = credentials.rotation.is_some() && credentials.rotated_name() == name;
            if credentials.secret_ref.name == name
                || is_rotated
                || ca.is_some_and(|ca| ca.name == name)
            {
                context.wakers.wake(&Key::new(
                    KindName::ClusterInstance,
                    "",
                    &instance.name_any(),
                ));
            }
        }
        ready(())
    };
    events
        .touched_objects()
        .filter_map(|secret| ready(secret.ok()))
        .for_each(wake)
        .await;
}
