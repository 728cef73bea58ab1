//! The decision: the next step and why, or what it waits for, and when to look again.

use jiff::Timestamp;

use super::consumers;
use super::due::{self, Cause, DOUBT, Urgency};
use super::pace::{self, Pace};
use super::previous;
use super::retire::{self, Verdict};
use super::schedule::after;
use super::{
    Activity, Check, Current, Dress, End, History, Observed, Policy, Retired, Schedule, SecretSeen,
    Sighting, Successor, schedule,
};
use crate::api::condition::Reason;
use crate::api::token::Workload;
use crate::iam::model::TokenId;

/// What to do about one entry, and when to look again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The next step, safe to repeat; after it a new plan is made.
    pub step: Option<Step>,
    /// Why a token that is wanted is not issued now.
    pub hold: Option<Hold>,
    /// A retired token that is still being used.
    pub in_use: Option<InUse>,
    /// The current token's schedule, if there is one.
    pub schedule: Option<Schedule>,
    /// The next instant at which this plan changes by itself; `None` = somebody has to change something.
    pub next: Option<Timestamp>,
}

/// One request, or one that cannot be torn apart, as the token's value is seen only once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Record in the status that the Secret was seen as it is and since when its history is known.
    Accept(Integrity),
    /// Issue a token, check it, and publish it with this history behind it.
    Issue(Box<Issue>),
    /// Write the history into the Secret; it now names tokens that it did not.
    Enter(Box<History>),
    /// Write the Secret's other keys and its metadata as the spec wants them, with this history; the token stays, and the
    /// value before it as far as the history names it.
    Rewrite(Box<History>),
    /// Have a workload replace its pods.
    Restart(Workload),
    /// Revoke a token that the history names.
    Revoke {
        /// Which.
        id: TokenId,
        /// Why it may go.
        end: End,
    },
}

/// Whether a Secret that the status does not know can be taken as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Integrity {
    /// It can: its token is the newest and works.
    Intact,
    /// It cannot, and is repaired by the next step.
    Damaged,
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
    /// All tokens of a generation below this were declared compromised.
    pub condemned: i64,
    /// When tokens were issued out of turn, this one included if it is.
    pub unscheduled: Vec<Timestamp>,
}

/// A new token that is wanted and has to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hold {
    /// What it waits for.
    pub reason: Reason,
    /// Why it is wanted, if that is known yet.
    pub wanted: Option<Cause>,
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

/// Decides. [`super::look()`] must have nothing left to look at.
#[must_use]
pub fn plan(policy: &Policy, seen: &Observed, pace: Pace, now: Timestamp) -> Plan {
    let schedule = seen
        .current()
        .map(|current| schedule(policy, current, seen.expires(), &seen.seed, now));
    if matches!(seen.secret, SecretSeen::Foreign) {
        return Plan {
            step: None,
            hold: Some(conflict()),
            in_use: None,
            schedule,
            next: None,
        };
    }
    let cause = due::cause(policy, seen, now);
    let (issue, hold) = match cause.map(|cause| replace(policy, seen, cause, pace, now)) {
        Some(Ok(issue)) => (Some(Step::Issue(Box::new(issue))), None),
        Some(Err(hold)) => (None, Some(hold)),
        None => (None, doubt(seen, now)),
    };
    let verdicts = verdicts(policy, seen, now);
    let is_urgent = cause.is_some_and(|cause| cause.urgency == Urgency::Urgent);
    let (urgent, routine) = if is_urgent {
        (issue, None)
    } else {
        (None, issue)
    };
    let step = accept(seen, urgent.as_ref())
        .or(urgent)
        .or_else(|| enter(seen, now))
        .or(routine)
        .or_else(|| rewrite(policy, seen, &verdicts))
        .or_else(|| restart(policy, seen))
        .or_else(|| revoke(&verdicts));
    Plan {
        step,
        in_use: in_use(policy, seen, &verdicts),
        next: next(seen, hold, schedule, &verdicts, now),
        hold,
        schedule,
    }
}

fn conflict() -> Hold {
    Hold {
        reason: Reason::SecretConflict,
        wanted: None,
        until: None,
    }
}

