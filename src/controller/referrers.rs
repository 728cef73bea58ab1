//! Who refers to what, so that a referent that appears or changes wakes exactly those who wait for it.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::{Mutex, PoisonError};

use kube::Resource;
use kube::runtime::reflector::ObjectRef;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::api::revocation::DepartedKind;
use crate::api::{
    ApiToken, ClusterInstance, Group, Instance, Revocation, Role, RoleBinding, ServiceAccount,
};
use crate::ops::metrics;

/// A kind whose objects are reconciled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KindName {
    ClusterInstance,
    Instance,
    ServiceAccount,
    Group,
    Role,
    RoleBinding,
    ApiToken,
    Revocation,
}

impl KindName {
    /// The kind as metrics name it.
    #[must_use]
    pub const fn metric(self) -> metrics::Kind {
        match self {
            Self::ClusterInstance => metrics::Kind::ClusterInstance,
            Self::Instance => metrics::Kind::Instance,
            Self::ServiceAccount => metrics::Kind::ServiceAccount,
            Self::Group => metrics::Kind::Group,
            Self::Role => metrics::Kind::Role,
            Self::RoleBinding => metrics::Kind::RoleBinding,
            Self::ApiToken => metrics::Kind::ApiToken,
            Self::Revocation => metrics::Kind::Revocation,
        }
    }

    /// The kind as it is written in manifests.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ClusterInstance => "ClusterInstance",
            Self::Instance => "Instance",
            Self::ServiceAccount => "ServiceAccount",
            Self::Group => "Group",
            Self::Role => "Role",
            Self::RoleBinding => "RoleBinding",
            Self::ApiToken => "ApiToken",
            Self::Revocation => "Revocation",
        }
    }
}

impl From<DepartedKind> for KindName {
    fn from(kind: DepartedKind) -> Self {
        match kind {
            DepartedKind::ServiceAccount => Self::ServiceAccount,
            DepartedKind::Group => Self::Group,
            DepartedKind::Role => Self::Role,
            DepartedKind::RoleBinding => Self::RoleBinding,
            DepartedKind::ApiToken => Self::ApiToken,
        }
    }
}

/// An object by kind, namespace (empty for cluster-scoped ones) and name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// Its kind.
    pub kind: KindName,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            namespace, name, ..
        } = self;
        let kind = self.kind.as_str();
        match namespace.as_str() {
            "" => write!(f, "{kind} {name}"),
            _ => write!(f, "{kind} {namespace}/{name}"),
        }
    }
}

impl Key {
    /// The key of an object in a namespace.
    #[must_use]
    pub fn new(kind: KindName, namespace: &str, name: &str) -> Self {
        Self {
            kind,
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        }
    }

    /// As messages and metrics name it: `namespace/name`, or the name alone of what has no namespace.
    #[must_use]
    pub fn path(&self) -> String {
        if self.namespace.is_empty() {
            self.name.clone()
        } else {
            format!("{}/{}", self.namespace, self.name)
        }
    }

    /// The same for a store or a controller.
    #[must_use]
    pub fn reference<K: Resource<DynamicType = ()>>(&self) -> ObjectRef<K> {
        let reference = ObjectRef::new(&self.name);
        if self.namespace.is_empty() {
            reference
        } else {
            reference.within(&self.namespace)
        }
    }
}

/// Both directions of "refers to".
#[derive(Debug, Default)]
pub struct Referrers(Mutex<Index>);

#[derive(Debug, Default)]
struct Index {
    by_referent: HashMap<Key, HashSet<Key>>,
    by_referrer: HashMap<Key, HashSet<Key>>,
}

impl Referrers {
    /// Notes what `referrer` refers to now, in place of what it referred to before.
    pub fn note(&self, referrer: &Key, referents: HashSet<Key>) {
        let mut index = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if index.by_referrer.get(referrer) == Some(&referents) {
            return;
        }
        index.forget(referrer);
        for referent in &referents {
            index
                .by_referent
                .entry(referent.clone())
                .or_default()
                .insert(referrer.clone());
        }
        index.by_referrer.insert(referrer.clone(), referents);
    }

    /// Forgets an object that is gone.
    pub fn forget(&self, referrer: &Key) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .forget(referrer);
    }

    /// Who refers to `referent`.
    #[must_use]
    pub fn of(&self, referent: &Key) -> Vec<Key> {
        let index = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        index
            .by_referent
            .get(referent)
            .into_iter()
            .flatten()
            .cloned()
            .collect()
    }
}

impl Index {
    fn forget(&mut self, referrer: &Key) {
        for referent in self.by_referrer.remove(referrer).into_iter().flatten() {
            let Some(referrers) = self.by_referent.get_mut(&referent) else {
                continue;
            };
            referrers.remove(referrer);
            if referrers.is_empty() {
                self.by_referent.remove(&referent);
            }
        }
    }
}

macro_rules! wakers {
    ($($field:ident: $kind:ident,)+) => {
        /// Wakes objects of any kind. Keys that nothing has are ignored by the controllers.
        #[derive(Clone, Debug)]
        pub struct Wakers {
            $($field: UnboundedSender<ObjectRef<$kind>>,)+
        }

        /// The other ends, one for each controller.
        #[derive(Debug)]
        pub struct Wakeups {
            $(pub $field: UnboundedReceiver<ObjectRef<$kind>>,)+
        }

        impl Wakers {
            /// Both ends.
            #[must_use]
            pub fn new() -> (Self, Wakeups) {
                $(let $field = unbounded_channel();)+
                (Self { $($field: $field.0,)+ }, Wakeups { $($field: $field.1,)+ })
            }

            /// Has the object looked at. A controller that has ended hears nothing any more.
            pub fn wake(&self, key: &Key) {
                match key.kind {
                    $(KindName::$kind => drop(self.$field.send(key.reference())),)+
                }
            }
        }
    };
}

wakers! {
    cluster_instances: ClusterInstance,
    instances: Instance,
    service_accounts: ServiceAccount,
    groups: Group,
    roles: Role,
    role_bindings: RoleBinding,
    api_tokens: ApiToken,
    revocations: Revocation,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(kind: KindName, name: &str) -> Key {
        Key::new(kind, "team-a", name)
    }

    #[test]
    fn a_referent_knows_who_refers_to_it_now() {
        let referrers = Referrers::default();
        let (account, bots) = (
            key(KindName::ServiceAccount, "ci"),
            key(KindName::Group, "bots"),
        );
        let role = key(KindName::Role, "runner");
        referrers.note(&account, [bots.clone(), role.clone()].into());
        assert_eq!(referrers.of(&bots), std::slice::from_ref(&account));
        referrers.note(&account, [role.clone()].into());
        assert!(referrers.of(&bots).is_empty());
        referrers.forget(&account);
        assert!(referrers.of(&role).is_empty());
    }

    #[test]
    fn a_key_wakes_the_controller_of_its_kind() {
        let (wakers, mut wakeups) = Wakers::new();
        wakers.wake(&key(KindName::Group, "bots"));
        wakers.wake(&Key::new(KindName::ClusterInstance, "", "default"));
        let woken = wakeups.groups.try_recv().unwrap();
        assert_eq!(
            (woken.name.as_str(), woken.namespace.as_deref()),
            ("bots", Some("team-a"))
        );
        assert_eq!(
            wakeups.cluster_instances.try_recv().unwrap().namespace,
            None
        );
        assert!(wakeups.service_accounts.try_recv().is_err());
    }
}
