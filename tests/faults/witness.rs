//! Watches a bench from its start: which values ever were in Secrets, what objects said of themselves, how many
//! published tokens of an entry were alive at the same time.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::StreamExt;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kestra_iam_operator::clock::Clock;
use kestra_iam_operator::plan::token::History;
use kube::ResourceExt;
use kube::api::{Api, DynamicObject};
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{Config, Event, watcher};
use serde::de::DeserializeOwned;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use crate::bench::ours;
use crate::tables::{Tables, Token};

/// How often the tables are looked at, unless a look takes long.
const GLANCE: Duration = Duration::from_millis(100);

/// The looks take one part in so many of the time at most: ten thousand tokens are to leave room for those who keep them.
const SHARE: u32 = 8;

/// Annotation that holds the history of an entry's tokens.
pub const HISTORY: &str = "kestra-iam.dev/history";

/// The kinds whose status is watched.
pub const KINDS: [&str; 5] = ["ServiceAccount", "ApiToken", "Group", "Role", "RoleBinding"];

/// What was seen so far, and goes on being seen until it is dropped.
pub struct Witness {
    seen: Arc<Mutex<Seen>>,
    tasks: Mutex<Vec<JoinHandle<()>>>,
}

/// What was seen.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// All values that ever were in a Secret or are secret otherwise.
    pub values: BTreeSet<String>,
    /// The ids of all tokens that ever were in a Secret.
    pub published: BTreeSet<String>,
    /// For each entry the most published tokens of it that were alive at the same time.
    pub most: BTreeMap<String, usize>,
    /// For each entry how many more of them than two are no violation.
    pub expected: BTreeMap<String, usize>,
    /// Objects whose status was ahead of their spec.
    pub ahead: Vec<String>,
}

impl Witness {
    /// Starts to watch the cluster and these tables.
    pub fn start(kube: &kube::Client, tables: Tables, clock: Clock) -> Self {
        let seen = Arc::<Mutex<Seen>>::default();
        let counting = tokio::spawn(count(tables, clock, Arc::clone(&seen)));
        let witness = Self {
            seen,
            tasks: Mutex::new(vec![counting]),
        };
        witness.watch(kube);
        witness
    }

    /// Watches the cluster from its present state on: also one whose versions have gone back.
    pub fn watch(&self, kube: &kube::Client) {
        let mut tasks = self.tasks.lock().unwrap();
        let secrets: Api<Secret> = Api::all(kube.clone());
        let seen = Arc::clone(&self.seen);
        let note = move |secret: &Secret| seen.lock().unwrap().note_secret(secret);
        tasks.push(tokio::spawn(watch(secrets, note)));
        for kind in KINDS {
            let objects: Api<DynamicObject> = Api::all_with(kube.clone(), &ours(kind));
            let seen = Arc::clone(&self.seen);
            let note = move |object: &DynamicObject| seen.lock().unwrap().note_object(object);
            tasks.push(tokio::spawn(watch(objects, note)));
        }
    }

    /// This is secret too.
    pub fn know(&self, value: &str) {
        self.seen.lock().unwrap().note_value(value);
    }

    /// So many urgent replacements fall into one overlap of an entry.
    pub fn expect(&self, entry: &str, replacements: usize) {
        let expected = &mut self.seen.lock().unwrap().expected;
        let most = expected.entry(entry.to_owned()).or_default();
        *most = replacements.max(*most);
    }

    /// What was seen so far.
    pub fn seen(&self) -> Seen {
        self.seen.lock().unwrap().clone()
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        for task in &*self.tasks.lock().unwrap() {
            task.abort();
        }
    }
}

impl Seen {
    /// Takes in a Secret as it is or was.
    pub fn note_secret(&mut self, secret: &Secret) {
        let data = secret.data.iter().flatten();
        for (_, ByteString(value)) in data.filter(|(key, _)| *key == "token") {
            self.note_value(&String::from_utf8_lossy(value));
        }
        let history = secret.annotations().get(HISTORY);
        if let Some(history) = history.and_then(|text| History::parse(text)) {
            self.published.insert(history.current.id.to_string());
        }
    }

    /// What is short is no token: rows write such things by hand.
    fn note_value(&mut self, value: &str) {
        if value.len() >= 20 {
            self.values.insert(value.to_owned());
        }
    }

    fn note_object(&mut self, object: &DynamicObject) {
        let observed = object.data["status"]["observedGeneration"].as_i64();
        if observed > object.metadata.generation {
            let name = object.name_any();
            self.ahead.push(format!("{name}: {observed:?}"));
        }
    }

    fn note_tokens(&mut self, live: &[Token]) {
        let mut counts = BTreeMap::<String, usize>::new();
        for token in live
            .iter()
            .filter(|token| self.published.contains(&token.id))
        {
            *counts.entry(token.entry().unwrap_or_default()).or_default() += 1;
        }
        for (entry, count) in counts {
            let most = self.most.entry(entry).or_default();
            *most = count.max(*most);
        }
    }
}

/// Notes every state that the watch shows, for ever.
async fn watch<K>(api: Api<K>, note: impl Fn(&K))
where
    K: kube::Resource + Clone + DeserializeOwned + Debug + Send + 'static,
{
    let mut events = pin!(watcher(api, Config::default()).default_backoff());
    while let Some(event) = events.next().await {
        if let Ok(Event::Apply(object) | Event::InitApply(object)) = event {
            note(&object);
        }
    }
}

/// Counts published tokens that are alive, for ever. A server that is being replaced has no tables for a moment.
async fn count(tables: Tables, clock: Clock, seen: Arc<Mutex<Seen>>) {
    loop {
        let start = Instant::now();
        if let Ok(live) = tables.live(clock.now().as_millisecond()).await {
            seen.lock().unwrap().note_tokens(&live);
        }
        sleep(GLANCE.max(start.elapsed() * SHARE)).await;
    }
}