/// A Secret that the status does not know: nothing unknown is judged before the status says since when it is known. A
/// damaged one is written down only to be repaired right after.
fn accept(seen: &Observed, repair: Option<&Step>) -> Option<Step> {
    let is_ours = matches!(seen.secret, SecretSeen::Ours { .. });
    if !is_ours || seen.is_accepted() || seen.sighting == Sighting::Recorded {
        return None;
    }
    let integrity = due::integrity(seen);
    let is_wanted = integrity == Integrity::Intact || repair.is_some();
    is_wanted.then_some(Step::Accept(integrity))
}

/// A refused value that is not lost yet is tried again. One that was never found to work is no working token meanwhile.
fn doubt(seen: &Observed, now: Timestamp) -> Option<Hold> {
    let is_refused = seen.check == Some(Check::Refused);
    let lost = Cause {
        reason: Reason::TokenLost,
        urgency: Urgency::Urgent,
    };
    is_refused.then(|| Hold {
        reason: Reason::TokenLost,
        wanted: (!seen.is_accepted()).then_some(lost),
        until: Some(after(seen.refused_since.unwrap_or(now), DOUBT)),
    })
}

/// The token that is wanted, or what it waits for.
fn replace(
    policy: &Policy,
    seen: &Observed,
    cause: Cause,
    pace: Pace,
    now: Timestamp,
) -> Result<Issue, Hold> {
    let hold = withheld(seen, cause)
        .or_else(|| overlap_in_progress(policy, seen, cause, now))
        .or_else(|| pace::hold(seen, cause, pace, now));
    match hold {
        Some(hold) => Err(hold),
        None if seen.successor == Successor::Taken => Err(Hold {
            wanted: Some(cause),
            ..conflict()
        }),
        None => Ok(issue(seen, cause.reason, pace, now)),
    }
}

fn withheld(seen: &Observed, cause: Cause) -> Option<Hold> {
    let reason = match seen.activity {
        Activity::Active => return None,
        Activity::Suspended if cause.reason == Reason::Compromised => return None,
        Activity::Suspended => Reason::Suspended,
        Activity::Refused => Reason::NotAllowed,
    };
    Some(Hold {
        reason,
        wanted: Some(cause),
        until: None,
    })
}

/// Two live tokens are the most: what can wait does, until the overlap before has ended, or the token is about to expire.
fn overlap_in_progress(
    policy: &Policy,
    seen: &Observed,
    cause: Cause,
    now: Timestamp,
) -> Option<Hold> {
    if cause.urgency == Urgency::Urgent {
        return None;
    }
    let schedule = seen
        .current()
        .map(|current| schedule(policy, current, seen.expires(), &seen.seed, now));
    let deadline = schedule.and_then(|schedule| schedule.deadline);
    let deadline = deadline.unwrap_or(Timestamp::MAX);
    let pending = retire::pending(seen).into_iter();
    let overlaps = pending.filter(|retired| retired.end == End::Overlap);
    let until = overlaps
        .map(|retired| retire::overlap(policy, seen, retired).latest)
        .max()?;
    (now < deadline).then_some(Hold {
        reason: Reason::OverlapInProgress,
        wanted: Some(cause),
        until: Some(until.min(deadline)),
    })
}

fn issue(seen: &Observed, reason: Reason, pace: Pace, now: Timestamp) -> Issue {
    let generation = seen.next_generation();
    let condemned = match seen.open_compromise() {
        Some(_) => generation,
        None => seen.condemned(),
    };
    let mut unscheduled = pace::issues(seen, now);
    if !pace::is_in_turn(reason, seen, pace) {
        unscheduled.push(now);
    }
    let (history, recorded) = (seen.history(), seen.recorded.as_ref());
    let rotate = seen.requests.rotate.as_ref();
    let compromised = seen.requests.compromised.as_ref();
    Issue {
        reason,
        generation,
        retired: retire::left_behind(seen, condemned, now),
        rotate: rotate
            .or_else(|| history?.rotate.as_ref())
            .or_else(|| recorded?.rotate.as_ref())
            .cloned(),
        compromised: compromised
            .or_else(|| history?.compromised.as_ref())
            .or_else(|| recorded?.compromised.as_ref())
            .cloned(),
        condemned,
        unscheduled,
    }
}

