//! What happens in a soak, as data. The seed alone decides; how far a run gets is a matter of time.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::Value;

use super::shape::{GROUPS, once_in, pick};
use super::trouble::Trouble;
use super::wanted::Wanted;

/// Something that happens.
#[derive(Clone, Debug, PartialEq)]
pub enum Act {
    /// An object is applied as it is wanted now. The token in each of these Secrets is no longer wanted.
    Apply {
        /// Its kind.
        kind: &'static str,
        /// Its name.
        name: String,
        /// Its spec.
        spec: Value,
        /// Secrets that are to go.
        drops: Vec<String>,
    },
    /// An object is deleted, and with it the tokens in these Secrets end.
    Delete {
        /// Its kind.
        kind: &'static str,
        /// Its name.
        name: String,
        /// The Secrets of all tokens that end.
        drops: Vec<String>,
    },
    /// An annotation gives an order.
    Order {
        /// The kind.
        kind: &'static str,
        /// The object.
        name: String,
        /// What is asked for.
        order: Order,
        /// A value that it never had.
        value: u64,
        /// The Secrets of the tokens that are meant.
        secrets: Vec<String>,
    },
    /// Somebody lays hands on a Secret or its token.
    Hand {
        /// The Secret.
        secret: String,
        /// How.
        hand: Hand,
    },
    /// A connection does what networks do, until this number is called off.
    Trouble(u64, Trouble),
    /// This trouble ends.
    Relief(u64),
    /// A replica is ended, and started again.
    Kill(Replica, Kill),
    /// A second replica comes, or goes.
    Scale(bool),
    /// A replica stands still, until it is thawed or killed.
    Freeze(Replica),
    /// It goes on.
    Thaw(Replica),
    /// The operators' clock is so many milliseconds ahead of the server's from now on.
    Skew(i64),
    /// Time passes on all clocks.
    Pass(Duration),
}

/// What an annotation asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// A new token.
    Rotate,
    /// A new token, and the end of all older ones at once.
    Compromised,
}

/// What somebody does to a Secret or its token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hand {
    /// The Secret is deleted.
    Delete,
    /// Its value becomes something else.
    Garble,
    /// Its value is taken out.
    Empty,
    /// Its labels go.
    Strip,
    /// Somebody takes a copy of it.
    Keep,
    /// It becomes again what the copy says.
    Restore,
    /// Its token is revoked at the backend.
    Revoke,
}

/// One of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replica {
    /// The one that always is wanted.
    First,
    /// The one that is there at times.
    Second,
}

/// How a process is ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kill {
    /// By `kill -9`.
    Hard,
    /// By `SIGTERM`.
    Soft,
}

/// All acts of a seed, one after the other, without an end.
pub struct Acts {
    random: StdRng,
    /// The objects as they are wanted.
    pub wanted: Wanted,
    now: u64,
    troubles: BTreeMap<u64, Trouble>,
    is_frozen: bool,
    /// What has to happen, and from which act on.
    later: VecDeque<(u64, Act)>,
    is_scaled: bool,
}

