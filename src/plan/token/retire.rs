//! What becomes of tokens that are not current: entered into the history, then revoked when their time has come.

use jiff::Timestamp;

use super::schedule::after;
use super::{End, History, Listed, Observed, Policy, Retired, SecretSeen};
use crate::iam::model::TokenId;

/// What the rules say of one retired token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is to be revoked now.
    Revoke,
    /// It may still be needed; look again then. `in_use` = it was used after the overlap's minimum.
    Keep {
        until: Timestamp,
        in_use: Option<Timestamp>,
    },
}

/// The retired tokens of the history that are still to be revoked. Those that the backend does not list any more, or
/// that the status knows to be revoked, are not.
#[must_use]
pub fn pending(seen: &Observed) -> Vec<&Retired> {
    let retired = seen.history().map_or(&[][..], |history| &history.retired);
    retired
        .iter()
        .filter(|retired| !is_gone(seen, retired))
        .collect()
}

fn is_gone(seen: &Observed, retired: &Retired) -> bool {
    if let Some(listed) = &seen.listed {
        return !listed.iter().any(|listed| listed.id == retired.id);
    }
    let recorded = seen.recorded.as_ref().filter(|_| seen.is_accepted());
    recorded.is_some_and(|recorded| !recorded.retired.iter().any(|(id, _)| *id == retired.id))
}

/// Whether a retired token's time may have come, so that the backend's list is wanted.
pub(super) fn is_ripe(policy: &Policy, seen: &Observed, now: Timestamp) -> bool {
    let pending = pending(seen);
    pending
        .iter()
        .any(|retired| now >= earliest(policy, seen, retired))
}

/// The instant before which a retired token is certainly kept.
pub(super) fn earliest(policy: &Policy, seen: &Observed, retired: &Retired) -> Timestamp {
    let earliest = match retired.end {
        End::AtOnce => return Timestamp::MIN,
        End::Settled => settled(seen, retired.issued),
        End::Overlap => overlap(policy, seen, retired).0,
    };
    retired
        .expires
        .map_or(earliest, |expires| earliest.min(expires))
}

/// The verdict over one retired token, by the backend's list.
pub(super) fn judge(
    policy: &Policy,
    seen: &Observed,
    retired: &Retired,
    now: Timestamp,
) -> Verdict {
    let earliest = earliest(policy, seen, retired);
    if now < earliest {
        return Verdict::Keep {
            until: earliest,
            in_use: None,
        };
    }
    let (_, latest) = overlap(policy, seen, retired);
    let expired = retired.expires.is_some_and(|expires| now >= expires);
    if retired.end != End::Overlap || now >= latest || expired {
        return Verdict::Revoke;
    }
    let last_used = last_used(seen, &retired.id);
    let quiet = last_used.map(|used| after(used, policy.overlap.quiet));
    match quiet.filter(|quiet| *quiet > now) {
        Some(quiet) => Verdict::Keep {
            until: quiet.min(latest),
            in_use: last_used,
        },
        None => Verdict::Revoke,
    }
}

/// The earliest and the latest end of a retired token's overlap. The minimum counts from when the publish of its
/// successor is known to have happened, the maximum from its sending; what validity is left bounds both.
pub(super) fn overlap(
    policy: &Policy,
    seen: &Observed,
    retired: &Retired,
) -> (Timestamp, Timestamp) {
    let earliest = after(known(seen, retired), policy.overlap.min);
    let latest = after(retired.retired, policy.overlap.max).max(earliest);
    let end = retired.expires.unwrap_or(Timestamp::MAX);
    (earliest.min(end), latest.min(end))
}

/// Since when it is known that a successor is published.
fn known(seen: &Observed, retired: &Retired) -> Timestamp {
    let recorded = seen.recorded.as_ref();
    let answered = recorded.and_then(|recorded| {
        recorded
            .retired
            .iter()
            .find(|(id, _)| *id == retired.id)
            .map(|(_, since)| *since)
    });
    let since = recorded.and_then(|recorded| recorded.history_since);
    answered
        .or(since)
        .map_or(retired.retired, |known| known.max(retired.retired))
}

/// When a token issued then can be under way no more.
pub(super) fn settled(seen: &Observed, issued: Timestamp) -> Timestamp {
    let settling = &seen.settling;
    let latest = issued.max(settling.leading_since);
    let latest = settling
        .unanswered_publish
        .map_or(latest, |sent| latest.max(sent));
    after(latest, settling.grace)
}

fn last_used(seen: &Observed, id: &TokenId) -> Option<Timestamp> {
    let mut listed = seen.listed.iter().flatten();
    listed
        .find(|listed| listed.id == *id)
        .and_then(|listed| listed.last_used)
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

/// How an unknown token enters the history: retired, if it may have been published before the history was known
/// (always so when the Secret is gone), else as one that nobody ever held.
pub(super) fn enter(
    seen: &Observed,
    listed: &Listed,
    since: Option<Timestamp>,
    now: Timestamp,
) -> Retired {
    let is_known = matches!(seen.secret, SecretSeen::Ours { .. });
    let unpublished = is_known && since.is_some_and(|since| listed.issued >= since);
    Retired {
        id: listed.id.clone(),
        generation: listed.generation,
        issued: listed.issued,
        expires: listed.expires,
        retired: now,
        end: if unpublished {
            End::Settled
        } else {
            End::Overlap
        },
    }
}

/// The history with every unknown token entered; `None` if there is none.
pub(super) fn with_unlisted(seen: &Observed, now: Timestamp) -> Option<History> {
    let since = seen
        .recorded
        .as_ref()
        .and_then(|recorded| recorded.history_since);
    let entered: Vec<Retired> = unlisted(seen).map(|l| enter(seen, l, since, now)).collect();
    let mut history = seen.history().filter(|_| !entered.is_empty())?.clone();
    history.retired.extend(entered);
    Some(history)
}

/// What the next history carries on: all but what is gone for sure. A list may hide a token for a while, so that
/// absence counts only after the overlap.
pub(super) fn carried(policy: &Policy, seen: &Observed, now: Timestamp) -> Vec<Retired> {
    let retired = seen.history().map_or(&[][..], |history| &history.retired);
    let is_over = |retired: &Retired| now > overlap(policy, seen, retired).1;
    let carried = retired.iter().filter(|r| !(is_gone(seen, r) && is_over(r)));
    carried.cloned().collect()
}
