//! How fast tokens may be issued out of turn: no backend and nobody who edits Secrets can make a storm of them.

use jiff::{SignedDuration, Timestamp};

use super::due::{self, Cause};
use super::schedule::after;
use super::{End, Hold, Observed, retire};
use crate::api::condition::Reason;

/// The smallest distance of two issues out of turn, once there were several.
pub type Pace = SignedDuration;

/// How far back issues out of turn are counted.
const WINDOW: SignedDuration = SignedDuration::from_hours(1);

/// So much the estimate of the backend's clock may go back without a jump.
const DOUBT: SignedDuration = SignedDuration::from_secs(2);

/// So many are free; each further one waits a minute, then two, four, eight.
const FREE: usize = 3;

/// So many within the window are a loop.
const LOOP: usize = 6;

/// When the latest tokens were issued out of turn: those that the history counts, and those that were never published,
/// whether the history or only this process knows of them.
/// A Secret that is gone took its history along: then all count that the backend lists or this process has published.
pub(super) fn issues(seen: &Observed, now: Timestamp) -> Vec<Timestamp> {
    let history = seen.history();
    let counted = history.into_iter().flat_map(|history| &history.unscheduled);
    let retired = history.into_iter().flat_map(|history| &history.retired);
    let vain = retired.filter(|retired| retired.end == End::Settled);
    let vain = vain.map(|retired| retired.issued);
    let unknown = retire::unlisted(seen).map(|listed| listed.issued);
    let all = counted.copied().chain(vain).chain(unknown);
    let known = seen.unscheduled.iter().chain(&seen.vain);
    within_window(all.chain(known.copied()), now)
}

/// The latest of them that still count. Nothing was issued in the future: when it was is not known any more once the clock
/// went back.
fn within_window(issues: impl Iterator<Item = Timestamp>, now: Timestamp) -> Vec<Timestamp> {
    let counts = |issued: &Timestamp| after(*issued, WINDOW) > now && *issued <= after(now, DOUBT);
    let mut issues: Vec<Timestamp> = issues.filter(counts).collect();
    issues.sort_unstable();
    issues.dedup();
    issues.split_off(issues.len().saturating_sub(LOOP))
}

/// Whether an issue for this reason is in turn, and counts nothing: a first one, or a rotation on schedule. Validity
/// shorter than the pace is a schedule that no user can ask for.
pub(super) fn is_in_turn(reason: Reason, seen: &Observed, pace: Pace) -> bool {
    let granted = seen.current().and_then(|current| {
        let expires = current.expires?;
        Some(expires.duration_since(current.issued))
    });
    match reason {
        Reason::Issued => true,
        reason if due::is_scheduled(reason) => granted.is_none_or(|granted| granted >= pace),
        _ => false,
    }
}

/// What holds an issue back, if too many went before it. A compromised token and a rotation on schedule cannot wait, but
/// for issues in vain: one more would be in vain too.
pub(super) fn hold(seen: &Observed, cause: Cause, pace: Pace, now: Timestamp) -> Option<Hold> {
    let on_schedule = due::is_scheduled(cause.reason) && is_in_turn(cause.reason, seen, pace);
    let issues = if on_schedule || cause.reason == Reason::Compromised {
        within_window(seen.vain.iter().copied(), now)
    } else {
        issues(seen, now)
    };
    let mut until = allowed(&issues, pace);
    if on_schedule {
        until = until.min(halfway(&issues, seen.expires()));
    }
    let reason = if issues.len() >= LOOP {
        Reason::IssueLoop
    } else {
        Reason::NotDue
    };
    (now < until).then_some(Hold {
        reason,
        wanted: Some(cause),
        until: Some(until),
    })
}

/// Half of the validity that was left at the last issue: a rotation on schedule waits no longer, for what it waits for may
/// be over.
fn halfway(issues: &[Timestamp], expires: Option<Timestamp>) -> Timestamp {
    let spent = issues.last().zip(expires);
    spent.map_or(Timestamp::MAX, |(last, end)| {
        after(*last, end.duration_since(*last) / 2)
    })
}

/// When the next token may be issued out of turn.
fn allowed(issues: &[Timestamp], pace: Pace) -> Timestamp {
    let Some(last) = issues.last().filter(|_| issues.len() >= FREE) else {
        return Timestamp::MIN;
    };
    let doublings = issues.len().min(LOOP) - FREE;
    after(*last, pace.saturating_mul(1 << doublings))
}
