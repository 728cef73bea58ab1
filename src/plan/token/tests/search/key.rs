//! The canonical form of a state: ages instead of instants, up to the age at which no rule tells them apart; versions by
//! the order in which they are met; a version of the object as the newest one or not. Two states of one form have the
//! same future. A state is known by 128 bits of the form's hash.

use jiff::Timestamp;
use sha2::{Digest, Sha256};

use super::Setup;
use super::state::{
    After, Freshness, Life, List, Look, Minted, Operator, Origin, Pass, Process, Promise, Read,
    Request, Secret, State, TICK, Then, Trial, index,
};
use super::*;

/// What a state is known by.
pub(super) type Key = u128;

struct Form<'s> {
    state: &'s State,
    naming: &'s Naming,
    now: i64,
    oldest: i64,
    bytes: Vec<u8>,
    versions: Vec<u32>,
}

impl State {
    pub(super) fn key(&self, setup: &Setup) -> Key {
        let mut form = Form {
            state: self,
            naming: &setup.naming,
            now: self.now().as_second(),
            oldest: setup.oldest(),
            bytes: Vec::with_capacity(256),
            versions: Vec::with_capacity(8),
        };
        form.state();
        let digest = Sha256::digest(&form.bytes);
        u128::from_be_bytes(digest[..16].try_into().unwrap())
    }
}

