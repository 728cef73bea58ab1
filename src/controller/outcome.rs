//! What a pass comes to, before it is written down.

use super::error::Error;
use crate::api::condition::{ConditionType, Reason};

/// Something that an object waits for and that is no failure: somebody has to change something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blocked {
    /// The condition that it makes false.
    pub condition: ConditionType,
    /// Why.
    pub reason: Reason,
    /// What is the matter and what to do about it.
    pub message: String,
}

impl Blocked {
    /// Not valid or not permitted.
    pub fn refused(reason: Reason, message: impl Into<String>) -> Self {
        Self {
            condition: ConditionType::Accepted,
            reason,
            message: message.into(),
        }
    }

    /// Something that it refers to is not there.
    pub fn unresolved(reason: Reason, message: impl Into<String>) -> Self {
        Self {
            condition: ConditionType::ResolvedRefs,
            reason,
            message: message.into(),
        }
    }

    /// Whether it is refused, and not only waiting.
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        self.condition == ConditionType::Accepted
    }

    /// The graver of two: a refusal before something that is missing, the first of each.
    #[must_use]
    pub fn graver(one: Option<Self>, other: Option<Self>) -> Option<Self> {
        match (one, other) {
            (Some(one), Some(other)) if other.is_refusal() && !one.is_refusal() => Some(other),
            (one, other) => one.or(other),
        }
    }

    /// The backend is not as it should be and cannot be made so.
    pub fn unsynced(reason: Reason, message: impl Into<String>) -> Self {
        Self {
            condition: ConditionType::Synced,
            reason,
            message: message.into(),
        }
    }
}

/// The instance of an object cannot be worked with; the object is looked at again when it can.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Down {
    /// Why.
    pub reason: Reason,
    /// What is the matter and where to look.
    pub message: String,
}

/// Why a pass stopped before its end.
#[derive(Debug)]
pub enum Stop {
    /// It waits for a change by somebody.
    Blocked(Blocked),
    /// It waits for its instance.
    Down(Down),
    /// It failed.
    Failed(Error),
}

impl Stop {
    /// The word for conditions, Events and metrics.
    #[must_use]
    pub const fn reason(&self) -> Reason {
        match self {
            Self::Blocked(blocked) => blocked.reason,
            Self::Down(down) => down.reason,
            Self::Failed(error) => error.reason(),
        }
    }

    /// Whether it stopped for the sole reason that the operator only tells what it would do.
    #[must_use]
    pub fn is_withheld(&self) -> bool {
        self.reason() == Reason::ObserveOnly
    }

    /// The first trouble of two; of what would be done, all.
    pub fn first(one: Result<(), Self>, other: Result<(), Self>) -> Result<(), Self> {
        match (one, other) {
            (Err(Self::Blocked(one)), Err(Self::Blocked(other)))
                if one.reason == Reason::ObserveOnly && other.reason == Reason::ObserveOnly =>
            {
                let message = format!("{}; {}", one.message, other.message);
                Err(Blocked { message, ..one }.into())
            }
            (Ok(()), other) => other,
            (one, _) => one,
        }
    }

    /// The same with more said about it; a failure says itself what it is.
    #[must_use]
    pub fn told(self, explain: impl Fn(&str) -> String) -> Self {
        match self {
            Self::Blocked(blocked) => Self::Blocked(Blocked {
                message: explain(&blocked.message),
                ..blocked
            }),
            Self::Down(down) => Self::Down(Down {
                message: explain(&down.message),
                ..down
            }),
            failed @ Self::Failed(_) => failed,
        }
    }

    /// The same in words.
    #[must_use]
    pub fn message(&self) -> String {
        match self {
            Self::Blocked(Blocked { message, .. }) | Self::Down(Down { message, .. }) => {
                message.clone()
            }
            Self::Failed(error) => error.to_string(),
        }
    }
}

impl From<Blocked> for Stop {
    fn from(blocked: Blocked) -> Self {
        Self::Blocked(blocked)
    }
}

impl From<Down> for Stop {
    fn from(down: Down) -> Self {
        Self::Down(down)
    }
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        match error {
            // It waits for somebody to let the operator act.
            Error::Withheld { .. } => {
                Self::Blocked(Blocked::unsynced(error.reason(), error.to_string()))
            }
            error => Self::Failed(error),
        }
    }
}

impl From<crate::iam::client::Error> for Stop {
    fn from(error: crate::iam::client::Error) -> Self {
        Self::Failed(error.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn would(step: &str) -> Result<(), Stop> {
        let step = step.to_owned();
        Err(Error::Withheld { step }.into())
    }

    fn said(result: Result<(), Stop>) -> Option<String> {
        result.err().map(|stop| stop.message())
    }

    #[test]
    fn of_what_would_be_done_all_is_told_and_of_troubles_the_first() {
        let both = said(Stop::first(would("eat"), would("drink")));
        assert_eq!(both.as_deref(), Some("would eat; would drink"));
        let trouble = || Err(Blocked::unresolved(Reason::ReferenceNotFound, "lost").into());
        assert_eq!(
            said(Stop::first(trouble(), would("eat"))).as_deref(),
            Some("lost")
        );
        let eats = said(Stop::first(would("eat"), trouble()));
        assert_eq!(eats.as_deref(), Some("would eat"));
        assert_eq!(
            said(Stop::first(Ok(()), trouble())).as_deref(),
            Some("lost")
        );
        assert_eq!(said(Stop::first(Ok(()), Ok(()))), None);
    }
}
