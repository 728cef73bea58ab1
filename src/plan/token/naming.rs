//! How the Secrets of an entry are called: always the same, or after a number for each token.

use super::Observed;
use crate::api::token::SecretSpec;

/// So many digits a number has at the most, as far as a name has room for it.
const DIGITS: usize = 10;

/// How the Secrets of an entry are called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Naming {
    /// One Secret of this name, which is written over.
    Fixed(String),
    /// An immutable Secret for each token, of this name with `-g` and a number behind it: one more than the generation that
    /// was published before. Whoever publishes a successor of the same token wants the same name, and one of them gets it.
    Versioned(String),
}

/// Whether the name of the Secret that the next token is published in is free.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Successor {
    /// It is, as far as anybody has looked.
    Free,
    /// Somebody else's Secret has it.
    Taken,
}

impl Naming {
    /// As the spec wants it, with this name.
    #[must_use]
    pub fn new(spec: &SecretSpec, name: String) -> Self {
        if spec.immutable {
            Self::Versioned(name)
        } else {
            Self::Fixed(name)
        }
    }

    /// How a Secret of this name was called by the spec of its time: after a number, if it cannot be changed.
    #[must_use]
    pub fn of(name: &str, is_immutable: bool) -> Self {
        let base = name.rsplit_once("-g").map(|(base, _)| base.to_owned());
        let versioned = base.map(Self::Versioned);
        versioned
            .filter(|versioned| is_immutable && versioned.number(name).is_some())
            .unwrap_or_else(|| Self::Fixed(name.to_owned()))
    }

    /// What the Secret is called in which a token is published after one of this generation.
    #[must_use]
    pub fn after(&self, generation: i64) -> String {
        match self {
            Self::Fixed(name) => name.clone(),
            Self::Versioned(base) => format!("{base}-g{}", generation.saturating_add(1)),
        }
    }

    /// The name that the spec gives.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Fixed(name) | Self::Versioned(name) => name,
        }
    }

    /// Which number a Secret of this name has among those that are called so: the highest holds the current token. `None` =
    /// it is not called so.
    #[must_use]
    pub fn number(&self, name: &str) -> Option<i64> {
        match self {
            Self::Fixed(fixed) => (name == fixed).then_some(0),
            Self::Versioned(base) => {
                let digits = name.strip_prefix(base.as_str())?.strip_prefix("-g")?;
                let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
                let is_ours = is_number && !digits.starts_with('0') && digits.len() <= DIGITS;
                digits.parse().ok().filter(|_| is_ours)
            }
        }
    }

    /// Which of these names the Secret with the current token has, or would have; `None` = there is none yet.
    #[must_use]
    pub fn held<'n>(&self, names: impl Iterator<Item = &'n str>) -> Option<String> {
        match self {
            Self::Fixed(name) => Some(name.clone()),
            Self::Versioned(_) => {
                let numbered = names.filter_map(|name| Some((self.number(name)?, name)));
                numbered.max().map(|(_, name)| name.to_owned())
            }
        }
    }
}

impl Observed {
    /// What the Secret is called that the next token is published in.
    #[must_use]
    pub fn target(&self) -> String {
        let name = self.secret_name.as_deref();
        let numbers = [
            name.and_then(|name| self.naming.number(name)),
            self.current().map(|current| current.generation),
            self.recorded.as_ref().map(|recorded| recorded.generation),
        ];
        let before = numbers.into_iter().flatten().max().unwrap_or(0);
        self.naming.after(before)
    }
}
