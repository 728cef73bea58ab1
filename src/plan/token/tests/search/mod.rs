//! All that can happen, to a fixed depth: an explicit-state search over the real [`look`], [`plan`] and [`contest`].
//!
//! The operator's requests are the moves. Between any two of them anything of what `moves` lists may happen, each kind
//! within a budget: a crash and a new leader, a request or an answer that is lost, one that takes effect late (also
//! after the crash of its sender), an answer of 404, 409 or 5xx, a list that lags, somebody who deletes, edits or
//! restores the Secret, time. Every state is checked; and from every state the way home is walked, on which nothing goes
//! wrong any more.
//!
//! With [`Naming::Versioned`] the Secret that is searched is the latest of a chain; an older one is there as long as its
//! token works, and changes nothing but who gets a name.
//!
//! Not searched: expiry, schedules and the pace of issues, use of retired tokens, suspension, Secrets of somebody else,
//! other keys of a Secret, several entries, and that an object or an entry is removed.
//!
//! `SEARCH="<faults> <deeds> <depth>" cargo test --lib plan::token::tests::search::whatever_goes_wrong_while -- --nocapture`
//! searches further, with `SEARCH_DEEDS=all` for all deeds, with `SEARCH_SECRETS=many` for a Secret for each token. Clean
//! so far, optimised on one core: `1 1 30` with all deeds (3.2 million states, 90 s), `2 1 23` (3.8 million, 140 s),
//! `1 2 23` (2.5 million, 100 s), `2 0 34` (2.8 million, 45 s); with many Secrets and all deeds `1 1 19`, `2 0 22` and
//! `1 2 16`.

mod explore;
mod key;
mod moves;
mod operator;
mod pass;
mod properties;
mod publish;
mod servers;
mod state;

use std::fmt;

use jiff::SignedDuration;
use rstest::rstest;

use self::explore::{Found, explore};
use self::moves::Deed;
use self::properties::Violation;
use self::state::{Budget, State, TICK};
use super::*;

/// How a search is to run. Times are in ticks.
struct Setup {
    policy: Policy,
    naming: Naming,
    overlap_min: i64,
    /// What the planner is told of how long a request may be under way.
    grace: SignedDuration,
    /// How long a request may be under way.
    delay: i64,
    /// How long after the end of a leader the next one begins.
    takeover: i64,
    /// How long a list may lack a token.
    lag: i64,
    budget: Budget,
    deeds: Deeds,
    depth: usize,
    mutant: Option<Mutant>,
}

/// What the adversary may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Deeds {
    /// Delete, edit and restore the Secret.
    Secret,
    /// That, lose the status, revoke at the backend, and declare a compromise.
    All,
}

/// An operator that breaks one rule of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mutant {
    /// Revokes the token before it has the next one.
    RevokeFirst,
    /// Takes everything for settled at once.
    NoGrace,
    /// Whoever loses a publish revokes its token without another look.
    NoSecondLook,
    /// Revokes whatever is not in the Secret.
    OrphanAtOnce,
    /// Takes a token for lost that a list lacks.
    AbsenceIsLoss,
    /// Publishes whatever the Secret's version is.
    NoVersion,
    /// Calls a Secret by the generation of its own token, and not after that of the one before.
    OwnName,
}

impl fmt::Display for Deeds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Secret => "deeds to the Secret",
            Self::All => "all deeds",
        })
    }
}

impl Deeds {
    fn includes(self, deed: Deed) -> bool {
        self == Self::All
            || !matches!(
                deed,
                Deed::LoseStatus | Deed::Compromise | Deed::RevokeCurrent
            )
    }
}

impl Setup {
    fn new(faults: u8, adversary: u8) -> Self {
        let overlap = json!({"min": "90s", "max": "120s"});
        Self {
            policy: policy(json!({"neverExpires": true, "rotation": {"overlap": overlap}})),
            naming: Naming::Fixed("ci".into()),
            overlap_min: 3,
            grace: TICK * 2,
            delay: 1,
            takeover: 1,
            lag: 1,
            budget: Budget {
                faults,
                adversary,
                rotations: 1,
            },
            deeds: Deeds::Secret,
            depth: usize::MAX,
            mutant: None,
        }
    }

    /// Each token in a Secret of its own.
    fn versioned(self) -> Self {
        let naming = Naming::Versioned("ci".into());
        Self { naming, ..self }
    }

