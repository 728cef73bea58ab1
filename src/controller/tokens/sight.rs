//! What one pass sees of an entry.

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Secret;
use kube::api::Api;
use kube::core::{ObjectMeta, PartialObjectMeta};
use kube::runtime::reflector::ObjectRef;

use super::secret::{self, HISTORY, Labels, TEMPLATE};
use super::{Entry, OwnerAge, TokenHolder, is_ours, our_generation, record};
use crate::controller::backend::Backend;
use crate::controller::context::Context;
use crate::controller::error::Error;
use crate::controller::kind::{Kind, Pass};
use crate::iam::client;
use crate::iam::model::{TokenId, TokenValue};
use crate::iam::wire::ApiToken;
use crate::plan::token::{
    Check, Dress, History, Listed, Look, Observed, Recorded, SecretSeen, Settling, Sighting,
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
    /// How often the owner's tokens are listed.
    pub(super) sweep: SignedDuration,
}

/// Where a Secret was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Freshness {
    /// In the watch's cache.
    Cached,
    /// By a read in this pass.
    Read,
}

impl Sight {
    /// Looks at the Secret's metadata: in the cache if the status knows that version, else by a read.
    pub(super) async fn new<K: TokenHolder>(
        pass: &Pass<K>,
        backend: &Backend,
        entry: &Entry<'_>,
    ) -> Result<Self, Error> {
        let status = K::token(&pass.status, entry.name);
        let recorded = status
            .map(record::read)
            .filter(|recorded| recorded.generation > 0);
        let cached = cached(&pass.context, pass.namespace(), entry.dressing.name);
        let known = recorded
            .as_ref()
            .filter(|r| r.secret_name.as_deref() == Some(entry.dressing.name));
        let known = known.and_then(|recorded| recorded.resource_version.as_deref());
        let is_known = cached
            .as_ref()
            .and_then(|metadata| metadata.resource_version.as_deref())
            == known;
        let (metadata, freshness) = if cached.is_some() && is_known {
            (cached, Freshness::Cached)
        } else {
            (
                read(&pass.context, pass.namespace(), entry.dressing.name).await?,
                Freshness::Read,
            )
        };
        let secret = seen_as(pass, entry, metadata.as_ref());
        let seen = observed(pass, backend, entry, secret, recorded);
        let published = status
            .and_then(|status| status.published_time.as_ref())
            .map(|time| time.0);
        Ok(Self {
            seen,
            metadata,
            freshness,
            published,
            sweep: backend.token_sweep,
        })
    }

    /// Looks at one thing more.
    pub(super) async fn look<K: TokenHolder>(
        &mut self,
        pass: &Pass<K>,
        backend: &Backend,
        entry: &Entry<'_>,
        wanted: Look,
    ) -> Result<(), Error> {
        match wanted {
            Look::List => {
                let tokens = backend.client.tokens(&entry.owner).await?;
                self.listed(pass, entry, &tokens, backend.client.backend_now());
                Ok(())
            }
            Look::Value => self.value(pass, backend, entry).await,
        }
    }

    /// Takes in a list of the owner's tokens.
    pub(super) fn listed<K: Kind>(
        &mut self,
        pass: &Pass<K>,
        entry: &Entry<'_>,
        tokens: &[ApiToken],
        now: Timestamp,
    ) {
        let ours = tokens.iter().filter_map(|token| {
            let generation = our_generation(pass, entry.name, token)?;
            Some(Listed {
                id: token.id.clone(),
                generation,
                issued: token.iat.unwrap_or(now),
                expires: token.exp,
                last_used: token.last_used,
            })
        });
        self.seen.listed = Some(ours.collect());
        let expires = self
            .seen
            .listed_current()
            .and_then(|l| Some((l.id.clone(), l.expires?)));
        let foreign = tokens.iter().filter(|token| !is_ours(pass, token)).count();
        pass.context
            .memory
            .remember(&pass.key(), entry.name, |memory| {
                memory.listed = Some(now);
                memory.moved = expires;
                memory.foreign = i64::try_from(foreign).ok();
            });
        self.seen.next_look = record::turn(&self.seen.seed, now, self.sweep);
    }

