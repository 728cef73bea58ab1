//! What a pass sees of an entry at first glance: the cache if the status knows that version of the Secret, else a read.

use jiff::{SignedDuration, Timestamp};
use kube::core::ObjectMeta;
use kube::runtime::reflector::ObjectRef;

use super::dressing::TEMPLATE;
use super::secret::{self, HISTORY, Labels};
use super::{Entry, TokenHolder, record, removal};
use crate::controller::backend::Backend;
use crate::controller::error::Error;
use crate::controller::kind::{Pass, Reconciled};
use crate::plan::token::{
    Dress, History, Observed, Recorded, SecretSeen, Settling, Sighting, Successor, turn,
};

/// What one pass sees of an entry, and how fresh it is.
#[derive(Debug)]
pub(super) struct Sight {
    /// What the decision is made from.
    pub(super) seen: Observed,
    /// The Secret's metadata, for preconditions and for what others wrote there.
    pub(super) metadata: Option<ObjectMeta>,
    /// Whether the Secret was read from the API server in this pass.
    pub(super) freshness: Freshness,
    /// Since when the current token is known to be published.
    pub(super) published: Option<Timestamp>,
}

/// Where a Secret was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Freshness {
    /// In the watch's cache.
    Cached,
    /// By a read in this pass.
    Read,
}

/// The first look.
pub(super) async fn first<K: TokenHolder>(
    pass: &Pass<K>,
    backend: &Backend,
    entry: &Entry<'_>,
) -> Result<Sight, Error> {
    let status = K::token(&pass.status, entry.name);
    let recorded = status.map(record::read);
    let told = status.and_then(|status| status.secret_name.as_deref());
    let name = held_name(pass, entry, told);
    let known = name.as_deref().and_then(|name| cached(pass, name));
    let known = known.filter(|metadata| knows(recorded.as_ref(), metadata));
    let (metadata, freshness) = match (known, &name) {
        (Some(metadata), _) => (Some(metadata), Freshness::Cached),
        (None, Some(name)) => (
            secret::metadata(&pass.context, pass.namespace(), name).await?,
            Freshness::Read,
        ),
        (None, None) => (None, Freshness::Read),
    };
    let published = status.and_then(|status| status.published_time.as_ref());
    Ok(Sight {
        published: published.map(|time| time.0),
        seen: Observed {
            secret_name: name,
            ..observed(pass, backend, entry, metadata.as_ref(), recorded)
        },
        metadata,
        freshness,
    })
}

/// What the Secret with the entry's token is called, by what the status has `told` and the watch shows.
pub(super) fn held_name<K: Reconciled>(
    pass: &Pass<K>,
    entry: &Entry<'_>,
    told: Option<&str>,
) -> Option<String> {
    let shown = removal::secrets_of(pass, entry.name);
    let shown = shown.iter().filter_map(|metadata| metadata.name.as_deref());
    entry.dressing.naming.held(told.into_iter().chain(shown))
}

fn cached<K: Reconciled>(pass: &Pass<K>, name: &str) -> Option<ObjectMeta> {
    let reference = ObjectRef::new(name).within(pass.namespace());
    let secret = pass.context.stores.secrets.get(&reference)?;
    Some(secret.metadata.clone())
}

fn knows(recorded: Option<&Recorded>, metadata: &ObjectMeta) -> bool {
    recorded.is_some_and(|recorded| {
        recorded.secret_name == metadata.name
            && recorded.resource_version == metadata.resource_version
    })
}

fn observed<K: Reconciled>(
    pass: &Pass<K>,
    backend: &Backend,
    entry: &Entry<'_>,
    metadata: Option<&ObjectMeta>,
    recorded: Option<Recorded>,
) -> Observed {
    let memory = pass.context.memory.entry(&pass.key(), entry.name);
    let leading_since = leading_since(pass, backend);
    let now = backend.client.backend_now();
    let looked = memory.listed_by(now).unwrap_or(leading_since);
    Observed {
        naming: entry.dressing.naming.clone(),
        secret_name: None,
        secret: secret(pass, entry, metadata),
        successor: Successor::Free,
        recorded,
        listed: None,
        listed_at: None,
        check: None,
        consumers: None,
        // Nothing was seen in the future: the clock went back since.
        refused_since: memory.refused_since.map(|since| since.min(now)),
        unscheduled: memory.unscheduled,
        vain: memory.vain,
        requests: entry.requests.clone(),
        rights: entry.rights.clone(),
        moved: memory.moved,
        next_look: next_look(pass, backend, looked),
        sighting: Sighting::Unrecorded,
        settling: Settling {
            leading_since,
            unanswered_publish: memory.unanswered_publish,
            grace: pass.context.settings.settle,
        },
        activity: entry.activity,
        seed: format!("{}/{}", owner_seed(pass), entry.name),
    }
}

/// When this process became the leader, on the backend's clock.
fn leading_since<K: Reconciled>(pass: &Pass<K>, backend: &Backend) -> Timestamp {
    let acquired = pass.context.authority.since();
    let offset = backend.client.clock_offset();
    let offset = offset.unwrap_or(SignedDuration::ZERO);
    acquired
        .and_then(|acquired| acquired.checked_add(offset).ok())
        .unwrap_or(Timestamp::MAX)
}

/// When the routine look after that at `since` is due: at the same instant for all entries of an owner.
pub fn next_look<K: Reconciled>(pass: &Pass<K>, backend: &Backend, since: Timestamp) -> Timestamp {
    turn(&owner_seed(pass), since, backend.token_sweep)
}

/// What tells the owner of tokens from all others.
fn owner_seed<K: Reconciled>(pass: &Pass<K>) -> String {
    let object = pass.marked_object();
    format!("{}/{}/{}", object.kind, object.namespace, object.name)
}

/// What a Secret of this name means for this entry.
pub(super) fn secret<K: Reconciled>(
    pass: &Pass<K>,
    entry: &Entry<'_>,
    metadata: Option<&ObjectMeta>,
) -> SecretSeen {
    let Some(metadata) = metadata else {
        return SecretSeen::Absent;
    };
    if !secret::is_of(pass, entry.name, metadata) {
        return SecretSeen::Foreign;
    }
    let is_labelled = Labels::of(pass, entry.name).are_on(metadata);
    let annotation = |name: &str| metadata.annotations.as_ref().and_then(|all| all.get(name));
    let history = annotation(HISTORY).and_then(|text| History::parse(text));
    let is_current = annotation(TEMPLATE).is_some_and(|text| entry.dressing.made(text));
    SecretSeen::Ours {
        resource_version: metadata.resource_version.clone().unwrap_or_default(),
        history: history.map(Box::new),
        prefix_holds: None,
        dress: if is_current && is_labelled {
            Dress::Fits
        } else {
            Dress::Outdated
        },
    }
}
