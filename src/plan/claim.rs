//! What to do about something of the wanted name that exists at the backend already.

use super::mark::{Cluster, Mark, Object, Ownership};
use crate::api::condition::Reason;
use crate::api::policy::AdoptionPolicy;

/// What to do about something of the wanted name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// We made it: for this object before a crash, or for a former one of the same name.
    Ours,
    /// Someone else made it, and it is to be taken over.
    Adopt,
    /// It is left alone.
    Refuse(Obstacle),
}

/// Why something of the wanted name is left alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// It carries no mark: somebody made it by hand.
    Unmarked,
    /// It was made for a former object of the same name, and the policy leaves that alone.
    Former,
    /// It was made for an object of another cluster.
    OtherCluster,
    /// It was made for another object of this cluster, which may live by it.
    OtherObject,
    /// Whose it is cannot be told: there is more than one of the name, or it was not looked at yet.
    Unknown,
    /// It is Kestra's own, and nobody's to take over.
    Managed,
    /// The instance's guardrails do not let it be adopted.
    NotAdoptable,
}

impl Obstacle {
    /// What stands in the condition.
    #[must_use]
    pub const fn reason(self) -> Reason {
        match self {
            Self::NotAdoptable => Reason::AdoptionRefused,
            _ => Reason::NameConflict,
        }
    }
}

/// Whether the instance's guardrails let a namespace adopt something of this name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Adoption {
    /// They do.
    Open,
    /// They do not.
    Closed,
}

/// An object that wants something at the backend for its own.
#[derive(Clone, Copy, Debug)]
pub struct Claimant<'a> {
    /// The cluster that it is in.
    pub cluster: &'a Cluster,
    /// The object.
    pub object: &'a Object,
    /// What it asks for.
    pub policy: AdoptionPolicy,
    /// What it is allowed.
    pub adoption: Adoption,
}

impl Claimant<'_> {
    /// Whose something is by the mark in its description; `None` = it carries none.
    #[must_use]
    pub fn ownership(&self, description: Option<&str>) -> Option<Ownership> {
        let mark = description.and_then(Mark::parse)?;
        Some(mark.ownership(self.cluster, self.object))
    }

    /// Judges something of the wanted name by its mark, the object's policy and the guardrails.
    #[must_use]
    pub fn claim(&self, description: Option<&str>) -> Claim {
        let ownership = self.ownership(description).unwrap_or(Ownership::Foreign);
        match (ownership, self.policy) {
            (Ownership::Own, _)
            | (Ownership::Former, AdoptionPolicy::IfOwned | AdoptionPolicy::TakeOver) => {
                Claim::Ours
            }
            (Ownership::Foreign, AdoptionPolicy::TakeOver) => match self.adoption {
                Adoption::Open => Claim::Adopt,
                Adoption::Closed => Claim::Refuse(Obstacle::NotAdoptable),
            },
            (Ownership::Former | Ownership::Foreign, _) => {
                Claim::Refuse(self.obstacle(description))
            }
        }
    }

    /// Whose something is that is left alone.
    #[must_use]
    pub fn obstacle(&self, description: Option<&str>) -> Obstacle {
        let Some(mark) = description.and_then(Mark::parse) else {
            return Obstacle::Unmarked;
        };
        if !self.cluster.is(&mark.cluster) {
            Obstacle::OtherCluster
        } else if mark.object.is_namesake_of(self.object) {
            Obstacle::Former
        } else {
            Obstacle::OtherObject
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn object(uid: &str) -> Object {
        Object {
            kind: "ServiceAccount".into(),
            namespace: "team-a".into(),
            name: "ci".into(),
            uid: uid.into(),
        }
    }

    fn marked(cluster: &str, uid: &str) -> String {
        Mark {
            cluster: cluster.into(),
            object: object(uid),
            token: None,
            adopted: false,
        }
        .append_to(Some("CI"))
    }

    #[rstest]
    #[case::made_before_a_crash(
        Some(marked("c1", "u1")),
        AdoptionPolicy::Never,
        Adoption::Closed,
        Claim::Ours
    )]
    #[case::of_a_former_object(
        Some(marked("c1", "u0")),
        AdoptionPolicy::IfOwned,
        Adoption::Closed,
        Claim::Ours
    )]
    #[case::former_but_never(
        Some(marked("c1", "u0")),
        AdoptionPolicy::Never,
        Adoption::Open,
        Claim::Refuse(Obstacle::Former)
    )]
    #[case::of_another_cluster(
        Some(marked("c2", "u1")),
        AdoptionPolicy::IfOwned,
        Adoption::Open,
        Claim::Refuse(Obstacle::OtherCluster)
    )]
    #[case::of_another_object(
        Some(marked("c1", "u1").replace("team-a/ci", "team-b/ci")),
        AdoptionPolicy::IfOwned,
        Adoption::Open,
        Claim::Refuse(Obstacle::OtherObject)
    )]
    #[case::taken_over(
        Some(marked("c2", "u1")),
        AdoptionPolicy::TakeOver,
        Adoption::Open,
        Claim::Adopt
    )]
    #[case::by_hand_taken_over(None, AdoptionPolicy::TakeOver, Adoption::Open, Claim::Adopt)]
    #[case::not_permitted(
        None,
        AdoptionPolicy::TakeOver,
        Adoption::Closed,
        Claim::Refuse(Obstacle::NotAdoptable)
    )]
    #[case::by_hand(
        Some("CI".into()),
        AdoptionPolicy::Never,
        Adoption::Open,
        Claim::Refuse(Obstacle::Unmarked)
    )]
    fn a_name_is_claimed_by_mark_and_policy(
        #[case] description: Option<String>,
        #[case] policy: AdoptionPolicy,
        #[case] adoption: Adoption,
        #[case] expected: Claim,
    ) {
        let cluster = Cluster {
            id: "c1".into(),
            former: Vec::new(),
        };
        let claimant = Claimant {
            cluster: &cluster,
            object: &object("u1"),
            policy,
            adoption,
        };
        assert_eq!(claimant.claim(description.as_deref()), expected);
    }
}
