//! Who has won a publish that was answered by a conflict.

use super::{History, SecretSeen};
use crate::iam::model::TokenId;

/// What the Secret's value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Held {
    /// The token that was to be published.
    Ours,
    /// Another one, whether it works or not.
    Another,
    /// None.
    Nothing,
}

/// How a publish that was answered by a conflict stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contest<'s> {
    /// The Secret is as it was to be written: the publish was done, and something between sent it once more.
    Won(&'s History),
    /// Nobody has won: publish over what is there.
    Open,
    /// Another token is there: it has won if it works.
    Contested,
    /// The Secret is somebody else's. What they keep in it is not shown to the backend.
    Lost,
}

/// How it stands, by an uncached read of the Secret. One that names our token and holds another value, or holds our
/// token and does not name it, was touched after the publish was done: somebody may hold our token, so it has not lost.
#[must_use]
pub fn contest<'s>(secret: &'s SecretSeen, ours: &TokenId, held: Held) -> Contest<'s> {
    let history = match secret {
        SecretSeen::Absent => return Contest::Open,
        SecretSeen::Foreign => return Contest::Lost,
        SecretSeen::Ours { history, .. } => history.as_deref(),
    };
    let named = history.filter(|history| history.current.id == *ours);
    match (held, named) {
        (Held::Ours, Some(history)) => Contest::Won(history),
        (Held::Another, None) => Contest::Contested,
        (Held::Ours, None) | (Held::Another, Some(_)) | (Held::Nothing, _) => Contest::Open,
    }
}
