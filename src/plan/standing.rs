//! What to do about something that is known by name and id: an account, a group, a role.

use super::claim::{Claim, Claimant, Obstacle};
use super::mark::Ownership;

/// One of the backend's things that may be the wanted one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate<T> {
    /// Its description, with whatever mark it carries.
    pub description: Option<String>,
    /// The thing itself.
    pub it: T,
}

/// What is known of the wanted thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen<T> {
    /// The one that the status names, if it is still there.
    pub known: Option<Candidate<T>>,
    /// All of the wanted name.
    pub named: Vec<Candidate<T>>,
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing<T> {
    /// Make it.
    Create,
    /// It is there, and ours.
    Keep(T),
    /// It is there, someone else's, and to be taken over.
    Adopt(T),
    /// It is there, and to be left alone.
    Refuse(Obstacle),
}

/// Decides by id first, then by name, mark and policy.
#[must_use]
pub fn standing<T>(seen: Seen<T>, claimant: &Claimant<'_>) -> Standing<T> {
    match seen.known {
        // Another object or cluster has taken it over meanwhile: two would undo each other's work for ever.
        Some(known)
            if claimant.ownership(known.description.as_deref()) == Some(Ownership::Foreign) =>
        {
            Standing::Refuse(claimant.obstacle(known.description.as_deref()))
        }
        Some(known) => Standing::Keep(known.it),
        None => by_name(seen.named, claimant),
    }
}

fn by_name<T>(named: Vec<Candidate<T>>, claimant: &Claimant<'_>) -> Standing<T> {
    let mut claims: Vec<(Claim, T)> = named
        .into_iter()
        .map(|named| (claimant.claim(named.description.as_deref()), named.it))
        .collect();
    // Of several namesakes only one that carries our own mark can be told.
    let ours = claims.iter().position(|(claim, _)| *claim == Claim::Ours);
    if let Some(ours) = ours {
        return Standing::Keep(claims.swap_remove(ours).1);
    }
    match (claims.pop(), claims.is_empty()) {
        (None, _) => Standing::Create,
        (Some((Claim::Adopt, it)), true) => Standing::Adopt(it),
        (Some((Claim::Refuse(obstacle), _)), true) => Standing::Refuse(obstacle),
        _ => Standing::Refuse(Obstacle::Unknown),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::policy::AdoptionPolicy;
    use crate::plan::claim::Adoption;
    use crate::plan::mark::{Cluster, Mark, Object};

    fn object() -> Object {
        Object {
            kind: "Group".into(),
            namespace: "team-a".into(),
            name: "bots".into(),
            uid: "u1".into(),
        }
    }

    fn decide(seen: Seen<u8>, policy: AdoptionPolicy) -> Standing<u8> {
        let cluster = Cluster {
            id: "c1".into(),
            former: Vec::new(),
        };
        let claimant = Claimant {
            cluster: &cluster,
            object: &object(),
            policy,
            adoption: Adoption::Open,
        };
        standing(seen, &claimant)
    }

    fn candidate(it: u8, cluster: Option<&str>) -> Candidate<u8> {
        let mark = cluster.map(|cluster| Mark {
            cluster: cluster.into(),
            object: object(),
            token: None,
            adopted: false,
        });
        Candidate {
            it,
            description: mark.map(|mark| mark.append_to(None)),
        }
    }

    const fn known(known: Candidate<u8>, named: Vec<Candidate<u8>>) -> Seen<u8> {
        let known = Some(known);
        Seen { known, named }
    }

    const fn named(named: Vec<Candidate<u8>>) -> Seen<u8> {
        Seen { known: None, named }
    }

    #[test]
    fn an_id_counts_more_than_a_name() {
        let seen = known(candidate(1, None), vec![candidate(2, Some("c1"))]);
        assert_eq!(decide(seen, AdoptionPolicy::Never), Standing::Keep(1));
    }

    #[test]
    fn what_another_cluster_took_over_is_not_fought_for() {
        for policy in [AdoptionPolicy::Never, AdoptionPolicy::TakeOver] {
            let seen = known(candidate(1, Some("c2")), Vec::new());
            let expected = Standing::Refuse(Obstacle::OtherCluster);
            assert_eq!(decide(seen, policy), expected);
        }
    }

    #[test]
    fn our_mark_is_found_among_namesakes() {
        let seen = named(vec![candidate(1, None), candidate(2, Some("c1"))]);
        assert_eq!(decide(seen, AdoptionPolicy::Never), Standing::Keep(2));
    }

    #[test]
    fn a_free_name_is_taken_and_a_foreign_one_only_on_request() {
        let decide = |candidates, policy| decide(named(candidates), policy);
        assert_eq!(decide(vec![], AdoptionPolicy::Never), Standing::Create);
        let foreign = || vec![candidate(1, Some("c2"))];
        assert_eq!(
            decide(foreign(), AdoptionPolicy::Never),
            Standing::Refuse(Obstacle::OtherCluster)
        );
        assert_eq!(
            decide(foreign(), AdoptionPolicy::TakeOver),
            Standing::Adopt(1)
        );
        let two = vec![candidate(1, None), candidate(2, None)];
        assert_eq!(
            decide(two, AdoptionPolicy::TakeOver),
            Standing::Refuse(Obstacle::Unknown)
        );
    }
}
