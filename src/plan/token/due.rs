//! Why a new token is issued: a chain of small rules, of which the first that fires gives the reason.

use jiff::{SignedDuration, Timestamp};

use super::schedule::after;
use super::{Check, Listed, Observed, Policy, SecretSeen, schedule};
use crate::api::condition::Reason;

/// How long a value must go on being refused before it counts as lost.
pub(super) const DOUBT: SignedDuration = SignedDuration::from_secs(30);

/// How soon a new token is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Urgency {
    /// Consumers have no working token, or must not go on using it.
    Urgent,
    /// It can wait until the overlap before has ended.
    Routine,
}

/// Why a new token is wanted, and how soon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cause {
    /// The rule that fired.
    pub reason: Reason,
    /// How soon.
    pub urgency: Urgency,
}

/// Whether any rule fires on what is known without a look at the backend.
pub(super) fn fires(policy: &Policy, seen: &Observed, now: Timestamp) -> bool {
    cause(policy, seen, now).is_some()
}

/// The first rule that fires.
pub(super) fn cause(policy: &Policy, seen: &Observed, now: Timestamp) -> Option<Cause> {
    let urgent = compromised(seen)
        .or_else(|| missing(seen))
        .or_else(|| tampered(seen))
        .or_else(|| lost(seen, now))
        .or_else(|| expired(seen, now))
        .map(|reason| Cause {
            reason,
            urgency: Urgency::Urgent,
        });
    urgent.or_else(|| {
        let routine = changed(policy, seen)
            .or_else(|| requested(seen))
            .or_else(|| scheduled(policy, seen, now));
        routine.map(|reason| Cause {
            reason,
            urgency: Urgency::Routine,
        })
    })
}

fn compromised(seen: &Observed) -> Option<Reason> {
    // A token that is not there yet cannot be compromised.
    let has_token = seen.current().is_some() || seen.listed.as_ref().is_some_and(|l| !l.is_empty());
    (has_token && seen.open_compromise().is_some()).then_some(Reason::Compromised)
}

fn missing(seen: &Observed) -> Option<Reason> {
    let known = seen
        .recorded
        .as_ref()
        .is_some_and(|recorded| recorded.generation > 0);
    match seen.secret {
        SecretSeen::Absent if known => Some(Reason::SecretMissing),
        SecretSeen::Absent => Some(Reason::Issued),
        SecretSeen::Foreign | SecretSeen::Ours { .. } => None,
    }
}

/// A Secret that someone edited or restored: its history unreadable or older than what was published, or its value
/// not the token that the history names.
fn tampered(seen: &Observed) -> Option<Reason> {
    let SecretSeen::Ours {
        history,
        prefix_holds,
        ..
    } = &seen.secret
    else {
        return None;
    };
    let Some(history) = history else {
        return Some(Reason::SecretTampered);
    };
    if seen.is_accepted() {
        return None;
    }
    let published = seen
        .recorded
        .as_ref()
        .map_or(0, |recorded| recorded.generation);
    let older = history.current.generation < published;
    (older || *prefix_holds == Some(false)).then_some(Reason::SecretTampered)
}

fn lost(seen: &Observed, now: Timestamp) -> Option<Reason> {
    let since = seen.refused_since?;
    let refused = Check::is_refused(seen.check) && now >= after(since, DOUBT);
    refused.then_some(Reason::TokenLost)
}

fn expired(seen: &Observed, now: Timestamp) -> Option<Reason> {
    let expires = seen.expires()?;
    (now >= expires).then_some(Reason::TokenExpired)
}

fn changed(policy: &Policy, seen: &Observed) -> Option<Reason> {
    let current = seen.current()?;
    let asked = policy.lifetime.max_age().map(|age| age.as_secs());
    let same = current.asked == asked && current.extended == policy.lifetime.is_extended();
    (!same).then_some(Reason::LifetimeChanged)
}

fn requested(seen: &Observed) -> Option<Reason> {
    seen.open_rotation()
        .is_some()
        .then_some(Reason::RotateRequested)
}

fn scheduled(policy: &Policy, seen: &Observed, now: Timestamp) -> Option<Reason> {
    let due = schedule(policy, seen.current()?, seen.expires(), &seen.seed).due?;
    (now >= due).then_some(Reason::Rotated)
}

/// When the latest tokens were issued out of turn. A Secret that is gone took its history along: then all that the
/// backend lists counts.
pub(super) fn unscheduled(seen: &Observed, now: Timestamp) -> Vec<Timestamp> {
    let listed = || {
        seen.listed
            .iter()
            .flatten()
            .map(|Listed { issued, .. }| *issued)
    };
    let mut issues: Vec<Timestamp> = match seen.history() {
        Some(history) => history.unscheduled.clone(),
        None => listed().collect(),
    };
    issues.retain(|issued| after(*issued, WINDOW) > now);
    issues.sort_unstable();
    issues.split_off(issues.len().saturating_sub(LOOP))
}

/// How far back issues out of turn are counted.
const WINDOW: SignedDuration = SignedDuration::from_hours(1);

/// So many issues out of turn within the window are a loop.
pub(super) const LOOP: usize = 6;

/// So many are free; each further one waits a minute, then two, four, …
const FREE: usize = 3;

/// When the next token may be issued out of turn.
pub(super) fn allowed(issues: &[Timestamp], pace: SignedDuration) -> Timestamp {
    let Some(last) = issues.last().filter(|_| issues.len() >= FREE) else {
        return Timestamp::MIN;
    };
    let doublings = u32::try_from(issues.len() - FREE)
        .unwrap_or(u32::MAX)
        .min(4);
    after(*last, pace * (1 << doublings))
}
