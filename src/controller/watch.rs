//! Watches, and the controllers that they drive.

mod feed;
mod jump;

use std::collections::HashSet;
use std::convert::Infallible;
use std::fmt::Debug;
use std::future::{Future, ready};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures::{Stream, StreamExt, TryStreamExt};
use kube::runtime::controller::Action;
use kube::runtime::events::{Recorder, Reporter};
use kube::runtime::reflector::{ObjectRef, Store};
use kube::runtime::utils::PredicateConfig;
use kube::runtime::watcher::{self, Event};
use kube::runtime::{Config, Controller, Predicate, WatchStreamExt, predicates};
use kube::{Client, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::feed::{Beats, Events, Feed, Feeds};
use super::authority::Authority;
use super::backend::Backends;
use super::brake::{self, Brake};
use super::context::{Context, namespace_of};
use super::instance::Connects;
use super::kind::{Kind, key_of};
use super::memory::Memory;
use super::quota::Places;
use super::referrers::{Key, KindName, Referrers, Wakers, Wakeups};
use super::revocation::{Owed, object_of};
use super::secret_index::SecretIndex;
use super::settings::Settings;
use super::tasks::Tasks;
use super::turns::Turns;
use super::{instance, pipeline, revocation};
use crate::api::Revocation;
use crate::api::names::{ACKNOWLEDGED_UUID, COMPROMISED, FIELD_MANAGER, ROTATE_REQUESTED_AT};
use crate::clock::Clock;
use crate::ops::health::Component;
use crate::ops::lease::Leadership;
use crate::ops::metrics::Metrics;

/// What the controllers are made from.
pub struct Parts {
    /// The API server.
    pub client: Client,
    /// How to work.
    pub settings: Settings,
    /// Wall time.
    pub clock: Clock,
    /// Whether anything may be changed.
    pub leadership: Leadership,
    /// What is counted.
    pub metrics: Metrics,
    /// Told what is waited for, and each sign of life of a watch.
    pub health: Arc<Component>,
    /// Ends the controllers; passes under way are finished.
    pub stop: CancellationToken,
    /// What has to end before the Lease may be released.
    pub work: TaskTracker,
}

/// How long a burst of changes of one object is gathered into one pass.
const DEBOUNCE: Duration = Duration::from_millis(5);

type Run = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Starts all controllers. They end when `stop` is cancelled; if one of them ends before, the others are of no use.
#[must_use]
pub fn start(parts: Parts) -> Tasks {
    let (wakers, wakeups) = Wakers::new();
    let Parts {
        client,
        settings,
        clock,
        leadership,
        metrics,
        health,
        stop,
        work,
    } = parts;
    let feeds = Feeds::new(&client, &settings);
    let reporter = Reporter {
        controller: FIELD_MANAGER.to_owned(),
        instance: None,
    };
    let context = Arc::new(Context {
        recorder: Recorder::new(client.clone(), reporter),
        client,
        clock,
        authority: Authority::new(leadership, settings.mode, metrics.clone()),
        backends: Backends::default(),
        referrers: Referrers::default(),
        turns: Turns::new(settings.concurrency, wakers.clone(), metrics.clone()),
        wakers,
        memory: Memory::default(),
        places: Places::default(),
        stores: feeds.stores(),
        secrets_of: SecretIndex::new(&settings.namespace),
        owed: Owed::nothing(metrics.clone()),
        brake: Brake::new(settings.deletion_brake, metrics.clone()),
        metrics,
        settings,
    });
    let ready = feed::report(Arc::clone(&context), Arc::clone(&health));
    let mut tasks = Tasks::default();
    tasks.spawn("readiness", &work, until(&stop, ready));
    for (name, run) in runs(&context, feeds, wakeups, &Beats(health), &stop) {
        tasks.spawn(name, &work, run);
    }
    tasks
}

/// All that has to run.
fn runs(
    context: &Arc<Context>,
    feeds: Feeds,
    wakeups: Wakeups,
    beats: &Beats,
    stop: &CancellationToken,
) -> Vec<(&'static str, Run)> {
    let secrets = feed::secrets(Arc::clone(context), beats.heard(feeds.secrets.events));
    let namespaces = feed::namespaces(Arc::clone(context), beats.heard(feeds.namespaces.events));
    let credentials = feed::credentials(Arc::clone(context), beats.heard(feeds.credentials));
    let shared = Shared {
        context,
        beats,
        stop,
    };
    vec![
        ("Secrets", until(stop, secrets)),
        ("namespaces", until(stop, namespaces)),
        ("credentials", until(stop, credentials)),
        (
            "the brake on mass deletion",
            until(stop, brake::run(Arc::clone(context))),
        ),
        (
            "jumps of the clock",
            until(stop, jump::jumps(Arc::clone(context))),
        ),
        shared.instances(feeds.cluster_instances, wakeups.cluster_instances),
        shared.instances(feeds.instances, wakeups.instances),
        shared.objects(feeds.service_accounts, wakeups.service_accounts),
        shared.objects(feeds.groups, wakeups.groups),
        shared.objects(feeds.roles, wakeups.roles),
        shared.objects(feeds.role_bindings, wakeups.role_bindings),
        shared.objects(feeds.api_tokens, wakeups.api_tokens),
        shared.revocations(feeds.revocations, wakeups.revocations),
    ]
}

/// What the controllers of all kinds are made from.
struct Shared<'a> {
    context: &'a Arc<Context>,
    beats: &'a Beats,
    stop: &'a CancellationToken,
}