/// Unknown tokens enter the history before anything is done about them; so do rights that it lacks.
fn enter(seen: &Observed, now: Timestamp) -> Option<Step> {
    let history = retire::with_unlisted(seen, now).or_else(|| with_rights(seen));
    let history = history.filter(|_| seen.is_accepted())?;
    Some(Step::Enter(Box::new(history)))
}

/// The history of a token that was issued when its owner's rights did not matter: they count from now on.
fn with_rights(seen: &Observed) -> Option<History> {
    let history = seen
        .history()
        .filter(|_| seen.activity == Activity::Active)?;
    let rights = seen.rights.as_ref()?;
    history.current.rights.is_none().then(|| History {
        current: Current {
            rights: Some(rights.clone()),
            ..history.current.clone()
        },
        ..history.clone()
    })
}

/// A Secret that is not as the spec wants it, or that holds a replaced value which is about to end.
fn rewrite(policy: &Policy, seen: &Observed, verdicts: &[(&Retired, Verdict)]) -> Option<Step> {
    let history = seen.history().filter(|_| seen.is_accepted())?;
    let is_stale = previous::is_stale(policy, seen, history, verdicts);
    let differs = matches!(
        seen.secret,
        SecretSeen::Ours {
            dress: Dress::Differs,
            ..
        }
    );
    let is_wanted = is_stale || (differs && seen.activity == Activity::Active);
    is_wanted.then(|| {
        let previous = history.previous.clone().filter(|_| !is_stale);
        Step::Rewrite(Box::new(History {
            previous,
            ..history.clone()
        }))
    })
}

/// The Secret has the new token by now.
fn restart(policy: &Policy, seen: &Observed) -> Option<Step> {
    let workload = consumers::outdated(seen).filter(|_| consumers::matter(policy, seen))?;
    Some(Step::Restart(workload.clone()))
}

/// What the rules say of each retired token; nothing while the status does not know the Secret.
fn verdicts<'s>(
    policy: &Policy,
    seen: &'s Observed,
    now: Timestamp,
) -> Vec<(&'s Retired, Verdict)> {
    if !seen.is_accepted() {
        return Vec::new();
    }
    let pending = retire::pending(seen).into_iter();
    pending
        .filter(|retired| !retire::is_withheld(seen, retired))
        .map(|retired| (retired, retire::judge(policy, seen, retired, now)))
        .collect()
}

fn revoke(verdicts: &[(&Retired, Verdict)]) -> Option<Step> {
    let mut verdicts = verdicts.iter();
    let (retired, _) = verdicts.find(|(_, verdict)| *verdict == Verdict::Revoke)?;
    Some(Step::Revoke {
        id: retired.id.clone(),
        end: retired.end,
    })
}

fn in_use(policy: &Policy, seen: &Observed, verdicts: &[(&Retired, Verdict)]) -> Option<InUse> {
    verdicts.iter().find_map(|(retired, verdict)| {
        let Verdict::Keep {
            in_use: Some(last_used),
            ..
        } = *verdict
        else {
            return None;
        };
        Some(InUse {
            id: retired.id.clone(),
            last_used,
            until: retire::overlap(policy, seen, retired).latest,
        })
    })
}

/// The next instant at which the plan changes by itself.
fn next(
    seen: &Observed,
    hold: Option<Hold>,
    schedule: Option<Schedule>,
    verdicts: &[(&Retired, Verdict)],
    now: Timestamp,
) -> Option<Timestamp> {
    let kept = verdicts.iter().filter_map(|(_, verdict)| match verdict {
        Verdict::Keep { until, .. } => Some(*until),
        Verdict::Revoke => None,
    });
    let instants = [
        Some(seen.next_look),
        hold.and_then(|hold| hold.until),
        schedule.and_then(|schedule| schedule.due),
        schedule.and_then(|schedule| schedule.expires),
    ];
    let polled = consumers::lag(seen).then(|| after(now, consumers::POLL));
    let instants = instants.into_iter().flatten().chain(kept).chain(polled);
    instants.filter(|instant| *instant > now).min()
}

impl Issue {
    /// The history that is written with the token, if its Secret holds no other.
    #[must_use]
    pub fn history(&self, current: Current) -> History {
        History {
            current,
            previous: None,
            retired: self.retired.clone(),
            rotate: self.rotate.clone(),
            compromised: self.compromised.clone(),
            condemned: self.condemned,
            unscheduled: self.unscheduled.clone(),
        }
    }
}
