//! The decision: steps, why, and when to look again.

use jiff::{SignedDuration, Timestamp};

use super::due::{self, Cause, DOUBT, Urgency};
use super::retire::{self, Verdict};
use super::schedule::after;
use super::{
    Activity, Check, Current, Dress, End, History, Observed, Policy, Retired, Schedule, SecretSeen,
    Sighting, schedule,
};
use crate::api::condition::Reason;
use crate::iam::model::TokenId;

/// What to do about one entry, in this order, and when to look again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Steps, each of them safe to repeat.
    pub steps: Vec<Step>,
    /// Why there is no step although one is wanted, if so.
    pub hold: Option<Hold>,
    /// Warnings that hold whatever the steps are.
    pub in_use: Option<InUse>,
    /// The current token's schedule, if there is one.
    pub schedule: Option<Schedule>,
    /// The next instant at which this plan changes by itself.
    pub next: Timestamp,
    /// The instant at which it was made.
    pub now: Timestamp,
}

/// One request, or one that cannot be torn apart, as the token's value is seen only once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Record in the status that the Secret was seen as it is and since when its history is known.
    Accept {
        /// Whether it is intact; one that is not will be repaired by the next step.
        intact: bool,
    },
    /// Issue a token, check it, and publish it with this history behind it.
    Issue(Issue),
    /// Write the history into the Secret; it now names tokens that it did not.
    Enter(History),
    /// Write the Secret's other keys and its metadata as the spec wants them; the token stays.
    Rewrite,
    /// Revoke a token that the history names.
    Revoke {
        /// Which.
        id: TokenId,
        /// Why it may go.
        end: End,
    },
}

/// A token to be issued.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issue {
    /// Why.
    pub reason: Reason,
    /// Its number.
    pub generation: i64,
    /// What the history says behind it.
    pub retired: Vec<Retired>,
    /// The request for a rotation that it answers.
    pub rotate: Option<String>,
    /// The declaration of compromise that it answers.
    pub compromised: Option<String>,
    /// When tokens were issued out of turn, this one included if it is.
    pub unscheduled: Vec<Timestamp>,
}

/// A step that is wanted and has to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hold {
    /// What it waits for.
    pub reason: Reason,
    /// What is wanted.
    pub wanted: Option<Reason>,
    /// Until when, if that is known.
    pub until: Option<Timestamp>,
}

/// A retired token that is still being used after its overlap's minimum.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InUse {
    /// Which.
    pub id: TokenId,
    /// Its last use.
    pub last_used: Timestamp,
    /// When it is revoked in any case.
    pub until: Timestamp,
}

/// The smallest distance of two issues out of turn, once there were several.
pub type Pace = SignedDuration;

/// Decides. [`super::look()`] must have nothing left to look at.
#[must_use]
pub fn plan(policy: &Policy, seen: &Observed, pace: Pace, now: Timestamp) -> Plan {
    let mut plan = Plan {
        steps: Vec::new(),
        hold: None,
        in_use: None,
        schedule: seen
            .current()
            .map(|current| schedule(policy, current, seen.expires(), &seen.seed)),
        next: seen.next_look,
        now,
    };
    if matches!(seen.secret, SecretSeen::Foreign) {
        plan.hold = Some(Hold {
            reason: Reason::SecretConflict,
            wanted: None,
            until: None,
        });
        return plan;
    }
    let cause = due::cause(policy, seen, now);
    if accept(seen, cause, &mut plan) {
        return plan;
    }
    match cause {
        Some(cause) => issue_or_hold(policy, seen, cause, pace, now, &mut plan),
        None => doubt(seen, now, &mut plan),
    }
    if !plan.steps.iter().any(|step| matches!(step, Step::Issue(_))) {
        enter(seen, now, &mut plan);
        rewrite(seen, &mut plan);
        revoke(policy, seen, now, &mut plan);
    }
    wake(policy, seen, now, &mut plan);
    plan
}

