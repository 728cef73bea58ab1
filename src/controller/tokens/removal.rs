//! Entries that the spec does not have any more, and Secrets that an entry left for another name.

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::core::ObjectMeta;
use kube::runtime::reflector::ObjectRef;
use tracing::info;

use super::ledger::Ledger;
use super::secret::{self, HISTORY, Labels};
use super::{Entry, TokenHolder, record, sight};
use crate::api::condition::Reason;
use crate::api::names::ENTRY;
use crate::api::token_status::{RetiredToken, TokenStatus};
use crate::controller::backend::Backend;
use crate::controller::error::Error;
use crate::controller::kind::{Pass, Reconciled};
use crate::controller::outcome::Stop;
use crate::controller::patch::exactly;
use crate::iam::client::Deletion;
use crate::iam::model::TokenId;
use crate::plan::token::{History, Listed, Naming, SecretSeen};

/// How long the token of a removed entry goes on working if nothing tells its overlap's minimum any more.
const FAREWELL: SignedDuration = SignedDuration::from_hours(1);

/// When the tokens of a removed entry end.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Ending {
    /// After the overlap's minimum.
    InTime,
    /// At once: they are declared compromised, and nobody has acted on it yet.
    AtOnce,
}

/// Removes an entry: once its tokens have come to their end they are revoked, and its Secrets deleted.
pub async fn remove<K: TokenHolder>(
    pass: &mut Pass<K>,
    backend: &Backend,
    ledger: &mut Ledger,
    entry: &str,
    ending: Ending,
) -> Result<(), Stop> {
    if is_over(pass, backend, ledger, entry, ending, FAREWELL).await? {
        finish(pass, backend, ledger, entry).await?;
    }
    Ok(())
}

/// Removes at once an entry whose token nothing can take the place of, if the annotation's value declares its tokens
/// compromised and nobody has acted on that yet.
pub async fn condemn<K: TokenHolder>(
    pass: &mut Pass<K>,
    backend: &Backend,
    ledger: &mut Ledger,
    entry: &str,
    compromised: Option<&str>,
) -> Result<(), Stop> {
    if ending(pass, entry, compromised) == Ending::InTime {
        return Ok(());
    }
    let (key, now) = (pass.key(), backend.client.backend_now());
    let listed = pass.context.memory.entry(&key, entry).listed_by(now);
    let is_due = listed.is_none_or(|last| sight::next_look(pass, backend, last) <= now);
    let has_left = K::token(&pass.status, entry).is_some() || !secrets_of(pass, entry).is_empty();
    if has_left || is_due {
        remove(pass, backend, ledger, entry, Ending::AtOnce).await?;
        ledger.remember_look(pass, entry);
    }
    Ok(())
}

/// Whether an entry's tokens have come to their end; if so they are listed. When they will is written down at the first
/// time: the farewell counts where no history tells another.
pub(super) async fn is_over<K: TokenHolder>(
    pass: &mut Pass<K>,
    backend: &Backend,
    ledger: &mut Ledger,
    entry: &str,
    ending: Ending,
    farewell: SignedDuration,
) -> Result<bool, Stop> {
    let now = backend.client.backend_now();
    let has_time = ending == Ending::InTime;
    if has_time && leaving(K::token(&pass.status, entry)).is_none() {
        ledger.list_once(backend).await?;
        let tokens = ledger.of_entry(pass, entry).unwrap_or_default();
        let asked = farewell_of(&secrets_now(pass, entry).await?);
        let end = now.checked_add(asked.unwrap_or(farewell));
        let end = end.unwrap_or(Timestamp::MAX);
        let status = retired(K::token(&pass.status, entry), &tokens, now, end);
        K::set_token(&mut pass.status, entry, status);
    }
    let end = leaving(K::token(&pass.status, entry)).filter(|_| has_time);
    if let Some(end) = end.filter(|end| now < *end) {
        pass.wake_at(backend.on_our_clock(end));
        return Ok(false);
    }
    ledger.list_once(backend).await?;
    Ok(true)
}

/// Revokes every token of the entry that the list shows or the status tells of, for nobody is to publish one any more, and
/// deletes its Secrets.
pub(super) async fn finish<K: TokenHolder>(
    pass: &mut Pass<K>,
    backend: &Backend,
    ledger: &mut Ledger,
    entry: &str,
) -> Result<(), Stop> {
    let listed = ledger.of_entry(pass, entry).unwrap_or_default();
    let listed: Vec<TokenId> = listed.into_iter().map(|token| token.id).collect();
    for id in &listed {
        revoke(pass, backend, ledger, id).await?;
    }
    for id in told(K::token(&pass.status, entry), &listed) {
        // What a Secret's history says gets into the status, and whoever may write the Secret can have it say any id.
        if !ledger.shows_without_mark(pass, entry, &id) {
            revoke(pass, backend, ledger, &id).await?;
        }
    }
    for secret in secrets_now(pass, entry).await? {
        delete(pass, entry, &secret).await?;
    }
    K::drop_token(&mut pass.status, entry);
    pass.context.memory.forget_entry(&pass.key(), entry);
    Ok(())
}

