//! How many tokens the objects of one namespace may have together.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use kube::ResourceExt;
use kube::runtime::reflector::Store;

use super::backend::Backend;
use super::kind::{Kind, Pass, instance_key, key_of};
use super::outcome::Blocked;
use super::referrers::Key;
use crate::api::{ApiToken, ServiceAccount};

/// An object whose tokens count.
pub trait Claimant: Kind {
    /// How many tokens it asks for.
    fn asks_for(&self) -> usize;

    /// Whether it has a token already.
    fn has_token(&self) -> bool;
}

impl Claimant for ServiceAccount {
    fn asks_for(&self) -> usize {
        self.spec.tokens.len()
    }

    fn has_token(&self) -> bool {
        let mut entries = self.status.iter().flat_map(|status| &status.tokens);
        entries.any(|entry| entry.token.id.is_some())
    }
}

impl Claimant for ApiToken {
    fn asks_for(&self) -> usize {
        1
    }

    fn has_token(&self) -> bool {
        let status = self.status.as_ref();
        let token = status.and_then(|status| status.token.as_ref());
        token.is_some_and(|token| token.id.is_some())
    }
}

/// Which objects have a place for their tokens, and which wait for one. Decisions about places are made one at a time.
#[derive(Debug, Default)]
pub struct Places(Mutex<Taken>);

/// By namespace.
type Taken = HashMap<String, HashMap<Key, Place>>;

#[derive(Clone, Copy, Debug)]
enum Place {
    /// For so many tokens.
    Taken(usize),
    Awaited,
}

impl Places {
    /// The object wants none any more. Answers with those who may have its place now.
    fn leave(&self, key: &Key) -> Vec<Key> {
        match self.remove(key) {
            Some(_) => self.waiting(&key.namespace),
            None => Vec::new(),
        }
    }

    /// The object is gone. Its tokens counted whether or not it was ever looked at.
    pub fn gone(&self, key: &Key) -> Vec<Key> {
        self.remove(key);
        self.waiting(&key.namespace)
    }

    fn remove(&self, key: &Key) -> Option<Place> {
        let mut taken = self.lock();
        let places = taken.get_mut(&key.namespace)?;
        let place = places.remove(key);
        if places.is_empty() {
            taken.remove(&key.namespace);
        }
        place
    }

    fn waiting(&self, namespace: &str) -> Vec<Key> {
        self.lock().get(namespace).map(waiting).unwrap_or_default()
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn waiting(places: &HashMap<Key, Place>) -> Vec<Key> {
    let waiting = places
        .iter()
        .filter(|(_, place)| matches!(place, Place::Awaited));
    waiting.map(|(key, _)| key.clone()).collect()
}

/// Takes a place for the object's tokens if there is one.
pub fn permitted<K: Claimant>(pass: &Pass<K>, backend: &Backend) -> Result<(), Blocked> {
    let (context, key) = (&pass.context, pass.key());
    let tokens = pass.object.asks_for();
    let freed = if tokens == 0 {
        context.places.leave(&key)
    } else {
        take(pass, backend, key, tokens)?
    };
    for waiting in freed {
        context.wakers.wake(&waiting);
    }
    Ok(())
}

/// Answers with those who may have what it gives up.
fn take<K: Claimant>(
    pass: &Pass<K>,
    backend: &Backend,
    key: Key,
    tokens: usize,
) -> Result<Vec<Key>, Blocked> {
    let mut taken = pass.context.places.lock();
    let places = taken.entry(key.namespace.clone()).or_default();
    let place = tokens + before(pass, backend, places);
    let judged = backend.guard(pass.namespace()).token_count(place);
    let new = match &judged {
        Ok(()) => Place::Taken(tokens),
        Err(_) => Place::Awaited,
    };
    let old = places.insert(key, new);
    judged?;
    match old {
        Some(Place::Taken(old)) if old > tokens => Ok(waiting(places)),
        _ => Ok(Vec::new()),
    }
}

/// The tokens of those at the same instance whose turn comes first.
fn before<K: Claimant>(pass: &Pass<K>, backend: &Backend, places: &HashMap<Key, Place>) -> usize {
    let limited = backend
        .guardrails
        .as_ref()
        .is_some_and(|rules| rules.tokens_per_namespace.is_some());
    if !limited {
        return 0;
    }
    let stores = &pass.context.stores;
    ahead(pass, &stores.service_accounts, places) + ahead(pass, &stores.api_tokens, places)
}

fn ahead<K: Claimant, O: Claimant>(
    pass: &Pass<K>,
    store: &Store<O>,
    places: &HashMap<Key, Place>,
) -> usize {
    let others = store.state().into_iter();
    let others = others.filter(|other| counts(pass, &**other));
    Claim::of(&pass.object, places).after(others.map(|other| Claim::of(&*other, places)))
}

fn counts<K: Kind, O: Kind>(pass: &Pass<K>, other: &O) -> bool {
    other.meta().namespace.as_deref() == Some(pass.namespace())
        && instance_key(other.instance_ref(), pass.namespace()) == pass.instance_key()
}

/// What an object asks for, and when its turn is.
struct Claim {
    turn: Turn,
    tokens: usize,
}

/// Who has tokens keeps them, whoever comes; apart from that the oldest come first. Times of creation are whole seconds.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Turn {
    is_newcomer: bool,
    created: Option<Timestamp>,
    uid: Option<String>,
}

impl Claim {
    fn of<K: Claimant>(object: &K, places: &HashMap<Key, Place>) -> Self {
        let taken = match places.get(&key_of(object)) {
            Some(Place::Taken(tokens)) => Some(*tokens),
            Some(Place::Awaited) | None => None,
        };
        Self {
            turn: Turn {
                is_newcomer: taken.is_none() && !object.has_token(),
                created: object.creation_timestamp().map(|time| time.0),
                uid: object.uid(),
            },
            tokens: taken.unwrap_or_else(|| object.asks_for()),
        }
    }

