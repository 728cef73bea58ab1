//! Which Secrets are whose, by the labels that a watch of their metadata shows.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, PoisonError};

use kube::core::ObjectMeta;

use super::referrers::{Key, KindName};
use crate::api::names::{OWNER_KIND, OWNER_NAME};

/// Names of Secrets by the object that their labels name. A name may be of a Secret that is gone by now.
#[derive(Debug, Default)]
pub struct SecretIndex(Mutex<HashMap<Key, BTreeSet<String>>>);

impl SecretIndex {
    /// Notes a Secret, and tells whose it is.
    pub fn note(&self, metadata: &ObjectMeta) -> Option<Key> {
        let owner = owner(metadata)?;
        let name = metadata.name.clone()?;
        let mut index = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        index.entry(owner.clone()).or_default().insert(name);
        Some(owner)
    }

    /// Forgets a Secret that is gone, and tells whose it was.
    pub fn forget(&self, metadata: &ObjectMeta) -> Option<Key> {
        let owner = owner(metadata)?;
        let mut index = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(names) = index.get_mut(&owner) {
            names.remove(metadata.name.as_deref().unwrap_or_default());
            if names.is_empty() {
                index.remove(&owner);
            }
        }
        Some(owner)
    }

    /// The Secrets of an object.
    #[must_use]
    pub fn get(&self, owner: &Key) -> BTreeSet<String> {
        let index = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        index.get(owner).cloned().unwrap_or_default()
    }
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
    }
}
