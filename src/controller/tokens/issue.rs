//! Issue → check → publish. The value lives from the backend's answer to the API server's, and nowhere else.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tracing::info;

use super::sight::{self, Sight};
use super::{Entry, TokenHolder, secret};
use crate::api::condition::{ConditionType, Finding, Reason};
use crate::controller::backend::Backend;
use crate::controller::error::Error;
use crate::controller::kind::Pass;
use crate::controller::outcome::{Blocked, Stop};
use crate::iam::client::{Check, NewToken};
use crate::iam::model::TokenValue;
use crate::iam::wire::IssuedToken;
use crate::plan::mark::token_name;
use crate::plan::token::{Current, Issue, SecretSeen};

/// How long a fresh value may go on being refused, with pauses that double: backends are eventually consistent.
const PATIENCE: [Duration; 5] = [
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
    Duration::from_secs(8),
    Duration::from_secs(15),
];

/// So often a conflicting publish is tried anew over a Secret whose token is dead.
const PUBLISHES: usize = 3;

/// Issues a token and publishes it.
pub(super) async fn issue<K: TokenHolder>(
    pass: &mut Pass<K>,
    backend: &Backend,
    entry: &Entry<'_>,
    sight: &mut Sight,
    issue: &Issue,
) -> Result<(), Stop> {
    if look_again(pass, entry, sight).await? == Seen::Changed {
        return Ok(());
    }
    pass.context.leadership.guard().map_err(Error::from)?;
    let wanted = wanted(pass, entry, issue);
    let issued = backend.client.issue_token(&entry.owner, &wanted).await?;
    pass.context
        .metrics
        .issued(&backend.key.name, issue.reason.as_str());
    let published = match examine(pass, backend, entry, sight, &wanted, &issued, issue).await {
        Ok(current) => {
            publish(
                pass,
                backend,
                entry,
                sight,
                issue,
                current,
                &issued.full_token,
            )
            .await?
        }
        Err(stop) => return Err(discard(pass, backend, entry, &issued, stop).await),
    };
    if published == Published::Won {
        announce(pass, backend, entry, issue).await;
    }
    Ok(())
}

/// Whether the Secret is still what the decision was made from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seen {
    Same,
    Changed,
}

/// An uncached look right before the issue, unless this pass has had one: nothing is minted for a foreign Secret.
async fn look_again<K: TokenHolder>(
    pass: &Pass<K>,
    entry: &Entry<'_>,
    sight: &mut Sight,
) -> Result<Seen, Error> {
    if sight.freshness.is_read() {
        return Ok(Seen::Same);
    }
    let before = version(&sight.seen.secret);
    let metadata = sight::read(&pass.context, pass.namespace(), entry.dressing.name).await?;
    sight.see(pass, entry, metadata);
    let same = version(&sight.seen.secret) == before;
    Ok(if same { Seen::Same } else { Seen::Changed })
}

fn version(secret: &SecretSeen) -> Option<String> {
    match secret {
        SecretSeen::Ours {
            resource_version, ..
        } => Some(resource_version.clone()),
        SecretSeen::Absent | SecretSeen::Foreign => None,
    }
}

fn wanted<K: TokenHolder>(pass: &Pass<K>, entry: &Entry<'_>, issue: &Issue) -> NewToken {
    let mark = entry.mark(pass, issue.generation);
    let lifetime = entry.policy.lifetime;
    NewToken {
        name: token_name(entry.owner_name, &mark),
        description: mark.to_string(),
        lifetime: lifetime.max_age().map(SignedDuration::unsigned_abs),
        extended: lifetime.is_extended(),
    }
}

/// Reads what the backend granted, and tries the value.
async fn examine<K: TokenHolder>(
    pass: &Pass<K>,
    backend: &Backend,
    entry: &Entry<'_>,
    sight: &mut Sight,
    wanted: &NewToken,
    issued: &IssuedToken,
    issue: &Issue,
) -> Result<Current, Stop> {
    let value = &issued.full_token;
    if !value.is_well_formed() {
        return Err(useless("cannot be sent in a header"));
    }
    let sent = backend.client.backend_now();
    let tokens = backend.client.tokens(&entry.owner).await?;
    sight.listed(pass, entry, &tokens, sent);
    let listed = tokens.iter().find(|token| token.id == issued.id);
    let asked = wanted
        .lifetime
        .and_then(|lifetime| SignedDuration::try_from(lifetime).ok());
    let issued_at = listed.and_then(|token| token.iat).unwrap_or(sent);
    let expires = match listed {
        Some(token) => token.exp,
        None => asked.and_then(|asked| issued_at.checked_add(asked).ok()),
    };
    let prefix = listed.and_then(|token| token.prefix.clone());
    accepted(backend, value).await?;
    Ok(Current {
        id: issued.id.clone(),
        generation: issue.generation,
        prefix: prefix.filter(|prefix| !prefix.is_empty() && value.expose().starts_with(prefix)),
        issued: issued_at,
        expires,
        published: sent,
        asked: asked.map(|asked| asked.as_secs()),
        extended: wanted.extended,
    })
}

