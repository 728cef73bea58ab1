//! What becomes of tokens that are not current: entered into the history, then revoked when their time has come.

use jiff::{SignedDuration, Timestamp};

use super::schedule::after;
use super::{
    Activity, Current, End, History, Listed, Observed, Policy, Retired, SecretSeen, consumers, pace,
};
use crate::iam::model::TokenId;

/// What the rules say of one retired token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is to be revoked now.
    Revoke,
    /// It may still be needed; look again then. `in_use` = its last use, if that was after it had been replaced and the
    /// overlap's minimum is over.
    Keep {
        until: Timestamp,
        in_use: Option<Timestamp>,
    },
}

/// The time in which a retired token ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overlap {
    /// It works until then in any case.
    pub earliest: Timestamp,
    /// It is revoked then even if it is still being used.
    pub latest: Timestamp,
}

/// The retired tokens of the history that are still to be revoked: those that the list shows, and those of which the
/// status does not say that they were revoked. Absence in a list proves nothing.
#[must_use]
pub fn pending(seen: &Observed) -> Vec<&Retired> {
    let retired = seen.history().map_or(&[][..], |history| &history.retired);
    let recorded = seen.recorded.as_ref().filter(|_| seen.is_accepted());
    let is_pending = |retired: &&Retired| {
        recorded.is_none_or(|recorded| recorded.retired_since(&retired.id).is_some())
            || seen.shows(&retired.id)
    };
    retired.iter().filter(is_pending).collect()
}

/// Whether a retired token's time may have come, so that the backend's list is wanted.
pub(super) fn is_ripe(policy: &Policy, seen: &Observed, now: Timestamp) -> bool {
    let pending = pending(seen).into_iter();
    pending
        .filter(|retired| !is_withheld(seen, retired))
        .any(|retired| now >= overlap(policy, seen, retired).earliest)
}

/// Suspension keeps all retired tokens but the compromised ones.
pub(super) fn is_withheld(seen: &Observed, retired: &Retired) -> bool {
    seen.activity == Activity::Suspended && retired.generation >= seen.condemned()
}

/// The verdict over one retired token, by the backend's list.
pub(super) fn judge(
    policy: &Policy,
    seen: &Observed,
    retired: &Retired,
    now: Timestamp,
) -> Verdict {
    let overlap = overlap(policy, seen, retired);
    if now < overlap.earliest {
        return Verdict::Keep {
            until: overlap.earliest,
            in_use: None,
        };
    }
    if seen.listed.is_none() {
        return Verdict::Keep {
            until: after(now, AGAIN),
            in_use: None,
        };
    }
    if consumers::lag(seen) && now < overlap.latest {
        return Verdict::Keep {
            until: after(now, consumers::POLL).min(overlap.latest),
            in_use: None,
        };
    }
    let last_used = seen
        .listing_of(&retired.id)
        .and_then(|listed| listed.last_used);
    // Whoever used it since the list was asked for does not show there.
    let as_of = seen.listed_at.map_or(now, |listed| listed.min(now));
    let quiet = last_used.map(|used| after(used, policy.overlap.quiet));
    match quiet.filter(|quiet| *quiet > as_of && now < overlap.latest) {
        Some(quiet) => Verdict::Keep {
            until: quiet.max(after(now, AGAIN)).min(overlap.latest),
            in_use: last_used.filter(|used| *used > retired.retired),
        },
        None => Verdict::Revoke,
    }
}

/// How soon a list that is missing, or too old to tell, is made anew.
const AGAIN: SignedDuration = SignedDuration::from_secs(1);

