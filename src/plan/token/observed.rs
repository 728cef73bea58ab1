//! What one pass knows of an entry.

use jiff::{SignedDuration, Timestamp};

use super::{Consumer, Current, History, Naming, Recorded, Successor};
use crate::iam::model::TokenId;

/// What one pass knows of an entry. All instants are on the backend's clock.
#[derive(Clone, Debug)]
pub struct Observed {
    /// How the spec wants its Secrets to be called.
    pub naming: Naming,
    /// The name of the Secret with the current token, as far as the spec wants it so; `None` = there is none yet.
    pub secret_name: Option<String>,
    /// The Secret of that name.
    pub secret: SecretSeen,
    /// Whether the next token has where to go, by a look in this pass.
    pub successor: Successor,
    /// What the object's status says.
    pub recorded: Option<Recorded>,
    /// The tokens of this entry that a list made in this pass shows; `None` = not listed.
    pub listed: Option<Vec<Listed>>,
    /// When that list was asked for: what was used since does not show in it.
    pub listed_at: Option<Timestamp>,
    /// Whether the Secret's value authenticates; `None` = not tried in this pass.
    pub check: Option<Check>,
    /// The workloads that are rolled after a rotation; `None` = not looked at in this pass.
    pub consumers: Option<Vec<Consumer>>,
    /// When the Secret's value was first refused, if it never worked since.
    pub refused_since: Option<Timestamp>,
    /// When tokens were issued out of turn by the last publish that this process saw answered.
    pub unscheduled: Vec<Timestamp>,
    /// When tokens were issued that could not be published and were revoked, as far as this process knows.
    pub vain: Vec<Timestamp>,
    /// What the object's annotations ask for.
    pub requests: Requests,
    /// What the owner's permissions come from ([`super::rights()`]); `None` = not known, or it does not matter.
    pub rights: Option<String>,
    /// An expiry of the current token that was seen to have moved, in an earlier pass.
    pub moved: Option<(TokenId, Timestamp)>,
    /// When the routine look at the backend is due.
    pub next_look: Timestamp,
    /// Whether a Secret that the status does not know was written down as seen in this pass.
    pub sighting: Sighting,
    /// What is settled, and what may still be under way.
    pub settling: Settling,
    /// Whether mutations are withheld.
    pub activity: Activity,
    /// What tells this entry from all others, for the jitter.
    pub seed: String,
}

/// The Secret of an entry as an uncached read or a watch shows it.
#[derive(Clone, Debug)]
pub enum SecretSeen {
    /// There is none of that name.
    Absent,
    /// There is one, and it is not this entry's.
    Foreign,
    /// This entry's.
    Ours {
        /// Its version.
        resource_version: String,
        /// Its annotation, if it can be read.
        history: Option<Box<History>>,
        /// Whether the value starts with the prefix that the backend showed; `None` = not read in this pass.
        prefix_holds: Option<bool>,
        /// Whether all but the token is as the spec wants it.
        dress: Dress,
    },
}

/// Whether a Secret is as the spec wants it, the token apart: its other keys, labels, annotations and owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dress {
    /// It is, as far as a look at its metadata tells.
    Fits,
    /// The spec's template has changed since it was written: a look at its values will tell.
    Outdated,
    /// A look at its values told that it is not.
    Differs,
    /// The same of keys that cannot be changed any more.
    Stale,
}

/// A token of this entry, as the backend's list shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its id.
    pub id: TokenId,
    /// The generation in its mark.
    pub generation: i64,
    /// When it was issued.
    pub issued: Timestamp,
    /// When it expires; `None` = never.
    pub expires: Option<Timestamp>,
    /// When it was last used; `None` = never.
    pub last_used: Option<Timestamp>,
    /// Whether its use prolongs it.
    pub extended: bool,
}

/// Whether a value authenticates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Check {
    /// It does.
    Works,
    /// The backend answered 401 while the operator's own credential worked.
    Refused,
}

/// Whether the status says since when the history of a Secret is known that it did not know before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sighting {
    /// Not in this pass.
    Unrecorded,
    /// It does.
    Recorded,
}

/// What the object's annotations ask for, as far as it concerns this entry.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Requests {
    /// A rotation.
    pub rotate: Option<String>,
    /// A rotation without an overlap.
    pub compromised: Option<String>,
}

/// What decides when nothing can be under way any more.
#[derive(Clone, Copy, Debug)]
pub struct Settling {
    /// When this process became the leader.
    pub leading_since: Timestamp,
    /// When the last publish of this entry whose outcome is unknown was sent.
    pub unanswered_publish: Option<Timestamp>,
    /// How long a request of a former leader may be under way: lease duration + 2 × request timeout.
    pub grace: SignedDuration,
}