/// A fresh value has to authenticate before anybody gets it.
async fn accepted(backend: &Backend, value: &TokenValue) -> Result<(), Stop> {
    let mut pauses = PATIENCE.iter();
    loop {
        match backend.client.check(value).await? {
            Check::Works(_) | Check::NotRefused => return Ok(()),
            Check::Malformed => return Err(useless("cannot be sent in a header")),
            Check::Refused => match pauses.next() {
                Some(pause) => tokio::time::sleep(*pause).await,
                None => return Err(useless("is refused by the backend that issued it")),
            },
        }
    }
}

fn useless(how: &str) -> Stop {
    let message = format!(
        "the backend issued a token whose value {how}; it was revoked and never published. Find out what stands \
         between the operator and the backend"
    );
    Blocked::unsynced(Reason::BackendProtocol, message).into()
}

/// A token whose value nobody will ever hold is revoked right away; no publish of it was ever sent.
async fn discard<K: TokenHolder>(
    pass: &Pass<K>,
    backend: &Backend,
    entry: &Entry<'_>,
    issued: &IssuedToken,
    stop: Stop,
) -> Stop {
    if let Err(error) = pass.context.leadership.guard() {
        return Error::from(error).into();
    }
    match backend.client.revoke_token(&entry.owner, &issued.id).await {
        Ok(_) => stop,
        // Its mark lets the next pass find it.
        Err(error) => error.into(),
    }
}

/// How a publish ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Published {
    /// The Secret holds our token.
    Won,
    /// Somebody else's working token is there; ours is revoked.
    Lost,
}

/// Writes the token into the Secret, whose version must be the one that was seen.
async fn publish<K: TokenHolder>(
    pass: &Pass<K>,
    backend: &Backend,
    entry: &Entry<'_>,
    sight: &mut Sight,
    issue: &Issue,
    mut current: Current,
    value: &TokenValue,
) -> Result<Published, Stop> {
    for _ in 0..PUBLISHES {
        current.published = backend.client.backend_now();
        let history = issue.history(current.clone());
        let sent = secret::publish(pass, entry, sight, &history, value).await;
        match sent {
            Ok(metadata) => {
                let answered = backend.client.backend_now();
                sight.published_as(pass, entry, metadata, &history, answered);
                return Ok(Published::Won);
            }
            Err(error) if error.is_conflict() => {}
            Err(error) => return Err(unanswered(pass, entry, error, current.published)),
        }
        if let Some(published) = lost(pass, backend, entry, sight, &current).await? {
            return Ok(published);
        }
    }
    Err(Error::Silence {
        operation: "publish the token over a Secret that changes all the time",
    }
    .into())
}

/// After an unknown outcome the token may be published or may yet be: it is left to the history.
fn unanswered<K: TokenHolder>(
    pass: &Pass<K>,
    entry: &Entry<'_>,
    error: Error,
    sent: Timestamp,
) -> Stop {
    if error.outcome_unknown() {
        let note = |memory: &mut crate::controller::memory::EntryMemory| {
            memory.unanswered_publish = Some(sent)
        };
        pass.context.memory.remember(&pass.key(), entry.name, note);
    }
    error.into()
}

/// A conflict: whose token is in the Secret now? `None` = a dead one or none at all, publish over it.
async fn lost<K: TokenHolder>(
    pass: &Pass<K>,
    backend: &Backend,
    entry: &Entry<'_>,
    sight: &mut Sight,
    ours: &Current,
) -> Result<Option<Published>, Stop> {
    let secret = secret::read(&pass.context, pass.namespace(), entry.dressing.name).await?;
    let value = secret.as_ref().and_then(secret::value);
    sight.see(pass, entry, secret.map(|secret| secret.metadata));
    let history = sight
        .seen
        .history()
        .filter(|history| history.current.id == ours.id)
        .cloned();
    if let Some((history, metadata)) = history.zip(sight.metadata.clone()) {
        sight.published_as(
            pass,
            entry,
            metadata,
            &history,
            backend.client.backend_now(),
        );
        return Ok(Some(Published::Won));
    }
    let alive = match value {
        Some(value) => !matches!(
            backend.client.check(&value).await?,
            Check::Refused | Check::Malformed
        ),
        None => matches!(sight.seen.secret, SecretSeen::Foreign),
    };
    if !alive {
        return Ok(None);
    }
    // Every send of ours was answered by a conflict, so nobody can hold our token.
    pass.context.leadership.guard().map_err(Error::from)?;
    backend.client.revoke_token(&entry.owner, &ours.id).await?;
    Ok(Some(Published::Lost))
}

async fn announce<K: TokenHolder>(
    pass: &mut Pass<K>,
    backend: &Backend,
    entry: &Entry<'_>,
    issue: &Issue,
) {
    let (label, name) = (entry.label(), entry.dressing.name);
    let message = format!(
        "{label}, generation {}, is in Secret {name} ({})",
        issue.generation, issue.reason
    );
    if issue.generation > 1 {
        pass.context
            .metrics
            .rotated(&backend.key.name, issue.reason.as_str());
    }
    let key = pass.key();
    info!(object = %key, generation = issue.generation, reason = %issue.reason, "token published");
    pass.findings
        .retain(|finding| finding.kind != ConditionType::TokenIssued);
    pass.findings.push(Finding::new(
        ConditionType::TokenIssued,
        true,
        issue.reason,
        &message,
    ));
    pass.event(issue.reason, "Issue", message).await;
}
