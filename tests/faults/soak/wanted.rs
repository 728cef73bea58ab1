//! The objects of a soak, as they are wanted at the moment.

use std::collections::BTreeSet;

use rand::rngs::StdRng;
use serde_json::Value;

use super::shape::{Account, Life, Token, shared};

/// All objects of a soak, as they are wanted.
#[derive(Clone, Debug, PartialEq)]
pub struct Wanted {
    scope: String,
    /// The accounts.
    pub accounts: Vec<Account>,
    /// The tokens of users, and more of accounts.
    pub tokens: Vec<Token>,
    /// The names of objects that are not wanted for a while.
    pub absent: BTreeSet<String>,
}

impl Wanted {
    /// So many accounts of random shapes. `scope` keeps names at the backend apart.
    pub fn new(random: &mut StdRng, scope: &str, count: usize) -> Self {
        let accounts = (0..count).map(|number| Account::new(random, number));
        let accounts = accounts.collect();
        let tokens = (0..count.div_ceil(4)).map(|number| {
            let account = (number % 2 == 0).then_some(number);
            Token::new(random, number, account)
        });
        Self {
            scope: scope.to_owned(),
            tokens: tokens.collect(),
            accounts,
            absent: BTreeSet::new(),
        }
    }

    /// Kind, name and spec of everything that is wanted.
    pub fn objects(&self) -> Vec<(&'static str, String, Value)> {
        let mut objects = shared(&self.scope);
        let accounts = self.accounts.iter();
        objects.extend(accounts.map(|it| ("ServiceAccount", it.name.clone(), it.spec())));
        let tokens = self.tokens.iter();
        objects.extend(tokens.map(|it| ("ApiToken", it.name.clone(), it.spec())));
        objects.retain(|(_, name, _)| !self.absent.contains(name));
        objects
    }

    /// No account is suspended any more, and whatever was deleted is wanted again.
    pub fn resume(&mut self) {
        self.absent.clear();
        for account in &mut self.accounts {
            account.is_suspended = false;
        }
    }

    /// All tokens live for days from now on.
    pub fn calm(&mut self) {
        let own = self.accounts.iter_mut().flat_map(|it| &mut it.entries);
        let more = self.tokens.iter_mut().map(|token| &mut token.entry);
        for entry in own.chain(more) {
            entry.life = Life::Calm;
        }
    }

    /// The Secrets of all tokens that end with an account.
    pub fn secrets_of(&self, account: usize) -> Vec<String> {
        let own = self.accounts[account].entries.iter();
        let more = self.tokens.iter();
        let more = more.filter(|token| token.account == Some(account));
        own.chain(more.map(|token| &token.entry))
            .map(|entry| entry.secret.clone())
            .collect()
    }

    /// All Secrets that are wanted.
    pub fn secrets(&self) -> Vec<String> {
        let here = |name: &String| !self.absent.contains(name);
        let accounts = self.accounts.iter().filter(|it| here(&it.name));
        let own = accounts.flat_map(|account| &account.entries);
        let tokens = self.tokens.iter().filter(|it| here(&it.name));
        own.chain(tokens.map(|token| &token.entry))
            .map(|entry| entry.secret.clone())
            .collect()
    }
}
