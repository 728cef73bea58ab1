//! For which objects something is owed. An object that is made anew waits until it is paid.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::api::Revocation;
use crate::api::revocation::Departed;
use crate::controller::context::name_of;
use crate::controller::referrers::{Key, KindName};
use crate::ops::metrics::Metrics;

/// What is owed, by the object that left it.
pub struct Owed {
    duties: Mutex<HashMap<Key, BTreeSet<String>>>,
    metrics: Metrics,
}

impl Owed {
    /// Nothing.
    #[must_use]
    pub fn nothing(metrics: Metrics) -> Self {
        let duties = Mutex::default();
        Self { duties, metrics }
    }

    /// Something is owed for an object: the name of the `Revocation`.
    pub fn note(&self, object: Key, revocation: &str) {
        let mut duties = self.lock();
        let names = duties.entry(object).or_default();
        names.insert(revocation.to_owned());
        self.tell(&duties);
    }

    /// A `Revocation` is gone. Answers with the object that it stood for.
    pub fn paid(&self, revocation: &Revocation) -> Key {
        let object = object_of(revocation);
        let mut duties = self.lock();
        if let Some(names) = duties.get_mut(&object) {
            names.remove(name_of(revocation));
        }
        duties.retain(|_, names| !names.is_empty());
        self.tell(&duties);
        object
    }

    /// Only these are there: what else was owed is paid. Answers with the objects that it was owed for.
    pub fn keep(&self, there: &HashSet<String>) -> Vec<Key> {
        let mut duties = self.lock();
        for names in duties.values_mut() {
            names.retain(|name| there.contains(name));
        }
        let paid = duties.extract_if(|_, names| names.is_empty());
        let paid = paid.map(|(object, _)| object).collect();
        self.tell(&duties);
        paid
    }

    /// A `Revocation` that stands for an object of this name.
    #[must_use]
    pub fn of(&self, object: &Key) -> Option<String> {
        self.lock().get(object)?.first().cloned()
    }

    fn tell(&self, duties: &HashMap<Key, BTreeSet<String>>) {
        self.metrics.owes(duties.values().map(BTreeSet::len).sum());
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, BTreeSet<String>>> {
        self.duties.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The key of the object that a `Revocation` stands for.
#[must_use]
pub fn object_of(revocation: &Revocation) -> Key {
    let Departed {
        kind,
        namespace,
        name,
        ..
    } = &revocation.spec.object;
    Key::new(KindName::from(*kind), namespace, name)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn revocation(name: &str) -> Revocation {
        serde_json::from_value(json!({
            "apiVersion": "kestra-iam.dev/v1alpha1", "kind": "Revocation",
            "metadata": {"name": name, "namespace": "kestra-iam"},
            "spec": {
                "instanceRef": {"kind": "ClusterInstance", "name": "default"},
                "object": {"kind": "Group", "namespace": "team-a", "name": "bots", "uid": name},
                "was": {"spec": {}, "status": {}},
            },
        }))
        .unwrap()
    }

    fn owed() -> (Owed, Key) {
        let bots = Key::new(KindName::Group, "team-a", "bots");
        let owed = Owed::nothing(Metrics::new("test"));
        owed.note(bots.clone(), "one");
        owed.note(bots.clone(), "two");
        (owed, bots)
    }

    #[test]
    fn an_object_is_free_once_all_that_its_forerunners_left_is_paid() {
        let (owed, bots) = owed();
        assert_eq!(owed.paid(&revocation("one")), bots);
        assert_eq!(owed.of(&bots).as_deref(), Some("two"));
        owed.paid(&revocation("two"));
        assert_eq!(owed.of(&bots), None);
    }

    #[test]
    fn what_a_new_list_does_not_show_is_paid() {
        let (owed, bots) = owed();
        assert_eq!(owed.keep(&HashSet::from(["two".to_owned()])), []);
        assert_eq!(owed.of(&bots).as_deref(), Some("two"));
        assert_eq!(owed.keep(&HashSet::new()), [bots]);
    }
}
