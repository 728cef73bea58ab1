//! What the controllers have in common: a kind, and one pass over one of its objects.

use std::collections::HashSet;
use std::fmt::{Debug, Display};
use std::future::{Future, ready};
use std::sync::Arc;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::api::Api;
use kube::runtime::events::{Event, EventType};
use kube::{Resource, ResourceExt};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::backend::{Backend, Standing};
use super::context::{Context, name_of, namespace_of};
use super::error::Error;
use super::outcome::{Blocked, Stop};
use super::referrers::{Key, KindName};
use crate::api::condition::{Finding, Reason};
use crate::api::names::FINALIZER;
use crate::api::policy::DeletionPolicy;
use crate::api::reference::{InstanceKind, InstanceRef};
use crate::api::revocation::DepartedKind;
use crate::api::token_status::TokenStatus;
use crate::plan::mark::{Mark, Object};
use crate::plan::token::Requests;

/// A kind over whose objects passes are made: all that a pass needs to read and write one, and to keep tokens for it.
pub trait Reconciled:
    Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Serialize + Send + Sync + 'static
{
    /// Its name.
    const NAME: KindName;
    /// Its status.
    type Status: Clone + Default + Serialize + Debug + Send + Sync;

    /// Whether nothing is to be changed for now.
    fn is_suspended(&self) -> bool;
    /// Its status as it is.
    fn status(&self) -> Option<&Self::Status>;
    /// The conditions in a status, and the generation that it speaks of.
    fn conditions(status: &Self::Status) -> (&[Condition], Option<i64>);
    /// The API of its scope; `namespace` is the object's own.
    fn api(client: kube::Client, namespace: &str) -> Api<Self>;
    /// The namespace of its Secrets; `operator` is the operator's own.
    fn secret_namespace<'a>(&'a self, _operator: &'a str) -> &'a str {
        namespace_of(self)
    }
}

/// A kind that lives at a backend. Each of them observes, plans and applies; `super::status` makes the status of how the
/// pass ended (docs/decisions/0014).
pub trait Kind: Reconciled + Resource<Scope = kube::core::NamespaceResourceScope> {
    /// What a `Revocation` calls it.
    const DEPARTED: DepartedKind;

    /// The backend that it lives at.
    fn instance_ref(&self) -> &InstanceRef;
    /// What happens at the backend when it is deleted.
    fn deletion_policy(&self) -> DeletionPolicy;
    /// What those who refer to it have to know, as its status says: they are woken when it changes. `None` = it cannot be
    /// referred to.
    fn identity(status: &Self::Status) -> Option<String>;
    /// The tokens that a status names, each with its entry (empty for an `ApiToken`); none for a kind without tokens.
    fn tokens(_: &Self::Status) -> Vec<(&str, &TokenStatus)> {
        Vec::new()
    }
    /// What the object's annotations ask for an entry.
    fn requests(&self, _: &str) -> Requests {
        Requests::default()
    }
    /// The objects of its namespace that it refers to.
    fn referents(&self) -> HashSet<Key>;

    /// Makes the backend and the Secrets as the spec wants them.
    fn live(
        pass: &mut Pass<Self>,
        backend: &Backend,
    ) -> impl Future<Output = Result<(), Stop>> + Send;
    /// Removes from the backend what the object made there; what is gone already is no error.
    fn end(
        pass: &mut Pass<Self>,
        backend: &Backend,
    ) -> impl Future<Output = Result<(), Stop>> + Send;
    /// Revokes at once what is declared compromised, of an object whose end or whose next token waits for something else.
    fn condemn(_: &mut Pass<Self>, _: &Backend) -> impl Future<Output = Result<(), Stop>> + Send {
        ready(Ok(()))
    }
    /// Lets go of what stays behind under `deletionPolicy: Orphan`.
    fn orphan(pass: &mut Pass<Self>) -> impl Future<Output = Result<(), Stop>> + Send;
}

/// When the issued tokens that a status names expire.
#[must_use]
pub fn expirations<K: Kind>(status: &K::Status) -> Vec<Timestamp> {
    let tokens = K::tokens(status).into_iter();
    let issued = tokens.filter(|(_, token)| token.id.is_some());
    issued
        .filter_map(|(_, token)| Some(token.expiration_time.as_ref()?.0))
        .collect()
}

/// One pass over one object.
pub struct Pass<K: Reconciled> {
    /// What all passes share.
    pub context: Arc<Context>,
    /// Whom Events are about: the object, or the `Revocation` that stands for it.
    pub regarding: ObjectReference,
    /// The object, never older than our last write of it.
    pub object: K,
    /// The status as the pass leaves it, without conditions; written whichever way the pass ends.
    pub status: K::Status,
    /// Findings of the kind's own.
    pub findings: Vec<Finding>,
    /// When to look again.
    pub next: Option<Timestamp>,
}

impl<K: Reconciled> Pass<K> {
    /// Begins a pass.
    #[must_use]
    pub fn new(context: Arc<Context>, object: K) -> Self {
        let status = object.status().cloned().unwrap_or_default();
        Self {
            context,
            regarding: object.object_ref(&()),
            object,
            status,
            findings: Vec::new(),
            next: None,
        }
    }

    /// To be called right before every request that changes something; `step` says what, in words that follow "would".
    pub fn may(&self, step: impl Display) -> Result<(), Error> {
        self.context.authority.may(step)
    }

