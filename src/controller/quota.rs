//! How many tokens the objects of one namespace may hold together. As with a Kubernetes `ResourceQuota`, only what is held
//! counts: who waits blocks nobody.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use kube::ResourceExt;
use kube::runtime::reflector::Store;

use super::backend::Backend;
use super::kind::{Kind, Pass, instance_key, key_of};
use super::outcome::Blocked;
use super::referrers::Key;
use crate::api::api_token::ApiTokenStatus;
use crate::api::service_account::ServiceAccountStatus;
use crate::api::{ApiToken, ServiceAccount};
use crate::plan::guardrail::Refusal;

/// An object whose tokens count.
pub trait Claimant: Kind {
    /// How many tokens it asks for.
    fn asks_for(&self) -> usize;

    /// How many tokens it has by such a status; one that has expired is none.
    fn has(status: &Self::Status, now: Timestamp) -> usize;
}

impl Claimant for ServiceAccount {
    fn asks_for(&self) -> usize {
        self.spec.tokens.len()
    }

    fn has(status: &ServiceAccountStatus, now: Timestamp) -> usize {
        let entries = status.tokens.iter();
        entries.filter(|entry| entry.token.has_token(now)).count()
    }
}

impl Claimant for ApiToken {
    fn asks_for(&self) -> usize {
        1
    }

    fn has(status: &ApiTokenStatus, now: Timestamp) -> usize {
        let token = status.token.as_ref();
        usize::from(token.is_some_and(|token| token.has_token(now)))
    }
}

/// Which objects have a place for their tokens, and which wait for one. Decisions about places are made one at a time.
#[derive(Debug, Default)]
pub struct Places(Mutex<Taken>);

/// By namespace.
type Taken = HashMap<String, HashMap<Key, Place>>;

/// What was decided of an object when it was last looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    /// Taken for so many tokens, whether or not they are issued yet.
    held: usize,
    /// Whether it was refused as many as it asks for.
    waits: bool,
}

impl Places {
    /// The object is gone. Answers with those who may have its place now; its tokens counted whether or not it was ever
    /// looked at.
    pub fn gone(&self, key: &Key) -> Vec<Key> {
        let mut taken = self.lock();
        let Some(places) = taken.get_mut(&key.namespace) else {
            return Vec::new();
        };
        places.remove(key);
        let waiting = waiting_beside(places, key);
        if places.is_empty() {
            taken.remove(&key.namespace);
        }
        waiting
    }

    /// This was decided. Answers with those who may have what the object gives up by it.
    fn put(places: &mut HashMap<Key, Place>, key: &Key, place: Place, before: usize) -> Vec<Key> {
        places.insert(key.clone(), place);
        if place.held < before {
            waiting_beside(places, key)
        } else {
            Vec::new()
        }
    }