/// A Secret that the status does not know: nothing unknown is judged before the status says since when it is known.
/// Answers whether that is all for this pass.
fn accept(seen: &Observed, cause: Option<Cause>, plan: &mut Plan) -> bool {
    let is_new = matches!(seen.secret, SecretSeen::Ours { .. }) && !seen.is_accepted();
    if !is_new || seen.sighting == Sighting::Recorded {
        return false;
    }
    let damaged = cause.is_some_and(|cause| cause.reason == Reason::SecretTampered);
    let doubted = Check::is_refused(seen.check);
    plan.steps.push(Step::Accept {
        intact: !damaged && !doubted,
    });
    !damaged && !doubted
}

/// A refused value that is not lost yet is tried again.
fn doubt(seen: &Observed, now: Timestamp, plan: &mut Plan) {
    if Check::is_refused(seen.check) {
        let until = after(seen.refused_since.unwrap_or(now), DOUBT);
        plan.hold = Some(Hold {
            reason: Reason::TokenLost,
            wanted: None,
            until: Some(until),
        });
        plan.next = plan.next.min(until);
    }
}

fn issue_or_hold(
    policy: &Policy,
    seen: &Observed,
    cause: Cause,
    pace: Pace,
    now: Timestamp,
    plan: &mut Plan,
) {
    let hold = suspension(seen, cause)
        .or_else(|| overlap_in_progress(policy, seen, cause))
        .or_else(|| issued_too_often(seen, cause, pace, now));
    let Some(hold) = hold else {
        plan.steps
            .push(Step::Issue(issue(policy, seen, cause.reason, now)));
        return;
    };
    plan.next = hold.until.map_or(plan.next, |until| plan.next.min(until));
    plan.hold = Some(hold);
}

fn suspension(seen: &Observed, cause: Cause) -> Option<Hold> {
    let suspended = seen.activity == Activity::Suspended && cause.reason != Reason::Compromised;
    suspended.then_some(Hold {
        reason: Reason::Suspended,
        wanted: Some(cause.reason),
        until: None,
    })
}

/// Two live tokens are the most: what can wait does, until the overlap before has ended.
fn overlap_in_progress(policy: &Policy, seen: &Observed, cause: Cause) -> Option<Hold> {
    if cause.urgency == Urgency::Urgent {
        return None;
    }
    let pending = retire::pending(seen);
    let overlaps = pending.iter().filter(|retired| retired.end == End::Overlap);
    let until = overlaps
        .map(|retired| retire::overlap(policy, seen, retired).1)
        .max()?;
    let hold = Hold {
        reason: Reason::OverlapInProgress,
        wanted: Some(cause.reason),
        until: Some(until),
    };
    Some(hold)
}

fn issued_too_often(seen: &Observed, cause: Cause, pace: Pace, now: Timestamp) -> Option<Hold> {
    if cause.reason == Reason::Rotated {
        return None;
    }
    let issues = due::unscheduled(seen, now);
    let until = due::allowed(&issues, pace);
    let reason = if issues.len() >= due::LOOP {
        Reason::IssueLoop
    } else {
        Reason::NotDue
    };
    (now < until).then_some(Hold {
        reason,
        wanted: Some(cause.reason),
        until: Some(until),
    })
}

fn issue(policy: &Policy, seen: &Observed, reason: Reason, now: Timestamp) -> Issue {
    let compromised = reason == Reason::Compromised;
    let mut unscheduled = due::unscheduled(seen, now);
    if !matches!(reason, Reason::Rotated | Reason::Issued) {
        unscheduled.push(now);
    }
    let handled = |history: Option<&Option<String>>, asked: &Option<String>| {
        asked.clone().or_else(|| history.cloned().flatten())
    };
    let history = seen.history();
    let rotate = handled(
        history.map(|history| &history.rotate),
        &seen.requests.rotate,
    );
    let answered = history.map(|history| &history.compromised);
    Issue {
        reason,
        generation: seen.next_generation(),
        retired: retirees(policy, seen, compromised, now),
        rotate,
        compromised: handled(answered, &seen.requests.compromised),
        unscheduled,
    }
}

