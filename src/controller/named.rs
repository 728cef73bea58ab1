//! What accounts, groups and roles have in common: they are found by name and mark, taken over and given back.

use super::backend::Backend;
use super::error::Error;
use super::inventory::{Reservation, Sort};
use super::kind::{Kind, Pass};
use super::outcome::{Blocked, Stop};
use crate::api::condition::{ConditionType, Finding, Reason};
use crate::api::policy::AdoptionPolicy;
use crate::iam::client;
use crate::plan::claim::{Claimant, Obstacle};
use crate::plan::mark::{self, Mark};
use crate::plan::standing::{Candidate, Seen, Standing, standing};

/// What to do about the thing of this name.
pub fn plan<K: Kind, T>(
    pass: &Pass<K>,
    backend: &Backend,
    name: &str,
    policy: AdoptionPolicy,
    seen: Seen<T>,
) -> Standing<T> {
    let claimant = Claimant {
        cluster: &pass.context.settings.cluster,
        object: &pass.marked_object(),
        policy,
        adoption: backend.guard(pass.namespace()).adoption(name),
    };
    standing(seen, &claimant)
}

/// Why something that was met with this description is left alone; `None` = it is not.
pub fn left_alone<K: Kind>(
    pass: &Pass<K>,
    backend: &Backend,
    name: &str,
    policy: AdoptionPolicy,
    description: Option<String>,
) -> Option<Obstacle> {
    let met = Candidate {
        description,
        it: (),
    };
    let seen = Seen {
        known: None,
        named: vec![met],
    };
    match plan(pass, backend, name, policy, seen) {
        Standing::Refuse(obstacle) => Some(obstacle),
        _ => None,
    }
}

/// 404 means gone only from a server that shows, in the same pass, that it is the instance that it was.
pub async fn really_gone<T>(backend: &Backend) -> Result<Option<T>, Error> {
    let me = backend.client.me().await?;
    let configs = backend.client.configs().await?;
    if me.id.0 == backend.identity.id && configs.uuid == backend.uuid {
        Ok(None)
    } else {
        Err(Error::AnotherBackend)
    }
}

/// An owner that is gone took its tokens along.
pub async fn unless_gone(backend: &Backend, result: Result<(), Stop>) -> Result<(), Stop> {
    match result {
        Err(Stop::Failed(Error::Backend(client::Error::Gone { .. }))) => {
            Ok(really_gone::<()>(backend).await.map(drop)?)
        }
        result => result,
    }
}

/// Takes the name to make something under it. Whoever comes second is refused as if it came later.
pub fn reserve<'b>(
    backend: &'b Backend,
    sort: Sort,
    name: &str,
) -> Result<Reservation<'b>, Blocked> {
    let reservation = backend.inventory.reserve(sort, name);
    reservation.ok_or_else(|| refused(Obstacle::OtherObject, sort, name))
}

/// Something of that name is left alone. Of whose it is no more is told than what decides what to do about it: never which
/// object's, namespace's or cluster's. What another object may live by is never to be deleted.
#[must_use]
pub fn refused(obstacle: Obstacle, sort: Sort, name: &str) -> Blocked {
    let (what, field) = match sort {
        Sort::Account => ("account", "accountName"),
        Sort::Group => ("group", "groupName"),
        Sort::Role => ("role", "roleName"),
    };
    let other = format!("create this object with another {field}");
    let unused = "or delete it at the backend if nobody uses it";
    let advice = match obstacle {
        Obstacle::Unmarked => format!(
            "exists and was not made for this object: {other}, set adoptionPolicy to TakeOver, {unused}"
        ),
        Obstacle::Former => format!(
            "was made for a former object of this name: set adoptionPolicy to IfOwned, {other}, {unused}"
        ),
        Obstacle::OtherCluster => format!(
            "was made for an object of another cluster: {other}, or remove that object there"
        ),
        Obstacle::OtherObject => format!(
            "was made for another object of this cluster: {other}, or remove the other object"
        ),
        Obstacle::Unknown => format!("exists, and whose it is cannot be told: {other}"),
        Obstacle::Managed => {
            format!("is one of Kestra's own, which no object may change: {other}")
        }
        Obstacle::NotAdoptable => format!(
            "exists, and the instance does not allow to adopt it: {other}, or its administrator can open \
             guardrails.adoption"
        ),
    };
    Blocked::unsynced(obstacle.reason(), format!("{what} {name} {advice}"))
}

/// The description of what the object stands for: the user's text, then the mark.
#[must_use]
pub fn description<K: Kind>(pass: &Pass<K>, text: Option<&str>, adopted: bool) -> String {
    let mark = Mark {
        adopted,
        ..pass.mark()
    };
    mark.append_to(text)
}

/// Whether something was there before its object, as its own description says.
#[must_use]
pub fn is_adopted(description: Option<&str>) -> bool {
    description
        .and_then(Mark::parse)
        .is_some_and(|mark| mark.adopted)
}

/// The description that something adopted gets back; without the status' word what is left of it without the mark.
#[must_use]
pub fn former_description(former: Option<&String>, now: Option<&str>) -> String {
    let rest = || mark::strip(now.unwrap_or_default()).to_owned();
    former.cloned().unwrap_or_else(rest)
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

/// The backend is not as the spec wants it, and is left so.
#[must_use]
pub fn held_back() -> Blocked {
    let message = "the backend differs from the spec, and nothing is changed until spec.suspend is false again";
    Blocked::unsynced(Reason::Suspended, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_another_object_lives_by_is_not_to_be_deleted() {
        for obstacle in [
            Obstacle::OtherObject,
            Obstacle::OtherCluster,
            Obstacle::Unknown,
            Obstacle::Managed,
            Obstacle::NotAdoptable,
        ] {
            let said = refused(obstacle, Sort::Account, "bot").message;
            assert!(said.contains("another accountName"), "{said}");
            assert!(!said.contains("delete"), "{said}");
        }
    }

    #[test]
    fn what_somebody_made_by_hand_is_to_be_deleted_last() {
        let said = refused(Obstacle::Unmarked, Sort::Group, "Bots").message;
        let expected = "group Bots exists and was not made for this object: create this object with another groupName, \
                        set adoptionPolicy to TakeOver, or delete it at the backend if nobody uses it";
        assert_eq!(said, expected);
        let former = refused(Obstacle::Former, Sort::Role, "Bot").message;
        assert!(former.contains("adoptionPolicy to IfOwned"), "{former}");
    }
}