    /// Reads the Secret with its values, tries the token, and forgets the values again.
    async fn value<K: Kind>(
        &mut self,
        pass: &Pass<K>,
        backend: &Backend,
        entry: &Entry<'_>,
    ) -> Result<(), Error> {
        let Some(secret) =
            secret::read(&pass.context, pass.namespace(), entry.dressing.name).await?
        else {
            self.see(pass, entry, None);
            return Ok(());
        };
        let value = secret::value(&secret);
        self.see(pass, entry, Some(secret.metadata.clone()));
        let SecretSeen::Ours {
            history,
            prefix_holds,
            dress,
            ..
        } = &mut self.seen.secret
        else {
            return Ok(());
        };
        let Some(value) = value.filter(TokenValue::is_well_formed) else {
            *prefix_holds = Some(false);
            self.seen.check = Some(Check::Refused);
            return Ok(());
        };
        let prefix = history
            .as_ref()
            .and_then(|history| history.current.prefix.as_deref());
        *prefix_holds = Some(prefix.is_none_or(|prefix| value.expose().starts_with(prefix)));
        let fits = secret::is_dressed(pass, entry, &secret, &value);
        *dress = if fits { Dress::Fits } else { Dress::Differs };
        self.check(pass, backend, entry, &value).await
    }

    /// Takes in the Secret's metadata as a read shows it.
    pub(super) fn see<K: Kind>(
        &mut self,
        pass: &Pass<K>,
        entry: &Entry<'_>,
        metadata: Option<ObjectMeta>,
    ) {
        self.seen.secret = seen_as(pass, entry, metadata.as_ref());
        self.metadata = metadata;
        self.freshness = Freshness::Read;
    }

    /// Takes in the answer to our own publish, which came at `answered`.
    pub(super) fn published_as<K: Kind>(
        &mut self,
        pass: &Pass<K>,
        entry: &Entry<'_>,
        metadata: ObjectMeta,
        history: &History,
        answered: Timestamp,
    ) {
        let answered = record::whole(answered);
        let unbroken = self.seen.is_accepted();
        let old = self.seen.recorded.take().unwrap_or_default();
        let since = |id: &TokenId| {
            let known = old.retired.iter().find(|(retired, _)| retired == id);
            (id.clone(), known.map_or(answered, |(_, since)| *since))
        };
        pass.context.secrets_of.wrote(&metadata);
        self.seen.recorded = Some(Recorded {
            generation: history.current.generation,
            secret_name: Some(entry.dressing.name.to_owned()),
            resource_version: metadata.resource_version.clone(),
            history_since: old.history_since.filter(|_| unbroken).or(Some(answered)),
            retired: history
                .retired
                .iter()
                .map(|retired| since(&retired.id))
                .collect(),
            rotate: history.rotate.clone(),
            compromised: history.compromised.clone(),
        });
        self.see(pass, entry, Some(metadata));
        self.seen.check = Some(Check::Works);
        self.seen.refused_since = None;
        self.published = Some(answered);
        pass.context
            .memory
            .remember(&pass.key(), entry.name, |memory| {
                memory.refused_since = None
            });
    }

    /// Takes in the answer to another write of ours that left the token alone.
    pub(super) fn rewritten_as<K: Kind>(
        &mut self,
        pass: &Pass<K>,
        entry: &Entry<'_>,
        metadata: ObjectMeta,
    ) {
        pass.context.secrets_of.wrote(&metadata);
        if let Some(recorded) = &mut self.seen.recorded {
            recorded
                .resource_version
                .clone_from(&metadata.resource_version);
        }
        self.see(pass, entry, Some(metadata));
    }

