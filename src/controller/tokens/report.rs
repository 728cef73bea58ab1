//! What a plan means for the object's conditions, and when to look again.

use std::fmt;

use jiff::{SignedDuration, Timestamp};

use super::TokenHolder;
use super::round::Round;
use crate::api::condition::{self, ConditionType, Finding, Reason};
use crate::controller::kind::{Pass, Reconciled};
use crate::controller::status;
use crate::plan::token::{Fit, Hold, InUse, Plan, Successor, Urgency};

impl<K: TokenHolder> Round<'_, K> {
    /// Says what the plan waits for and warns of, and when to look again.
    pub(super) fn report(&mut self, plan: &Plan) {
        if let Some(next) = plan.next {
            self.pass.wake_at(self.backend.on_our_clock(next));
        }
        if plan
            .hold
            .is_some_and(|hold| hold.reason == Reason::SecretConflict)
        {
            look_again(self.pass);
        }
        let label = self.entry.label();
        let secret = self.told_secret();
        let told = plan.hold.map(|hold| {
            let known = self
                .pass
                .context
                .memory
                .entry(&self.pass.key(), self.entry.name);
            match known.vain_because.filter(|_| is_paced(hold)) {
                Some((reason, why)) => in_vain(hold, &label, reason, &why),
                None => held(hold, &label, &secret, plan),
            }
        });
        let lagging = self.lagging();
        let findings = &mut self.pass.findings;
        findings.extend(lagging);
        findings.extend(told.into_iter().flatten());
        findings.extend(plan.in_use.as_ref().map(|it| still_used(&label, it)));
        let fit = plan.schedule.map_or(Fit::Free, |schedule| schedule.fit);
        findings.extend(unmet(&label, fit));
        match plan.hold {
            Some(hold) if hold.reason == Reason::OverlapInProgress => {
                self.tell_issued(hold.reason, &overlapping(hold, &label));
            }
            _ => self.tell_no_wait(&label),
        }
        if plan.schedule.is_some_and(|schedule| schedule.capped) {
            let message = format!(
                "the backend granted {label} less than the lifetime that was asked for: see its expirationTime"
            );
            self.tell_issued(Reason::LifetimeCapped, &message);
        }
    }

    /// The Secret that a hold is about.
    fn told_secret(&self) -> String {
        match self.sight.seen.successor {
            Successor::Taken => self.sight.seen.target(),
            Successor::Free => self.secret_name().to_owned(),
        }
    }

    /// What waited for an overlap waits no more.
    fn tell_no_wait(&mut self, label: &str) {
        let kind = ConditionType::TokenIssued;
        let conditions = self.pass.object.status().map(K::conditions);
        let told = conditions.and_then(|(conditions, _)| condition::find(conditions, kind));
        let waited = told.is_some_and(|it| it.reason == Reason::OverlapInProgress.as_str());
        if waited && !self.pass.findings.iter().any(|it| it.kind == kind) {
            let message = format!("the newest value of {label} was published");
            self.tell_issued(Reason::Issued, &message);
        }
    }
}

/// No watch shows Secrets that are not ours.
pub(super) fn look_again<K: Reconciled>(pass: &mut Pass<K>) {
    let now = pass.context.clock.now();
    let pause = SignedDuration::try_from(pass.context.recheck());
    let next = pause.ok().and_then(|pause| now.checked_add(pause).ok());
    pass.wake_at(next.unwrap_or(now));
}

/// What it means that another's Secret has the name that is wanted.
pub(super) fn conflict(label: &str, secret: &str) -> [Finding; 3] {
    let message = format!(
        "Secret {secret} exists and is not ours: delete it, or name another one in secret.name of {label}; looked at again \
         within minutes, and at once when this object changes"
    );
    let finding = |kind, holds| Finding::new(kind, holds, Reason::SecretConflict, message.as_str());
    [
        finding(ConditionType::Ready, false),
        finding(ConditionType::Synced, false),
        finding(ConditionType::Stalled, true),
    ]
}

/// Whether it is held back because too many tokens were issued before.
const fn is_paced(hold: Hold) -> bool {
    matches!(hold.reason, Reason::NotDue | Reason::IssueLoop)
}

/// What it means that tokens were issued that could not be published: why, and when the next one is tried.
fn in_vain(hold: Hold, label: &str, reason: Reason, why: &str) -> Vec<Finding> {
    let until = until(hold);
    let message = format!("{label} could not be issued: {why}; the next try waits{until}");
    let finding = |kind, truth| Finding::new(kind, truth, reason, message.as_str());
    let ready = is_urgent(hold).then(|| finding(ConditionType::Ready, false));
    let issued = finding(ConditionType::TokenIssued, false);
    let trouble = status::troubled(reason, &message);
    ready.into_iter().chain([issued]).chain(trouble).collect()
}

