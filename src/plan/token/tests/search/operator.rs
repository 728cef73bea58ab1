//! The operator: what it asks for next after each answer. Whatever it decides it decides by the real [`look`] and
//! [`plan`]; how steps become requests mirrors `controller::tokens`, function by function.

use std::rc::Rc;

use super::servers::Answer;
use super::state::{
    After, Freshness, List, Look as LookAt, Operator, Pass, Process, Promise, Read, Request, State,
    Then, Trial, index,
};
use super::*;
use super::{Mutant, Setup};
use crate::plan::token::Look;

impl State {
    /// A process takes the Lease.
    pub(super) fn acquire(&mut self) {
        let now = self.instant();
        self.operator = Operator::Up(Rc::new(Process::new(now)));
    }

    /// `sight::first`: the object, and the Secret from the cache if the status knows it as it is. A cache that lags is
    /// the same as a pass that began earlier.
    pub(super) fn begin(&mut self, setup: &Setup) {
        let recorded = self.object.recorded.clone();
        let told = recorded.as_ref().and_then(|it| it.secret_name.as_deref());
        // A watch may be so late that it shows no successor.
        let shown = self.secret.as_ref().map(|secret| secret.name.as_str());
        let shown = shown.filter(|_| told.is_none());
        let name = setup.naming.held(told.into_iter().chain(shown));
        let secret = self.secret_seen(name.as_deref());
        let knows = |recorded: &Recorded| recorded.resource_version.as_deref() == secret.version();
        let is_cached = secret.version().is_some() && recorded.as_ref().is_some_and(knows);
        let object = (self.object.version, recorded.clone());
        let (requests, now) = (self.object.requests.clone(), self.now());
        let process = self.process();
        let grace = match setup.mutant {
            Some(Mutant::NoGrace) => SignedDuration::ZERO,
            _ => setup.grace,
        };
        let seen = Observed {
            naming: setup.naming.clone(),
            secret_name: name,
            secret,
            recorded: recorded.clone(),
            refused_since: process.refused_since,
            requests,
            // Each pass looks at the backend: one that does not look does nothing.
            next_look: now,
            settling: Settling {
                leading_since: process.leading_since,
                unanswered_publish: process.unanswered_publish,
                grace,
            },
            ..steady()
        };
        process.pass = Some(Pass {
            seen,
            freshness: Freshness::Cached,
            noted: recorded,
            object,
            awaits: Request::Look(LookAt::First),
        });
        if is_cached {
            self.proceed(setup);
        }
    }

    fn secret_seen(&self, name: Option<&str>) -> SecretSeen {
        match &self.secret {
            None => SecretSeen::Absent,
            Some(secret) if Some(secret.name.as_str()) != name => SecretSeen::Absent,
            Some(secret) => SecretSeen::Ours {
                resource_version: secret.version.to_string(),
                history: secret.history.clone().map(Box::new),
                prefix_holds: None,
                dress: Dress::Fits,
            },
        }
    }

    /// `tokens::work`: looks, plans, notes, and takes the step.
    pub(super) fn proceed(&mut self, setup: &Setup) {
        let (now, instant) = (self.now(), self.instant());
        let pass = self.pass();
        if let Some(wanted) = look(&setup.policy, &pass.seen, now) {
            pass.awaits = match wanted {
                Look::List => Request::List(List::Looking),
                Look::Value => Request::Read(Read::Value),
                Look::Consumers => panic!("nothing is rolled here"),
            };
            return;
        }
        let plan = plan(&setup.policy, &pass.seen, SignedDuration::ZERO, now);
        pass.note();
        match plan.step {
            None => self.end(),
            Some(Step::Accept(integrity)) => {
                pass.accept(integrity, instant);
                self.checkpoint(setup);
            }
            Some(Step::Issue(issue)) => self.issue(Rc::new(*issue), setup),
            Some(Step::Enter(history)) => {
                let (history, on) = (Rc::new(*history), pass.version().unwrap());
                let name = pass.seen.secret_name.clone().unwrap();
                pass.awaits = Request::Enter { history, name, on };
            }
            Some(Step::Rewrite(_) | Step::Restart(_)) => panic!("nothing is outdated here"),
            Some(Step::Revoke { id, end }) => {
                pass.awaits = Request::Look(LookAt::BeforeRevoke(id, end));
            }
        }
    }

