//! Which Secrets are whose, by the labels that a watch of their metadata shows.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use kube::core::ObjectMeta;

use super::referrers::{Key, KindName};
use crate::api::names::{OWNER_KIND, OWNER_NAME};

/// Names of Secrets by the object that their labels name. A name may be of a Secret that is gone by now.
#[derive(Debug, Default)]
pub struct SecretIndex {
    /// The operator's own namespace, where the Secrets of `ClusterInstance`s are.
    home: String,
    owned: Mutex<Owned>,
    /// The versions that answered writes of ours made, by Secret, until the watch shows them: they are no news.
    written: Mutex<HashMap<Identity, Option<String>>>,
}

/// Both directions of "is a Secret of".
#[derive(Debug, Default)]
struct Owned {
    names: HashMap<Key, BTreeSet<String>>,
    owners: HashMap<Identity, Key>,
}

impl SecretIndex {
    /// An empty one, of an operator in this namespace.
    #[must_use]
    pub fn new(home: &str) -> Self {
        Self {
            home: home.to_owned(),
            ..Self::default()
        }
    }

    /// Notes a Secret, and tells whose it is, and whose it was if its labels say otherwise now.
    pub fn note(&self, metadata: &ObjectMeta) -> Vec<Key> {
        let (secret, _) = version(metadata);
        let owner = self.owner(metadata);
        let mut index = self.owned();
        let before = index.remove(&secret);
        if let Some(owner) = &owner {
            index.insert(secret, owner);
        }
        let before = before.filter(|before| Some(before) != owner.as_ref());
        before.into_iter().chain(owner).collect()
    }

    /// Forgets a Secret that is gone, and tells whose it was.
    pub fn forget(&self, metadata: &ObjectMeta) -> Option<Key> {
        let (secret, _) = version(metadata);
        self.written().remove(&secret);
        let before = self.owned().remove(&secret);
        before.or_else(|| self.owner(metadata))
    }

    /// Notes the answer to a write of ours.
    pub fn wrote(&self, metadata: &ObjectMeta) {
        let (secret, version) = version(metadata);
        self.written().insert(secret, version);
    }

    /// Whether what the watch shows was not made by an answered write of ours.
    #[must_use]
    pub fn is_news(&self, metadata: &ObjectMeta) -> bool {
        let (secret, version) = version(metadata);
        let mut written = self.written();
        let is_ours = written.get(&secret) == Some(&version);
        if is_ours {
            written.remove(&secret);
        }
        !is_ours
    }

    /// Puts what a new list showed in place of all that was known, and tells whose Secrets those were.
    pub fn replace(&self, listed: &Self) -> Vec<Key> {
        let listed = std::mem::take(&mut *listed.owned());
        let before = std::mem::replace(&mut *self.owned(), listed);
        before.names.into_keys().collect()
    }

    /// The Secrets of an object.
    #[must_use]
    pub fn get(&self, owner: &Key) -> BTreeSet<String> {
        self.owned().names.get(owner).cloned().unwrap_or_default()
    }

    /// The object that a Secret's labels name. Whoever may write Secrets elsewhere has no `ClusterInstance` woken.
    fn owner(&self, metadata: &ObjectMeta) -> Option<Key> {
        let labels = metadata.labels.as_ref()?;
        let namespace = metadata.namespace.as_deref()?;
        let (kind, namespace) = match labels.get(OWNER_KIND)?.as_str() {
            "ServiceAccount" => (KindName::ServiceAccount, namespace),
            "ApiToken" => (KindName::ApiToken, namespace),
            "Instance" => (KindName::Instance, namespace),
            "ClusterInstance" if namespace == self.home => (KindName::ClusterInstance, ""),
            _ => return None,
        };
        Some(Key::new(kind, namespace, labels.get(OWNER_NAME)?))
    }

