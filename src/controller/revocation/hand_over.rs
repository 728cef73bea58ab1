//! From an object that cannot end to the `Revocation` that stands for what it left, and back.

use std::collections::BTreeMap;

use jiff::Timestamp;
use kube::ResourceExt;
use kube::api::Api;
use kube::runtime::events::{Event, EventType};
use kube::{Resource, core::ObjectMeta};
use serde_json::{Map, Value, json};
use tracing::info;

use crate::api::Revocation;
use crate::api::condition::Reason;
use crate::api::revocation::{Departed, Former, RevocationSpec};
use crate::controller::error::Error;
use crate::controller::kind::{Kind, Pass, Reconciled};
use crate::controller::outcome::{Blocked, Stop};
use crate::controller::patch::{creation, to_json};

/// Annotations that an object's end may need.
const OURS: &str = "kestra-iam.dev/";

/// Lets an object go that its backend keeps. Once its time has come, a `Revocation` stands for what it left; until then it
/// says what it waits for.
pub async fn outlive<K: Kind>(pass: &mut Pass<K>, stop: Stop) -> Result<(), Stop> {
    if !is_of_backend(&stop) || stop.is_withheld() {
        return Err(stop);
    }
    let due = due(pass);
    if pass.context.clock.now() < due {
        pass.wake_at(due);
        return Err(keeps(stop, due));
    }
    Ok(hand_over(pass, &stop).await?)
}

/// Whether it is the backend that cannot be worked with, and not the cluster or ourselves.
pub const fn is_of_backend(stop: &Stop) -> bool {
    match stop {
        Stop::Blocked(_) | Stop::Down(_) => true,
        Stop::Failed(error) => matches!(error, Error::Backend(_) | Error::AnotherBackend),
    }
}

/// When the object goes in any case: at once in a namespace that is being deleted.
pub fn due<K: Reconciled>(pass: &Pass<K>) -> Timestamp {
    let deleted = pass.object.meta().deletion_timestamp.as_ref();
    let deleted = deleted.map_or(Timestamp::MIN, |time| time.0);
    if pass.context.is_ending(pass.namespace()) {
        return deleted;
    }
    let after = pass.context.settings.hand_over_after;
    deleted.checked_add(after).unwrap_or(Timestamp::MAX)
}

/// What keeps an object from being deleted, until when, and the way out.
fn keeps(stop: Stop, until: Timestamp) -> Stop {
    stop.told(|message| {
        format!(
            "is being deleted, and what it made at the backend has to go first: {message}. At {until:.0} it goes in any \
             case, and a Revocation stands for what is left. To leave it there, set deletionPolicy: Orphan"
        )
    })
}

/// Writes the duty down. One that is there already is that of a pass before.
async fn hand_over<K: Kind>(pass: &Pass<K>, because: &Stop) -> Result<(), Error> {
    let context = &pass.context;
    let duty = duty(pass)?;
    let name = duty.name_any();
    let api: Api<Revocation> = Api::namespaced(context.client.clone(), &context.settings.namespace);
    let parameters = creation();
    let create = api.create(&parameters, &duty);
    let created = match context.change("write the Revocation", create).await {
        Err(error) if error.is_conflict() => None,
        created => Some(created?),
    };
    let key = pass.key();
    info!(object = %key, revocation = name, reason = %because.reason(), "goes, and leaves a duty");
    context.owed.note(key, &name);
    if let Some(created) = created {
        announce(pass, &created, because.reason()).await;
    }
    Ok(())
}

/// Tells people by the `Revocation`: the object is gone in a moment, perhaps with its namespace.
async fn announce<K: Kind>(pass: &Pass<K>, duty: &Revocation, because: Reason) {
    let instance = pass.instance_key();
    let until = match because {
        Reason::DeletionBraked => "somebody agrees to so many deletions",
        _ => "that answers",
    };
    let note = format!(
        "{} is gone, and what it made at {instance} is still there: it is removed as soon as {until}",
        pass.key()
    );
    let event = Event {
        type_: EventType::Warning,
        reason: Reason::RevocationOwed.as_str().to_owned(),
        note: Some(note),
        action: "HandOver".to_owned(),
        secondary: None,
    };
    pass.context.publish(duty.object_ref(&()), &event).await;
}

/// What the object leaves, under a name that only this incarnation of it has.
fn duty<K: Kind>(pass: &Pass<K>) -> Result<Revocation, Error> {
    let uid = pass.object.uid().unwrap_or_default();
    let name = format!("{}-{uid}", K::NAME.as_str().to_lowercase());
    let annotations = pass.object.annotations().iter();
    let annotations = annotations.filter(|(name, _)| name.starts_with(OURS));
    let mut status = members(to_json(&pass.status)?);
    status.remove("conditions");
    let spec = RevocationSpec {
        instance_ref: pass.object.instance_ref().clone(),
        object: Departed {
            kind: K::DEPARTED,
            namespace: pass.namespace().to_owned(),
            name: pass.name().to_owned(),
            uid,
        },
        deletion_time: pass.object.meta().deletion_timestamp.clone(),
        was: Former {
            annotations: annotations.map(|(k, v)| (k.clone(), v.clone())).collect(),
            spec: members(to_json(&pass.object)?["spec"].take()),
            status,
        },
    };
    Ok(Revocation::new(&name, spec))
}

fn members(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}

/// The object that a `Revocation` stands for, as it was.
pub fn restored<K: Kind>(duty: &Revocation) -> Result<K, Blocked> {
    let RevocationSpec { object, was, .. } = &duty.spec;
    let metadata = ObjectMeta {
        name: Some(object.name.clone()),
        namespace: Some(object.namespace.clone()),
        uid: Some(object.uid.clone()),
        annotations: Some(BTreeMap::clone(&was.annotations)),
        ..ObjectMeta::default()
    };
    let object = json!({
        "apiVersion": K::api_version(&()),
        "kind": K::kind(&()),
        "metadata": metadata,
        "spec": was.spec,
        "status": was.status,
    });
    serde_json::from_value(object).map_err(|error| {
        let message = format!(
            "spec.was cannot be read ({error}): remove by hand what the object made at the backend, then delete this \
             Revocation"
        );
        Blocked::refused(Reason::Invalid, message)
    })
}