impl Shared<'_> {
    /// The controller of one kind that lives at a backend.
    fn objects<K: Kind>(
        &self,
        feed: Feed<K>,
        woken: UnboundedReceiver<ObjectRef<K>>,
    ) -> (&'static str, Run) {
        // What we write ourselves, into the status or with the finalizer, is no reason to look again.
        let relevant = predicates::generation.combine(orders);
        let events = identified(self.context, self.beats.heard(feed.events));
        let changed = events
            .applied_objects()
            .predicate_filter(relevant, PredicateConfig::default());
        let run = self.controller(changed, feed.store, woken, pipeline::reconcile::<K>);
        (K::NAME.as_str(), run)
    }

    /// The controller of one kind of instance.
    fn instances<K: Connects>(
        &self,
        feed: Feed<K>,
        woken: UnboundedReceiver<ObjectRef<K>>,
    ) -> (&'static str, Run) {
        let relevant = predicates::generation.combine(predicates::annotations);
        let events = departing(self.context, self.beats.heard(feed.events));
        let changed = events
            .applied_objects()
            .predicate_filter(relevant, PredicateConfig::default());
        let run = self.controller(changed, feed.store, woken, instance::reconcile::<K>);
        (K::NAME.as_str(), run)
    }

    /// The controller of what former objects left.
    fn revocations(
        &self,
        feed: Feed<Revocation>,
        woken: UnboundedReceiver<ObjectRef<Revocation>>,
    ) -> (&'static str, Run) {
        let events = owed(self.context, self.beats.heard(feed.events));
        let changed = events
            .applied_objects()
            .predicate_filter(predicates::generation, PredicateConfig::default());
        let run = self.controller(changed, feed.store, woken, revocation::reconcile);
        (KindName::Revocation.as_str(), run)
    }

    /// A controller that ends when its passes have. Before all stores are full no pass does anything, but the runtime
    /// would wait for them, for ever where a definition is missing: then it ends at once.
    fn controller<K, F>(
        &self,
        changed: impl Stream<Item = Result<K, watcher::Error>> + Send + 'static,
        store: Store<K>,
        woken: UnboundedReceiver<ObjectRef<K>>,
        reconcile: impl FnMut(Arc<K>, Arc<Context>) -> F + Send + 'static,
    ) -> Run
    where
        K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + Sync + 'static,
        F: Future<Output = Result<Action, Infallible>> + Send + 'static,
    {
        let (context, stop) = (Arc::clone(self.context), self.stop.clone());
        let config = Config::default()
            .concurrency(context.settings.concurrency.saturating_mul(2))
            .debounce(DEBOUNCE);
        let controller = Controller::for_stream(changed, store)
            .with_config(config)
            .reconcile_on(receiving(woken))
            .graceful_shutdown_on(stop.clone().cancelled_owned());
        let run = controller.run(reconcile, never, Arc::clone(&context));
        let stopped_idle = async move {
            stop.cancelled().await;
            if context.stores.are_filled() {
                std::future::pending::<()>().await;
            }
        };
        Box::pin(async move {
            tokio::select! {
                () = run.for_each(|_| ready(())) => {}
                () = stopped_idle => {}
            }
        })
    }
}

fn until(stop: &CancellationToken, work: impl Future<Output = ()> + Send + 'static) -> Run {
    let stop = stop.clone();
    Box::pin(async move {
        tokio::select! {
            () = stop.cancelled() => {}
            () = work => {}
        }
    })
}

/// Annotations by which people tell us something.
const ORDERS: [&str; 3] = [ROTATE_REQUESTED_AT, COMPROMISED, ACKNOWLEDGED_UUID];

