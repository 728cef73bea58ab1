//! How requests take effect at the backend and at the API server, and what a properly behaving operator never asks for.

use super::state::{Life, Origin, Promise, Put, Request, Secret, State, Then, Token, id, index};
use super::*;
use super::{Mutant, Setup, Violation};

/// What a server answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// Done. A Secret or an object has this version now.
    Done(u32),
    /// Issued.
    Issued(TokenId),
    /// Not done: it is not as it was, or there is one already.
    Conflict,
    /// Not done, for another reason.
    Refused,
}

impl State {
    /// Carries out a request that changes something.
    pub(super) fn apply(&mut self, request: &Request, setup: &Setup) -> Result<Answer, Violation> {
        match request {
            Request::Post(issue) => Ok(self.post(issue)),
            Request::Put(put) => Ok(self.put(put, setup)),
            Request::Enter { history, name, on } => Ok(self.enter(history, name, *on, setup)),
            Request::Revoke { id, then, .. } => self.revoke(id, *then, setup),
            Request::Status { recorded, on, .. } => Ok(self.patch(recorded.clone(), *on)),
            Request::Look(_) | Request::Read(_) | Request::List(_) | Request::Try(..) => {
                panic!("it changes nothing")
            }
        }
    }

    fn post(&mut self, issue: &Issue) -> Answer {
        let issued = self.instant();
        self.writes += 1;
        self.backend.push(Token {
            generation: issue.generation,
            issued,
            life: Life::Live,
            published: false,
            left: None,
            promise: Promise::Overlap,
        });
        Answer::Issued(id(self.backend.len() - 1))
    }

    fn put(&mut self, put: &Put, setup: &Setup) -> Answer {
        if self.conflicts(put, setup) {
            return Answer::Conflict;
        }
        let history = put.minted.history();
        let id = history.current.id.clone();
        self.backend[index(&id)].published = true;
        self.replace(Some(Secret {
            name: put.name.clone(),
            version: 0,
            history: Some(history),
            value: Some(id),
            origin: Origin::Ours,
        }));
        Answer::Done(self.writes)
    }

    fn conflicts(&self, put: &Put, setup: &Setup) -> bool {
        if setup.is_versioned() {
            return self.is_named(&put.name, setup);
        }
        let there = self.secret.as_ref().map(|secret| secret.version);
        match (put.on, there) {
            // An update that names a uid conflicts with a Secret that is gone.
            (None, Some(_)) | (Some(_), None) => true,
            (Some(seen), Some(there)) => seen != there && setup.mutant != Some(Mutant::NoVersion),
            (None, None) => false,
        }
    }

    /// Whether there is a Secret of this name: the latest one has it, or one before.
    fn is_named(&self, name: &str, setup: &Setup) -> bool {
        let number = |name: &str| setup.naming.number(name);
        let latest = self.secret.as_ref();
        latest.is_some_and(|latest| number(name) <= number(&latest.name))
    }

    fn enter(&mut self, history: &History, name: &str, on: u32, setup: &Setup) -> Answer {
        let Some(secret) = self.secret.clone() else {
            return Answer::Refused;
        };
        if secret.name != name && self.is_named(name, setup) {
            // One that has a successor: nothing is decided by it any more.
            self.writes += 1;
            return Answer::Done(self.writes);
        }
        if secret.version != on {
            return Answer::Conflict;
        }
        self.replace(Some(Secret {
            history: Some(history.clone()),
            ..(*secret).clone()
        }));
        Answer::Done(self.writes)
    }

    fn revoke(&mut self, id: &TokenId, then: Then, setup: &Setup) -> Result<Answer, Violation> {
        if !self.is_live(id) {
            return Ok(Answer::Done(0));
        }
        let token = self.token(id);
        let is_early = token
            .left
            .is_some_and(|left| self.tick - left < setup.overlap_min);
        if token.published && token.promise == Promise::Overlap && is_early {
            return Err(Violation::Consumer);
        }
        let is_sent = |sent: &super::state::Sent| matches!(&sent.request, Request::Put(put) if put.minted.current.id == *id);
        let is_unsettled = self.under_way.iter().any(is_sent);
        if then == Then::Next && token.promise != Promise::Nothing && is_unsettled {
            return Err(Violation::Unsettled);
        }
        self.writes += 1;
        self.backend[index(id)].life = Life::RevokedByUs;
        Ok(Answer::Done(0))
    }

    fn patch(&mut self, recorded: Option<Recorded>, on: u32) -> Answer {
        if self.object.version != on {
            return Answer::Conflict;
        }
        self.writes += 1;
        self.object.version += 1;
        self.object.recorded = recorded;
        Answer::Done(self.object.version)
    }

    /// The tokens as the backend lists them, all of them or without the newest.
    pub(super) fn listed(&self, hidden: Option<usize>) -> Vec<Listed> {
        let all = self.backend.iter().enumerate();
        all.filter(|(at, token)| token.life == Life::Live && Some(*at) != hidden)
            .map(|(at, token)| Listed {
                id: id(at),
                generation: token.generation,
                issued: token.issued,
                expires: None,
                last_used: None,
                extended: false,
            })
            .collect()
    }

    /// The newest living token, if it is so young that a list may lack it.
    pub(super) fn hidden(&self, setup: &Setup) -> Option<usize> {
        let newest = self
            .backend
            .iter()
            .rposition(|token| token.life == Life::Live)?;
        let age = self.now().duration_since(self.backend[newest].issued);
        let limit = super::state::TICK * i32::try_from(setup.lag).unwrap();
        (age < limit).then_some(newest)
    }
}