    /// A refused object has so many tokens left. Answers with those who may have what it had.
    fn lost(&self, key: &Key, left: usize) -> Vec<Key> {
        let mut taken = self.lock();
        let Some(places) = taken.get_mut(&key.namespace) else {
            return Vec::new();
        };
        match places.get_mut(key) {
            Some(place) if place.waits && left < place.held => place.held = left,
            _ => return Vec::new(),
        }
        waiting_beside(places, key)
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn waiting_beside(places: &HashMap<Key, Place>, one: &Key) -> Vec<Key> {
    let others = places.iter().filter(|(key, _)| *key != one);
    let waiting = others.filter(|(_, place)| place.waits);
    waiting.map(|(key, _)| key.clone()).collect()
}

/// Takes a place for the object's tokens if there is one.
pub fn permitted<K: Claimant>(pass: &Pass<K>, backend: &Backend) -> Result<(), Blocked> {
    let (judged, freed) = decide(pass, backend);
    wake(pass, &freed);
    Ok(judged?)
}

/// The object is not issued anything whatever the quota says: it holds what it has, and takes no place.
pub fn stand_back<K: Claimant>(pass: &Pass<K>) {
    let mut taken = pass.context.places.lock();
    let places = taken.entry(pass.namespace().to_owned()).or_default();
    let claim = Claim::of(&pass.object, places, pass.context.clock.now());
    let freed = Places::put(places, &pass.key(), claim.refused(), claim.holder.held);
    drop(taken);
    wake(pass, &freed);
}

/// Whether an object that is refused what it asks for may go on with what it has: not once the limit was lowered below
/// that.
pub fn keeps<K: Claimant>(pass: &Pass<K>, backend: &Backend) -> bool {
    let taken = pass.context.places.lock();
    let none = HashMap::new();
    let places = taken.get(pass.namespace()).unwrap_or(&none);
    let claim = Claim::of(&pass.object, places, pass.context.clock.now());
    let claim = Claim {
        asks: claim.refused().held,
        ..claim
    };
    let others = claim.against(&others(pass, places));
    let guard = backend.guard(pass.namespace());
    guard.token_count(claim.asks, others).is_ok()
}

/// What a refused object lost in this pass is free for those who wait: it is issued nothing in its place.
pub fn settle<K: Claimant>(pass: &Pass<K>) {
    let left = K::has(&pass.status, pass.context.clock.now());
    wake(pass, &pass.context.places.lost(&pass.key(), left));
}

fn wake<K: Kind>(pass: &Pass<K>, waiting: &[Key]) {
    for waiting in waiting {
        pass.context.wakers.wake(waiting);
    }
}

/// Judges, and answers with those who may have what the object gives up.
fn decide<K: Claimant>(pass: &Pass<K>, backend: &Backend) -> (Result<(), Refusal>, Vec<Key>) {
    let mut taken = pass.context.places.lock();
    let places = taken.entry(pass.namespace().to_owned()).or_default();
    let claim = Claim::of(&pass.object, places, pass.context.clock.now());
    let guard = backend.guard(pass.namespace());
    // All objects are looked through only where their number matters.
    let others = if guard.limits_tokens() {
        claim.against(&others(pass, places))
    } else {
        0
    };
    let judged = guard.token_count(claim.asks, others);
    let place = match &judged {
        Ok(()) => claim.granted(),
        Err(_) => claim.refused(),
    };
    let freed = Places::put(places, &pass.key(), place, claim.holder.held);
    (judged, freed)
}

/// The others of the namespace at the same instance.
fn others<K: Claimant>(pass: &Pass<K>, places: &HashMap<Key, Place>) -> Vec<Holder> {
    let stores = &pass.context.stores;
    let mut others = holders(pass, &stores.service_accounts, places);
    others.extend(holders(pass, &stores.api_tokens, places));
    others
}

fn holders<K: Claimant, O: Claimant>(
    pass: &Pass<K>,
    store: &Store<O>,
    places: &HashMap<Key, Place>,
) -> Vec<Holder> {
    let (objects, key, now) = (store.state(), pass.key(), pass.context.clock.now());
    let others = objects.iter().map(|other| &**other);
    let others = others.filter(|other| is_beside(pass, *other) && key_of(*other) != key);
    others.map(|other| Holder::of(other, places, now)).collect()
}

fn is_beside<K: Kind, O: Kind>(pass: &Pass<K>, other: &O) -> bool {
    other.meta().namespace.as_deref() == Some(pass.namespace())
        && instance_key(other.instance_ref(), pass.namespace()) == pass.instance_key()
}

fn has<K: Claimant>(object: &K, now: Timestamp) -> usize {
    object.status().map_or(0, |status| K::has(status, now))
}

/// What an object holds, and when its turn is.
#[derive(Clone, Debug)]
struct Holder {
    turn: Turn,
    held: usize,
}

/// The oldest come first. Times of creation are whole seconds.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Turn {
    created: Option<Timestamp>,
    uid: Option<String>,
}

impl Holder {
    /// A place of this process counts before its tokens show in the status.
    fn of<K: Claimant>(object: &K, places: &HashMap<Key, Place>, now: Timestamp) -> Self {
        let place = places.get(&key_of(object));
        Self {
            turn: Turn {
                created: object.creation_timestamp().map(|time| time.0),
                uid: object.uid(),
            },
            held: place.map_or_else(|| has(object, now), |place| place.held),
        }
    }
}

/// What an object asks for, and what it holds already.
struct Claim {
    holder: Holder,
    asks: usize,
    has: usize,
}

impl Claim {
    fn of<K: Claimant>(object: &K, places: &HashMap<Key, Place>, now: Timestamp) -> Self {
        Self {
            holder: Holder::of(object, places, now),
            asks: object.asks_for(),
            has: has(object, now),
        }
    }

    /// How many tokens of others come before this claim: of whoever asks for no more than it holds, those of older objects,
    /// so that the oldest stay when a limit is tightened; of a newcomer, and of whoever grows, all.
    fn against(&self, others: &[Holder]) -> usize {
        let stays = self.asks <= self.holder.held;
        let before = others
            .iter()
            .filter(|other| !stays || other.turn < self.holder.turn);
        before.map(|other| other.held).sum()
    }

    const fn granted(&self) -> Place {
        Place {
            held: self.asks,
            waits: false,
        }
    }

