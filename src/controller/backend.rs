//! The backends as the other controllers see them: connected and looked over, or why not.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::SignedDuration;

use super::inventory::Inventory;
use super::outcome::Blocked;
use super::referrers::Key;
use crate::api::condition::Reason;
use crate::api::guardrails::Guardrails;
use crate::api::instance::Identity;
use crate::iam::client::{Client, Error};
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
    /// Its address, for the template of Secrets.
    pub url: String,
    /// How accounts are called by default.
    pub name_template: String,
    /// What its objects may do; `None` for a namespace's own `Instance`.
    pub guardrails: Option<Guardrails>,
    /// How coarse its times of use are.
    pub granularity: SignedDuration,
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
}

/// Where an instance stands.
#[derive(Clone, Debug)]
pub enum Standing {
    /// It can be worked with.
    Ready(Arc<Backend>),
    /// It can't; objects say so and wait to be woken.
    Down(Blocked),
}

/// All instances that were looked at.
#[derive(Debug, Default)]
pub struct Backends(Mutex<HashMap<Key, Entry>>);

#[derive(Debug, Default)]
struct Entry {
    standing: Option<Standing>,
    /// What it holds, and of which backend and tenant that was learnt. It outlives outages and new credentials.
    learnt: Option<(String, Arc<Inventory>)>,
}

impl Backends {
    /// Where an instance stands; `None` = it was not looked at yet.
    #[must_use]
    pub fn get(&self, key: &Key) -> Option<Standing> {
        self.lock().get(key)?.standing.clone()
    }

    /// Notes where an instance stands.
    pub fn set(&self, key: &Key, standing: Standing) {
        self.lock().entry(key.clone()).or_default().standing = Some(standing);
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

    /// Forgets an instance that is gone.
    pub fn remove(&self, key: &Key) {
        self.lock().remove(key);
    }

    /// Closes an instance whose backend failed as a whole, so that no further object tries it; the instance's own
    /// controller probes it. Answers whether it was open.
    pub fn trip(&self, key: &Key, error: &Error) -> bool {
        let reason = match error {
            Error::Unauthorized { .. } => Reason::Unauthorized,
            Error::Throttled { .. } => Reason::BackendThrottled,
            _ if error.is_outage() => Reason::BackendUnavailable,
            _ => return false,
        };
        let mut entries = self.lock();
        let standing = entries
            .get_mut(key)
            .and_then(|entry| entry.standing.as_mut());
        let Some(standing @ Standing::Ready(_)) = standing else {
            return false;
        };
        *standing = Standing::Down(Blocked::unsynced(reason, waiting(key, error)));
        true
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn waiting(key: &Key, error: &Error) -> String {
    format!(
        "waits for {} {}, whose backend fails: {error}",
        key.kind.as_str(),
        key.name
    )
}
