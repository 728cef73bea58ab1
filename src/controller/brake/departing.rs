//! What was deleted, of each instance.

use std::collections::HashMap;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::runtime::reflector::Store;
use kube::{Resource, ResourceExt};

use crate::api::Revocation;
use crate::api::policy::DeletionPolicy;
use crate::controller::context::{Context, name_of, namespace_of};
use crate::controller::kind::{Kind, instance_key, is_held, key_of};
use crate::controller::referrers::{Key, KindName};
use crate::plan::brake::Deletion;

/// A deleted object that is to take away what it made, or the `Revocation` in its place.
pub(super) struct Departing {
    /// Whom to wake.
    pub(super) key: Key,
    /// When it was deleted.
    pub(super) deletion: Deletion,
}

/// All of them, by instance.
pub(super) fn departing(context: &Context) -> HashMap<Key, Vec<Departing>> {
    let (stores, mut all) = (&context.stores, HashMap::new());
    collect(&mut all, &stores.service_accounts);
    collect(&mut all, &stores.groups);
    collect(&mut all, &stores.roles);
    collect(&mut all, &stores.role_bindings);
    collect(&mut all, &stores.api_tokens);
    for duty in stores.revocations.state() {
        let spec = &duty.spec;
        let instance = instance_key(&spec.instance_ref, &spec.object.namespace);
        all.entry(instance).or_default().push(owed(&duty));
    }
    all
}

fn collect<K: Kind>(all: &mut HashMap<Key, Vec<Departing>>, store: &Store<K>) {
    for object in store.state() {
        let deleted = object.meta().deletion_timestamp.as_ref();
        let Some(Time(time)) = deleted.filter(|_| is_held(&*object)) else {
            continue;
        };
        if object.deletion_policy() == DeletionPolicy::Orphan {
            continue;
        }
        let uid = object.uid().unwrap_or_default();
        let instance = instance_key(object.instance_ref(), namespace_of(&*object));
        all.entry(instance).or_default().push(Departing {
            key: key_of(&*object),
            deletion: Deletion { time: *time, uid },
        });
    }
}

fn owed(duty: &Revocation) -> Departing {
    let deleted = duty.spec.deletion_time.as_ref();
    let deleted = deleted.or(duty.meta().creation_timestamp.as_ref());
    Departing {
        key: Key::new(KindName::Revocation, namespace_of(duty), name_of(duty)),
        deletion: Deletion {
            time: deleted.map_or(Timestamp::MIN, |time| time.0),
            uid: duty.spec.object.uid.clone(),
        },
    }
}
