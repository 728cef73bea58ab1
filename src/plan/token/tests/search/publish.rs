//! How a token gets into the Secret, and who has won if somebody else wrote it meanwhile: mirrors
//! `controller::tokens::publish`.

use std::rc::Rc;

use super::servers::Answer;
use super::state::{Minted, Put, Read, Request, State, Then, Trial};
use super::*;
use super::{Mutant, Setup};

/// So often a conflicting publish is tried: `publish::PUBLISHES`.
const PUBLISHES: usize = 3;

impl State {
    pub(super) fn publish(&mut self, minted: Rc<Minted>, setup: &Setup) {
        let pass = self.pass();
        let name = match setup.mutant {
            Some(Mutant::OwnName) => format!("ci-g{}", minted.issue.generation),
            _ => pass.seen.target(),
        };
        let on = pass.version().filter(|_| !setup.is_versioned());
        pass.awaits = Request::Put(Put { minted, name, on });
    }

    /// `revoke::discard`, or the loser's part of `publish::conflict`.
    pub(super) fn give_up(&mut self, minted: &Minted, then: Then) {
        let (id, end) = (minted.current.id.clone(), End::Settled);
        self.pass().awaits = Request::Revoke { id, end, then };
    }

    /// The loop of `publish::publish`.
    pub(super) fn publish_again(&mut self, minted: &Minted, setup: &Setup) {
        let conflicts = minted.conflicts + 1;
        if conflicts == PUBLISHES {
            return self.end();
        }
        let minted = Minted {
            conflicts,
            ..minted.clone()
        };
        self.publish(Rc::new(minted), setup);
    }

    /// `publish::conflict`: whose token is in the Secret now?
    pub(super) fn conflict(
        &mut self,
        ours: &Rc<Minted>,
        found: bool,
        value: Option<TokenId>,
        setup: &Setup,
    ) {
        let held = match &value {
            None => Held::Nothing,
            Some(value) if *value == ours.current.id => Held::Ours,
            Some(_) => Held::Another,
        };
        let pass = self.pass();
        let version = pass.version();
        let there = if found {
            pass.seen.secret.clone()
        } else {
            SecretSeen::Absent
        };
        match (contest(&there, &ours.current.id, held), value, version) {
            (Contest::Won(history), _, Some(version)) => {
                let history = history.clone();
                let name = pass.seen.secret_name.clone();
                self.won(&history, name, version, setup);
            }
            (Contest::Contested, ..) if setup.is_versioned() => self.give_up(ours, Then::Lost),
            // It cannot be written over, and somebody may hold our token.
            (Contest::Open, ..) if setup.is_versioned() && found => self.proceed(setup),
            (Contest::Contested, Some(winner), _) => {
                pass.awaits = Request::Try(winner, Trial::Winner(Rc::clone(ours)));
            }
            _ => self.publish_again(ours, setup),
        }
    }

    /// `publish::won`
    fn won(&mut self, history: &History, name: Option<String>, version: u32, setup: &Setup) {
        let now = self.instant();
        let pass = self.pass();
        let written = (name.clone(), Some(version.to_string()));
        let recorded = Recorded::published(&pass.seen, history, written, now);
        pass.seen.secret_name = name;
        pass.wrote(history, version, recorded);
        self.checked(Check::Works);
        self.proceed(setup);
    }

    pub(super) fn put_answered(&mut self, put: &Put, answer: &Answer, setup: &Setup) {
        match answer {
            Answer::Done(version) => {
                let name = Some(put.name.clone());
                self.won(&put.minted.history(), name, *version, setup);
            }
            Answer::Conflict if setup.mutant == Some(Mutant::NoSecondLook) => {
                self.give_up(&put.minted, Then::Lost);
            }
            Answer::Conflict => {
                self.pass().awaits = Request::Read(Read::Conflict(Rc::clone(&put.minted)));
            }
            _ => self.give_up(&put.minted, Then::Stop),
        }
    }
}
