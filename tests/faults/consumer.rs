//! A program that lives on the token in a Secret, twenty calls a second, and counts what it is refused. The Secret has a
//! name, or is the one that a status names.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{Api, DynamicObject};
use testbed::wait_for;
use tokio::time::{MissedTickBehavior, interval};

/// Twenty calls a second.
const PAUSE: Duration = Duration::from_millis(50);
/// After so many calls it looks again at its Secret, as a mounted file follows it: with a delay.
const CALLS_A_READ: u64 = 5;

/// A running consumer. It keeps what it read while the Secret is gone, as a mounted file does.
#[derive(Clone)]
pub struct Consumer(Arc<Shared>);

/// Which Secret a consumer lives on.
pub enum Source {
    /// The one of this name.
    Named(String),
    /// The one that the status of this account names for its first token.
    Pointed(Box<Api<DynamicObject>>, String),
}

struct Shared {
    secrets: Api<Secret>,
    source: Source,
    url: String,
    http: reqwest::Client,
    stopped: AtomicBool,
    ended: AtomicBool,
    /// Looks that somebody waits for, and the number of them that were done.
    asked: AtomicU64,
    done: AtomicU64,
    excuses: AtomicUsize,
    tally: Mutex<Tally>,
}

/// What it has seen.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// All calls.
    pub calls: u64,
    /// Those without an answer, or with one that says that the server is out of order.
    pub outages: u64,
    /// 401s while something was broken on purpose.
    pub excused: u64,
    /// All other 401s, with what the Secret held when they came.
    pub refusals: Vec<String>,
    /// The values that it used.
    pub values: u64,
}

/// The token is broken on purpose: 401s are counted apart until this is dropped.
pub struct Excuse(Consumer);

impl Consumer {
    /// Starts to call the server at `url` with the token of a Secret.
    pub fn start(secrets: Api<Secret>, source: Source, url: &str, http: reqwest::Client) -> Self {
        let shared = Shared {
            secrets,
            source,
            url: format!("{url}/api/v1/me"),
            http,
            stopped: AtomicBool::new(false),
            ended: AtomicBool::new(false),
            asked: AtomicU64::new(0),
            done: AtomicU64::new(0),
            excuses: AtomicUsize::new(0),
            tally: Mutex::default(),
        };
        let consumer = Self(Arc::new(shared));
        tokio::spawn(work(Arc::clone(&consumer.0)));
        consumer
    }

    /// Waits until it has looked at its Secret once more, the look begun after this call.
    pub async fn refresh(&self) {
        let ask = self.0.asked.fetch_add(1, Ordering::SeqCst) + 1;
        let done = async || {
            let is_done = self.0.done.load(Ordering::SeqCst) >= ask;
            (is_done || self.0.stopped.load(Ordering::SeqCst)).then_some(())
        };
        wait_for("a look of the consumer at its Secret", done)
            .await
            .unwrap();
    }

    /// From here on 401s are expected, until the excuse is dropped or taken back.
    pub fn excuse(&self) -> Excuse {
        self.0.excuses.fetch_add(1, Ordering::SeqCst);
        Excuse(self.clone())
    }

    /// Ends its work: no call is under way any more.
    pub async fn stop(&self) {
        self.0.stopped.store(true, Ordering::SeqCst);
        let ended = async || self.0.ended.load(Ordering::SeqCst).then_some(());
        wait_for("the end of the consumer", ended).await.unwrap();
    }

    /// Waits until it has made so many calls more.
    pub async fn calls(&self, more: u64) {
        let goal = self.tally().calls + more;
        let made = async || (self.tally().calls >= goal).then_some(());
        wait_for("calls of the consumer", made).await.unwrap();
    }

    /// What it has seen so far.
    pub fn tally(&self) -> Tally {
        self.0.tally.lock().unwrap().clone()
    }

    /// The Secret that it lives on, or the account that tells which.
    pub fn secret(&self) -> &str {
        self.0.source.name()
    }
}

impl Excuse {
    /// The token is whole again: waits until the consumer has seen it.
    pub async fn take_back(self) {
        self.0.refresh().await;
    }
}

impl Drop for Excuse {
    fn drop(&mut self) {
        self.0.0.excuses.fetch_sub(1, Ordering::SeqCst);
    }
}

async fn work(shared: Arc<Shared>) {
    let mut ticks = interval(PAUSE);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut value = String::new();
    let mut calls = 0;
    while !shared.stopped.load(Ordering::SeqCst) {
        ticks.tick().await;
        let asked = shared.asked.load(Ordering::SeqCst);
        if calls % CALLS_A_READ == 0 || asked > shared.done.load(Ordering::SeqCst) {
            shared.look(&mut value).await;
            shared.done.store(asked, Ordering::SeqCst);
        }
        if !value.is_empty() {
            shared.call(&value).await;
            calls += 1;
        }
    }
    shared.ended.store(true, Ordering::SeqCst);
}

impl Shared {
    async fn look(&self, value: &mut String) {
        if let Some(found) = self.read().await
            && found != *value
        {
            *value = found;
            self.tally.lock().unwrap().values += 1;
        }
    }

    /// The value, if there is one to be read.
    async fn read(&self) -> Option<String> {
        let secret = self.source.secret().await?;
        let secret = self.secrets.get(&secret).await.ok()?;
        let ByteString(bytes) = secret.data?.remove("token")?;
        String::from_utf8(bytes).ok()
    }

    async fn call(&self, value: &str) {
        let excused = self.excuses.load(Ordering::SeqCst) > 0;
        let answer = self.http.get(&self.url).bearer_auth(value).send().await;
        let status = answer.map(|answer| answer.status().as_u16());
        let refusal = match status {
            Ok(401) if !excused => Some(self.told(value).await),
            _ => None,
        };
        let mut tally = self.tally.lock().unwrap();
        tally.calls += 1;
        match status {
            Ok(200) => {}
            Ok(401) if excused => tally.excused += 1,
            Ok(401) => tally.refusals.extend(refusal),
            _ => tally.outages += 1,
        }
    }

    /// A refusal in words that show no value.
    async fn told(&self, value: &str) -> String {
        let held = match self.read().await {
            Some(held) if held == value => "the Secret holds the same".to_owned(),
            Some(held) => format!("the Secret holds {}… by now", start_of(&held)),
            None => "the Secret holds none".to_owned(),
        };
        format!("{} with {}…: {held}", self.source.name(), start_of(value))
    }
}

impl Source {
    fn name(&self) -> &str {
        match self {
            Self::Named(name) | Self::Pointed(_, name) => name,
        }
    }

    /// The name of the Secret at this moment.
    async fn secret(&self) -> Option<String> {
        match self {
            Self::Named(name) => Some(name.clone()),
            Self::Pointed(accounts, name) => {
                let account = accounts.get(name).await.ok()?;
                let secret = &account.data["status"]["tokens"][0]["secretName"];
                secret.as_str().map(str::to_owned)
            }
        }
    }
}

fn start_of(value: &str) -> &str {
    value.get(..6).unwrap_or(value)
}