    fn is_versioned(&self) -> bool {
        matches!(self.naming, Naming::Versioned(_))
    }

    /// The age in ticks from which on no rule asks for more.
    fn oldest(&self) -> i64 {
        self.policy.overlap.max.as_secs() / TICK.as_secs() + 1
    }
}

/// Searches, and tells how far it came.
fn search(setup: &Setup) -> Found {
    let found = explore(setup, vec![State::nothing(setup)]);
    eprintln!("{:?}, {}: {found}", setup.budget, setup.deeds);
    found
}

/// A search that found nothing.
fn clean(setup: &Setup) -> Found {
    let found = search(setup);
    if let Some((_, trace)) = &found.violation {
        panic!("{trace}");
    }
    found
}

/// A fault at whatever point, and all that can follow from it.
#[test]
fn whatever_goes_wrong_once_every_promise_is_kept() {
    let found = clean(&Setup::new(1, 0));
    assert!(found.complete, "{found}");
    assert!(found.states >= 114_000, "{found}");
}

#[test]
fn whatever_somebody_does_once_every_promise_is_kept() {
    let found = clean(&Setup {
        deeds: Deeds::All,
        ..Setup::new(0, 1)
    });
    assert!(found.complete, "{found}");
    assert!(found.states >= 82_000, "{found}");
}

/// The same with a Secret for each token.
#[test]
fn whatever_goes_wrong_once_every_promise_is_kept_in_many_secrets() {
    let found = clean(&Setup::new(1, 0).versioned());
    assert!(found.complete, "{found}");
    assert!(found.states >= 129_000, "{found}");
}

#[test]
fn whatever_somebody_does_once_every_promise_is_kept_in_many_secrets() {
    let found = clean(&Setup {
        deeds: Deeds::All,
        ..Setup::new(0, 1).versioned()
    });
    assert!(found.complete, "{found}");
    assert!(found.states >= 73_000, "{found}");
}

/// Both together, or whatever `SEARCH` asks for.
#[test]
fn whatever_goes_wrong_while_somebody_acts_every_promise_is_kept() {
    let usual = "1 1 18";
    let asked = std::env::var("SEARCH").unwrap_or_else(|_| usual.to_owned());
    let numbers: Vec<usize> = asked.split(' ').map(|it| it.parse().unwrap()).collect();
    let budget = |at: usize| u8::try_from(numbers[at]).unwrap();
    let deeds = match std::env::var("SEARCH_DEEDS").as_deref() {
        Ok("all") => Deeds::All,
        _ => Deeds::Secret,
    };
    let setup = Setup {
        depth: numbers[2],
        deeds,
        ..Setup::new(budget(0), budget(1))
    };
    let found = clean(&match std::env::var("SEARCH_SECRETS").as_deref() {
        Ok("many") => setup.versioned(),
        _ => setup,
    });
    assert!(asked != usual || found.states >= 86_000, "{found}");
}

#[rstest]
#[case(Mutant::RevokeFirst, Violation::Gap)]
#[case(Mutant::NoGrace, Violation::Unsettled)]
#[case(Mutant::NoSecondLook, Violation::Gap)]
#[case(Mutant::OwnName, Violation::Published)]
fn and_so_is_one_with_many_secrets(#[case] mutant: Mutant, #[case] expected: Violation) {
    let found = search(&Setup {
        mutant: Some(mutant),
        ..Setup::new(1, 0).versioned()
    });
    let (violation, trace) = found.violation.expect("it is not caught");
    assert_eq!(violation, expected, "{trace}");
}

#[rstest]
#[case(Mutant::RevokeFirst, Violation::Gap)]
#[case(Mutant::NoGrace, Violation::Unsettled)]
#[case(Mutant::NoSecondLook, Violation::Gap)]
#[case(Mutant::OrphanAtOnce, Violation::Unsettled)]
#[case(Mutant::AbsenceIsLoss, Violation::Published)]
#[case(Mutant::NoVersion, Violation::Published)]
fn an_operator_that_breaks_a_rule_is_caught(#[case] mutant: Mutant, #[case] expected: Violation) {
    let found = search(&Setup {
        mutant: Some(mutant),
        ..Setup::new(1, 0)
    });
    let (violation, trace) = found.violation.expect("it is not caught");
    assert_eq!(violation, expected, "{trace}");
}
