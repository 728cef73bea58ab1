//! What to look at next. A steady entry needs no look at all.

use jiff::Timestamp;

use super::{Check, Dress, Observed, Policy, SecretSeen, due, retire};

/// Something that costs a request and that the decision needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// The backend's list of this owner's tokens.
    List,
    /// The Secret's value, by an uncached read, and whether it authenticates.
    Value,
}

/// The next thing to look at before [`super::plan`] can decide, or `None` when it can.
#[must_use]
pub fn look(policy: &Policy, seen: &Observed, now: Timestamp) -> Option<Look> {
    if matches!(seen.secret, SecretSeen::Foreign) {
        return None;
    }
    if seen.listed.is_none() && needs_list(policy, seen, now) {
        return Some(Look::List);
    }
    (seen.check.is_none() && needs_value(seen)).then_some(Look::Value)
}

fn needs_list(policy: &Policy, seen: &Observed, now: Timestamp) -> bool {
    !seen.is_accepted()
        || seen.refused_since.is_some()
        || now >= seen.next_look
        || due::fires(policy, seen, now)
        || retire::is_ripe(policy, seen, now)
}

/// A Secret that someone touched is read; so is one whose token the list lacks, and one that has to be rewritten.
fn needs_value(seen: &Observed) -> bool {
    let SecretSeen::Ours {
        history: Some(_),
        dress,
        ..
    } = &seen.secret
    else {
        return false;
    };
    let doubted =
        seen.refused_since.is_some() || (seen.listed.is_some() && seen.listed_current().is_none());
    !seen.is_accepted() || doubted || *dress == Dress::Outdated
}

impl Check {
    /// Whether the value was tried and refused.
    #[must_use]
    pub fn is_refused(check: Option<Self>) -> bool {
        check == Some(Self::Refused)
    }
}
