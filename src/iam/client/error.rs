//! What can go wrong with a call, in classes that say what to do about it.
//!
//! No text here holds a credential, a body, a query or a URL: a call is named by its method and path template, an
//! answer by its status and class. What the server wrote never gets in.

use std::time::Duration;

use super::{Breach, Call, Flaw, Outage};

/// Why a call failed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// The client's configuration cannot work.
    #[error("{field} {problem}")]
    Config {
        /// The field of [`Config`](super::Config) that is wrong.
        field: &'static str,
        /// What is wrong with it and what to write instead.
        problem: &'static str,
    },
    /// 404: the object is not there, or the server is not the instance it was (an open-source Kestra answers 404 to
    /// every call of this API). Whoever concludes that something is gone checks that first.
    #[error("{call}: not found (404)")]
    Gone {
        /// The call.
        call: Call,
    },
    /// 409: the name is taken, or the state asked for is there already or not there any more.
    #[error("{call}: conflict (409)")]
    Conflict {
        /// The call.
        call: Call,
    },
    /// 401: the credential is unknown, expired or revoked.
    #[error("{call}: the credential was refused (401)")]
    Unauthorized {
        /// The call.
        call: Call,
    },
    /// 403, or 402 of a licence that has run out: the credential may not do this.
    #[error("{call}: not permitted ({status})")]
    Forbidden {
        /// The call.
        call: Call,
        /// The answer's status.
        status: u16,
    },
    /// 400, 413 or 422: the backend does not take these values.
    #[error("{call}: the values were refused ({status})")]
    Invalid {
        /// The call.
        call: Call,
        /// The answer's status.
        status: u16,
    },
    /// 429, or 503 with a `Retry-After`.
    #[error("{call}: told to slow down ({status})")]
    Throttled {
        /// The call.
        call: Call,
        /// The answer's status.
        status: u16,
        /// How long the backend asked us to wait, an hour at most; absent if it did not say.
        retry_after: Option<Duration>,
    },
    /// No answer, or one that says that the backend is out of order.
    #[error("{call}: {outage}")]
    Unavailable {
        /// The call.
        call: Call,
        /// What happened.
        outage: Outage,
    },
    /// An answer that is not what the API promises.
    #[error("{call}: {breach}")]
    Protocol {
        /// The call.
        call: Call,
        /// What is wrong with it.
        breach: Breach,
    },
    /// A list that ended before it was whole, or changed while it was read.
    #[error("{call}: {flaw}")]
    Incomplete {
        /// The call.
        call: Call,
        /// How we know.
        flaw: Flaw,
    },
    /// Several things of one name where one was looked for.
    #[error("{count} {what} have this name, and which one is meant cannot be told")]
    Ambiguous {
        /// What was looked for, in the plural.
        what: &'static str,
        /// How many were found.
        count: usize,
    },
}

/// The closed set of words by which failures are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "named after the variants of Error")]
pub enum Class {
    Config,
    Gone,
    Conflict,
    Unauthorized,
    Forbidden,
    Invalid,
    Throttled,
    Unavailable,
    Protocol,
    Incomplete,
    Ambiguous,
}

impl Class {
    /// All of them, in the order of their discriminants.
    pub const ALL: [Self; 11] = [
        Self::Config,
        Self::Gone,
        Self::Conflict,
        Self::Unauthorized,
        Self::Forbidden,
        Self::Invalid,
        Self::Throttled,
        Self::Unavailable,
        Self::Protocol,
        Self::Incomplete,
        Self::Ambiguous,
    ];

    /// The word, as a metric's label.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Config => "config",
            Self::Gone => "gone",
            Self::Conflict => "conflict",
            Self::Unauthorized => "unauthorized",
            Self::Forbidden => "forbidden",
            Self::Invalid => "invalid",
            Self::Throttled => "throttled",
            Self::Unavailable => "unavailable",
            Self::Protocol => "protocol",
            Self::Incomplete => "incomplete",
            Self::Ambiguous => "ambiguous",
        }
    }
}

