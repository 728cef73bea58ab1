//! What a plan means for the object's conditions, and when to look again.

use std::fmt;

use jiff::{SignedDuration, Timestamp};

use super::TokenHolder;
use super::round::Round;
use crate::api::condition::{ConditionType, Finding, Reason};
use crate::plan::token::{Hold, InUse, Plan, Urgency};

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
            // No watch shows Secrets that are not ours.
            let now = self.pass.context.clock.now();
            let pause = SignedDuration::try_from(self.pass.context.recheck());
            let next = pause.ok().and_then(|pause| now.checked_add(pause).ok());
            self.pass.wake_at(next.unwrap_or(now));
        }
        let label = self.entry.label();
        let held = plan
            .hold
            .map(|hold| held(hold, &label, self.entry.dressing.name, plan));
        let findings = &mut self.pass.findings;
        findings.extend(held.into_iter().flatten());
        findings.extend(plan.in_use.as_ref().map(|it| still_used(&label, it)));
        if plan.schedule.is_some_and(|schedule| schedule.capped) {
            let message = format!(
                "the backend granted {label} less than the lifetime that was asked for: see its expirationTime"
            );
            self.tell_issued(Reason::LifetimeCapped, &message);
        }
    }
}

/// What it means that a token is wanted and not issued. Consumers who have no working token are told by `Ready`.
fn held(hold: Hold, label: &str, secret: &str, plan: &Plan) -> Vec<Finding> {
    let reason = hold.reason;
    let finding = |kind, truth, message: &str| Finding::new(kind, truth, reason, message);
    let until = hold
        .until
        .map_or_else(String::new, |until| format!(" until {}", Second(until)));
    let wanted = hold
        .wanted
        .map_or_else(String::new, |cause| format!(" ({})", cause.reason));
    let is_urgent = hold
        .wanted
        .is_some_and(|cause| cause.urgency == Urgency::Urgent);
    let not_ready =
        |message: &str| is_urgent.then(|| finding(ConditionType::Ready, false, message));
    match reason {
        Reason::SecretConflict => {
            let message = format!(
                "Secret {secret} exists and is not ours: delete it, or name another one in secret.name of {label}"
            );
            vec![
                finding(ConditionType::Ready, false, &message),
                finding(ConditionType::Synced, false, &message),
                finding(ConditionType::Stalled, true, &message),
            ]
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
            not_ready(&message).into_iter().chain(expiring).collect()
        }
        Reason::TokenLost => {
            let message = format!("the backend refuses {label}; looked at again{until}");
            vec![finding(ConditionType::Reconciling, true, &message)]
        }
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

/// An instant in whole seconds.
struct Second(Timestamp);

impl fmt::Display for Second {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.0}", self.0)
    }
}
