//! Why a new token is issued: a chain of small rules, of which the first that fires gives the reason.

use jiff::{SignedDuration, Timestamp};

use super::schedule::after;
use super::{Check, Dress, Fit, Integrity, Observed, Policy, SecretSeen, schedule};
use crate::api::condition::Reason;
use crate::api::policy::PermissionChangePolicy;

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

/// The first rule that fires.
pub(super) fn cause(policy: &Policy, seen: &Observed, now: Timestamp) -> Option<Cause> {
    let urgent = compromised(seen)
        .or_else(|| missing(seen))
        .or_else(|| tampered(seen))
        .or_else(|| lost(seen, now))
        .or_else(|| expired(seen, now));
    let of = |urgency| move |reason| Cause { reason, urgency };
    urgent.map(of(Urgency::Urgent)).or_else(|| {
        let routine = changed(policy, seen)
            .or_else(|| permissions_changed(policy, seen))
            .or_else(|| template_changed(seen))
            .or_else(|| requested(seen))
            .or_else(|| scheduled(policy, seen, now));
        routine.map(of(Urgency::Routine))
    })
}

fn compromised(seen: &Observed) -> Option<Reason> {
    // A token that is not there yet cannot be compromised.
    let has_token = seen.current().is_some() || seen.listed.as_ref().is_some_and(|l| !l.is_empty());
    (has_token && seen.open_compromise().is_some()).then_some(Reason::Compromised)
}

/// No Secret of that name: deleted if one was published under it, else the first one or a renamed one.
fn missing(seen: &Observed) -> Option<Reason> {
    if !matches!(seen.secret, SecretSeen::Absent) {
        return None;
    }
    let is_published = seen.recorded.as_ref().is_some_and(|recorded| {
        recorded.generation > 0
            && seen.secret_name.is_some()
            && recorded.secret_name == seen.secret_name
    });
    Some(if is_published {
        Reason::SecretMissing
    } else {
        Reason::Issued
    })
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
    let published = seen
        .recorded
        .as_ref()
        .map_or(0, |recorded| recorded.generation);
    let is_older = history.current.generation < published;
    let damaged = !seen.is_accepted() && (is_older || *prefix_holds == Some(false));
    damaged.then_some(Reason::SecretTampered)
}

/// Whether a Secret that the status does not know can be taken as it is.
pub(super) fn integrity(seen: &Observed) -> Integrity {
    if tampered(seen).is_some() || seen.check == Some(Check::Refused) {
        Integrity::Damaged
    } else {
        Integrity::Intact
    }
}

fn lost(seen: &Observed, now: Timestamp) -> Option<Reason> {
    let since = seen.refused_since?;
    let is_lost = seen.check == Some(Check::Refused) && now >= after(since, DOUBT);
    is_lost.then_some(Reason::TokenLost)
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

/// A token whose rights were not written down when it was issued counts from when they are.
fn permissions_changed(policy: &Policy, seen: &Observed) -> Option<Reason> {
    let (then, now) = (seen.current()?.rights.as_ref()?, seen.rights.as_ref()?);
    let matters = policy.permission_change == PermissionChangePolicy::Rotate;
    (matters && then != now).then_some(Reason::PermissionsChanged)
}

/// The keys of an immutable Secret change with the token alone.
fn template_changed(seen: &Observed) -> Option<Reason> {
    let SecretSeen::Ours { dress, .. } = seen.secret else {
        return None;
    };
    (dress == Dress::Stale && seen.is_accepted()).then_some(Reason::TemplateChanged)
}

fn requested(seen: &Observed) -> Option<Reason> {
    let is_open = seen.open_rotation().is_some() && seen.current().is_some();
    is_open.then_some(Reason::RotateRequested)
}

/// A rotation on schedule; outside of all windows if they were missed.
fn scheduled(policy: &Policy, seen: &Observed, now: Timestamp) -> Option<Reason> {
    let schedule = schedule(policy, seen.current()?, seen.expires(), &seen.seed, now);
    let reason = match schedule.fit {
        Fit::Free | Fit::Open => Reason::Rotated,
        Fit::Missed | Fit::Unsatisfiable => Reason::WindowMissed,
    };
    (now >= schedule.due?).then_some(reason)
}

/// Whether a reason is that of a rotation on schedule.
pub(super) const fn is_scheduled(reason: Reason) -> bool {
    matches!(reason, Reason::Rotated | Reason::WindowMissed)
}
