//! Many programs, each on the token in a Secret of its own, with twenty calls a second between them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;
use kube::api::{Api, ListParams};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use testbed::wait_for;
use tokio::time::{MissedTickBehavior, interval};

use crate::witness::HISTORY;

/// Twenty calls a second.
const PAUSE: Duration = Duration::from_millis(50);
/// After so many calls they look again at their Secrets, as mounted files follow them: with a delay.
const CALLS_A_LOOK: u64 = 5;

/// All of them. Each keeps what it read while its Secret is gone, as a mounted file does.
#[derive(Clone)]
pub struct Crowd(Arc<Shared>);

struct Shared {
    secrets: Api<Secret>,
    url: String,
    http: reqwest::Client,
    stopped: AtomicBool,
    /// Looks that somebody waits for, and the number of them that were done.
    asked: AtomicU64,
    done: AtomicU64,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// What each Secret held when it was last looked at; of one with versions, the latest.
    held: BTreeMap<String, Held>,
    /// Uids of objects that were deleted: whatever their Secrets hold ends with them, also what is rotated right then.
    gone: BTreeSet<String>,
    /// Secrets of entries that no spec wants any more: they end with whatever was rotated into them right then.
    dropped: BTreeSet<String>,
    /// For each Secret the values that somebody broke, until another one works.
    broken: BTreeMap<String, BTreeSet<String>>,
    tally: Tally,
}

/// A token, and the uid of the object whose Secret holds it.
#[derive(Clone)]
struct Held {
    value: String,
    owner: String,
}

/// What they have seen.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// All calls.
    pub calls: u64,
    /// 401s with values that somebody broke.
    pub explained: u64,
    /// All other 401s, with what the Secret held when they came.
    pub unexplained: Vec<String>,
}

impl Crowd {
    /// Starts them: on all Secrets that hold a token, the present ones and those to come.
    pub fn start(secrets: Api<Secret>, url: &str, seed: u64) -> Self {
        let shared = Shared {
            secrets,
            url: format!("{url}/api/v1/me"),
            http: reqwest::Client::builder().no_proxy().build().unwrap(),
            stopped: AtomicBool::new(false),
            asked: AtomicU64::new(0),
            done: AtomicU64::new(0),
            state: Mutex::default(),
        };
        let crowd = Self(Arc::new(shared));
        tokio::spawn(work(Arc::clone(&crowd.0), StdRng::seed_from_u64(seed)));
        crowd
    }

    /// Waits until they have looked at their Secrets once more, the look begun after this call.
    pub async fn refresh(&self) {
        let ask = self.0.asked.fetch_add(1, Ordering::SeqCst) + 1;
        let done = async || (self.0.done.load(Ordering::SeqCst) >= ask).then_some(());
        wait_for("a look of the crowd", done).await.unwrap();
    }

    /// Somebody is about to break what a Secret holds: `values`, and what was last read there.
    pub fn breaks(&self, secret: &str, values: impl IntoIterator<Item = String>) {
        let mut state = self.0.state.lock().unwrap();
        let held = state.held.get(secret).map(|held| held.value.clone());
        let broken = state.broken.entry(secret.to_owned()).or_default();
        broken.extend(values.into_iter().chain(held));
    }

    /// Somebody is about to delete the object of this uid.
    pub fn ends(&self, owner: String) {
        self.0.state.lock().unwrap().gone.insert(owner);
    }

    /// An object is about to be applied that wants these Secrets, and no longer those.
    pub fn turns(&self, wanted: &[String], dropped: &[String]) {
        let mut state = self.0.state.lock().unwrap();
        state.dropped.retain(|secret| !wanted.contains(secret));
        state.dropped.extend(dropped.iter().cloned());
    }

    /// Whether what a Secret holds was broken, and nothing else has worked since.
    pub fn is_broken(&self, secret: &str) -> bool {
        self.0.state.lock().unwrap().broken.contains_key(secret)
    }

    /// Calls once with the token of each Secret; nothing counts as broken any more.
    pub async fn call_all(&self) {
        self.0.forget();
        self.0.look().await;
        let held = self.0.state.lock().unwrap().held.clone();
        for (secret, held) in held {
            self.0.call(&secret, &held).await;
        }
    }

    /// Ends their work.
    pub fn stop(&self) {
        self.0.stopped.store(true, Ordering::SeqCst);
    }

    /// What they have seen so far.
    pub fn tally(&self) -> Tally {
        self.0.state.lock().unwrap().tally.clone()
    }
}

async fn work(shared: Arc<Shared>, mut random: StdRng) {
    let mut ticks = interval(PAUSE);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for round in 0.. {
        if shared.stopped.load(Ordering::SeqCst) {
            return;
        }
        ticks.tick().await;
        let asked = shared.asked.load(Ordering::SeqCst);
        if round % CALLS_A_LOOK == 0 || asked > shared.done.load(Ordering::SeqCst) {
            shared.look().await;
            shared.done.store(asked, Ordering::SeqCst);
        }
        if let Some((secret, held)) = shared.one(&mut random) {
            shared.call(&secret, &held).await;
        }
    }
}

