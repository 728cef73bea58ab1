//! Keeps the token of each entry alive: looks, has [`crate::plan::token`] decide, and carries out one step after the
//! other.

mod disown;
mod issue;
mod metadata;
mod record;
mod removal;
mod revoke;
mod secret;
mod sight;

use std::fmt;

use jiff::{SignedDuration, Timestamp};

pub use disown::disown;
pub use metadata::check_metadata;
pub use removal::{entries_of_secrets, remove, tidy};
pub use secret::Dressing;

use self::sight::Sight;
use super::backend::Backend;
use super::kind::{Kind, Pass};
use super::outcome::Stop;
use crate::api::condition::{ConditionType, Finding, Reason};
use crate::api::token_status::TokenStatus;
use crate::iam::client::Owner;
use crate::iam::wire::ApiToken;
use crate::plan::mark::{Mark, Ownership, TokenMark};
use crate::plan::token::{Activity, Hold, InUse, Plan, Policy, Requests, Step, look, plan};

/// So many steps are taken in one pass; what is left is for the next.
const STEPS: usize = 32;

/// A kind whose objects have tokens.
pub trait TokenHolder: Kind {
    /// What the status says of an entry.
    fn token<'s>(status: &'s Self::Status, entry: &str) -> Option<&'s TokenStatus>;
    /// Says it.
    fn set_token(status: &mut Self::Status, entry: &str, token: TokenStatus);
    /// Forgets an entry.
    fn drop_token(status: &mut Self::Status, entry: &str);
}

/// One token that is to be kept alive.
#[derive(Debug)]
pub struct Entry<'a> {
    /// Whose token it is.
    pub owner: Owner,
    /// The owner's name at the backend.
    pub owner_name: &'a str,
    /// The entry's name; empty for an `ApiToken`.
    pub name: &'a str,
    /// How it lives.
    pub policy: Policy,
    /// How its Secret looks.
    pub dressing: Dressing<'a>,
    /// What the object's annotations ask for.
    pub requests: Requests,
    /// Whether the owner was made in this pass, and can have no tokens yet.
    pub owner_age: OwnerAge,
    /// Whether changes are withheld.
    pub activity: Activity,
}

/// Whether an owner can have tokens already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OwnerAge {
    /// Made in this pass.
    New,
    /// It was there before.
    Old,
}

impl Entry<'_> {
    /// The mark of its next token.
    fn mark<K: Kind>(&self, pass: &Pass<K>, generation: i64) -> Mark {
        let token = Some(TokenMark {
            entry: self.name.to_owned(),
            generation,
        });
        Mark {
            token,
            ..pass.mark()
        }
    }

    /// For messages: which token it is.
    fn label(&self) -> String {
        if self.name.is_empty() {
            "the token".to_owned()
        } else {
            format!("token {}", self.name)
        }
    }
}

/// The generation of a token of ours for this entry; `None` = not ours, or of another entry.
fn our_generation<K: Kind>(pass: &Pass<K>, entry: &str, token: &ApiToken) -> Option<i64> {
    let mark = Mark::parse(&token.description)?;
    let ours = mark.ownership(&pass.context.settings.cluster, &pass.marked_object());
    let of_entry = mark
        .token
        .filter(|token| token.entry == entry && ours != Ownership::Foreign);
    of_entry.map(|token| token.generation)
}

/// Whether a token carries a mark of this object, whatever its entry.
#[must_use]
pub fn is_ours<K: Kind>(pass: &Pass<K>, token: &ApiToken) -> bool {
    let mark = Mark::parse(&token.description).filter(|mark| mark.token.is_some());
    mark.is_some_and(|mark| {
        let cluster = &pass.context.settings.cluster;
        mark.ownership(cluster, &pass.marked_object()) != Ownership::Foreign
    })
}

