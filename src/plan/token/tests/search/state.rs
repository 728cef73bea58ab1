//! What a state holds: the backend, the Secret, the object, the operator, and what is under way.

use std::rc::Rc;

use jiff::{SignedDuration, Timestamp};

use super::Setup;
use super::*;

/// One tick of the clock: as long as a refused value stays in doubt.
pub(super) const TICK: SignedDuration = due::DOUBT;

/// Everything that decides what can happen next, and what the properties need to remember.
#[derive(Clone)]
pub(super) struct State {
    /// Ticks since the beginning.
    pub(super) tick: i64,
    /// How many instants were taken in this tick.
    instants: i64,
    /// All tokens that were ever issued: a token's id is its place here.
    pub(super) backend: Vec<Token>,
    pub(super) secret: Option<Rc<Secret>>,
    pub(super) object: Object,
    pub(super) operator: Operator,
    /// Requests whose sender waits no longer.
    pub(super) under_way: Vec<Sent>,
    /// What somebody may put back: the Secret as it was before it was replaced or deleted.
    pub(super) past: Vec<Rc<Secret>>,
    /// Versions of the Secret that were given out, and all requests that changed something.
    pub(super) writes: u32,
    /// Replacements that could not wait.
    pub(super) urgent: usize,
    pub(super) budget: Budget,
}

/// What may still go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Budget {
    pub(super) faults: u8,
    pub(super) adversary: u8,
    pub(super) rotations: u8,
}

/// A token at the backend.
#[derive(Clone, Debug)]
pub(super) struct Token {
    pub(super) generation: i64,
    pub(super) issued: Timestamp,
    pub(super) life: Life,
    pub(super) published: bool,
    /// The tick in which it left the Secret.
    pub(super) left: Option<i64>,
    /// What was promised to those who hold it.
    pub(super) promise: Promise,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Life {
    Live,
    RevokedByUs,
    RevokedByOthers,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Promise {
    /// An overlap.
    Overlap,
    /// None to those who hold it: it is compromised. But it is not revoked before it is settled.
    Settled,
    /// None at all: compromised and listed, or brought back after its revocation was sent.
    Nothing,
}

#[derive(Clone, Debug)]
pub(super) struct Secret {
    pub(super) name: String,
    pub(super) version: u32,
    /// `None` = somebody broke it or took it off.
    pub(super) history: Option<History>,
    /// The token that its value is; `None` = somebody broke it.
    pub(super) value: Option<TokenId>,
    pub(super) origin: Origin,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    Ours,
    /// Somebody edited or restored it since.
    Adversary,
}

/// The custom resource.
#[derive(Clone)]
pub(super) struct Object {
    pub(super) version: u32,
    pub(super) recorded: Option<Recorded>,
    pub(super) requests: Requests,
}

#[derive(Clone)]
pub(super) enum Operator {
    /// Nobody leads since that tick.
    Down(i64),
    Up(Rc<Process>),
}

/// The leader. What it remembers between passes mirrors `controller::memory::EntryMemory`.
#[derive(Clone)]
pub(super) struct Process {
    pub(super) leading_since: Timestamp,
    pub(super) refused_since: Option<Timestamp>,
    pub(super) unanswered_publish: Option<Timestamp>,
    pub(super) pass: Option<Pass>,
}

/// One pass over the entry: mirrors `controller::tokens::round::Round` with its `Sight`, and the parts of
/// `controller::kind::Pass` that concern it.
#[derive(Clone)]
pub(super) struct Pass {
    pub(super) seen: Observed,
    pub(super) freshness: Freshness,
    /// The status that is written when the pass ends.
    pub(super) noted: Option<Recorded>,
    /// The object as this pass knows it.
    pub(super) object: (u32, Option<Recorded>),
    /// The request that was sent and not answered yet.
    pub(super) awaits: Request,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Freshness {
    Cached,
    Read,
}

/// A request that may take effect late.
#[derive(Clone)]
pub(super) struct Sent {
    pub(super) request: Request,
    pub(super) tick: i64,
}

#[derive(Clone)]
pub(super) enum Request {
    /// Metadata of the Secret, uncached.
    Look(Look),
    /// The Secret with its value, uncached.
    Read(Read),
    /// The backend's list.
    List(List),
    /// Whether a value authenticates.
    Try(TokenId, Trial),
    Post(Rc<Issue>),
    Put(Put),
    Enter {
        history: Rc<History>,
        name: String,
        on: u32,
    },
    Revoke {
        id: TokenId,
        end: End,
        then: Then,
    },
    Status {
        recorded: Option<Recorded>,
        on: u32,
        then: After,
    },
}

#[derive(Clone)]
pub(super) enum Look {
    First,
    BeforeIssue(Rc<Issue>),
    BeforeRevoke(TokenId, End),
}

#[derive(Clone)]
pub(super) enum Read {
    Value,
    Conflict(Rc<Minted>),
}

#[derive(Clone)]
pub(super) enum List {
    Looking,
    Minted(Rc<Issue>, TokenId),
}

#[derive(Clone)]
pub(super) enum Trial {
    Looking,
    Fresh(Rc<Minted>),
    Winner(Rc<Minted>),
}

/// A publish.
#[derive(Clone)]
pub(super) struct Put {
    pub(super) minted: Rc<Minted>,
    pub(super) name: String,
    /// The version that it replaces; `None` = it creates the Secret.
    pub(super) on: Option<u32>,
}

/// A token that was issued and is to be published.
#[derive(Clone)]
pub(super) struct Minted {
    pub(super) issue: Rc<Issue>,
    pub(super) current: Current,
    /// How many sends were answered by a conflict.
    pub(super) conflicts: usize,
}

/// What follows a revocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Then {
    /// The next plan: the history named the token.
    Next,
    /// The next plan: somebody else's token is published.
    Lost,
    /// The end of the pass: the token could not be published.
    Stop,
}

/// What follows a status patch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum After {
    Next,
    End,
}

impl State {
    /// Nothing was ever issued; a leader that leads for long.
    pub(super) fn nothing(setup: &Setup) -> Self {
        Self {
            tick: 100,
            instants: 0,
            backend: Vec::new(),
            secret: None,
            object: Object {
                version: 0,
                recorded: None,
                requests: Requests::default(),
            },
            operator: Operator::Up(Rc::new(Process::new(START))),
            under_way: Vec::new(),
            past: Vec::new(),
            writes: 0,
            urgent: 0,
            budget: setup.budget,
        }
    }