    /// It is issued nothing more, so that only what it has counts, as far as it still asks for that.
    fn refused(&self) -> Place {
        Place {
            held: self.has.min(self.asks),
            waits: true,
        }
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
    use serde_json::{Value, json};

    use super::*;
    use crate::controller::referrers::KindName;

    fn key(name: &str) -> Key {
        Key::new(KindName::ServiceAccount, "team-a", name)
    }

    /// Objects made within the same second, so that the uid decides.
    fn account(name: &str, uid: &str, asks: usize, has: usize) -> ServiceAccount {
        let entries: Vec<Value> = (0..asks)
            .map(|entry| json!({"name": format!("t{entry}"), "lifetime": "1h"}))
            .collect();
        let issued: Vec<Value> = (0..has)
            .map(|entry| json!({"name": format!("t{entry}"), "id": "id", "generation": 1}))
            .collect();
        serde_json::from_value(json!({
            "apiVersion": "kestra-iam.dev/v1alpha1", "kind": "ServiceAccount",
            "metadata": {
                "name": name, "namespace": "team-a", "uid": uid, "creationTimestamp": "2026-01-01T00:00:00Z",
            },
            "spec": {"tokens": entries},
            "status": {"tokens": issued},
        }))
        .unwrap()
    }

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    const fn place(held: usize) -> Place {
        let waits = false;
        Place { held, waits }
    }

    fn before(claimant: &ServiceAccount, other: &ServiceAccount) -> usize {
        before_with(&HashMap::new(), claimant, other)
    }

    fn before_with(
        places: &HashMap<Key, Place>,
        claimant: &ServiceAccount,
        other: &ServiceAccount,
    ) -> usize {
        Claim::of(claimant, places, NOW).against(&[Holder::of(other, places, NOW)])
    }

    #[test]
    fn who_asks_for_no_more_than_it_holds_comes_after_older_objects_alone() {
        let (older, younger) = (account("older", "a", 1, 1), account("younger", "b", 1, 2));
        assert_eq!(before(&older, &younger), 0);
        assert_eq!(before(&younger, &older), 1);
    }

    #[test]
    fn a_newcomer_and_a_holder_that_grows_come_after_all_that_is_held() {
        let younger = account("younger", "b", 1, 1);
        assert_eq!(before(&account("newcomer", "a", 1, 0), &younger), 1);
        assert_eq!(before(&account("grows", "a", 3, 1), &younger), 1);
    }

    #[test]
    fn who_waits_blocks_nobody() {
        let big = account("big", "a", 5, 0);
        assert_eq!(before(&account("small", "b", 1, 0), &big), 0);
        let refused = Claim::of(&big, &HashMap::new(), NOW).refused();
        assert_eq!((refused.held, refused.waits), (0, true));
    }

    #[test]
    fn who_is_refused_its_growth_keeps_what_it_has() {
        let grows = account("grows", "a", 3, 1);
        let places = HashMap::from([(key("grows"), place(1))]);
        let refused = Claim::of(&grows, &places, NOW).refused();
        assert_eq!((refused.held, refused.waits), (1, true));
        let shrinks = account("shrinks", "b", 1, 2);
        let refused = Claim::of(&shrinks, &places, NOW).refused();
        assert_eq!(refused.held, 1, "the other is being revoked");
    }

    #[test]
    fn a_token_that_has_expired_holds_no_place() {
        let mut one = account("one", "a", 1, 1);
        let token = &mut one.status.as_mut().unwrap().tokens[0].token;
        token.expiration_time = Some(Time(NOW));
        let claim = Claim::of(&one, &HashMap::from([(key("one"), place(1))]), NOW);
        assert_eq!(claim.refused().held, 0);
        assert_eq!(Holder::of(&one, &HashMap::new(), NOW).held, 0);
    }

    #[test]
    fn a_place_counts_before_its_token_shows_in_the_status() {
        let (first, second) = (account("first", "b", 1, 0), account("second", "a", 1, 0));
        let places = HashMap::from([(key("first"), place(1))]);
        assert_eq!(before_with(&places, &second, &first), 1);
        assert_eq!(before_with(&places, &first, &second), 0);
        // What an object gives up is free before its status says so.
        let (shrunk, places) = (
            account("first", "b", 0, 1),
            HashMap::from([(key("first"), place(0))]),
        );
        assert_eq!(before_with(&places, &second, &shrunk), 0);
    }

    const WAITS: Place = Place {
        held: 0,
        waits: true,
    };

    fn places(all: impl IntoIterator<Item = (Key, Place)>) -> Places {
        let places = Places::default();
        for (key, place) in all {
            let mut taken = places.lock();
            let namespace = taken.entry(key.namespace.clone()).or_default();
            namespace.insert(key, place);
        }
        places
    }

    #[test]
    fn who_goes_makes_room_for_those_who_wait_in_its_namespace() {
        let elsewhere = Key::new(KindName::ServiceAccount, "team-b", "other");
        let (first, second) = ((key("first"), place(1)), (key("second"), WAITS));
        let places = places([first, second, (elsewhere, WAITS)]);
        assert_eq!(places.gone(&key("first")), [key("second")]);
        let unseen = "deleted before this process ever looked at it";
        assert_eq!(places.gone(&key("older")), [key("second")], "{unseen}");
        assert_eq!(places.gone(&key("second")), []);
        assert!(!places.lock().contains_key("team-a"));
    }

    #[test]
    fn what_a_refused_object_loses_is_free_and_what_another_loses_is_issued_anew() {
        let refused = Place {
            held: 2,
            waits: true,
        };
        let places = places([
            (key("refused"), refused),
            (key("second"), WAITS),
            (key("third"), place(1)),
        ]);
        assert_eq!(places.lost(&key("refused"), 2), []);
        assert_eq!(places.lost(&key("refused"), 1), [key("second")]);
        assert_eq!(places.lost(&key("third"), 0), []);
    }
}