    fn owned(&self) -> MutexGuard<'_, Owned> {
        self.owned.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn written(&self) -> MutexGuard<'_, HashMap<Identity, Option<String>>> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Owned {
    fn insert(&mut self, secret: Identity, owner: &Key) {
        let name = secret.1.clone().unwrap_or_default();
        self.names.entry(owner.clone()).or_default().insert(name);
        self.owners.insert(secret, owner.clone());
    }

    fn remove(&mut self, secret: &Identity) -> Option<Key> {
        let owner = self.owners.remove(secret)?;
        if let Some(names) = self.names.get_mut(&owner) {
            names.remove(secret.1.as_deref().unwrap_or_default());
            if names.is_empty() {
                self.names.remove(&owner);
            }
        }
        Some(owner)
    }
}

/// Namespace and name of a Secret.
type Identity = (Option<String>, Option<String>);

fn version(metadata: &ObjectMeta) -> (Identity, Option<String>) {
    let identity = (metadata.namespace.clone(), metadata.name.clone());
    (identity, metadata.resource_version.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metadata(kind: &str, name: &str) -> ObjectMeta {
        let labels = [(OWNER_KIND, kind), (OWNER_NAME, "ci")];
        ObjectMeta {
            name: Some(name.to_owned()),
            namespace: Some("team-a".to_owned()),
            labels: Some(
                labels
                    .map(|(key, value)| (key.to_owned(), value.to_owned()))
                    .into(),
            ),
            ..ObjectMeta::default()
        }
    }

    #[test]
    fn labels_tell_whose_a_secret_is() {
        let index = SecretIndex::default();
        let owner = Key::new(KindName::ServiceAccount, "team-a", "ci");
        assert_eq!(
            index.note(&metadata("ServiceAccount", "one")),
            std::slice::from_ref(&owner)
        );
        index.note(&metadata("ServiceAccount", "two"));
        assert_eq!(index.note(&metadata("Deployment", "three")), []);
        assert_eq!(
            index.get(&owner),
            ["one".to_owned(), "two".to_owned()].into()
        );
        index.forget(&metadata("ServiceAccount", "one"));
        assert_eq!(index.get(&owner), ["two".to_owned()].into());
        let listed = SecretIndex::default();
        listed.note(&metadata("ServiceAccount", "four"));
        assert_eq!(index.replace(&listed), std::slice::from_ref(&owner));
        assert_eq!(index.get(&owner), ["four".to_owned()].into());
    }

    #[test]
    fn the_secret_of_a_cluster_instance_is_in_the_operators_namespace() {
        let told = |home| SecretIndex::new(home).note(&metadata("ClusterInstance", "one"));
        let instance = Key::new(KindName::ClusterInstance, "", "ci");
        assert_eq!(told("team-a"), [instance]);
        assert_eq!(told("operator"), []);
    }

    #[test]
    fn whoever_loses_a_secret_by_its_labels_is_told() {
        let index = SecretIndex::default();
        let owner = |kind| Key::new(kind, "team-a", "ci");
        let account = owner(KindName::ServiceAccount);
        index.note(&metadata("ServiceAccount", "one"));
        let told = index.note(&metadata("ApiToken", "one"));
        assert_eq!(told, [account.clone(), owner(KindName::ApiToken)]);
        assert!(index.get(&account).is_empty());
        let mut bare = metadata("ApiToken", "one");
        bare.labels = None;
        assert_eq!(index.note(&bare), [owner(KindName::ApiToken)]);
        assert_eq!(index.note(&bare), []);
    }

    #[test]
    fn our_own_write_is_no_news_once() {
        let index = SecretIndex::default();
        let at = |version: &str| ObjectMeta {
            resource_version: Some(version.to_owned()),
            ..metadata("ServiceAccount", "one")
        };
        index.wrote(&at("7"));
        assert!(!index.is_news(&at("7")));
        assert!(index.is_news(&at("7")), "seen again after a new list");
        assert!(index.is_news(&at("8")));
    }
}