    /// How many tokens come before this one's.
    fn after(&self, others: impl Iterator<Item = Self>) -> usize {
        let earlier = others.filter(|other| other.turn < self.turn);
        earlier.map(|other| other.tokens).sum()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::controller::referrers::KindName;

    fn key(name: &str) -> Key {
        Key::new(KindName::ServiceAccount, "team-a", name)
    }

    /// Objects made within the same second, so that the uid decides.
    fn account(name: &str, uid: &str, status: &Value) -> ServiceAccount {
        serde_json::from_value(json!({
            "apiVersion": "kestra-iam.dev/v1alpha1", "kind": "ServiceAccount",
            "metadata": {
                "name": name, "namespace": "team-a", "uid": uid, "creationTimestamp": "2026-01-01T00:00:00Z",
            },
            "spec": {"tokens": [{"name": "default", "lifetime": "1h"}]},
            "status": status,
        }))
        .unwrap()
    }

    #[test]
    fn who_has_a_token_comes_before_whoever_has_none() {
        let status = json!({"tokens": [{"name": "default", "id": "t1", "generation": 1}]});
        let (first, second) = (
            account("first", "b", &status),
            account("second", "a", &json!({})),
        );
        let places = HashMap::new();
        let claim = |account| Claim::of(account, &places);
        assert_eq!(claim(&second).after([claim(&first)].into_iter()), 1);
        assert_eq!(claim(&first).after([claim(&second)].into_iter()), 0);
    }

    #[test]
    fn a_place_counts_before_its_token_shows_in_the_status() {
        let none = json!({});
        let (first, second) = (account("first", "b", &none), account("second", "a", &none));
        let places = HashMap::from([(key("first"), Place::Taken(1))]);
        let claim = |account| Claim::of(account, &places);
        assert_eq!(claim(&second).after([claim(&first)].into_iter()), 1);
        assert_eq!(claim(&first).after([claim(&second)].into_iter()), 0);
    }

    #[test]
    fn who_leaves_makes_room_for_those_who_wait_in_its_namespace() {
        let places = Places::default();
        let put = |key: Key, place| {
            let mut taken = places.lock();
            let namespace = taken.entry(key.namespace.clone()).or_default();
            namespace.insert(key, place);
        };
        let elsewhere = Key::new(KindName::ServiceAccount, "team-b", "other");
        for (key, place) in [
            (key("first"), Place::Taken(1)),
            (key("second"), Place::Awaited),
            (elsewhere, Place::Awaited),
        ] {
            put(key, place);
        }
        assert_eq!(places.leave(&key("first")), [key("second")]);
        assert!(places.leave(&key("first")).is_empty());
        let unseen = "deleted before this process ever looked at it";
        assert_eq!(places.gone(&key("older")), [key("second")], "{unseen}");
        places.gone(&key("second"));
        assert!(!places.lock().contains_key("team-a"));
    }
}
