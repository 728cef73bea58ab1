//! What the object's status says of an entry, and how each answered step changes that.

use jiff::Timestamp;

use super::{History, Integrity, Observed, Retired, pending};
use crate::iam::model::TokenId;

/// What the object's status says of the entry.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recorded {
    /// The highest generation that was published.
    pub generation: i64,
    /// The Secret's name.
    pub secret_name: Option<String>,
    /// The Secret's version that an answered write of ours made, or that was verified.
    pub resource_version: Option<String>,
    /// Since when the history is known without a gap.
    pub history_since: Option<Timestamp>,
    /// Retired tokens that were not revoked yet, each with the instant since which its retirement is known.
    pub retired: Vec<(TokenId, Timestamp)>,
    /// The request for a rotation that was handled last.
    pub rotate: Option<String>,
    /// The declaration of compromise that was handled last.
    pub compromised: Option<String>,
    /// All tokens of a generation below this were declared compromised.
    pub condemned: i64,
}

impl Recorded {
    /// Since when the retirement of a token is known; `None` if it is not retired, or revoked.
    #[must_use]
    pub fn retired_since(&self, id: &TokenId) -> Option<Timestamp> {
        let mut retired = self.retired.iter();
        retired
            .find(|(retired, _)| retired == id)
            .map(|(_, since)| *since)
    }

    /// Since when it is known that this retirement happened. Of an earlier one, before somebody brought the token back, the
    /// status may know as well: that tells nothing of this one.
    #[must_use]
    pub fn known_since(&self, retired: &Retired) -> Option<Timestamp> {
        let known = self.retired_since(&retired.id);
        known.filter(|known| *known > retired.retired)
    }

    /// After the publish of `history` as successor of the Secret in `seen` was answered, or `seen` shows that it was done:
    /// what the Secret is called that holds it, and its version.
    #[must_use]
    pub fn published(
        seen: &Observed,
        history: &History,
        (name, version): (Option<String>, Option<String>),
        answered: Timestamp,
    ) -> Self {
        let old = seen.recorded.clone().unwrap_or_default();
        // A Secret that the status did not know may have been written by anyone: a new history begins.
        let since = old.history_since.filter(|_| seen.is_accepted());
        // A Secret that was read back as it was written does not tell what was retired before; nor does one that somebody
        // wrote: any of its tokens may have been in it meanwhile.
        let before = seen
            .history()
            .filter(|there| seen.is_accepted() && there.current.id != history.current.id);
        Self {
            generation: history.current.generation,
            secret_name: name,
            resource_version: version,
            history_since: since.or(Some(answered)),
            retired: old.carried(before, history, answered),
            rotate: history.rotate.clone(),
            compromised: history.compromised.clone(),
            condemned: history.condemned,
        }
    }

    /// After the Secret in `seen` was looked at, which the status did not know. A damaged one stays unknown.
    #[must_use]
    pub fn accepted(seen: &Observed, integrity: Integrity, now: Timestamp) -> Self {
        let mut recorded = seen.recorded.clone().unwrap_or_default();
        recorded.history_since = Some(now);
        let (Integrity::Intact, Some(history)) = (integrity, seen.history()) else {
            return recorded;
        };
        let left = history
            .retired
            .iter()
            .filter(|retired| seen.listed.is_none() || seen.shows(&retired.id));
        Self {
            generation: recorded.generation.max(history.current.generation),
            secret_name: seen.secret_name.clone(),
            resource_version: seen.version().map(str::to_owned),
            history_since: Some(now),
            retired: left.map(|retired| (retired.id.clone(), now)).collect(),
            rotate: history.rotate.clone().or(recorded.rotate),
            compromised: history.compromised.clone().or(recorded.compromised),
            condemned: history.condemned.max(recorded.condemned),
        }
    }

    /// After tokens were entered into the history of the Secret in `seen`.
    #[must_use]
    pub fn entered(
        seen: &Observed,
        history: &History,
        version: Option<String>,
        answered: Timestamp,
    ) -> Self {
        let old = seen.recorded.clone().unwrap_or_default();
        Self {
            retired: old.carried(seen.history(), history, answered),
            ..old.rewritten(version)
        }
    }

    /// After a write that left tokens and history alone.
    #[must_use]
    pub fn rewritten(&self, version: Option<String>) -> Self {
        Self {
            resource_version: version,
            ..self.clone()
        }
    }

    /// After a retired token was revoked.
    #[must_use]
    pub fn revoked(&self, id: &TokenId) -> Self {
        let left = self.retired.iter().filter(|(retired, _)| retired != id);
        Self {
            retired: left.cloned().collect(),
            ..self.clone()
        }
    }

    /// What the status is to say after a pass that saw this: a retired token that the list shows although it was taken
    /// for gone is back.
    #[must_use]
    pub fn noted(seen: &Observed) -> Option<Self> {
        let recorded = seen.recorded.as_ref()?;
        if !seen.is_accepted() {
            return Some(recorded.clone());
        }
        let since = |retired: &Retired| {
            let known = recorded.known_since(retired);
            known.or(recorded.history_since).unwrap_or(retired.retired)
        };
        let pending = pending(seen).into_iter();
        Some(Self {
            retired: pending
                .map(|retired| (retired.id.clone(), since(retired)))
                .collect(),
            ..recorded.clone()
        })
    }

    /// The retired tokens of a history that has just been written. What the Secret called retired `before` stays known
    /// since then; a token that somebody brought back into the Secret meanwhile is retired anew.
    fn carried(
        &self,
        before: Option<&History>,
        history: &History,
        answered: Timestamp,
    ) -> Vec<(TokenId, Timestamp)> {
        let since = |retired: &Retired| {
            let carried = before.is_some_and(|before| before.retires(&retired.id));
            let known = self.known_since(retired).filter(|_| carried);
            (retired.id.clone(), known.unwrap_or(answered))
        };
        history.retired.iter().map(since).collect()
    }
}