/// The tokens that the status tells of besides these: a list may lack some that are alive.
fn told(status: Option<&TokenStatus>, besides: &[TokenId]) -> Vec<TokenId> {
    let retired = status.into_iter().flat_map(|status| &status.retired);
    let current = status.and_then(|status| status.id.as_ref());
    let ids = retired.map(|retired| &retired.id).chain(current);
    let ids = ids.map(|id| TokenId(id.clone()));
    ids.filter(|id| !besides.contains(id)).collect()
}

/// How an entry's tokens end, by the value of the annotation that declares them compromised.
pub fn ending<K: TokenHolder>(pass: &Pass<K>, entry: &str, compromised: Option<&str>) -> Ending {
    let Some(asked) = compromised else {
        return Ending::InTime;
    };
    let status = K::token(&pass.status, entry);
    let in_status = status.and_then(|status| status.handled_compromised.as_deref());
    let histories = secrets_of(pass, entry);
    let mut histories = histories.iter().filter_map(history);
    let is_done = |it: History| it.compromised.as_deref() == Some(asked);
    if in_status == Some(asked) || histories.any(is_done) {
        Ending::InTime
    } else {
        Ending::AtOnce
    }
}

fn history(secret: &ObjectMeta) -> Option<History> {
    History::parse(secret.annotations.as_ref()?.get(HISTORY)?)
}

/// When the tokens of an entry that is leaving are revoked; `None` = it has just been removed, or has none.
fn leaving(status: Option<&TokenStatus>) -> Option<Timestamp> {
    let status = status.filter(|status| status.id.is_none())?;
    let ends = status.retired.iter();
    ends.filter_map(|retired| Some(retired.revoke_after_time.as_ref()?.0))
        .max()
}

/// The status of an entry that is leaving: it has no current token any more, and all that it had end at the same time, also
/// those that a list lacks. What was acted on stays known, and which Secret it had: somebody may take its labels off.
fn retired(
    old: Option<&TokenStatus>,
    tokens: &[Listed],
    now: Timestamp,
    end: Timestamp,
) -> TokenStatus {
    let ends = |id: &str, generation, expires: Option<Time>| RetiredToken {
        id: id.to_owned(),
        generation,
        retired_time: Some(record::time(now)),
        revoke_after_time: Some(record::time(end)),
        expiration_time: expires,
        last_used_time: None,
    };
    let retired = tokens.iter().map(|token| {
        let expires = token.expires.map(record::time);
        ends(&token.id.0, token.generation, expires)
    });
    let current = old.and_then(|old| {
        let id = old.id.as_deref()?;
        Some(ends(id, old.generation, old.expiration_time.clone()))
    });
    let before = old.into_iter().flat_map(|old| &old.retired);
    let before = before.map(|it| ends(&it.id, it.generation, it.expiration_time.clone()));
    let is_lacking = |told: &RetiredToken| !tokens.iter().any(|listed| listed.id.0 == told.id);
    let lacking = before.chain(current).filter(is_lacking);
    let known = old.map(|old| old.generation);
    let generations = tokens.iter().map(|token| token.generation).chain(known);
    TokenStatus {
        generation: generations.max().unwrap_or_default(),
        secret_name: old.and_then(|old| old.secret_name.clone()),
        retired: retired.chain(lacking).collect(),
        handled_rotate_request: old.and_then(|old| old.handled_rotate_request.clone()),
        handled_compromised: old.and_then(|old| old.handled_compromised.clone()),
        compromised_generation: old.map_or(0, |old| old.compromised_generation),
        ..TokenStatus::default()
    }
}

fn farewell_of(secrets: &[ObjectMeta]) -> Option<SignedDuration> {
    let histories = secrets.iter().filter_map(history);
    let farewells = histories.map(|it| SignedDuration::from_secs(it.current.farewell));
    farewells.max()
}

/// Revokes every token that carries a mark of this object, which is going.
pub async fn revoke_all<K: TokenHolder>(
    pass: &Pass<K>,
    backend: &Backend,
    ledger: &mut Ledger,
) -> Result<(), Stop> {
    ledger.list(backend).await?;
    for id in ledger.ours(pass) {
        revoke(pass, backend, ledger, &id).await?;
    }
    Ok(())
}

