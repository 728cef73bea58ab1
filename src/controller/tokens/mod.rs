//! Keeps the token of each entry alive: looks, has [`crate::plan::token`] decide, and carries out one step after the
//! other.

mod consumers;
mod disown;
mod dressing;
mod feasible;
mod frozen;
mod held;
mod issue;
mod ledger;
mod metadata;
mod publish;
mod record;
mod rehearsal;
mod removal;
mod report;
mod revoke;
mod rights;
mod round;
mod run_out;
mod secret;
mod sight;

pub use consumers::Restarts;
pub use disown::disown;
pub use dressing::Dressing;
pub use feasible::{check_feasible, policy};
pub use held::{Held, held};
pub use ledger::Ledger;
pub use metadata::check_metadata;
pub use removal::{Ending, condemn, ending, entries_of_secrets, remove, revoke_all};
pub use rights::rights;
pub use sight::next_look;

use self::removal::Displaced;
use self::round::Round;
use super::backend::Backend;
use super::kind::{Pass, Reconciled};
use super::outcome::Stop;
use crate::api::condition::Reason;
use crate::api::token_status::TokenStatus;
use crate::plan::mark::{Mark, TokenMark};
use crate::plan::token::{Activity, Hold, Naming, Plan, Policy, Requests, Step, look, plan};

/// So many steps are taken in one pass; what is left is for the next.
const STEPS: usize = 32;

/// A kind whose objects have tokens.
pub trait TokenHolder: Reconciled {
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
    /// What the owner's permissions come from; `None` = not known, or it does not matter.
    pub rights: Option<String>,
    /// Whether mutations are withheld.
    pub activity: Activity,
}

impl<'a> Entry<'a> {
    /// The same with its Secrets called so, whatever the spec wants.
    fn called(self, naming: &'a Naming) -> Self {
        let dressing = Dressing {
            naming,
            ..self.dressing
        };
        Self { dressing, ..self }
    }

    /// The mark of its token of this generation.
    fn mark<K: Reconciled>(&self, pass: &Pass<K>, generation: i64) -> Mark {
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

/// Whether the object itself says that mutations are withheld.
pub fn activity<K: Reconciled>(pass: &Pass<K>) -> Activity {
    if pass.is_suspended() {
        Activity::Suspended
    } else {
        Activity::Active
    }
}

/// Keeps one token as far as its object's activity lets it. Leaves in the pass what the status says of it, the findings,
/// and when to look again.
pub async fn keep<K: TokenHolder>(
    pass: &mut Pass<K>,
    backend: &Backend,
    ledger: &mut Ledger,
    entry: Entry<'_>,
) -> Result<(), Stop> {
    match entry.activity {
        Activity::Refused => run_out::run_out(pass, backend, ledger, entry).await,
        Activity::Active | Activity::Suspended => match removal::displaced(pass, &entry).await? {
            Some(displaced) => stay(pass, backend, ledger, entry, &displaced).await,
            None => keep_up(pass, backend, ledger, &entry).await,
        },
    }
}

/// Keeps the token in the Secret that it has, while another's has the name that the spec wants.
async fn stay<K: TokenHolder>(
    pass: &mut Pass<K>,
    backend: &Backend,
    ledger: &mut Ledger,
    entry: Entry<'_>,
    displaced: &Displaced,
) -> Result<(), Stop> {
    let told = report::conflict(&entry.label(), &displaced.wanted);
    pass.findings.extend(told);
    report::look_again(pass);
    keep_up(pass, backend, ledger, &entry.called(&displaced.naming)).await
}

/// Keeps the token in its Secret, and deletes what it left.
async fn keep_up<K: TokenHolder>(
    pass: &mut Pass<K>,
    backend: &Backend,
    ledger: &mut Ledger,
    entry: &Entry<'_>,
) -> Result<(), Stop> {
    // Its state is large, and no part of the states of all passes that wait.
    let hold = Box::pin(work(pass, backend, ledger, entry)).await?;
    let compromised = entry.requests.compromised.as_deref();
    let is_conflict = hold.is_some_and(|hold| hold.reason == Reason::SecretConflict);
    let ending = ending(pass, entry.name, compromised);
    if is_conflict && ending == Ending::AtOnce {
        // Nothing can be published, and no compromised token may live on until it can.
        remove(pass, backend, ledger, entry.name, ending).await?;
    } else if entry.activity != Activity::Suspended {
        removal::tidy(pass, entry).await?;
    }
    Ok(())
}

/// Answers with what a wanted token waits for.
async fn work<K: TokenHolder>(
    pass: &mut Pass<K>,
    backend: &Backend,
    ledger: &mut Ledger,
    entry: &Entry<'_>,
) -> Result<Option<Hold>, Stop> {
    let mut round = Round::begin(pass, backend, ledger, entry).await?;
    for _ in 0..STEPS {
        let plan = round.plan().await?;
        round.note(&plan);
        let Some(step) = &plan.step else {
            round.report(&plan);
            return Ok(plan.hold);
        };
        round.take(step, &plan).await?;
    }
    let now = round.pass.context.clock.now();
    round.pass.wake_at(now);
    Ok(None)
}

impl<K: TokenHolder> Round<'_, K> {
    /// Looks at what the decision needs, and decides.
    async fn plan(&mut self) -> Result<Plan, Stop> {
        let mut now = self.now();
        while let Some(wanted) = look(&self.entry.policy, &self.sight.seen, now) {
            self.look(wanted).await?;
            now = self.now();
        }
        let pace = self.pass.context.settings.issue_pace;
        Ok(plan(&self.entry.policy, &self.sight.seen, pace, now))
    }

    async fn take(&mut self, step: &Step, plan: &Plan) -> Result<(), Stop> {
        match step {
            Step::Accept(integrity) => self.accept(*integrity, plan).await,
            Step::Issue(issue) => self.issue(issue).await,
            Step::Enter(history) => self.enter(history).await,
            Step::Rewrite(history) => self.rewrite(history).await,
            Step::Restart(workload) => self.restart(workload).await,
            Step::Revoke { id, end } => self.revoke(id, *end).await,
        }
    }
}
