//! The backends as the other controllers see them: connected and looked over, or why not.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};

use super::error::backend_reason;
use super::inventory::Inventory;
use super::outcome::Down;
use super::referrers::{Key, KindName};
use crate::api::Duration;
use crate::api::guardrails::Guardrails;
use crate::api::instance::Identity;
use crate::iam::client::{Class, Client, Config, Error};
use crate::ops::metrics::{Answer, Metrics};
use crate::plan::guardrail::Guard;

/// A backend that answers and whose lists were read.
#[derive(Debug)]
pub struct Backend {
    /// The instance that stands for it.
    pub key: Key,
    /// The connection.
    pub client: Client,
    /// What it holds.
    pub inventory: Arc<Inventory>,
    /// The id that it gives itself, if it has one.
    pub uuid: Option<String>,
    /// Its address, for the template of Secrets.
    pub url: String,
    /// How accounts are called by default.
    pub name_template: String,
    /// What its objects may do; `None` for a namespace's own `Instance`.
    pub guardrails: Option<Guardrails>,
    /// How coarse its times of use are.
    pub granularity: SignedDuration,
    /// How often its lists are read anew.
    pub sweep: Duration,
    /// How often the tokens of an account are listed.
    pub token_sweep: SignedDuration,
    /// Who we are there.
    pub identity: Identity,
}

impl Backend {
    /// The guardrails as they apply to a namespace.
    #[must_use]
    pub fn guard<'a>(&'a self, namespace: &'a str) -> Guard<'a> {
        Guard {
            rules: self.guardrails.as_ref(),
            namespace,
        }
    }

    /// The name of an account that does not ask for one.
    #[must_use]
    pub fn usual_name(&self, namespace: &str, name: &str) -> String {
        self.name_template
            .replace("{{namespace}}", namespace)
            .replace("{{name}}", name)
    }

    /// Whether this is the operator itself, which is never touched.
    #[must_use]
    pub fn is_self(&self, id: &str) -> bool {
        self.identity.id == id
    }

    /// An instant on the backend's clock, on ours.
    #[must_use]
    pub fn on_our_clock(&self, instant: Timestamp) -> Timestamp {
        let offset = self.client.clock_offset().unwrap_or(SignedDuration::ZERO);
        instant.checked_sub(offset).unwrap_or(instant)
    }

    /// Adds the requests of late to the metrics, and tells how many of them the backend served.
    pub fn report(&self, metrics: &Metrics) -> u64 {
        report(&self.key, &self.client, metrics)
    }
}

fn report(instance: &Key, client: &Client, metrics: &Metrics) -> u64 {
    let counts = client.take_counts();
    let instance = instance.path();
    let failed = counts
        .failed
        .iter()
        .map(|&(class, times)| (answer(class), times));
    for (answer, times) in failed.chain([(Answer::Success, counts.succeeded)]) {
        if times > 0 {
            metrics.answered(&instance, answer, times);
        }
    }
    counts.succeeded
}

const fn answer(class: Class) -> Answer {
    match class {
        Class::Gone => Answer::Gone,
        Class::Conflict => Answer::Conflict,
        Class::Unauthorized => Answer::Unauthorized,
        Class::Forbidden => Answer::Forbidden,
        Class::Invalid => Answer::Invalid,
        Class::Throttled => Answer::Throttled,
        Class::Unavailable => Answer::Unavailable,
        Class::Protocol | Class::Incomplete | Class::Ambiguous | Class::Config => Answer::Protocol,
    }
}

/// Where an instance stands.
#[derive(Clone, Debug)]
pub enum Standing {
    /// It can be worked with.
    Ready(Arc<Backend>),
    /// It can't; objects say so and wait to be woken.
    Down(Down),
}

/// All instances that were looked at.
#[derive(Debug, Default)]
pub struct Backends(Mutex<HashMap<Key, Entry>>);

#[derive(Debug, Default)]
struct Entry {
    standing: Option<Standing>,
    /// What it holds, and of which backend and tenant that was learnt. It outlives outages and new credentials.
    learnt: Option<(String, Arc<Inventory>)>,
    /// The connection, with its budget, for as long as its configuration stays the same.
    connection: Option<(Config, Client)>,
    /// How far the backend's clock was ahead of ours by the last answer to a connection before this one.
    offset: Option<SignedDuration>,
    /// How many passes in a row failed as if the backend were out of order.
    outages: u32,
}

impl Entry {
    fn offset(&self) -> Option<SignedDuration> {
        let connection = self.connection.as_ref();
        let known = connection.and_then(|(_, client)| client.clock_offset());
        known.or(self.offset)
    }
}

/// So many failures in a row close an instance: one alone may be of one route, and a probe of others would succeed.
const OUTAGES: u32 = 3;

