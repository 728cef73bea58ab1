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

    /// The backend is not as it should be and cannot be made so.
    pub fn unsynced(reason: Reason, message: impl Into<String>) -> Self {
        Self {
            condition: ConditionType::Synced,
            reason,
            message: message.into(),
        }
    }
}

/// Why a pass stopped before its end.
#[derive(Debug)]
pub enum Stop {
    /// It waits.
    Blocked(Blocked),
    /// It failed.
    Failed(Error),
}

impl From<Blocked> for Stop {
    fn from(blocked: Blocked) -> Self {
        Self::Blocked(blocked)
    }
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl From<crate::iam::client::Error> for Stop {
    fn from(error: crate::iam::client::Error) -> Self {
        Self::Failed(error.into())
    }
}