    async fn check<K: Kind>(
        &mut self,
        pass: &Pass<K>,
        backend: &Backend,
        entry: &Entry<'_>,
        value: &TokenValue,
    ) -> Result<(), Error> {
        let refused = match backend.client.check(value).await? {
            client::Check::Works(_) | client::Check::NotRefused => None,
            client::Check::Refused | client::Check::Malformed => Some(
                self.seen
                    .refused_since
                    .unwrap_or_else(|| backend.client.backend_now()),
            ),
        };
        self.seen.refused_since = refused;
        self.seen.check = Some(if refused.is_some() {
            Check::Refused
        } else {
            Check::Works
        });
        pass.context
            .memory
            .remember(&pass.key(), entry.name, |memory| {
                memory.refused_since = refused
            });
        Ok(())
    }
}

fn observed<K: Kind>(
    pass: &Pass<K>,
    backend: &Backend,
    entry: &Entry<'_>,
    secret: SecretSeen,
    recorded: Option<Recorded>,
) -> Observed {
    let memory = pass.context.memory.entry(&pass.key(), entry.name);
    let leading_since = pass
        .context
        .leadership
        .acquired_at()
        .unwrap_or(Timestamp::MAX);
    let offset = backend
        .client
        .clock_offset()
        .unwrap_or(SignedDuration::ZERO);
    let grace = pass.context.settings.settle;
    let since = memory.listed.unwrap_or(leading_since);
    let seed = seed(pass, entry);
    Observed {
        secret,
        recorded,
        listed: (entry.owner_age == OwnerAge::New).then(Vec::new),
        check: None,
        refused_since: memory.refused_since,
        requests: entry.requests.clone(),
        moved: memory.moved,
        next_look: record::turn(&seed, since, backend.token_sweep),
        sighting: Sighting::Unrecorded,
        settling: Settling {
            leading_since: leading_since.checked_add(offset).unwrap_or(leading_since),
            unanswered_publish: memory.unanswered_publish,
            grace,
        },
        activity: entry.activity,
        seed,
    }
}

/// What tells this entry from all others.
fn seed<K: Kind>(pass: &Pass<K>, entry: &Entry<'_>) -> String {
    let object = pass.marked_object();
    format!(
        "{}/{}/{}/{}",
        object.kind, object.namespace, object.name, entry.name
    )
}

/// What a Secret of this name means for this entry.
fn seen_as<K: Kind>(
    pass: &Pass<K>,
    entry: &Entry<'_>,
    metadata: Option<&ObjectMeta>,
) -> SecretSeen {
    let Some(metadata) = metadata else {
        return SecretSeen::Absent;
    };
    if !Labels::of(pass, entry.name).are_on(metadata) {
        return SecretSeen::Foreign;
    }
    let annotation = |name: &str| metadata.annotations.as_ref().and_then(|all| all.get(name));
    let history = annotation(HISTORY)
        .and_then(|text| History::parse(text))
        .map(Box::new);
    let is_current = annotation(TEMPLATE).is_some_and(|text| entry.dressing.made(text));
    SecretSeen::Ours {
        resource_version: metadata.resource_version.clone().unwrap_or_default(),
        history,
        prefix_holds: None,
        dress: if is_current {
            Dress::Fits
        } else {
            Dress::Outdated
        },
    }
}

fn cached(context: &Context, namespace: &str, name: &str) -> Option<ObjectMeta> {
    let reference = ObjectRef::new(name).within(namespace);
    context
        .stores
        .secrets
        .get(&reference)
        .map(|secret| secret.metadata.clone())
}

/// The metadata of a Secret as it is now.
pub(super) async fn read(
    context: &Context,
    namespace: &str,
    name: &str,
) -> Result<Option<ObjectMeta>, Error> {
    let api: Api<Secret> = Api::namespaced(context.client.clone(), namespace);
    let read = context
        .within("look at the Secret", api.get_metadata_opt(name))
        .await?;
    Ok(read.map(|PartialObjectMeta { metadata, .. }| metadata))
}

impl Freshness {
    /// Whether it was read in this pass.
    pub(super) fn is_read(self) -> bool {
        self == Self::Read
    }
}
