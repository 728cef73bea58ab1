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
    Refuse(Reason),
}

/// Judges by the mark in its description, the object's policy, and whether guardrails allow to adopt this name.
#[must_use]
pub fn claim(
    description: Option<&str>,
    cluster: &Cluster,
    object: &Object,
    policy: AdoptionPolicy,
    may_adopt: bool,
) -> Claim {
    let mark = description.and_then(Mark::parse);
    let ownership = mark.map_or(Ownership::Foreign, |mark| mark.ownership(cluster, object));
    match (ownership, policy) {
        (Ownership::Own, _)
        | (Ownership::Former, AdoptionPolicy::IfOwned | AdoptionPolicy::TakeOver) => Claim::Ours,
        (Ownership::Foreign, AdoptionPolicy::TakeOver) if may_adopt => Claim::Adopt,
        (Ownership::Foreign, AdoptionPolicy::TakeOver) => Claim::Refuse(Reason::AdoptionRefused),
        (Ownership::Former | Ownership::Foreign, _) => Claim::Refuse(Reason::NameConflict),
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
        }
        .append_to(Some("CI"))
    }

    #[rstest]
    #[case::made_before_a_crash(
        Some(marked("c1", "u1")),
        AdoptionPolicy::Never,
        false,
        Claim::Ours
    )]
    #[case::of_a_former_object(
        Some(marked("c1", "u0")),
        AdoptionPolicy::IfOwned,
        false,
        Claim::Ours
    )]
    #[case::former_but_never(
        Some(marked("c1", "u0")),
        AdoptionPolicy::Never,
        true,
        Claim::Refuse(Reason::NameConflict)
    )]
    #[case::of_another_cluster(
        Some(marked("c2", "u1")),
        AdoptionPolicy::IfOwned,
        true,
        Claim::Refuse(Reason::NameConflict)
    )]
    #[case::taken_over(Some(marked("c2", "u1")), AdoptionPolicy::TakeOver, true, Claim::Adopt)]
    #[case::by_hand_taken_over(None, AdoptionPolicy::TakeOver, true, Claim::Adopt)]
    #[case::not_permitted(
        None,
        AdoptionPolicy::TakeOver,
        false,
        Claim::Refuse(Reason::AdoptionRefused)
    )]
    #[case::by_hand(Some("CI".into()), AdoptionPolicy::Never, true, Claim::Refuse(Reason::NameConflict))]
    fn a_name_is_claimed_by_mark_and_policy(
        #[case] description: Option<String>,
        #[case] policy: AdoptionPolicy,
        #[case] may_adopt: bool,
        #[case] expected: Claim,
    ) {
        let cluster = Cluster {
            id: "c1".into(),
            former: Vec::new(),
        };
        let claim = claim(
            description.as_deref(),
            &cluster,
            &object("u1"),
            policy,
            may_adopt,
        );
        assert_eq!(claim, expected);
    }
}