    /// The namespace of the object's Secrets: its own, if it has one.
    #[must_use]
    pub fn namespace(&self) -> &str {
        let operator = &self.context.settings.namespace;
        self.object.secret_namespace(operator)
    }

    /// The object's name.
    #[must_use]
    pub fn name(&self) -> &str {
        name_of(&self.object)
    }

    /// Whether nothing is to be changed for now.
    #[must_use]
    pub fn is_suspended(&self) -> bool {
        self.object.is_suspended()
    }

    /// The object's key.
    #[must_use]
    pub fn key(&self) -> Key {
        key_of(&self.object)
    }

    /// The object as marks name it.
    #[must_use]
    pub fn marked_object(&self) -> Object {
        Object {
            kind: K::kind(&()).into_owned(),
            namespace: namespace_of(&self.object).to_owned(),
            name: self.name().to_owned(),
            uid: self.object.meta().uid.clone().unwrap_or_default(),
        }
    }

    /// The mark of what it makes at the backend.
    #[must_use]
    pub fn mark(&self) -> Mark {
        let cluster = self.context.settings.cluster.id.clone();
        Mark {
            cluster,
            object: self.marked_object(),
            token: None,
            adopted: false,
        }
    }

    /// Tells people what was done, and to which Secret; it is a warning if it was not what they wanted. Of a series of Events of one reason about one thing only the
    /// first note is shown, so that it has to fit them all.
    pub async fn event(&self, reason: Reason, action: &str, note: String, secret: Option<&str>) {
        let secret = secret.map(|name| ObjectReference {
            api_version: Some("v1".to_owned()),
            kind: Some("Secret".to_owned()),
            namespace: Some(self.namespace().to_owned()),
            name: Some(name.to_owned()),
            ..ObjectReference::default()
        });
        let type_ = match reason {
            Reason::WindowMissed => EventType::Warning,
            _ => EventType::Normal,
        };
        self.publish(type_, reason, action, note, secret).await;
    }

    /// Warns people of something that no condition speaks of.
    pub async fn warn(&self, reason: Reason, note: String) {
        self.publish(EventType::Warning, reason, "Reconcile", note, None)
            .await;
    }

    async fn publish(
        &self,
        type_: EventType,
        reason: Reason,
        action: &str,
        note: String,
        secondary: Option<ObjectReference>,
    ) {
        let event = Event {
            type_,
            reason: reason.as_str().to_owned(),
            note: Some(note),
            action: action.to_owned(),
            secondary,
        };
        self.context.publish(self.regarding.clone(), &event).await;
    }

    /// Looks again at this instant, or earlier if something else asks for it.
    pub fn wake_at(&mut self, instant: Timestamp) {
        self.next = Some(self.next.map_or(instant, |next| next.min(instant)));
    }
}

impl<K: Kind> Pass<K> {
    /// The key of the instance that the object refers to.
    #[must_use]
    pub fn instance_key(&self) -> Key {
        instance_key(self.object.instance_ref(), self.namespace())
    }

    /// The backend, if the object's namespace may use it and it answers; `None` = not looked at yet.
    pub fn backend(&self) -> Result<Option<Arc<Backend>>, Stop> {
        if !self.context.allows(&self.instance_key(), self.namespace()) {
            return Err(no_instance(self.object.instance_ref()).into());
        }
        self.reached()
    }

    /// The backend if it answers, whether or not the namespace may still use it: what an object made there may always
    /// be taken away again.
    pub fn reached(&self) -> Result<Option<Arc<Backend>>, Stop> {
        let key = self.instance_key();
        match self.context.backends.get(&key) {
            Some(Standing::Ready(backend)) => Ok(Some(backend)),
            Some(Standing::Down(down)) => Err(down.into()),
            None if self.context.knows(&key) => Ok(None),
            None => Err(no_instance(self.object.instance_ref()).into()),
        }
    }
}

/// Not there and not permitted read the same: nobody learns what exists elsewhere.
fn no_instance(InstanceRef { kind, name }: &InstanceRef) -> Blocked {
    match kind {
        InstanceKind::ClusterInstance => Blocked::refused(
            Reason::NotAllowed,
            format!(
                "ClusterInstance {name} is not there or does not allow this namespace: ask its administrator to add \
                 the namespace to allowedNamespaces, or create this object with another instanceRef"
            ),
        ),
        InstanceKind::Instance => Blocked::refused(
            Reason::InstanceNotFound,
            format!(
                "Instance {name} is not there, or the operator runs without --namespaced-instances: create it, or \
                 create this object with another instanceRef"
            ),
        ),
    }
}

/// Whether an object waits for us before it goes.
#[must_use]
pub fn is_held<K: Reconciled>(object: &K) -> bool {
    let mut finalizers = object.finalizers().iter();
    finalizers.any(|finalizer| finalizer == FINALIZER)
}

/// The key of an object.
#[must_use]
pub fn key_of<K: Reconciled>(object: &K) -> Key {
    Key::new(K::NAME, namespace_of(object), name_of(object))
}

/// The key of the instance that a reference in this namespace means.
#[must_use]
pub fn instance_key(reference: &InstanceRef, namespace: &str) -> Key {
    match reference.kind {
        InstanceKind::ClusterInstance => Key::new(KindName::ClusterInstance, "", &reference.name),
        InstanceKind::Instance => Key::new(KindName::Instance, namespace, &reference.name),
    }
}