/// Hours of waiting by design are no work under way: whoever waits for the object would wait for them.
fn overlapping(hold: Hold, label: &str) -> String {
    let latest = hold.until.map_or_else(String::new, |until| {
        format!(", {} at the latest", Second(until))
    });
    let wanted = wanted(hold);
    format!(
        "{label} is to be replaced{wanted}, which waits until the overlap before has ended{latest}"
    )
}

/// Why a token is wanted, if that is known.
fn wanted(hold: Hold) -> String {
    let cause = hold.wanted.map(|cause| cause.reason);
    cause.map_or_else(String::new, |reason| format!(" ({reason})"))
}

fn until(hold: Hold) -> String {
    hold.until
        .map_or_else(String::new, |until| format!(" until {}", Second(until)))
}

/// Whether consumers have no working token meanwhile.
fn is_urgent(hold: Hold) -> bool {
    hold.wanted
        .is_some_and(|cause| cause.urgency == Urgency::Urgent)
}

/// What it means that a token is wanted and not issued. Consumers who have no working token are told by `Ready`.
fn held(hold: Hold, label: &str, secret: &str, plan: &Plan) -> Vec<Finding> {
    let reason = hold.reason;
    let finding = |kind, truth, message: &str| Finding::new(kind, truth, reason, message);
    let until = until(hold);
    let wanted = wanted(hold);
    let is_urgent = is_urgent(hold);
    let not_ready =
        |message: &str| is_urgent.then(|| finding(ConditionType::Ready, false, message));
    match reason {
        Reason::SecretConflict => {
            // The token in the Secret before may work on.
            let is_ready = hold.wanted.is_some() && !is_urgent;
            let told = conflict(label, secret).into_iter();
            told.filter(|it| !is_ready || it.kind != ConditionType::Ready)
                .collect()
        }
        Reason::IssueLoop => {
            let message = format!(
                "{label} was issued again and again{wanted} and is now left alone{until}: find out who changes Secret \
                 {secret}, or why the backend drops its tokens"
            );
            let stalled = finding(ConditionType::Stalled, true, &message);
            not_ready(&message).into_iter().chain([stalled]).collect()
        }
        Reason::Suspended | Reason::NotAllowed => {
            let withheld = match reason {
                Reason::Suspended => "this object is suspended",
                _ => "this object is not permitted any more",
            };
            let message = format!("{label} is to be replaced{wanted}, and {withheld}");
            let expiring = plan.schedule.and_then(|schedule| schedule.expires);
            let expiring = expiring.filter(|_| !is_urgent).map(|expires| {
                let message = format!("{message}: it expires at {}", Second(expires));
                finding(ConditionType::Expiring, true, &message)
            });
            // Why it is refused is what makes an object unready.
            let not_ready = not_ready(&message).filter(|_| reason == Reason::Suspended);
            not_ready.into_iter().chain(expiring).collect()
        }
        Reason::TokenLost => {
            let message = format!("the backend refuses {label}; looked at again{until}");
            let doubted = finding(ConditionType::Reconciling, true, &message);
            not_ready(&message).into_iter().chain([doubted]).collect()
        }
        // It is told once it is clear that nothing failed.
        Reason::OverlapInProgress => Vec::new(),
        _ => {
            let message = format!("{label} is to be replaced{wanted}, which waits{until}");
            let waits = finding(ConditionType::Reconciling, true, &message);
            not_ready(&message).into_iter().chain([waits]).collect()
        }
    }
}

fn still_used(label: &str, in_use: &InUse) -> Finding {
    // The instant of the last use would change the condition with each pass.
    let message = format!(
        "a replaced value of {label} is still being used: have its users read the Secret again. It is revoked at {} at \
         the latest",
        Second(in_use.until),
    );
    let reason = Reason::OverlapInProgress;
    Finding::new(ConditionType::RetiredTokenInUse, true, reason, message)
}

/// What it means that a rotation will be in no window. The instants are in the status: an expiry that moves with each
/// use would change the condition with each pass.
fn unmet(label: &str, fit: Fit) -> Option<Finding> {
    let (reason, message) = match fit {
        Fit::Free | Fit::Open => return None,
        Fit::Missed => (
            Reason::WindowMissed,
            format!(
                "{label} cannot wait for the next of its windows: it is replaced at its nextRotationTime, outside of \
                 them. For an instant of your choice, ask for it by annotation before"
            ),
        ),
        Fit::Unsatisfiable => (
            Reason::WindowUnsatisfiable,
            format!(
                "none of rotation.windows of {label} is open between the instant at which it is due and its expiry: it \
                 is replaced at its nextRotationTime, outside of them. Open a window more often or for longer, or raise \
                 renewBefore"
            ),
        ),
    };
    let kind = ConditionType::WindowUnmet;
    Some(Finding::new(kind, true, reason, message))
}

/// An instant in whole seconds.
struct Second(Timestamp);

impl fmt::Display for Second {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.0}", self.0)
    }
}