impl Form<'_> {
    fn state(&mut self) {
        let state = self.state;
        self.tokens();
        self.secret(state.secret.as_deref());
        self.recorded(state.object.recorded.as_ref());
        self.requests(&state.object.requests);
        match &state.operator {
            Operator::Down(since) => {
                self.byte(0);
                self.age(state.tick - since);
            }
            Operator::Up(process) => self.process(process),
        }
        for sent in &state.under_way {
            self.age(state.tick - sent.tick);
            self.request(&sent.request);
        }
        self.byte(255);
        let budget = state.budget;
        self.bytes
            .extend([budget.faults, budget.adversary, budget.rotations]);
        self.count(state.urgent);
        if budget.adversary > 0 {
            for past in &state.past {
                self.secret(Some(past));
            }
        }
    }

    fn tokens(&mut self) {
        for token in &self.state.backend {
            match token.life {
                Life::RevokedByUs => self.byte(1),
                Life::RevokedByOthers => self.byte(2),
                Life::Live => {
                    self.byte(3);
                    self.instant(token.issued);
                }
            }
            self.number(token.generation);
            self.byte(u8::from(token.published));
            match token.left.filter(|_| token.life == Life::Live) {
                None => self.byte(255),
                Some(left) => self.age(self.state.tick - left),
            }
            self.byte(match token.promise {
                Promise::Overlap => 0,
                Promise::Settled => 1,
                Promise::Nothing => 2,
            });
        }
        self.byte(254);
    }

    fn secret(&mut self, secret: Option<&Secret>) {
        let Some(secret) = secret else {
            return self.byte(0);
        };
        self.byte(1 + u8::from(secret.origin == Origin::Ours));
        self.name(Some(&secret.name));
        self.version(secret.version);
        self.id(secret.value.as_ref());
        self.history(secret.history.as_ref());
    }

    /// Instants of issue are those of the backend, and nothing depends on those of a publish.
    fn history(&mut self, history: Option<&History>) {
        let Some(history) = history else {
            return self.byte(0);
        };
        self.byte(1);
        self.id(Some(&history.current.id));
        self.number(history.current.generation);
        self.retired(&history.retired);
        self.answered(history.rotate.as_ref(), history.compromised.as_ref());
        self.number(history.condemned);
    }

    fn retired(&mut self, retired: &[Retired]) {
        self.count(retired.len());
        for retired in retired {
            self.id(Some(&retired.id));
            self.byte(u8::from(retired.end == End::Overlap));
            self.instant(retired.retired);
        }
    }

    fn recorded(&mut self, recorded: Option<&Recorded>) {
        let Some(recorded) = recorded else {
            return self.byte(0);
        };
        self.byte(1);
        self.number(recorded.generation);
        self.name(recorded.secret_name.as_deref());
        match &recorded.resource_version {
            None => self.byte(255),
            Some(version) => self.version(version.parse().unwrap()),
        }
        match recorded.history_since {
            None => self.byte(255),
            Some(since) => self.since(since),
        }
        self.count(recorded.retired.len());
        for (id, since) in &recorded.retired {
            self.id(Some(id));
            self.instant(*since);
        }
        self.answered(recorded.rotate.as_ref(), recorded.compromised.as_ref());
        self.number(recorded.condemned);
    }

    /// An instant, and which of the living tokens were issued before it.
    fn since(&mut self, since: Timestamp) {
        self.instant(since);
        let living = self.state.backend.iter();
        let living = living.filter(|token| token.life == Life::Live);
        let earlier = living.filter(|token| token.issued < since).count();
        self.count(earlier);
    }

    fn process(&mut self, process: &Process) {
        self.byte(1);
        self.instant(process.leading_since);
        self.optional(process.refused_since);
        self.optional(process.unanswered_publish);
        match &process.pass {
            None => self.byte(0),
            Some(pass) => self.pass(pass),
        }
    }

    fn pass(&mut self, pass: &Pass) {
        self.byte(1);
        let seen = &pass.seen;
        self.name(seen.secret_name.as_deref());
        match &seen.secret {
            SecretSeen::Ours {
                resource_version,
                history,
                prefix_holds,
                ..
            } => {
                self.version(resource_version.parse().unwrap());
                self.history(history.as_deref());
                self.byte(prefix_holds.map_or(2, u8::from));
            }
            SecretSeen::Absent | SecretSeen::Foreign => self.byte(250),
        }
        self.recorded(seen.recorded.as_ref());
        self.byte(u8::from(seen.listed.is_some()));
        for listed in seen.listed.iter().flatten() {
            self.id(Some(&listed.id));
        }
        self.byte(match seen.check {
            None => 250,
            Some(Check::Works) => 251,
            Some(Check::Refused) => 252,
        });
        self.optional(seen.refused_since);
        self.optional(seen.settling.unanswered_publish);
        self.byte(u8::from(seen.sighting == Sighting::Recorded));
        self.requests(&seen.requests);
        self.byte(u8::from(pass.freshness == Freshness::Read));
        self.recorded(pass.noted.as_ref());
        self.newest(pass.object.0);
        self.recorded(pass.object.1.as_ref());
        self.request(&pass.awaits);
    }

    fn request(&mut self, request: &Request) {
        match request {
            Request::Look(Look::First) => self.byte(10),
            Request::Look(Look::BeforeIssue(issue)) => self.issue(11, issue),
            Request::Look(Look::BeforeRevoke(id, end)) => {
                self.byte(12 + u8::from(*end == End::Overlap));
                self.id(Some(id));
            }
            Request::Read(Read::Value) => self.byte(14),
            Request::Read(Read::Conflict(minted)) => self.minted(15, minted),
            Request::List(List::Looking) => self.byte(16),
            Request::List(List::Minted(issue, id)) => {
                self.issue(17, issue);
                self.id(Some(id));
            }
            Request::Try(id, trial) => {
                self.id(Some(id));
                self.trial(trial);
            }
            Request::Post(issue) => self.issue(21, issue),
            Request::Put(put) => {
                self.minted(22, &put.minted);
                self.name(Some(&put.name));
                match put.on {
                    None => self.byte(255),
                    Some(version) => self.version(version),
                }
            }
            Request::Enter { history, name, on } => {
                self.byte(23);
                self.name(Some(name));
                self.version(*on);
                self.history(Some(history));
            }
            Request::Revoke { id, end, then } => {
                self.byte(24 + u8::from(*end == End::Overlap));
                self.id(Some(id));
                self.byte(match then {
                    Then::Next => 0,
                    Then::Lost => 1,
                    Then::Stop => 2,
                });
            }
            Request::Status { recorded, on, then } => {
                self.byte(26 + u8::from(*then == After::End));
                self.newest(*on);
                self.recorded(recorded.as_ref());
            }
        }
    }

    fn trial(&mut self, trial: &Trial) {
        match trial {
            Trial::Looking => self.byte(18),
            Trial::Fresh(minted) => self.minted(19, minted),
            Trial::Winner(minted) => self.minted(20, minted),
        }
    }

    /// The reason is for people, and the pace is not searched.
    fn issue(&mut self, what: u8, issue: &Issue) {
        self.byte(what);
        self.number(issue.generation);
        self.retired(&issue.retired);
        self.answered(issue.rotate.as_ref(), issue.compromised.as_ref());
        self.number(issue.condemned);
    }

    fn minted(&mut self, what: u8, minted: &Minted) {
        self.issue(what, &minted.issue);
        self.id(Some(&minted.current.id));
        self.count(minted.conflicts);
    }

    fn requests(&mut self, requests: &Requests) {
        self.answered(requests.rotate.as_ref(), requests.compromised.as_ref());
    }

    fn answered(&mut self, rotate: Option<&String>, compromised: Option<&String>) {
        for value in [rotate, compromised] {
            let number = value.map_or(0, |value| value.parse().unwrap());
            self.byte(number);
        }
    }

    fn newest(&mut self, version: u32) {
        self.byte(u8::from(version == self.state.object.version));
    }

    fn version(&mut self, version: u32) {
        let known = self.versions.iter().position(|known| *known == version);
        let at = known.unwrap_or(self.versions.len());
        if known.is_none() {
            self.versions.push(version);
        }
        self.count(at);
    }

    /// Of many Secrets each has a number.
    fn name(&mut self, name: Option<&str>) {
        if let Naming::Versioned(_) = self.naming {
            let number = name.and_then(|name| self.naming.number(name));
            self.number(number.unwrap_or(0));
        }
    }

    fn optional(&mut self, instant: Option<Timestamp>) {
        match instant {
            None => self.byte(255),
            Some(instant) => self.instant(instant),
        }
    }

    fn instant(&mut self, instant: Timestamp) {
        let age = self.now - instant.as_second();
        self.age(age / TICK.as_secs());
    }

    fn age(&mut self, ticks: i64) {
        self.number(ticks.min(self.oldest));
    }

    fn id(&mut self, id: Option<&TokenId>) {
        match id {
            None => self.byte(255),
            Some(id) => self.count(index(id)),
        }
    }

    fn count(&mut self, count: usize) {
        self.byte(u8::try_from(count).unwrap());
    }

    fn number(&mut self, number: i64) {
        self.byte(u8::try_from(number).unwrap());
    }

    fn byte(&mut self, byte: u8) {
        self.bytes.push(byte);
    }
}
