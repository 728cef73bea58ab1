//! The value that was replaced last, beside the current one in its Secret: when it comes there and when it goes.

use super::retire::{self, Verdict};
use super::{
    Activity, Current, End, History, Issue, Observed, Policy, Previous, Retired, SecretSeen,
};
use crate::api::condition::Reason;
use crate::api::policy::PreviousValuePolicy;

/// The token whose value stays in the Secret when this issue is published over what was `seen`: the current one, if the
/// spec wants that and the token works as well as before.
#[must_use]
pub fn kept(policy: &Policy, seen: &Observed, issue: &Issue) -> Option<Previous> {
    let wanted = policy.previous_value == PreviousValuePolicy::Keep && is_sound(issue.reason);
    let current = seen.current().filter(|_| wanted)?;
    let works_on = |retired: &Retired| {
        let overlaps = retired.end == End::Overlap && retired.generation >= issue.condemned;
        retired.id == current.id && overlaps
    };
    let Current { id, prefix, .. } = current;
    issue.retired.iter().any(works_on).then(|| Previous {
        id: id.clone(),
        prefix: prefix.clone(),
    })
}

/// Whether a token that is replaced for this reason is what it was.
const fn is_sound(reason: Reason) -> bool {
    matches!(
        reason,
        Reason::Rotated
            | Reason::WindowMissed
            | Reason::RotateRequested
            | Reason::LifetimeChanged
            | Reason::PermissionsChanged
    )
}

/// Whether the replaced value has to leave the Secret: right before its token is revoked, once that is gone, or when the
/// spec does not want it any more.
pub(super) fn is_stale(
    policy: &Policy,
    seen: &Observed,
    history: &History,
    verdicts: &[(&Retired, Verdict)],
) -> bool {
    let Some(previous) = &history.previous else {
        return false;
    };
    let mut judged = verdicts.iter();
    let judged = judged.find(|(retired, _)| retired.id == previous.id);
    match judged {
        Some((_, Verdict::Revoke)) => true,
        Some((_, Verdict::Keep { .. })) => {
            policy.previous_value == PreviousValuePolicy::Omit && seen.activity == Activity::Active
        }
        None => {
            let mut pending = retire::pending(seen).into_iter();
            !pending.any(|retired| retired.id == previous.id)
                && seen.activity != Activity::Suspended
                && matches!(seen.secret, SecretSeen::Ours { .. })
        }
    }
}