    /// The instant at which decisions of this tick are made.
    pub(super) fn now(&self) -> Timestamp {
        self.beginning() + TICK / 2
    }

    /// An instant of this tick, later than all before and earlier than its decisions: what is so many ticks old is so
    /// at once, and the order of events stays known.
    pub(super) fn instant(&mut self) -> Timestamp {
        self.instants += 1;
        self.beginning() + SignedDuration::from_millis(self.instants)
    }

    fn beginning(&self) -> Timestamp {
        START + TICK * i32::try_from(self.tick).unwrap()
    }

    /// A tick passes.
    pub(super) fn advance(&mut self, setup: &Setup) {
        self.tick += 1;
        self.instants = 0;
        let oldest = self.tick - setup.delay;
        self.under_way.retain(|sent| sent.tick >= oldest);
    }

    pub(super) fn token(&self, id: &TokenId) -> &Token {
        &self.backend[index(id)]
    }

    pub(super) fn is_live(&self, id: &TokenId) -> bool {
        self.token(id).life == Life::Live
    }

    /// The token in the Secret's value.
    pub(super) fn value(&self) -> Option<&TokenId> {
        self.secret.as_ref()?.value.as_ref()
    }

    /// Puts another Secret in its place, or none, and notes which token left it.
    pub(super) fn replace(&mut self, secret: Option<Secret>) {
        self.writes += 1;
        let version = self.writes;
        let old = self.secret.take();
        self.secret = secret.map(|secret| Rc::new(Secret { version, ..secret }));
        let before = old.as_ref().and_then(|old| old.value.clone());
        if before.as_ref() != self.value() {
            if let Some(id) = &before {
                self.backend[index(id)].left = Some(self.tick);
            }
            self.remember(old);
        }
        if let Some(id) = self.value().cloned() {
            self.backend[index(&id)].left = None;
        }
    }

    /// Keeps what may be put back one day.
    fn remember(&mut self, old: Option<Rc<Secret>>) {
        let whole = old.filter(|old| old.history.is_some() && old.value.is_some());
        let Some(old) = whole.filter(|_| self.budget.adversary > 0) else {
            return;
        };
        self.past.retain(|past| past.value != old.value);
        self.past.push(old);
    }

    pub(super) fn process(&mut self) -> &mut Process {
        match &mut self.operator {
            Operator::Up(process) => Rc::make_mut(process),
            Operator::Down(_) => panic!("nobody leads"),
        }
    }

    pub(super) fn pass(&mut self) -> &mut Pass {
        self.process().pass.as_mut().expect("a pass")
    }

    /// The request that the leader waits for.
    pub(super) fn awaited(&self) -> Option<&Request> {
        match &self.operator {
            Operator::Up(process) => process.pass.as_ref().map(|pass| &pass.awaits),
            Operator::Down(_) => None,
        }
    }
}

impl Process {
    pub(super) fn new(leading_since: Timestamp) -> Self {
        Self {
            leading_since,
            refused_since: None,
            unanswered_publish: None,
            pass: None,
        }
    }
}

impl Request {
    /// Whether it changes anything at all.
    pub(super) fn changes(&self) -> bool {
        !matches!(
            self,
            Self::Look(_) | Self::Read(_) | Self::List(_) | Self::Try(..)
        )
    }
}

impl Minted {
    pub(super) fn history(&self) -> History {
        self.issue.history(self.current.clone())
    }
}

pub(super) fn id(index: usize) -> TokenId {
    TokenId(index.to_string())
}

pub(super) fn index(id: &TokenId) -> usize {
    id.0.parse().unwrap()
}