async fn revoke<K: Reconciled>(
    pass: &Pass<K>,
    backend: &Backend,
    ledger: &mut Ledger,
    id: &TokenId,
) -> Result<(), Error> {
    pass.may(format_args!("revoke token {id}"))?;
    let deletion = backend.client.revoke_token(ledger.owner(), id).await?;
    ledger.remove(id);
    if deletion == Deletion::AlreadyGone {
        return Ok(());
    }
    let metrics = &pass.context.metrics;
    metrics.revoked(&backend.key.path(), Reason::Revoked);
    let key = pass.key();
    info!(object = %key, token = %id, "token of what was removed is revoked");
    let note = "a token that nothing asks for any more was revoked".to_owned();
    pass.event(Reason::Revoked, "Revoke", note, None).await;
    Ok(())
}

/// Deletes Secrets that a live entry left for another name, each once its tokens do not work any more.
pub(super) async fn tidy<K: TokenHolder>(pass: &Pass<K>, entry: &Entry<'_>) -> Result<(), Error> {
    let Some(status) = K::token(&pass.status, entry.name) else {
        return Ok(());
    };
    let naming = entry.dressing.naming;
    let is_called_so = |name: &&str| naming.number(name).is_some();
    let Some(holds) = named(Some(status)).filter(is_called_so) else {
        return Ok(());
    };
    let left = secrets_of(pass, entry.name).into_iter();
    let left = left.filter(|metadata| metadata.name.as_deref() != Some(holds));
    for metadata in left.filter(|metadata| !holds_live(status, metadata)) {
        delete(pass, entry.name, &metadata).await?;
    }
    Ok(())
}

/// Whether a Secret holds a token that works, as far as the status tells; without a history that may be any.
fn holds_live(status: &TokenStatus, secret: &ObjectMeta) -> bool {
    let mut retired = status.retired.iter();
    let Some(history) = history(secret) else {
        return retired.next().is_some();
    };
    let previous = history.previous.map(|previous| previous.id);
    let held = [Some(history.current.id), previous];
    let mut live = retired.map(|retired| &retired.id).chain(&status.id);
    live.any(|id| held.iter().flatten().any(|held| held.0 == *id))
}

/// The entries that Secrets of this object carry.
pub fn entries_of_secrets<K: Reconciled>(pass: &Pass<K>) -> Vec<String> {
    let secrets = ours(pass, |_| true).into_iter();
    let entries = secrets.filter_map(|metadata| metadata.labels?.remove(ENTRY));
    entries.collect()
}

/// The name of the Secret that an entry has, by its labels: the one that holds its token, else the latest that is called as
/// the spec wants, else another.
pub(super) fn held_secret<K: TokenHolder>(
    pass: &Pass<K>,
    entry: &str,
    naming: &Naming,
) -> Option<String> {
    let holds = named(K::token(&pass.status, entry));
    let names = secrets_of(pass, entry).into_iter();
    let names = names.filter_map(|metadata| metadata.name);
    names.max_by_key(|name| (Some(name.as_str()) == holds, naming.number(name)))
}

/// The same by a look at what is there now: somebody may have taken labels off. What somebody has made their own may hold
/// the token all the same.
pub(super) async fn met_secret<K: TokenHolder>(
    pass: &Pass<K>,
    entry: &Entry<'_>,
) -> Result<Option<String>, Error> {
    let status = K::token(&pass.status, entry.name);
    let (holds, wanted) = (named(status), sight::held_name(pass, entry, named(status)));
    let has_token = status.is_some_and(|status| status.id.is_some());
    let other = wanted.as_deref().filter(|wanted| holds != Some(wanted));
    for name in holds.into_iter().chain(other) {
        let metadata = secret::metadata(&pass.context, pass.namespace(), name).await?;
        let is_met = match sight::secret(pass, entry, metadata.as_ref()) {
            SecretSeen::Ours { .. } => true,
            SecretSeen::Foreign => has_token && holds == Some(name),
            SecretSeen::Absent => false,
        };
        if is_met {
            return Ok(Some(name.to_owned()));
        }
    }
    Ok(None)
}

/// An entry whose Secret is not called as the spec wants, while another's has that name.
#[derive(Debug)]
pub(super) struct Displaced {
    /// The name that the spec wants.
    pub(super) wanted: String,
    /// How the Secret that holds its token was called by the spec before.
    pub(super) naming: Naming,
}