/// Tells objects apart by what people ask for in annotations.
#[expect(clippy::unnecessary_wraps, reason = "what a predicate is")]
fn orders<K: Resource>(object: &K) -> Option<u64> {
    let mut hasher = DefaultHasher::new();
    for order in ORDERS {
        object.annotations().get(order).hash(&mut hasher);
    }
    Some(hasher.finish())
}

/// An object whose identity at the backend changes, or that is gone, wakes those who refer to it. The store has it by
/// then: what a new list shows is told once the list is whole.
fn identified<K: Kind>(context: &Arc<Context>, events: Events<K>) -> Events<K> {
    let context = Arc::clone(context);
    let (mut listed, mut news) = (HashSet::new(), Vec::new());
    let heard = events.inspect_ok(move |event| match event {
        Event::Init => listed.clear(),
        Event::InitApply(object) => {
            let key = key_of(object);
            news.extend(is_news(&context, object).then(|| key.clone()));
            listed.insert(key);
        }
        Event::InitDone => {
            for key in context.memory.identified(K::NAME) {
                if !listed.contains(&key) {
                    forget(&context, &key);
                }
            }
            for key in news.drain(..) {
                context.wake_referrers(&key);
            }
        }
        Event::Apply(object) => {
            if is_news(&context, object) {
                context.wake_referrers(&key_of(object));
            }
        }
        Event::Delete(object) => forget(&context, &key_of(object)),
    });
    heard.boxed()
}

/// Whether an object has another identity at the backend than before; one on its way out has none.
fn is_news<K: Kind>(context: &Context, object: &K) -> bool {
    let is_living = object.meta().deletion_timestamp.is_none();
    let status = object.status().filter(|_| is_living);
    let identity = status.and_then(K::identity);
    context.memory.identify(&key_of(object), identity)
}

/// An object is gone: whoever referred to it is told, and whoever waited for the place of its tokens.
fn forget(context: &Context, key: &Key) {
    context.wake_referrers(key);
    context.referrers.forget(key);
    context.memory.forget(key);
    context.turns.forget(key);
    context.metrics.expires(&key.to_string(), None);
    context.authority.note(key, None);
    for waiting in context.places.gone(key) {
        context.wakers.wake(&waiting);
    }
    context.brake.poke_if_on();
}

/// Keeps the index of what is owed, and wakes an object that waits for what its forerunner left.
fn owed(context: &Arc<Context>, events: Events<Revocation>) -> Events<Revocation> {
    let context = Arc::clone(context);
    let mut listed = HashSet::new();
    let key = |object: &Revocation| {
        let namespace = namespace_of(object);
        Key::new(KindName::Revocation, namespace, &object.name_any())
    };
    let heard = events.inspect_ok(move |event| match event {
        Event::Init => listed.clear(),
        Event::InitApply(object) => {
            listed.insert(object.name_any());
            context.owed.note(object_of(object), &object.name_any());
        }
        Event::InitDone => {
            for freed in context.owed.keep(&listed) {
                context.wakers.wake(&freed);
            }
        }
        Event::Apply(object) => context.owed.note(object_of(object), &object.name_any()),
        Event::Delete(object) => {
            context.referrers.forget(&key(object));
            context.memory.forget(&key(object));
            context.authority.note(&key(object), None);
            context.wakers.wake(&context.owed.paid(object));
            context.brake.poke_if_on();
        }
    });
    heard.boxed()
}

/// An instance that is gone is forgotten, also if it went while nobody watched.
fn departing<K: Connects>(context: &Arc<Context>, events: Events<K>) -> Events<K> {
    let context = Arc::clone(context);
    let key = |object: &K| Key::new(K::NAME, namespace_of(object), &object.name_any());
    let heard = events.inspect_ok(move |event| match event {
        Event::Delete(object) => instance::gone(&context, &key(object)),
        Event::InitDone => {
            for key in context.backends.keys(K::NAME) {
                if !context.knows(&key) {
                    instance::gone(&context, &key);
                }
            }
        }
        Event::Init | Event::InitApply(_) | Event::Apply(_) => {}
    });
    heard.boxed()
}

fn receiving<K: Resource<DynamicType = ()> + 'static>(
    woken: UnboundedReceiver<ObjectRef<K>>,
) -> impl Stream<Item = ObjectRef<K>> {
    futures::stream::unfold(woken, async |mut woken| Some((woken.recv().await?, woken)))
}

/// What a pass may fail with is dealt with in the pass.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "the runtime's signature")]
fn never<K>(_: Arc<K>, error: &Infallible, _: Arc<Context>) -> Action {
    match *error {}
}