/// When a retired token ends. The overlap's minimum counts from when the publish of its successor is known to have
/// happened, its maximum from when that was sent; what validity is left bounds both.
#[must_use]
pub fn overlap(policy: &Policy, seen: &Observed, retired: &Retired) -> Overlap {
    let (earliest, latest) = match retired.end {
        End::Settled => {
            let settled = settled(seen, retired.issued);
            (settled, settled)
        }
        End::Overlap if retired.generation < seen.condemned() => (retired.retired, retired.retired),
        End::Overlap => {
            let earliest = after(known(seen, retired), policy.overlap.min);
            let latest = after(retired.retired, policy.overlap.max);
            (earliest, latest.max(earliest))
        }
    };
    let end = retired.expires.unwrap_or(Timestamp::MAX);
    Overlap {
        earliest: earliest.min(end),
        latest: latest.min(end),
    }
}

/// Since when it is known that a successor is published.
fn known(seen: &Observed, retired: &Retired) -> Timestamp {
    let recorded = seen.recorded.as_ref();
    let answered = recorded.and_then(|recorded| recorded.known_since(retired));
    let since = recorded.and_then(|recorded| recorded.history_since);
    answered
        .or(since)
        .map_or(retired.retired, |known| known.max(retired.retired))
}

/// When a token issued then can be under way no more.
fn settled(seen: &Observed, issued: Timestamp) -> Timestamp {
    let settling = &seen.settling;
    let latest = issued.max(settling.leading_since);
    let latest = settling
        .unanswered_publish
        .map_or(latest, |sent| latest.max(sent));
    after(latest, settling.grace)
}

/// Tokens of ours that the backend lists and the history does not name.
pub(super) fn unlisted(seen: &Observed) -> impl Iterator<Item = &Listed> {
    let history = seen.history();
    let named = move |id: &TokenId| history.is_some_and(|history| history.names(id));
    seen.listed
        .iter()
        .flatten()
        .filter(move |listed| !named(&listed.id))
}

/// The history with every unknown token entered; `None` if there is none. While suspended only compromised ones are.
pub(super) fn with_unlisted(seen: &Observed, now: Timestamp) -> Option<History> {
    let entered: Vec<Retired> = unlisted(seen)
        .map(|listed| enter(seen, listed, seen.condemned(), now))
        .filter(|retired| !is_withheld(seen, retired))
        .collect();
    let history = seen.history().filter(|_| !entered.is_empty())?;
    let carried = pending(seen).into_iter().cloned();
    Some(History {
        retired: carried.chain(entered).collect(),
        unscheduled: pace::issues(seen, now),
        ..history.clone()
    })
}

/// Everything that a new token leaves behind: what the history carried, its current token, and what it did not name.
/// What is below generation `condemned` is compromised.
pub(super) fn left_behind(seen: &Observed, condemned: i64, now: Timestamp) -> Vec<Retired> {
    let carried = pending(seen).into_iter().cloned();
    let replaced = seen.current().map(|current| replaced(seen, current, now));
    let entered = unlisted(seen).map(|listed| enter(seen, listed, condemned, now));
    carried.chain(replaced).chain(entered).collect()
}

/// The current token, once its successor is published by a request sent `now`.
fn replaced(seen: &Observed, current: &Current, now: Timestamp) -> Retired {
    Retired {
        id: current.id.clone(),
        generation: current.generation,
        issued: current.issued,
        // Consumers go on using it, and each use moves the expiry of an extended one.
        expires: seen.expires().filter(|_| !current.extended),
        retired: now,
        end: End::Overlap,
    }
}

/// How an unknown token enters the history: retired, if it may have been published before the history was known
/// (always so when the Secret is gone or was not known), else as one that nobody ever held. Nobody may hold a
/// compromised one.
fn enter(seen: &Observed, listed: &Listed, condemned: i64, now: Timestamp) -> Retired {
    let is_known = matches!(seen.secret, SecretSeen::Ours { .. });
    let since = seen.history_since().filter(|_| is_known);
    let is_unpublished = since.is_some_and(|since| listed.issued >= since);
    let is_condemned = listed.generation < condemned;
    Retired {
        id: listed.id.clone(),
        generation: listed.generation,
        issued: listed.issued,
        expires: listed.expires.filter(|_| !listed.extended),
        retired: now,
        end: if is_unpublished || is_condemned {
            End::Settled
        } else {
            End::Overlap
        },
    }
}