    /// `issue::issue`: nothing is minted before an uncached look.
    fn issue(&mut self, issue: Rc<Issue>, setup: &Setup) {
        let pass = self.pass();
        if setup.mutant == Some(Mutant::RevokeFirst)
            && let Some(current) = pass.seen.current().filter(|it| pass.seen.shows(&it.id))
        {
            let (id, end) = (current.id.clone(), End::Overlap);
            let then = Then::Next;
            pass.awaits = Request::Revoke { id, end, then };
            return;
        }
        pass.awaits = match pass.freshness {
            Freshness::Cached => Request::Look(LookAt::BeforeIssue(issue)),
            Freshness::Read if setup.is_versioned() => Request::Look(LookAt::BeforeIssue(issue)),
            Freshness::Read => Request::Post(issue),
        };
    }

    /// `pipeline::checkpoint`: the status is written now, if it differs.
    fn checkpoint(&mut self, setup: &Setup) {
        let pass = self.pass();
        if pass.noted == pass.object.1 {
            return self.proceed(setup);
        }
        pass.awaits = pass.status(After::Next);
    }

    /// `pipeline::conclude`: whichever way a pass ends, the status is written if it differs.
    pub(super) fn end(&mut self) {
        let pass = self.pass();
        if pass.noted == pass.object.1 {
            self.process().pass = None;
        } else {
            pass.awaits = pass.status(After::End);
        }
    }

    /// The answer to a read.
    pub(super) fn seen(&mut self, request: Request, hidden: Option<usize>, setup: &Setup) {
        match request {
            Request::Look(look) => self.looked(look, setup),
            Request::Read(read) => self.read(read, setup),
            Request::List(list) => self.list(list, hidden, setup),
            Request::Try(id, trial) => self.tried(&id, trial, setup),
            _ => panic!("that is no read"),
        }
    }

    fn looked(&mut self, look: LookAt, setup: &Setup) {
        let before = self.pass().version();
        self.see();
        if !matches!(look, LookAt::First) {
            self.see_target();
        }
        let pass = self.pass();
        let is_same = pass.version() == before;
        match look {
            LookAt::BeforeIssue(issue) if is_same => pass.awaits = Request::Post(issue),
            // `revoke::revoke`
            LookAt::BeforeRevoke(id, end) if is_same && pass.may_revoke(&id) => {
                self.promise_no_more(&id, end);
                let then = Then::Next;
                self.pass().awaits = Request::Revoke { id, end, then };
            }
            _ => self.proceed(setup),
        }
    }

    /// A compromised token has no overlap.
    fn promise_no_more(&mut self, id: &TokenId, end: End) {
        let condemned = self.pass().seen.condemned();
        let token = &mut self.backend[index(id)];
        if token.generation < condemned && token.promise == Promise::Overlap {
            token.promise = match end {
                End::Overlap => Promise::Nothing,
                End::Settled => Promise::Settled,
            };
        }
    }

    /// `round::see`, for an uncached read.
    fn see(&mut self) {
        let name = self.pass().seen.secret_name.clone();
        let secret = self.secret_seen(name.as_deref());
        self.pass().see(secret);
    }

    /// `round::meet`: the Secret that the next token is published in, if it is there.
    fn see_target(&mut self) -> bool {
        let name = Some(self.pass().seen.target());
        let secret = self.secret_seen(name.as_deref());
        let found = secret.version().is_some();
        if found {
            let pass = self.pass();
            pass.see(secret);
            pass.seen.secret_name = name;
        }
        found
    }

    /// The value of the Secret that the pass sees.
    fn value_there(&mut self) -> Option<TokenId> {
        let is_there = self.pass().seen.version().is_some();
        self.value().cloned().filter(|_| is_there)
    }

    fn read(&mut self, read: Read, setup: &Setup) {
        match read {
            Read::Value => {
                self.see();
                let value = self.value_there();
                self.value_seen(value, setup);
            }
            Read::Conflict(minted) => {
                if !setup.is_versioned() {
                    self.see();
                }
                let found = self.see_target();
                let value = self.value_there().filter(|_| found);
                self.conflict(&minted, found, value, setup);
            }
        }
    }

    /// `round::value`
    fn value_seen(&mut self, value: Option<TokenId>, setup: &Setup) {
        let pass = self.pass();
        let SecretSeen::Ours { prefix_holds, .. } = &mut pass.seen.secret else {
            return self.proceed(setup);
        };
        *prefix_holds = Some(value.is_some());
        if let Some(id) = value {
            pass.awaits = Request::Try(id, Trial::Looking);
            return;
        }
        self.checked(Check::Refused);
        self.proceed(setup);
    }

    /// `round::checked`
    pub(super) fn checked(&mut self, check: Check) {
        let now = self.instant();
        let process = self.process();
        let seen = &mut process.pass.as_mut().unwrap().seen;
        let since = seen.refused_since.or(Some(now));
        seen.check = Some(check);
        seen.refused_since = since.filter(|_| check == Check::Refused);
        process.refused_since = seen.refused_since;
    }