/// Keeps one token alive. Leaves in the pass what the status says of it, the findings, and when to look again.
pub async fn keep<K: TokenHolder>(
    pass: &mut Pass<K>,
    backend: &Backend,
    entry: &Entry<'_>,
) -> Result<(), Stop> {
    let mut sight = Sight::new(pass, backend, entry).await?;
    for _ in 0..STEPS {
        while let Some(wanted) = look(&entry.policy, &sight.seen, backend.client.backend_now()) {
            sight.look(pass, backend, entry, wanted).await?;
        }
        let now = backend.client.backend_now();
        let plan = plan(
            &entry.policy,
            &sight.seen,
            pass.context.settings.issue_pace,
            now,
        );
        record::note(pass, entry, &sight, &plan);
        let Some(step) = plan.steps.first() else {
            report(pass, backend, entry, &plan);
            return Ok(());
        };
        take(pass, backend, entry, &mut sight, step).await?;
    }
    pass.wake_at(pass.context.clock.now());
    Ok(())
}

async fn take<K: TokenHolder>(
    pass: &mut Pass<K>,
    backend: &Backend,
    entry: &Entry<'_>,
    sight: &mut Sight,
    step: &Step,
) -> Result<(), Stop> {
    match step {
        Step::Accept { intact } => record::accept(pass, backend, entry, sight, *intact).await,
        Step::Issue(issue) => issue::issue(pass, backend, entry, sight, issue).await,
        Step::Enter(history) => secret::enter(pass, entry, sight, history).await,
        Step::Rewrite => secret::rewrite(pass, entry, sight).await,
        Step::Revoke { id, end } => revoke::revoke(pass, backend, entry, sight, id, *end).await,
    }
}

/// Says what the plan waits for and warns of, and when to look again.
fn report<K: TokenHolder>(pass: &mut Pass<K>, backend: &Backend, entry: &Entry<'_>, plan: &Plan) {
    let offset = backend
        .client
        .clock_offset()
        .unwrap_or(SignedDuration::ZERO);
    pass.wake_at(plan.next.checked_sub(offset).unwrap_or(plan.next));
    let label = entry.label();
    pass.findings
        .extend(plan.hold.and_then(|hold| held(entry, &label, hold)));
    pass.findings.extend(
        plan.in_use
            .as_ref()
            .map(|in_use| still_used(&label, in_use)),
    );
    let capped = plan.schedule.filter(|schedule| schedule.capped);
    pass.findings.extend(capped.map(|schedule| {
        let expires = schedule.expires.map_or_else(String::new, |expires| {
            format!(": it expires at {}", Second(expires))
        });
        let message = format!(
            "the backend granted {label} less than the lifetime that was asked for{expires}"
        );
        Finding::new(
            ConditionType::TokenIssued,
            true,
            Reason::LifetimeCapped,
            message,
        )
    }));
}

/// What a plan that waits means for the object.
fn held(entry: &Entry<'_>, label: &str, hold: Hold) -> Option<Finding> {
    let until = hold
        .until
        .map_or_else(String::new, |until| format!(" until {}", Second(until)));
    let wanted = hold
        .wanted
        .map_or_else(String::new, |wanted| format!(" ({wanted})"));
    let not_ready = |message| Finding::new(ConditionType::Ready, false, hold.reason, message);
    let finding = match hold.reason {
        Reason::SecretConflict => not_ready(format!(
            "Secret {} exists and is not ours: delete it, or name another one in secret.name of {label}",
            entry.dressing.name
        )),
        Reason::IssueLoop => {
            let message = format!(
                "{label} was issued again and again{wanted} and is now left alone{until}: find out who changes Secret {}",
                entry.dressing.name
            );
            Finding::new(ConditionType::Stalled, true, hold.reason, message)
        }
        Reason::NotDue => not_ready(format!(
            "{label} was issued several times of late; the next issue{wanted} waits{until}"
        )),
        Reason::TokenLost => {
            let message = format!("the backend refuses {label}; looked at again{until}");
            Finding::new(ConditionType::Reconciling, true, hold.reason, message)
        }
        Reason::OverlapInProgress | Reason::Suspended => return None,
        _ => return None,
    };
    Some(finding)
}

fn still_used(label: &str, in_use: &InUse) -> Finding {
    let message = format!(
        "a replaced value of {label} was last used at {}; it is revoked at {} at the latest",
        Second(in_use.last_used),
        Second(in_use.until),
    );
    Finding::new(
        ConditionType::RetiredTokenInUse,
        true,
        Reason::OverlapInProgress,
        message,
    )
}

/// An instant in whole seconds.
struct Second(Timestamp);

impl fmt::Display for Second {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.0}", self.0)
    }
}
