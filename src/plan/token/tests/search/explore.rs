//! The search: breadth first, so that the first violation found has the shortest trace.

use std::collections::{HashMap, HashSet};
use std::fmt::{self, Write};

use super::key::Key;
use super::moves::Move;
use super::state::{Request, State};
use super::{Setup, Violation};

/// What a search found.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) states: usize,
    pub(super) moves: usize,
    pub(super) depth: usize,
    /// Whether nothing was left beyond the depth.
    pub(super) complete: bool,
    /// The most tokens that were issued in a run.
    pub(super) issues: usize,
    pub(super) violation: Option<(Violation, String)>,
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            states,
            moves,
            depth,
            issues,
            ..
        } = self;
        let extent = if self.complete {
            "all of them"
        } else {
            "cut off"
        };
        write!(
            f,
            "{states} states, {extent}, {moves} moves, depth {depth}, at most {issues} tokens"
        )
    }
}

/// How a state was reached: from which, by which of its moves.
type Parent = Option<(u32, u8)>;

/// Where a state comes to if nothing goes wrong any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Calm {
    /// Not known yet.
    Unknown,
    /// To that state.
    To(u32),
    /// To the good end.
    Home,
}

struct Search<'s> {
    setup: &'s Setup,
    beginnings: Vec<State>,
    visited: HashMap<Key, u32>,
    parents: Vec<Parent>,
    calm: Vec<Calm>,
    found: Found,
}

/// Searches all that can happen from these states.
pub(super) fn explore(setup: &Setup, beginnings: Vec<State>) -> Found {
    let mut search = Search {
        setup,
        beginnings,
        visited: HashMap::new(),
        parents: Vec::new(),
        calm: Vec::new(),
        found: Found::default(),
    };
    let leaves = search.run();
    if search.found.violation.is_none() {
        search.lead_home(&leaves);
    }
    search.found
}

impl Search<'_> {
    /// Layer by layer. Gives back the states that were not followed.
    fn run(&mut self) -> Vec<(u32, State)> {
        let mut layer = Vec::new();
        for state in self.beginnings.clone() {
            self.meet(state, None, &mut layer);
        }
        while !layer.is_empty() && self.found.depth < self.setup.depth {
            let mut next = Vec::new();
            for (at, state) in layer {
                self.follow(at, &state, &mut next);
                if self.found.violation.is_some() {
                    return Vec::new();
                }
            }
            self.found.depth += 1;
            layer = next;
        }
        self.found.complete = layer.is_empty();
        layer
    }

    fn follow(&mut self, at: u32, state: &State, next: &mut Vec<(u32, State)>) {
        let calm = state.calm(self.setup);
        if calm.is_none() {
            self.calm[at as usize] = Calm::Home;
        }
        for (number, it) in state.moves(self.setup).into_iter().enumerate() {
            self.found.moves += 1;
            let mut after = state.clone();
            if let Err(violation) = after.happen(it, self.setup) {
                return self.report(violation, at, &words(state, it));
            }
            let parent = Some((at, u8::try_from(number).unwrap()));
            let to = self.meet(after, parent, next);
            if Some(it) == calm {
                self.calm[at as usize] = Calm::To(to);
            }
        }
    }

    /// Gives a state its number, a new one if it is new.
    fn meet(&mut self, state: State, parent: Parent, next: &mut Vec<(u32, State)>) -> u32 {
        let new = u32::try_from(self.parents.len()).unwrap();
        let at = *self.visited.entry(state.key(self.setup)).or_insert(new);
        if at != new {
            return at;
        }
        self.parents.push(parent);
        self.calm.push(Calm::Unknown);
        self.found.states += 1;
        self.found.issues = self.found.issues.max(state.backend.len());
        if state.has_too_many_issues(self.setup) {
            self.report(Violation::Issues, at, "");
        }
        next.push((at, state));
        at
    }

    /// I2: from every state the good end is reached, from those that were not followed by walking there.
    fn lead_home(&mut self, leaves: &[(u32, State)]) {
        let mut known = HashSet::new();
        for (at, leaf) in leaves {
            if let Err((violation, end)) = leaf.comes_home(&mut known, self.setup) {
                let end = format!("left alone, it comes to {}", picture(&end));
                return self.report(violation, *at, &end);
            }
            self.calm[*at as usize] = Calm::Home;
        }
        for at in 0..self.calm.len() {
            let mut way = vec![at];
            while let Calm::To(next) = self.calm[way[way.len() - 1]] {
                if way.len() > self.calm.len() {
                    let at = u32::try_from(at).unwrap();
                    return self.report(Violation::Stuck, at, "left alone, it goes round");
                }
                way.push(next as usize);
            }
            for passed in way {
                self.calm[passed] = Calm::Home;
            }
        }
    }

    /// The shortest way, in words.
    fn report(&mut self, violation: Violation, at: u32, end: &str) {
        let mut way = Vec::new();
        let mut at = Some(at);
        while let Some(here) = at {
            let parent = self.parents[here as usize];
            way.push((here, parent));
            at = parent.map(|(before, _)| before);
        }
        let (beginning, _) = way.pop().unwrap();
        let mut state = self.beginnings[beginning as usize].clone();
        let mut text = format!("{violation}\n{}\n", picture(&state));
        for (_, parent) in way.into_iter().rev() {
            let it = state.moves(self.setup)[usize::from(parent.unwrap().1)];
            writeln!(text, "{}", words(&state, it)).unwrap();
            state.happen(it, self.setup).unwrap();
        }
        writeln!(text, "{end}\n{}", picture(&state)).unwrap();
        self.found.violation = Some((violation, text));
    }
}

/// What happens, in words.
fn words(state: &State, it: Move) -> String {
    let request = match it {
        Move::Answer | Move::Fault(_) => state.awaited(),
        Move::Arrives(at) | Move::Vanishes(at) => state.under_way.get(at).map(|sent| &sent.request),
        _ => None,
    };
    let request = request.map_or_else(String::new, |request| format!(": {}", request.words()));
    format!("{it:?}{request}")
}

impl Request {
    fn words(&self) -> String {
        match self {
            Self::Look(_) => "GET the Secret's metadata".to_owned(),
            Self::Read(_) => "GET the Secret".to_owned(),
            Self::List(_) => "list the tokens".to_owned(),
            Self::Try(id, _) => format!("GET /me with #{id}"),
            Self::Post(issue) => format!("POST a token, g{}, {}", issue.generation, issue.reason),
            Self::Put(put) => {
                let verb = put.on.map_or("create", |_| "update");
                format!("{verb} the Secret with #{}", put.minted.current.id)
            }
            Self::Enter { .. } => "PATCH the Secret's history".to_owned(),
            Self::Revoke { id, end, .. } => format!("DELETE #{id} ({end:?})"),
            Self::Status { .. } => "PATCH the status".to_owned(),
        }
    }
}

/// A state, in words.
fn picture(state: &State) -> String {
    let mut text = String::from("tokens");
    for (at, token) in state.backend.iter().enumerate() {
        let published = if token.published { " published" } else { "" };
        let generation = token.generation;
        write!(text, " #{at} g{generation} {:?}{published},", token.life).unwrap();
    }
    let value = state.value().map_or("none", |id| id.as_str());
    write!(text, " the Secret's value: {value}").unwrap();
    text
}
