//! What a process remembers of objects between passes. All of it can be lost: the next pass finds out again.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use super::edits::Edits;
use super::referrers::{Key, KindName};
use crate::api::condition::Reason;
use crate::iam::model::TokenId;

/// What is remembered of one entry.
#[derive(Clone, Debug, Default)]
pub struct EntryMemory {
    /// When the value in the Secret was first refused, if it never worked since.
    pub refused_since: Option<Timestamp>,
    /// When the last publish whose outcome is unknown was sent.
    pub unanswered_publish: Option<Timestamp>,
    /// When tokens were issued out of turn, by the history that was published last.
    pub unscheduled: Vec<Timestamp>,
    /// When tokens were issued of late that could not be published and were revoked.
    pub vain: Vec<Timestamp>,
    /// Why the last of them could not be published.
    pub vain_because: Option<(Reason, String)>,
    /// The orders to entries that are not there of which nothing is to be told any more, by annotation.
    pub unheeded: HashMap<&'static str, String>,
    /// When its tokens were listed last.
    pub listed: Option<Timestamp>,
    /// An expiry that moved since the token was published.
    pub moved: Option<(TokenId, Timestamp)>,
}

impl EntryMemory {
    /// When its tokens were listed last. What is said to have been later than `now` was before the clock went back: then
    /// that is not known.
    #[must_use]
    pub fn listed_by(&self, now: Timestamp) -> Option<Timestamp> {
        self.listed.filter(|last| *last <= now)
    }
}

/// So many vain issues are remembered: no decision needs more.
const VAIN: usize = 8;

impl EntryMemory {
    /// Notes a token that was issued for nothing, and why.
    pub fn in_vain(&mut self, now: Timestamp, because: Option<(Reason, String)>) {
        self.vain_because = because;
        self.vain.push(now);
        let surplus = self.vain.len().saturating_sub(VAIN);
        self.vain.drain(..surplus);
    }
}

/// What is remembered of all objects.
#[derive(Debug, Default)]
pub struct Memory(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    entries: HashMap<(Key, String), EntryMemory>,
    failures: HashMap<Key, u32>,
    edits: HashMap<Key, Edits>,
    /// What objects were last seen to be for those who refer to them.
    identities: HashMap<Key, Option<String>>,
    /// The newest resourceVersion that an answered write of ours gave an object.
    written: HashMap<Key, String>,
    /// Objects that are gone and whose last version is known still, the longest gone first.
    gone: VecDeque<Key>,
}

/// So many objects that are gone are known still: a list of the past may show one again.
const GONE: usize = 4096;

impl Memory {
    /// What is remembered of an entry.
    #[must_use]
    pub fn entry(&self, key: &Key, entry: &str) -> EntryMemory {
        let id = (key.clone(), entry.to_owned());
        self.lock().entries.get(&id).cloned().unwrap_or_default()
    }

    /// Remembers something of an entry.
    pub fn remember(&self, key: &Key, entry: &str, change: impl FnOnce(&mut EntryMemory)) {
        let id = (key.clone(), entry.to_owned());
        change(self.lock().entries.entry(id).or_default());
    }

    /// Counts a failed pass, and tells how many there were in a row.
    pub fn failed(&self, key: &Key) -> u32 {
        let mut inner = self.lock();
        let failures = inner.failures.entry(key.clone()).or_default();
        *failures = failures.saturating_add(1);
        *failures
    }

    /// Notes a pass without failure.
    pub fn succeeded(&self, key: &Key) {
        self.lock().failures.remove(key);
    }

    /// Whether an object of this generation may be looked at `now`; otherwise how long to wait.
    ///
    /// # Errors
    /// The wait, where edits come faster than they are looked at.
    pub fn admit(&self, key: &Key, generation: i64, now: Instant) -> Result<(), Duration> {
        let mut inner = self.lock();
        let before = inner.edits.get(key).copied();
        let admitted = Edits::admit(before, generation, now)?;
        inner.edits.insert(key.clone(), admitted);
        Ok(())
    }

    /// Notes what the watch shows of an object's identity, and tells whether it is news.
    pub fn identify(&self, key: &Key, identity: Option<String>) -> bool {
        let mut inner = self.lock();
        let old = inner.identities.get(key).and_then(Option::as_ref);
        let is_news = old != identity.as_ref();
        inner.identities.insert(key.clone(), identity);
        is_news
    }

    /// Whether an object was seen and not forgotten.
    #[must_use]
    pub fn is_identified(&self, key: &Key) -> bool {
        self.lock().identities.contains_key(key)
    }

    /// All objects of a kind that were seen and not forgotten.
    #[must_use]
    pub fn identified(&self, kind: KindName) -> Vec<Key> {
        let inner = self.lock();
        let keys = inner.identities.keys().filter(|key| key.kind == kind);
        keys.cloned().collect()
    }

    /// Notes the version that a write of ours gave the object.
    pub fn wrote(&self, key: &Key, version: Option<&str>) {
        let Some(version) = version else { return };
        self.lock().written.insert(key.clone(), version.to_owned());
    }

    /// Whether a cached object is older than our last write of it. Versions of one resource are numbers that grow.
    #[must_use]
    pub fn is_stale(&self, key: &Key, version: Option<&str>) -> bool {
        let mut inner = self.lock();
        let Some(written) = inner.written.get(key) else {
            return false;
        };
        let number = |text: &str| text.parse::<u64>().ok();
        let caught_up = version.and_then(number) >= number(written);
        if caught_up {
            inner.written.remove(key);
        }
        !caught_up
    }

    /// Forgets an entry that is gone.
    pub fn forget_entry(&self, key: &Key, entry: &str) {
        let id = (key.clone(), entry.to_owned());
        self.lock().entries.remove(&id);
    }

    /// Forgets an object that is gone, all but its last version.
    pub fn forget(&self, key: &Key) {
        let mut inner = self.lock();
        inner.entries.retain(|(owner, _), _| owner != key);
        inner.failures.remove(key);
        inner.edits.remove(key);
        inner.identities.remove(key);
        if inner.written.contains_key(key) {
            inner.gone.push_back(key.clone());
        }
        if inner.gone.len() > GONE
            && let Some(longest) = inner.gone.pop_front()
        {
            inner.written.remove(&longest);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cache_that_lags_behind_our_write_is_stale_until_it_caught_up() {
        let memory = Memory::default();
        let key = Key::new(KindName::Group, "a", "b");
        assert!(!memory.is_stale(&key, Some("5")));
        memory.wrote(&key, Some("10"));
        assert!(memory.is_stale(&key, Some("9")), "compared as numbers");
        assert!(!memory.is_stale(&key, Some("10")));
        assert!(
            !memory.is_stale(&key, Some("9")),
            "forgotten once caught up"
        );
    }

    #[test]
    fn an_object_that_a_list_of_the_past_shows_again_is_stale() {
        let memory = Memory::default();
        let key = |number: usize| Key::new(KindName::Group, "a", &number.to_string());
        memory.wrote(&key(0), Some("10"));
        memory.forget(&key(0));
        assert!(memory.is_stale(&key(0), Some("9")));
        for number in 1..=GONE {
            memory.wrote(&key(number), Some("10"));
            memory.forget(&key(number));
        }
        assert_eq!(memory.lock().written.len(), GONE, "not for ever");
    }
}