impl Error {
    /// The class, one per variant.
    #[must_use]
    pub const fn class(&self) -> Class {
        match self {
            Self::Config { .. } => Class::Config,
            Self::Gone { .. } => Class::Gone,
            Self::Conflict { .. } => Class::Conflict,
            Self::Unauthorized { .. } => Class::Unauthorized,
            Self::Forbidden { .. } => Class::Forbidden,
            Self::Invalid { .. } => Class::Invalid,
            Self::Throttled { .. } => Class::Throttled,
            Self::Unavailable { .. } => Class::Unavailable,
            Self::Protocol { .. } => Class::Protocol,
            Self::Incomplete { .. } => Class::Incomplete,
            Self::Ambiguous { .. } => Class::Ambiguous,
        }
    }

    /// Whether the backend as a whole is out of order, so that other calls would fail as well.
    #[must_use]
    pub const fn is_outage(&self) -> bool {
        match self {
            Self::Unavailable { outage, .. } => !matches!(outage, Outage::Busy),
            Self::Throttled { .. } => true,
            _ => false,
        }
    }

    /// Whether the backend could not even be reached, which no other call would do either.
    #[must_use]
    pub const fn is_unreachable(&self) -> bool {
        matches!(
            self,
            Self::Unavailable {
                outage: Outage::Dns | Outage::Connect | Outage::Tls(_),
                ..
            }
        )
    }

    /// How long the backend asked us to stay away.
    #[must_use]
    pub const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Throttled { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// Whether a change was sent whose effect is not known: it may have happened, in whole, in part or not at all,
    /// so look before sending it again.
    #[must_use]
    pub fn outcome_unknown(&self) -> bool {
        match self {
            Self::Unavailable { call, outage } => call.changes() && !outage.before_sending(),
            Self::Protocol { call, breach } => call.changes() && *breach != Breach::Unsendable,
            // 429 is said before anything is done; a proxy may say 503 after it has passed the request on.
            Self::Throttled { call, status, .. } => call.changes() && *status != 429,
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::iam::client::TlsProblem;

    const ISSUE: Call = Call {
        method: "POST",
        path: "/api/v1/me/api-tokens",
    };
    const LIST: Call = Call {
        method: "GET",
        path: "/api/v1/me/api-tokens",
    };

    #[test]
    fn only_a_change_that_may_have_been_seen_has_an_unknown_outcome() {
        let after = |call, outage| Error::Unavailable { call, outage }.outcome_unknown();
        for outage in [Outage::Timeout, Outage::Broken, Outage::Status(502)] {
            assert!(after(ISSUE, outage), "{outage:?}");
            assert!(!after(LIST, outage), "{outage:?}");
        }
        for outage in [
            Outage::Dns,
            Outage::Connect,
            Outage::Tls(TlsProblem::Expired),
            Outage::Busy,
        ] {
            assert!(!after(ISSUE, outage), "{outage:?}");
        }
    }

    #[test]
    fn an_unreadable_answer_to_a_change_has_an_unknown_outcome() {
        let after = |breach| {
            Error::Protocol {
                call: ISSUE,
                breach,
            }
            .outcome_unknown()
        };
        assert!(after(Breach::Shape) && after(Breach::TooLarge) && after(Breach::NotJson));
        assert!(!after(Breach::Unsendable));
    }

    #[test]
    fn throttling_before_the_work_is_told_from_a_proxy_that_gave_up() {
        let after = |status| {
            let retry_after = None;
            Error::Throttled {
                call: ISSUE,
                status,
                retry_after,
            }
            .outcome_unknown()
        };
        assert!(after(503) && !after(429));
    }

    #[test]
    fn every_class_has_a_word_of_its_own() {
        let mut words: Vec<_> = Class::ALL.iter().map(|class| class.as_str()).collect();
        words.sort_unstable();
        words.dedup();
        assert_eq!(words.len(), Class::ALL.len());
        for (position, class) in Class::ALL.into_iter().enumerate() {
            assert_eq!(class as usize, position);
        }
    }
}
