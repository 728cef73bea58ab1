//! What can happen next.

use super::servers::Answer;
use super::state::{
    Life, List, Operator, Origin, Promise, Read, Request, Secret, Sent, State, Trial, index,
};
use super::{Setup, Violation};

/// One thing that happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Move {
    Tick,
    Acquire,
    Begin,
    /// The request takes effect and is answered truly.
    Answer,
    Fault(Fault),
    /// A request whose sender waits no longer takes effect.
    Arrives(usize),
    /// … never takes effect.
    Vanishes(usize),
    Adversary(Deed),
    Rotate,
}

/// What goes wrong by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    Crash,
    /// The list lacks the newest token.
    Lags,
    /// The answer says that it was not done, and so it is: 404, 403, 422, 429.
    Refused,
    /// A revocation is answered by 404, and the token is there.
    NotFound,
    /// A publish, an entry or a status is answered by 409 although nothing changed.
    Conflict,
    /// It is done, sent again by something between, and the second answer is 409.
    Twice,
    /// It is not done, and nobody tells: 5xx, a timeout.
    Lost,
    /// It is done, and nobody tells.
    Unanswered(Fate),
    /// It is under way, and nobody waits for it.
    Late(Fate),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Lives,
    Dies,
}

/// What somebody does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Deed {
    Delete,
    BreakHistory,
    BreakValue,
    Touch,
    /// Puts back the Secret as it was.
    Restore(usize),
    LoseStatus,
    Compromise,
    RevokeCurrent,
}

impl State {
    /// All that can happen.
    pub(super) fn moves(&self, setup: &Setup) -> Vec<Move> {
        let mut moves = vec![Move::Tick];
        let sent = 0..self.under_way.len();
        moves.extend(sent.flat_map(|at| [Move::Arrives(at), Move::Vanishes(at)]));
        match (&self.operator, self.awaited()) {
            (Operator::Down(since), _) if self.tick - since < setup.takeover => {}
            (Operator::Down(_), _) => moves.push(Move::Acquire),
            (Operator::Up(_), None) => moves.push(Move::Begin),
            (Operator::Up(_), Some(request)) => {
                moves.push(Move::Answer);
                if !request.changes() {
                    // Time and people are as well met before the request is sent or after it is answered.
                    moves.retain(|it| *it != Move::Tick);
                }
            }
        }
        if self.budget.faults > 0 {
            moves.extend(self.faults(setup).into_iter().map(Move::Fault));
        }
        moves.extend(self.deeds(setup));
        moves
    }

    fn faults(&self, setup: &Setup) -> Vec<Fault> {
        let Operator::Up(_) = self.operator else {
            return Vec::new();
        };
        let Some(request) = self.awaited() else {
            return vec![Fault::Crash];
        };
        let can_lag = self.hidden(setup).is_some();
        let lags = matches!(request, Request::List(_)) && can_lag;
        if !request.changes() {
            let fails = request.is_after_post();
            let fails = fails.then_some(Fault::Lost);
            return lags
                .then_some(Fault::Lags)
                .into_iter()
                .chain(fails)
                .collect();
        }
        let mut faults = vec![Fault::Refused, Fault::Lost];
        for fate in [Fate::Lives, Fate::Dies] {
            faults.extend([Fault::Unanswered(fate), Fault::Late(fate)]);
        }
        match request {
            Request::Put(_) => faults.extend([Fault::Conflict, Fault::Twice]),
            Request::Revoke { .. } => faults.push(Fault::NotFound),
            _ => {}
        }
        faults
    }

    fn deeds(&self, setup: &Setup) -> Vec<Move> {
        let mut moves = Vec::new();
        let awaited = self.awaited();
        if self.budget.rotations > 0 && awaited.is_none() {
            moves.push(Move::Rotate);
        }
        let is_backend_read = matches!(awaited, Some(Request::List(_) | Request::Try(..)));
        if self.budget.adversary == 0 || is_backend_read {
            return moves;
        }
        let mut deeds = Vec::new();
        if self.secret.is_some() {
            deeds.extend([
                Deed::Delete,
                Deed::BreakHistory,
                Deed::BreakValue,
                Deed::Touch,
            ]);
        }
        // One of many that is brought back while a later one is there changes nothing.
        let is_latest = |at: &usize| {
            let (past, number) = (&self.past[*at], |name: &str| setup.naming.number(name));
            let latest = self.secret.as_ref();
            latest.is_none_or(|latest| number(&past.name) >= number(&latest.name))
        };
        let past = (0..self.past.len()).filter(is_latest);
        deeds.extend(past.map(Deed::Restore));
        if awaited.is_none() {
            deeds.extend([Deed::LoseStatus, Deed::Compromise, Deed::RevokeCurrent]);
        }
        deeds.retain(|deed| setup.deeds.includes(*deed));
        moves.extend(deeds.into_iter().map(Move::Adversary));
        moves
    }

    /// Lets it happen.
    pub(super) fn happen(&mut self, it: Move, setup: &Setup) -> Result<(), Violation> {
        match it {
            Move::Tick => self.advance(setup),
            Move::Acquire => self.acquire(),
            Move::Begin => self.begin(setup),
            Move::Answer => self.answer(None, setup)?,
            Move::Fault(fault) => {
                self.budget.faults -= 1;
                self.fault(fault, setup)?;
            }
            Move::Arrives(at) => {
                let sent = self.under_way.remove(at);
                let answer = self.apply(&sent.request, setup)?;
                self.is_late_create(&sent.request, &answer);
            }
            Move::Vanishes(at) => drop(self.under_way.remove(at)),
            Move::Rotate => {
                self.budget.rotations -= 1;
                self.object.version += 1;
                let asked = &mut self.object.requests.rotate;
                *asked = Some(next(asked.as_ref()));
            }
            Move::Adversary(deed) => {
                self.budget.adversary -= 1;
                self.deed(deed);
            }
        }
        self.check()
    }