impl Backends {
    /// Where an instance stands; `None` = it was not looked at yet.
    #[must_use]
    pub fn get(&self, key: &Key) -> Option<Standing> {
        self.lock().get(key)?.standing.clone()
    }

    /// Notes where an instance stands.
    pub fn set(&self, key: &Key, standing: Standing) {
        let mut entries = self.lock();
        let entry = entries.entry(key.clone()).or_default();
        entry.standing = Some(standing);
        entry.outages = 0;
    }

    /// A client of this configuration: the one that is there, with its connections and its budget, or a new one.
    pub fn connect(&self, key: &Key, config: Config) -> Result<Client, Error> {
        let mut entries = self.lock();
        let entry = entries.entry(key.clone()).or_default();
        match &entry.connection {
            Some((known, client)) if known.is_like(&config) => Ok(client.clone()),
            _ => {
                let client = Client::new(&config)?;
                entry.offset = entry.offset();
                entry.connection = Some((config, client.clone()));
                Ok(client)
            }
        }
    }

    /// Adds what became of the requests of late to the metrics, also while the instance is no backend yet.
    pub fn report(&self, key: &Key, metrics: &Metrics) {
        let entries = self.lock();
        let connection = entries.get(key).and_then(|entry| entry.connection.as_ref());
        if let Some((_, client)) = connection {
            report(key, client, metrics);
        }
    }

    /// How far an instance's clock is ahead of ours, by its last answer; zero if it has answered nothing yet.
    #[must_use]
    pub fn clock_offset(&self, key: &Key) -> SignedDuration {
        let entries = self.lock();
        let offset = entries.get(key).and_then(Entry::offset);
        offset.unwrap_or(SignedDuration::ZERO)
    }

    /// What is known of the backend and tenant that `whole` names.
    #[must_use]
    pub fn inventory(&self, key: &Key, whole: &str) -> Arc<Inventory> {
        let mut entries = self.lock();
        let entry = entries.entry(key.clone()).or_default();
        match &entry.learnt {
            Some((known, inventory)) if known == whole => Arc::clone(inventory),
            _ => {
                let inventory = Arc::new(Inventory::default());
                entry.learnt = Some((whole.to_owned(), Arc::clone(&inventory)));
                inventory
            }
        }
    }

    /// All instances of a kind that were looked at.
    #[must_use]
    pub fn keys(&self, kind: KindName) -> Vec<Key> {
        let entries = self.lock();
        let keys = entries.keys().filter(|key| key.kind == kind);
        keys.cloned().collect()
    }

    /// Forgets an instance that is gone.
    pub fn remove(&self, key: &Key) {
        self.lock().remove(key);
    }

    /// Notes that the backend serves requests.
    pub fn well(&self, key: &Key) {
        if let Some(entry) = self.lock().get_mut(key) {
            entry.outages = 0;
        }
    }

    /// Notes a pass that failed, and closes the instance if it seems to be out of order as a whole, so that no further
    /// object tries it; the instance's own controller probes it. Answers whether it was closed by this.
    pub fn failed(&self, key: &Key, error: &Error) -> bool {
        let is_whole = error.is_outage() || matches!(error, Error::Unauthorized { .. });
        let mut entries = self.lock();
        let Some(entry) = entries.get_mut(key).filter(|_| is_whole) else {
            return false;
        };
        entry.outages += 1;
        if !error.is_unreachable() && entry.outages < OUTAGES {
            return false;
        }
        let Some(standing @ Standing::Ready(_)) = entry.standing.as_mut() else {
            return false;
        };
        *standing = Standing::Down(Down {
            reason: backend_reason(error),
            message: format!(
                "waits for {} {}, whose backend fails: {error}",
                key.kind.as_str(),
                key.name
            ),
        });
        true
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use crate::iam::client::Credential;
    use crate::iam::model::TokenValue;

    fn config() -> Config {
        let credential = Credential::Bearer(TokenValue::new("t".to_owned()));
        // Nobody listens there.
        Config::new("http://127.0.0.1:1", "main", credential, Clock::system())
    }

    #[tokio::test]
    async fn a_connection_and_its_budget_outlive_the_looks_at_an_instance() {
        let backends = Backends::default();
        let key = Key::new(KindName::ClusterInstance, "", "default");
        let first = backends.connect(&key, config()).unwrap();
        assert!(first.me().await.is_err());
        let second = backends.connect(&key, config()).unwrap();
        assert_eq!(second.counts().total(), 1, "the same one");
        let changed = Config {
            requests_per_second: 1,
            ..config()
        };
        let third = backends.connect(&key, changed).unwrap();
        assert_eq!(third.counts().total(), 0, "another one");
    }
}
