//! Which Secrets are whose, by the labels that a watch of their metadata shows.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, PoisonError};

use kube::core::ObjectMeta;

use super::referrers::{Key, KindName};
use crate::api::names::{OWNER_KIND, OWNER_NAME};

/// Names of Secrets by the object that their labels name. A name may be of a Secret that is gone by now.
#[derive(Debug, Default)]
pub struct SecretIndex {
    owned: Mutex<HashMap<Key, BTreeSet<String>>>,
    /// The versions that answered writes of ours made, by Secret, until the watch shows them: they are no news.
    written: Mutex<HashMap<Identity, Option<String>>>,
}

impl SecretIndex {
    /// Notes a Secret, and tells whose it is.
    pub fn note(&self, metadata: &ObjectMeta) -> Option<Key> {
        let owner = owner(metadata)?;
        let name = metadata.name.clone()?;
        let mut index = self.owned.lock().unwrap_or_else(PoisonError::into_inner);
        index.entry(owner.clone()).or_default().insert(name);
        Some(owner)
    }

    /// Forgets a Secret that is gone, and tells whose it was.
    pub fn forget(&self, metadata: &ObjectMeta) -> Option<Key> {
        let owner = owner(metadata)?;
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        written.remove(&version(metadata).0);
        let mut index = self.owned.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(names) = index.get_mut(&owner) {
            names.remove(metadata.name.as_deref().unwrap_or_default());
            if names.is_empty() {
                index.remove(&owner);
            }
        }
        Some(owner)
    }

    /// Notes the answer to a write of ours.
    pub fn wrote(&self, metadata: &ObjectMeta) {
        let (secret, version) = version(metadata);
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        written.insert(secret, version);
    }

    /// Whether what the watch shows was not made by an answered write of ours.
    #[must_use]
    pub fn is_news(&self, metadata: &ObjectMeta) -> bool {
        let (secret, version) = version(metadata);
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        let is_ours = written.get(&secret) == Some(&version);
        if is_ours {
            written.remove(&secret);
        }
        !is_ours
    }

    /// Puts what a new list showed in place of all that was known, and tells whose Secrets those were.
    pub fn replace(&self, listed: &Self) -> Vec<Key> {
        let mut listed = listed.owned.lock().unwrap_or_else(PoisonError::into_inner);
        let listed = std::mem::take(&mut *listed);
        let mut index = self.owned.lock().unwrap_or_else(PoisonError::into_inner);
        let before = std::mem::replace(&mut *index, listed);
        before.into_keys().collect()
    }

    /// The Secrets of an object.
    #[must_use]
    pub fn get(&self, owner: &Key) -> BTreeSet<String> {
        let index = self.owned.lock().unwrap_or_else(PoisonError::into_inner);
        index.get(owner).cloned().unwrap_or_default()
    }
}

/// Namespace and name of a Secret.
type Identity = (Option<String>, Option<String>);

fn version(metadata: &ObjectMeta) -> (Identity, Option<String>) {
    let identity = (metadata.namespace.clone(), metadata.name.clone());
    (identity, metadata.resource_version.clone())
}

/// The object that a Secret's labels name.
fn owner(metadata: &ObjectMeta) -> Option<Key> {
    let labels = metadata.labels.as_ref()?;
    let kind = match labels.get(OWNER_KIND)?.as_str() {
        "ServiceAccount" => KindName::ServiceAccount,
        "ApiToken" => KindName::ApiToken,
        _ => return None,
    };
    Some(Key::new(
        kind,
        metadata.namespace.as_deref()?,
        labels.get(OWNER_NAME)?,
    ))
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
            Some(owner.clone())
        );
        index.note(&metadata("ServiceAccount", "two"));
        assert_eq!(index.note(&metadata("Deployment", "three")), None);
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