impl Shared {
    /// Reads all Secrets.
    async fn look(&self) {
        let Ok(secrets) = self.secrets.list(&ListParams::default()).await else {
            return;
        };
        let mut found: Vec<(String, Held)> = Vec::new();
        for secret in in_order(secrets.items) {
            found.extend(held_by(&secret).map(|held| (base_of(&secret), held)));
        }
        self.state.lock().unwrap().held.extend(found);
    }

    fn forget(&self) {
        let mut state = self.state.lock().unwrap();
        state.broken.clear();
        state.dropped.clear();
        state.gone.clear();
        state.held.clear();
    }

    /// A Secret and its token.
    fn one(&self, random: &mut StdRng) -> Option<(String, Held)> {
        let held = &self.state.lock().unwrap().held;
        let place = random.random_range(0..held.len().max(1));
        let (secret, held) = held.iter().nth(place)?;
        Some((secret.clone(), held.clone()))
    }

    async fn call(&self, secret: &str, held: &Held) {
        let answer = self
            .http
            .get(&self.url)
            .bearer_auth(&held.value)
            .send()
            .await;
        let at = answer.as_ref().ok().and_then(server_time);
        let status = answer.map_or(0, |answer| answer.status().as_u16());
        let now = match status {
            401 => latest(&self.secrets, secret).await.ok(),
            _ => None,
        };
        let mut state = self.state.lock().unwrap();
        state.tally.calls += 1;
        match status {
            200 => state.works(secret, &held.value),
            401 => state.refused(secret, held, now.flatten().as_ref(), at.as_deref()),
            _ => {}
        }
    }
}

impl State {
    fn works(&mut self, secret: &str, value: &str) {
        let broken = self.broken.get(secret);
        if broken.is_some_and(|broken| !broken.contains(value)) {
            self.broken.remove(secret);
        }
    }

    fn refused(&mut self, secret: &str, used: &Held, now: Option<&Secret>, at: Option<&str>) {
        let value = used.value.as_str();
        if now.is_none() {
            self.held.remove(secret);
        }
        let broken = self.broken.get(secret);
        let is_dropped = now.is_none() && self.dropped.contains(secret);
        let is_gone = is_dropped || self.gone.contains(&used.owner);
        if is_gone || broken.is_some_and(|broken| broken.contains(value)) {
            self.tally.explained += 1;
            return;
        }
        let held = match now.and_then(value_in) {
            Some(held) if held == value => "the Secret holds the same".to_owned(),
            Some(held) => format!("the Secret holds {}… by now", start_of(&held)),
            None => "the Secret holds none".to_owned(),
        };
        let at = at.unwrap_or("an unknown time");
        let annotations = now.map(|secret| secret.annotations().get(HISTORY));
        let refusal = format!(
            "{secret} with {}… at {at}: {held}, its history says {annotations:?}",
            start_of(value)
        );
        self.tally.unexplained.push(refusal);
    }
}

/// What a Secret is called apart from the number of its version, and that number.
fn version(name: &str) -> (String, u64) {
    let numbered = name.rsplit_once("-g");
    let numbered = numbered.and_then(|(base, number)| Some((base, number.parse().ok()?)));
    let (base, number) = numbered.unwrap_or((name, 0));
    (base.to_owned(), number)
}

/// What a Secret is called apart from the number of its version.
pub fn base_of(secret: &Secret) -> String {
    version(&secret.name_any()).0
}

fn in_order(mut secrets: Vec<Secret>) -> Vec<Secret> {
    secrets.sort_by_key(|secret| version(&secret.name_any()));
    secrets
}

/// The Secret of this name, or its latest version.
pub async fn latest(secrets: &Api<Secret>, name: &str) -> kube::Result<Option<Secret>> {
    if let Some(secret) = secrets.get_opt(name).await? {
        return Ok(Some(secret));
    }
    let mut versions = secrets.list(&ListParams::default()).await?.items;
    versions.retain(|secret| base_of(secret) == name);
    Ok(in_order(versions).pop())
}

fn server_time(answer: &reqwest::Response) -> Option<String> {
    let date = answer.headers().get("date")?;
    date.to_str().ok().map(str::to_owned)
}

fn held_by(secret: &Secret) -> Option<Held> {
    let value = value_in(secret)?;
    let owner = secret.owner_references().first();
    let owner = owner.map(|owner| owner.uid.clone()).unwrap_or_default();
    Some(Held { value, owner })
}

/// The token that a Secret holds.
pub fn value_in(secret: &Secret) -> Option<String> {
    let ByteString(bytes) = secret.data.as_ref()?.get("token")?;
    String::from_utf8(bytes.clone()).ok()
}

fn start_of(value: &str) -> &str {
    value.get(..6).unwrap_or(value)
}
