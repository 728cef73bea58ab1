//! What must hold in every state, and in the end.

use std::collections::HashSet;
use std::fmt;

use super::Setup;
use super::key::Key;
use super::moves::Move;
use super::state::{Life, Operator, Origin, Promise, State};

/// What went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Violation {
    /// I1: more published living tokens than two and one for each replacement that could not wait.
    Published,
    /// I2: left alone, it does not come to its good end.
    Stuck,
    /// I3: a Secret that nobody tampered with names a token that we have revoked.
    Gap,
    /// A published token was revoked before the overlap's minimum had passed.
    Consumer,
    /// A token was revoked while a publish of it was under way.
    Unsettled,
    /// More tokens were issued than there were reasons.
    Issues,
}

/// So many requests in one pass are a loop.
const PATIENCE: usize = 100;

impl State {
    /// What must hold in every state.
    pub(super) fn check(&self) -> Result<(), Violation> {
        let living = self.backend.iter().filter(|it| it.life == Life::Live);
        if living.filter(|it| it.published).count() > 2 + self.urgent {
            return Err(Violation::Published);
        }
        if self.has_gap() {
            return Err(Violation::Gap);
        }
        Ok(())
    }

    fn has_gap(&self) -> bool {
        let secret = self.secret.as_ref();
        let ours = secret.filter(|secret| secret.origin == Origin::Ours);
        let value = ours.and_then(|secret| secret.value.as_ref());
        value.map(|id| self.token(id)).is_some_and(|token| {
            token.life == Life::RevokedByUs && token.promise != Promise::Nothing
        })
    }

    /// Each reason to issue, and each fault, makes so many tokens at the most.
    pub(super) fn has_too_many_issues(&self, setup: &Setup) -> bool {
        let (had, left) = (setup.budget, self.budget);
        let faults = had.faults - left.faults;
        let deeds = had.adversary - left.adversary;
        let rotations = had.rotations - left.rotations;
        let most = 1 + rotations + 2 * faults + 2 * deeds;
        self.backend.len() > usize::from(most)
    }

    /// The good end: one living token, that of the Secret; the status says so; nothing is left to do.
    fn is_good(&self) -> bool {
        let living = self.backend.iter().filter(|it| it.life == Life::Live);
        let served = self.value().filter(|id| self.is_live(id));
        served.is_some() && living.count() == 1 && self.is_told()
    }

    fn is_told(&self) -> bool {
        let (Some(secret), Some(recorded)) = (&self.secret, &self.object.recorded) else {
            return false;
        };
        let version = secret.version.to_string();
        recorded.resource_version.as_ref() == Some(&version) && recorded.retired.is_empty()
    }

    /// Whether a whole pass changes nothing.
    fn rests(&self, setup: &Setup) -> bool {
        let mut after = self.clone();
        after.begin(setup);
        for _ in 0..PATIENCE {
            if after.awaited().is_none() {
                return after.writes == self.writes && after.key(setup) == self.key(setup);
            }
            if after.happen(Move::Answer, setup).is_err() {
                return false;
            }
        }
        false
    }

    /// What happens next if nothing goes wrong any more and nobody does anything; `None` = this is the good end.
    pub(super) fn calm(&self, setup: &Setup) -> Option<Move> {
        if !self.under_way.is_empty() {
            return Some(Move::Arrives(0));
        }
        let Operator::Up(process) = &self.operator else {
            let is_time = self.moves(setup).contains(&Move::Acquire);
            return Some(if is_time { Move::Acquire } else { Move::Tick });
        };
        match process.pass {
            Some(_) => Some(Move::Answer),
            None if !self.rests(setup) => Some(Move::Begin),
            None if self.is_good() => None,
            None => Some(Move::Tick),
        }
    }

    /// I2: whether the good end is reached from here. `known` are states from which it is.
    pub(super) fn comes_home(
        &self,
        known: &mut HashSet<Key>,
        setup: &Setup,
    ) -> Result<(), (Violation, Box<Self>)> {
        let mut way = HashSet::new();
        let mut state = self.clone();
        while !known.contains(&state.key(setup)) {
            if !way.insert(state.key(setup)) {
                return Err((Violation::Stuck, Box::new(state)));
            }
            let Some(it) = state.calm(setup) else { break };
            if let Err(violation) = state.happen(it, setup) {
                return Err((violation, Box::new(state)));
            }
        }
        known.extend(way);
        Ok(())
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Published => "I1: too many published tokens live",
            Self::Stuck => "I2: left alone, it does not come to its good end",
            Self::Gap => "I3: the Secret names a token that we have revoked",
            Self::Consumer => "a published token was revoked before its overlap's minimum",
            Self::Unsettled => "a token was revoked while a publish of it was under way",
            Self::Issues => "more tokens were issued than there were reasons",
        })
    }
}