    fn list(&mut self, list: List, hidden: Option<usize>, setup: &Setup) {
        let (listed, instant) = (self.listed(hidden), self.instant());
        let pass = self.pass();
        pass.seen.listed = Some(listed);
        pass.seen.next_look = Timestamp::MAX;
        match list {
            List::Looking => {
                if !self.misjudge_list(setup) {
                    self.proceed(setup);
                }
            }
            List::Minted(issue, id) => pass.examine(issue, id, instant),
        }
    }

    /// What the mutants make of a list.
    fn misjudge_list(&mut self, setup: &Setup) -> bool {
        let pass = self.pass();
        let current = pass.seen.current().map(|current| current.id.clone());
        let listed = pass.seen.listed.as_ref().unwrap();
        match (setup.mutant, current) {
            (Some(Mutant::AbsenceIsLoss), Some(id)) if !pass.seen.shows(&id) => {
                pass.seen.check = Some(Check::Refused);
                pass.seen.refused_since = Some(START);
                false
            }
            (Some(Mutant::OrphanAtOnce), Some(current)) => {
                let stray = listed.iter().find(|listed| listed.id != current);
                let Some(id) = stray.map(|stray| stray.id.clone()) else {
                    return false;
                };
                let (end, then) = (End::Settled, Then::Next);
                pass.awaits = Request::Revoke { id, end, then };
                true
            }
            _ => false,
        }
    }

    fn tried(&mut self, id: &TokenId, trial: Trial, setup: &Setup) {
        let works = self.is_live(id);
        match trial {
            Trial::Looking if works => {
                self.checked(Check::Works);
                self.proceed(setup);
            }
            Trial::Looking => {
                self.checked(Check::Refused);
                self.proceed(setup);
            }
            Trial::Fresh(minted) if works => self.publish(minted, setup),
            Trial::Fresh(minted) => self.give_up(&minted, Then::Stop),
            // Every send was answered by a conflict.
            Trial::Winner(minted) if works => self.give_up(&minted, Then::Lost),
            Trial::Winner(minted) => self.publish_again(&minted, setup),
        }
    }

    /// The answer to a request that changes something.
    pub(super) fn answered(&mut self, request: Request, answer: Answer, setup: &Setup) {
        match (request, answer) {
            (Request::Post(issue), Answer::Issued(id)) => {
                self.pass().awaits = Request::List(List::Minted(issue, id));
            }
            (Request::Put(put), answer) => self.put_answered(&put, &answer, setup),
            (Request::Enter { history, .. }, Answer::Done(version)) => {
                let now = self.instant();
                let pass = self.pass();
                let text = Some(version.to_string());
                let recorded = Recorded::entered(&pass.seen, &history, text, now);
                pass.wrote(&history, version, recorded);
                self.proceed(setup);
            }
            (Request::Revoke { id, then, .. }, Answer::Done(_)) => self.revoked(&id, then, setup),
            (
                Request::Status {
                    then: After::End, ..
                },
                _,
            ) => self.process().pass = None,
            (Request::Status { recorded, .. }, Answer::Done(version)) => {
                self.pass().object = (version, recorded);
                self.proceed(setup);
            }
            _ => self.end(),
        }
    }

    fn revoked(&mut self, id: &TokenId, then: Then, setup: &Setup) {
        let seen = &mut self.pass().seen;
        let listed = seen.listed.iter_mut();
        listed.for_each(|listed| listed.retain(|token| token.id != *id));
        match then {
            Then::Next => {
                seen.recorded = seen.recorded.as_ref().map(|recorded| recorded.revoked(id));
                self.proceed(setup);
            }
            Then::Lost => self.proceed(setup),
            Then::Stop => self.end(),
        }
    }

    /// A request whose answer never came, or told nothing.
    pub(super) fn unanswered(&mut self, request: &Request) {
        let now = self.instant();
        match request {
            // `publish::unpublished`
            Request::Put(_) => {
                self.process().unanswered_publish = Some(now);
                self.end();
            }
            Request::Status {
                then: After::End, ..
            } => self.process().pass = None,
            // `issue::examine` failed: nobody holds the token.
            Request::List(List::Minted(_, id)) | Request::Try(id, Trial::Fresh(_)) => {
                let (id, end) = (id.clone(), End::Settled);
                let then = Then::Stop;
                self.pass().awaits = Request::Revoke { id, end, then };
            }
            _ => self.end(),
        }
    }
}