/// Whether mutations are withheld.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activity {
    /// They are not.
    Active,
    /// `spec.suspend`: only `compromised` goes ahead.
    Suspended,
    /// The object is not permitted any more: nothing is issued, and what was replaced is revoked in its time. What is
    /// declared compromised ends without a plan, as nothing may succeed it.
    Refused,
}

impl SecretSeen {
    /// Its version, if it is this entry's.
    #[must_use]
    pub fn version(&self) -> Option<&str> {
        match self {
            Self::Ours {
                resource_version, ..
            } => Some(resource_version),
            Self::Absent | Self::Foreign => None,
        }
    }
}

impl Observed {
    /// The history in the Secret.
    #[must_use]
    pub fn history(&self) -> Option<&History> {
        match &self.secret {
            SecretSeen::Ours { history, .. } => history.as_deref(),
            SecretSeen::Absent | SecretSeen::Foreign => None,
        }
    }

    /// The token that the Secret says it holds.
    #[must_use]
    pub fn current(&self) -> Option<&Current> {
        self.history().map(|history| &history.current)
    }

    /// The version of the Secret, if it is ours.
    #[must_use]
    pub fn version(&self) -> Option<&str> {
        self.secret.version()
    }

    /// Whether the status knows the Secret as it is.
    #[must_use]
    pub fn is_accepted(&self) -> bool {
        let known = self
            .recorded
            .as_ref()
            .filter(|recorded| recorded.secret_name == self.secret_name)
            .and_then(|recorded| recorded.resource_version.as_deref());
        known.is_some() && known == self.version()
    }

    /// Since when the history of the Secret is known, if the status knows the Secret as it is.
    #[must_use]
    pub fn history_since(&self) -> Option<Timestamp> {
        let recorded = self.recorded.as_ref().filter(|_| self.is_accepted());
        recorded?.history_since
    }

    /// A token in the backend's list.
    #[must_use]
    pub fn listing_of(&self, id: &TokenId) -> Option<&Listed> {
        self.listed.as_ref()?.iter().find(|listed| listed.id == *id)
    }

    /// Whether a list made in this pass shows a token.
    #[must_use]
    pub fn shows(&self, id: &TokenId) -> bool {
        self.listing_of(id).is_some()
    }

    /// When the current token expires by all that is known: the list knows better than the history.
    #[must_use]
    pub fn expires(&self) -> Option<Timestamp> {
        let current = self.current()?;
        if let Some(listed) = self.listing_of(&current.id) {
            return listed.expires;
        }
        let moved = self.moved.as_ref().filter(|(id, _)| *id == current.id);
        moved.map_or(current.expires, |(_, expires)| Some(*expires))
    }

    /// The generation of the next token: one more than any that was ever seen.
    #[must_use]
    pub fn next_generation(&self) -> i64 {
        let listed = self.listed.iter().flatten().map(|listed| listed.generation);
        let history = self.history().map(History::generation);
        let recorded = self.recorded.as_ref().map(|recorded| recorded.generation);
        listed
            .chain(history)
            .chain(recorded)
            .max()
            .unwrap_or(0)
            .saturating_add(1)
    }

    /// All tokens of a generation below this were declared compromised.
    #[must_use]
    pub fn condemned(&self) -> i64 {
        let history = self.history().map_or(0, |history| history.condemned);
        let recorded = self.recorded.as_ref();
        history.max(recorded.map_or(0, |recorded| recorded.condemned))
    }

    /// The request for a rotation that nobody has handled yet.
    #[must_use]
    pub fn open_rotation(&self) -> Option<&String> {
        let asked = self.requests.rotate.as_ref()?;
        let history = self.history().and_then(|history| history.rotate.as_ref());
        let recorded = self.recorded.as_ref();
        let recorded = recorded.and_then(|recorded| recorded.rotate.as_ref());
        (history != Some(asked) && recorded != Some(asked)).then_some(asked)
    }

    /// The declaration of compromise that nobody has handled yet.
    #[must_use]
    pub fn open_compromise(&self) -> Option<&String> {
        let asked = self.requests.compromised.as_ref()?;
        let history = self
            .history()
            .and_then(|history| history.compromised.as_ref());
        let recorded = self.recorded.as_ref();
        let recorded = recorded.and_then(|recorded| recorded.compromised.as_ref());
        (history != Some(asked) && recorded != Some(asked)).then_some(asked)
    }
}