impl Acts {
    /// Those of this seed, among so many accounts. `scope` keeps names at the backend apart.
    pub fn new(seed: u64, scope: &str, accounts: usize) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        Self {
            wanted: Wanted::new(&mut random, scope, accounts),
            random,
            now: 0,
            troubles: BTreeMap::new(),
            is_frozen: false,
            later: VecDeque::new(),
            is_scaled: false,
        }
    }

    /// The next one.
    pub fn next(&mut self) -> Act {
        self.now += 1;
        let due = self.later.iter().position(|(at, _)| *at <= self.now);
        if let Some((_, act)) = due.and_then(|place| self.later.remove(place)) {
            match act {
                Act::Relief(number) => drop(self.troubles.remove(&number)),
                Act::Thaw(_) => self.is_frozen = false,
                _ => {}
            }
            return self.come_back(act);
        }
        match self.random.random_range(0..100) {
            0..20 => self.edit(),
            20..24 => self.suspend(),
            24..30 => self.delete(),
            30..38 => self.order(),
            38..52 => self.hand(),
            52..72 => self.trouble(),
            72..78 => self.kill(),
            78..80 => self.scale(),
            80..82 => self.freeze(),
            82..84 => self.skew(),
            _ => self.pass(),
        }
    }

    fn later(&mut self, acts: std::ops::Range<u64>, act: Act) {
        let at = self.now + self.random.random_range(acts);
        self.later.push_back((at, act));
    }

    fn apply(&self, account: usize, drops: Vec<String>) -> Act {
        let account = &self.wanted.accounts[account];
        Act::Apply {
            kind: "ServiceAccount",
            name: account.name.clone(),
            spec: account.spec(),
            drops,
        }
    }

    /// What is applied later is applied as it is wanted then.
    fn come_back(&mut self, act: Act) -> Act {
        let Act::Apply { kind, name, .. } = act else {
            return act;
        };
        self.wanted.absent.remove(&name);
        let accounts = &mut self.wanted.accounts;
        if let Some(place) = accounts.iter().position(|it| it.name == name) {
            accounts[place].is_suspended = false;
        }
        let objects = self.wanted.objects();
        let found = objects
            .into_iter()
            .find(|found| found.0 == kind && found.1 == name);
        let (kind, name, spec) = found.expect("it is wanted");
        Act::Apply {
            kind,
            name,
            spec,
            drops: Vec::new(),
        }
    }

    /// The place of an account that is wanted and can be worked on.
    fn account(&mut self) -> Option<usize> {
        let place = self.random.random_range(0..self.wanted.accounts.len());
        let account = &self.wanted.accounts[place];
        let is_free = !self.wanted.absent.contains(&account.name) && !account.is_suspended;
        is_free.then_some(place)
    }

    fn edit(&mut self) -> Act {
        if once_in(&mut self.random, 6) {
            let place = self.random.random_range(0..self.wanted.tokens.len());
            let token = &mut self.wanted.tokens[place];
            token.edit(&mut self.random);
            let (kind, name, spec) = ("ApiToken", token.name.clone(), token.spec());
            self.wanted.absent.remove(&name);
            return Act::Apply {
                kind,
                name,
                spec,
                drops: Vec::new(),
            };
        }
        let Some(place) = self.account() else {
            return self.pass();
        };
        let drops = self.wanted.accounts[place].edit(&mut self.random);
        self.apply(place, drops)
    }

    fn suspend(&mut self) -> Act {
        let Some(place) = self.account() else {
            return self.pass();
        };
        self.wanted.accounts[place].is_suspended = true;
        let act = self.apply(place, Vec::new());
        self.later(5..30, act.clone());
        act
    }

    /// What is deleted comes again: at once, or later.
    fn delete(&mut self) -> Act {
        let what = self.random.random_range(0..6);
        let (kind, name, drops) = match what {
            0 => {
                let token = pick(&mut self.random, &self.wanted.tokens);
                ("ApiToken", token.name.clone(), vec![token.entry.secret])
            }
            1 => {
                let group = self.random.random_range(0..GROUPS);
                ("Group", format!("bots-{group}"), Vec::new())
            }
            _ => match self.account() {
                Some(place) => {
                    let name = self.wanted.accounts[place].name.clone();
                    ("ServiceAccount", name, self.wanted.secrets_of(place))
                }
                None => return self.pass(),
            },
        };
        if !self.wanted.absent.insert(name.clone()) {
            return self.pass();
        }
        let again = Act::Apply {
            kind,
            name: name.clone(),
            spec: Value::Null,
            drops: Vec::new(),
        };
        self.later(1..40, again);
        Act::Delete { kind, name, drops }
    }

    fn order(&mut self) -> Act {
        let Some(place) = self.account() else {
            return self.pass();
        };
        let account = &self.wanted.accounts[place];
        let entries = account.entries.iter();
        Act::Order {
            kind: "ServiceAccount",
            name: account.name.clone(),
            secrets: entries.map(|entry| entry.secret.clone()).collect(),
            order: if once_in(&mut self.random, 4) {
                Order::Compromised
            } else {
                Order::Rotate
            },
            value: self.now,
        }
    }

    fn hand(&mut self) -> Act {
        let hands = [
            Hand::Delete,
            Hand::Garble,
            Hand::Empty,
            Hand::Strip,
            Hand::Keep,
            Hand::Keep,
            Hand::Restore,
            Hand::Restore,
            Hand::Revoke,
        ];
        let secrets = self.wanted.secrets();
        if secrets.is_empty() {
            return self.pass();
        }
        Act::Hand {
            secret: pick(&mut self.random, &secrets),
            hand: pick(&mut self.random, &hands),
        }
    }

    fn trouble(&mut self) -> Act {
        let (number, trouble) = (self.now, Trouble::new(&mut self.random));
        self.troubles.insert(number, trouble);
        self.later(2..12, Act::Relief(number));
        Act::Trouble(number, trouble)
    }

    fn replica(&mut self) -> Replica {
        if self.is_scaled && once_in(&mut self.random, 2) {
            Replica::Second
        } else {
            Replica::First
        }
    }

    fn kill(&mut self) -> Act {
        let replica = self.replica();
        Act::Kill(replica, pick(&mut self.random, &[Kill::Hard, Kill::Soft]))
    }

    fn freeze(&mut self) -> Act {
        if self.is_frozen {
            return self.pass();
        }
        self.is_frozen = true;
        let replica = self.replica();
        self.later(2..40, Act::Thaw(replica));
        Act::Freeze(replica)
    }

    /// Far less than what is allowed for requests under way: a jump is not to make them older than they can be.
    fn skew(&mut self) -> Act {
        if self.is_held() {
            return self.pass();
        }
        Act::Skew(self.random.random_range(-2000..=2000))
    }

    fn scale(&mut self) -> Act {
        self.is_scaled = !self.is_scaled;
        Act::Scale(self.is_scaled)
    }

    /// A request that the network or a frozen replica still holds is not older than its timeout: no clock runs while one
    /// is held.
    fn is_held(&self) -> bool {
        self.is_frozen || self.troubles.values().any(Trouble::holds)
    }

    fn pass(&mut self) -> Act {
        let most = if self.is_held() { 0 } else { 4000 };
        Act::Pass(Duration::from_millis(self.random.random_range(0..=most)))
    }
}

#[test]
fn the_seed_alone_decides_and_everything_happens() {
    let acts = |seed| {
        let mut acts = Acts::new(seed, "team", 40);
        (0..3000).map(|_| acts.next()).collect::<Vec<_>>()
    };
    for seed in [1, 4242] {
        let all = acts(seed);
        assert_eq!(all, acts(seed));
        let kinds = all
            .iter()
            .map(kind)
            .collect::<std::collections::BTreeSet<_>>();
        assert_eq!(kinds.len(), 10 + 2 + 7, "{kinds:?}");
    }
    assert_ne!(acts(1), acts(2));
}

#[cfg(test)]
fn kind(act: &Act) -> String {
    match act {
        Act::Order { order, .. } => format!("{order:?}"),
        Act::Hand { hand, .. } => format!("Hand {hand:?}"),
        other => format!("{other:?}")
            .split([' ', '('])
            .next()
            .unwrap()
            .to_owned(),
    }
}