/// Whether another's Secret keeps an entry from the name that the spec wants.
pub(super) async fn displaced<K: TokenHolder>(
    pass: &Pass<K>,
    entry: &Entry<'_>,
) -> Result<Option<Displaced>, Error> {
    let naming = entry.dressing.naming;
    let status = K::token(&pass.status, entry.name);
    let generation = status.map_or(0, |status| status.generation);
    let Some(holds) = named(status).filter(|name| naming.number(name).is_none()) else {
        return Ok(None);
    };
    let wanted = naming.after(generation);
    let (context, namespace) = (&pass.context, pass.namespace());
    let taken = secret::metadata(context, namespace, &wanted).await?;
    if !matches!(
        sight::secret(pass, entry, taken.as_ref()),
        SecretSeen::Foreign
    ) {
        return Ok(None);
    }
    let held = secret::read(context, namespace, holds).await?;
    let held = held.filter(|held| secret::is_of(pass, entry.name, &held.metadata));
    Ok(held.map(|held| Displaced {
        wanted,
        naming: Naming::of(holds, held.immutable == Some(true)),
    }))
}

/// The Secret that a status names.
fn named(status: Option<&TokenStatus>) -> Option<&str> {
    status?.secret_name.as_deref()
}

/// The Secrets of an entry: those that the watch shows, and the one that the status names, by a look at it if the watch
/// does not show it as the entry's.
async fn secrets_now<K: TokenHolder>(
    pass: &Pass<K>,
    entry: &str,
) -> Result<Vec<ObjectMeta>, Error> {
    let mut secrets = secrets_of(pass, entry);
    let shows = |name: &&str| !secrets.iter().any(|it| it.name.as_deref() == Some(name));
    if let Some(name) = named(K::token(&pass.status, entry)).filter(shows) {
        let metadata = secret::metadata(&pass.context, pass.namespace(), name).await?;
        secrets.extend(metadata.filter(|metadata| secret::is_of(pass, entry, metadata)));
    }
    Ok(secrets)
}

/// The Secrets of one entry, as the watch shows them.
pub(super) fn secrets_of<K: Reconciled>(pass: &Pass<K>, entry: &str) -> Vec<ObjectMeta> {
    ours(pass, |label| label == entry)
}

/// The object's Secrets of some entries, as the watch shows them.
fn ours<K: Reconciled>(pass: &Pass<K>, is_wanted: impl Fn(&str) -> bool) -> Vec<ObjectMeta> {
    let context = &pass.context;
    let names = context.secrets_of.get(&pass.key()).into_iter();
    let secrets = names.filter_map(|name| {
        let reference = ObjectRef::new(&name).within(pass.namespace());
        context.stores.secrets.get(&reference)
    });
    let wanted = secrets.filter(|secret| {
        let entry = entry_of(&secret.metadata);
        entry.is_some_and(|it| is_wanted(it) && Labels::of(pass, it).are_on(&secret.metadata))
    });
    wanted.map(|secret| secret.metadata.clone()).collect()
}

fn entry_of(metadata: &ObjectMeta) -> Option<&str> {
    Some(metadata.labels.as_ref()?.get(ENTRY)?)
}

/// Deletes a Secret of ours if it still is what it was, by a look at it as it is now.
async fn delete<K: Reconciled>(
    pass: &Pass<K>,
    entry: &str,
    metadata: &ObjectMeta,
) -> Result<(), Error> {
    let (context, name) = (&pass.context, metadata.name.as_deref().unwrap_or_default());
    let now = secret::metadata(context, pass.namespace(), name).await?;
    let Some(now) = now.filter(|now| secret::is_of(pass, entry, now)) else {
        return Ok(());
    };
    let parameters = exactly(now.uid, now.resource_version);
    let api = secret::api(context, pass.namespace());
    let delete = api.delete(name, &parameters);
    match secret::change(context, "delete the Secret", delete).await {
        Err(error) if !error.is_not_found() => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_that_leaves_keeps_its_number_and_what_was_acted_on() {
        let old = TokenStatus {
            id: Some("t7".to_owned()),
            generation: 7,
            secret_name: Some("ci".to_owned()),
            handled_compromised: Some("leaked".to_owned()),
            ..TokenStatus::default()
        };
        let now = Timestamp::UNIX_EPOCH;
        let status = retired(Some(&old), &[], now, now);
        assert_eq!(status.generation, 7, "also where a list lacks its token");
        assert_eq!(leaving(Some(&status)), Some(now), "and that ends in time");
        assert_eq!(told(Some(&status), &[]), [TokenId("t7".to_owned())]);
        let listed = [TokenId("t7".to_owned())];
        assert_eq!(told(Some(&status), &listed), []);
        assert_eq!(status.secret_name, old.secret_name);
        assert_eq!(status.handled_compromised, old.handled_compromised);
    }
}