/// Everything that the new token leaves behind: what the history carried, its current token, and what it did not
/// name.
fn retirees(policy: &Policy, seen: &Observed, compromised: bool, now: Timestamp) -> Vec<Retired> {
    let since = seen
        .recorded
        .as_ref()
        .and_then(|recorded| recorded.history_since);
    // A Secret that the status does not know starts a new history: everything unknown may have been published.
    let since = since.filter(|_| seen.is_accepted());
    let mut retired = retire::carried(policy, seen, now);
    retired.extend(
        seen.current()
            .map(|current| current.retire(End::Overlap, now)),
    );
    if compromised {
        retired
            .iter_mut()
            .for_each(|retired| retired.end = End::AtOnce);
    }
    retired.extend(retire::unlisted(seen).map(|listed| {
        let entered = retire::enter(seen, listed, since, now);
        if compromised {
            Retired {
                end: End::Settled,
                ..entered
            }
        } else {
            entered
        }
    }));
    retired
}

/// Unknown tokens enter the history before anything is done about them.
fn enter(seen: &Observed, now: Timestamp, plan: &mut Plan) {
    if seen.activity == Activity::Suspended || !seen.is_accepted() {
        return;
    }
    plan.steps
        .extend(retire::with_unlisted(seen, now).map(Step::Enter));
}

fn rewrite(seen: &Observed, plan: &mut Plan) {
    let differs = matches!(
        seen.secret,
        SecretSeen::Ours {
            dress: Dress::Differs,
            ..
        }
    );
    if differs && seen.is_accepted() && seen.activity == Activity::Active {
        plan.steps.push(Step::Rewrite);
    }
}

fn revoke(policy: &Policy, seen: &Observed, now: Timestamp, plan: &mut Plan) {
    for retired in retire::pending(seen) {
        let withheld = seen.activity == Activity::Suspended && retired.end != End::AtOnce;
        if withheld || !seen.is_accepted() {
            continue;
        }
        match retire::judge(policy, seen, retired, now) {
            Verdict::Revoke => {
                plan.steps.push(Step::Revoke {
                    id: retired.id.clone(),
                    end: retired.end,
                });
            }
            Verdict::Keep { until, in_use } => {
                plan.next = plan.next.min(until);
                plan.in_use = plan
                    .in_use
                    .take()
                    .or_else(|| in_use_until(policy, seen, retired, in_use));
            }
        }
    }
}

fn in_use_until(
    policy: &Policy,
    seen: &Observed,
    retired: &Retired,
    last_used: Option<Timestamp>,
) -> Option<InUse> {
    let until = retire::overlap(policy, seen, retired).1;
    last_used.map(|last_used| InUse {
        id: retired.id.clone(),
        last_used,
        until,
    })
}

/// The next instant at which the plan changes by itself.
fn wake(policy: &Policy, seen: &Observed, now: Timestamp, plan: &mut Plan) {
    let due = plan.schedule.and_then(|schedule| schedule.due);
    let expires = plan.schedule.and_then(|schedule| schedule.expires);
    let instants = [due, expires].into_iter().flatten();
    let ends = retire::pending(seen)
        .into_iter()
        .map(|r| retire::earliest(policy, seen, r));
    plan.next = instants
        .chain(ends)
        .filter(|instant| *instant > now)
        .fold(plan.next, Timestamp::min);
    if plan.next <= now {
        plan.next = after(now, SignedDuration::from_secs(1));
    }
}

impl Issue {
    /// The history that is written with the token.
    #[must_use]
    pub fn history(&self, current: Current) -> History {
        History {
            current,
            retired: self.retired.clone(),
            rotate: self.rotate.clone(),
            compromised: self.compromised.clone(),
            unscheduled: self.unscheduled.clone(),
        }
    }
}
