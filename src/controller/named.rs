//! What groups and roles have in common: they are found by name and mark.

use super::backend::Backend;
use super::error::Error;
use super::kind::{Kind, Pass};
use super::outcome::Blocked;
use crate::api::condition::{ConditionType, Finding, Reason};
use crate::api::policy::AdoptionPolicy;
use crate::plan::standing::{Seen, Standing, standing};

/// What to do about the thing of this name.
pub fn plan<K: Kind>(
    pass: &Pass<K>,
    backend: &Backend,
    name: &str,
    policy: AdoptionPolicy,
    seen: &Seen,
) -> Standing {
    let may_adopt =
        policy == AdoptionPolicy::TakeOver && backend.guard(pass.namespace()).adoption(name);
    standing(
        seen,
        &pass.context.settings.cluster,
        &pass.marked_object(),
        policy,
        may_adopt,
    )
}

/// 404 means gone only from a server that shows, in the same pass, that it is the instance that it was.
pub async fn really_gone<T>(backend: &Backend) -> Result<Option<T>, Error> {
    backend.client.me().await?;
    Ok(None)
}

/// Something of that name is left alone.
#[must_use]
pub fn refused(reason: Reason, what: &str, name: &str, field: &str) -> Blocked {
    let message = if reason == Reason::AdoptionRefused {
        format!(
            "{what} {name} exists, and the instance does not allow to adopt it: its administrator can open \
             guardrails.adoption"
        )
    } else {
        format!(
            "{what} {name} exists and was not made for this object: delete it at the backend, set adoptionPolicy, or \
             create this object with another {field}"
        )
    };
    Blocked::unsynced(reason, message)
}

/// Says that nothing is changed.
pub fn suspended<K: Kind>(pass: &mut Pass<K>) {
    let message = "nothing is changed until spec.suspend is false again";
    pass.findings.push(Finding::new(
        ConditionType::Suspended,
        true,
        Reason::Suspended,
        message,
    ));
}