    /// After somebody deleted the Secret, a create of ours that arrives late brings an older token back.
    fn is_late_create(&mut self, request: &Request, answer: &Answer) {
        let is_create = matches!(request, Request::Put(put) if put.on.is_none());
        if is_create && self.urgent > 0 && *answer != Answer::Conflict {
            self.urgent += 1;
        }
    }

    fn answer(&mut self, hidden: Option<usize>, setup: &Setup) -> Result<(), Violation> {
        let request = self.pass().awaits.clone();
        if request.changes() {
            let answer = self.apply(&request, setup)?;
            self.answered(request, answer, setup);
        } else {
            self.seen(request, hidden, setup);
        }
        Ok(())
    }

    fn fault(&mut self, fault: Fault, setup: &Setup) -> Result<(), Violation> {
        if fault == Fault::Crash {
            self.die();
            return Ok(());
        }
        let request = self.pass().awaits.clone();
        match fault {
            Fault::Crash => {}
            Fault::Lags => self.answer(self.hidden(setup), setup)?,
            Fault::Refused => self.answered(request, Answer::Refused, setup),
            Fault::NotFound => self.answered(request, Answer::Done(0), setup),
            Fault::Conflict => self.answered(request, Answer::Conflict, setup),
            Fault::Twice => {
                self.apply(&request, setup)?;
                self.answered(request, Answer::Conflict, setup);
            }
            Fault::Lost => self.unanswered(&request),
            Fault::Unanswered(fate) => {
                self.apply(&request, setup)?;
                self.go_on(&request, fate);
            }
            Fault::Late(fate) => {
                let tick = self.tick;
                self.go_on(&request, fate);
                self.under_way.push(Sent { request, tick });
            }
        }
        Ok(())
    }

    fn go_on(&mut self, request: &Request, fate: Fate) {
        match fate {
            Fate::Lives => self.unanswered(request),
            Fate::Dies => self.die(),
        }
    }

    fn die(&mut self) {
        self.operator = Operator::Down(self.tick);
    }

    fn deed(&mut self, deed: Deed) {
        self.urgent += usize::from(deed != Deed::Touch);
        self.hide_traces();
        match deed {
            Deed::Delete => self.replace(None),
            Deed::BreakHistory => self.edit(|secret| secret.history = None),
            Deed::BreakValue => self.edit(|secret| secret.value = None),
            Deed::Touch => self.replace(self.secret.as_deref().cloned()),
            Deed::Restore(at) => self.restore(at),
            Deed::LoseStatus => {
                self.object.version += 1;
                self.object.recorded = None;
            }
            Deed::Compromise => {
                self.object.version += 1;
                let asked = &mut self.object.requests.compromised;
                *asked = Some(next(asked.as_ref()));
            }
            Deed::RevokeCurrent => {
                if let Some(id) = self.value().cloned().filter(|id| self.is_live(id)) {
                    self.backend[index(&id)].life = Life::RevokedByOthers;
                }
            }
        }
    }

    /// Whoever was told of a conflict by a publish that was done knows so by the Secret alone. If somebody touches it
    /// before the next look, the token is taken for one that nobody holds: no overlap is promised.
    fn hide_traces(&mut self) {
        let minted = match self.awaited() {
            Some(
                Request::Read(Read::Conflict(minted)) | Request::Try(_, Trial::Winner(minted)),
            ) => minted,
            Some(Request::Put(put)) if put.minted.conflicts > 0 => &put.minted,
            _ => return,
        };
        let id = index(&minted.current.id);
        self.backend[id].promise = Promise::Settled;
    }

    fn edit(&mut self, change: impl FnOnce(&mut Secret)) {
        let mut secret = self.secret.as_deref().cloned();
        if let Some(secret) = &mut secret {
            change(secret);
            secret.origin = Origin::Adversary;
        }
        self.replace(secret);
    }

    /// A revocation that was sent before cannot be called back.
    fn restore(&mut self, at: usize) {
        let past = Secret {
            origin: Origin::Adversary,
            ..(*self.past[at]).clone()
        };
        let sent = self.under_way.iter().map(|sent| &sent.request);
        let sent: Vec<_> = sent.chain(self.awaited()).collect();
        let is_doomed = |request: &&Request| matches!(request, Request::Revoke { id, .. } if Some(id) == past.value.as_ref());
        let is_doomed = sent.iter().any(is_doomed);
        if let Some(id) = past.value.as_ref().filter(|_| is_doomed) {
            self.backend[index(id)].promise = Promise::Nothing;
        }
        self.replace(Some(past));
    }
}

impl Request {
    /// Whether a token was issued and is not published yet.
    fn is_after_post(&self) -> bool {
        matches!(
            self,
            Self::List(List::Minted(..))
                | Self::Try(_, Trial::Fresh(_) | Trial::Winner(_))
                | Self::Read(Read::Conflict(_))
        )
    }
}

/// The next value of an annotation.
fn next(asked: Option<&String>) -> String {
    let number = asked.map_or(0, |asked| asked.parse().unwrap());
    (number + 1).to_string()
}
