//! What to do about something that is known by name and id: an account, a group, a role.

use super::claim::{Claim, claim};
use super::mark::{Cluster, Object};
use crate::api::condition::Reason;
use crate::api::policy::AdoptionPolicy;

/// One of the backend's things that may be the wanted one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Its id.
    pub id: String,
    /// Its description, with whatever mark it carries.
    pub description: Option<String>,
}

/// What is known of the wanted thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The one that the status names, if it is still there.
    pub known: Option<Candidate>,
    /// All of the wanted name.
    pub named: Vec<Candidate>,
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Make it.
    Create,
    /// It is there, and ours.
    Keep {
        /// Its id.
        id: String,
    },
    /// It is there, someone else's, and to be taken over.
    Adopt {
        /// Its id.
        id: String,
    },
    /// It is there, and to be left alone.
    Refuse(Reason),
}

/// Decides by id first, then by name, mark and policy.
#[must_use]
pub fn standing(
    seen: &Seen,
    cluster: &Cluster,
    object: &Object,
    policy: AdoptionPolicy,
    may_adopt: bool,
) -> Standing {
    if let Some(known) = &seen.known {
        return Standing::Keep {
            id: known.id.clone(),
        };
    }
    let claims = seen.named.iter().map(|named| {
        let description = named.description.as_deref();
        (
            named,
            claim(description, cluster, object, policy, may_adopt),
        )
    });
    let claims: Vec<_> = claims.collect();
    // Of several namesakes only one that carries our own mark can be told.
    if let Some((ours, _)) = claims.iter().find(|(_, claim)| *claim == Claim::Ours) {
        return Standing::Keep {
            id: ours.id.clone(),
        };
    }
    match claims.as_slice() {
        [] => Standing::Create,
        [(named, Claim::Adopt)] => Standing::Adopt {
            id: named.id.clone(),
        },
        [(_, Claim::Refuse(reason))] => Standing::Refuse(*reason),
        _ => Standing::Refuse(Reason::NameConflict),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::mark::Mark;

    fn object() -> Object {
        Object {
            kind: "Group".into(),
            namespace: "team-a".into(),
            name: "bots".into(),
            uid: "u1".into(),
        }
    }

    fn decide(seen: &Seen, policy: AdoptionPolicy) -> Standing {
        let cluster = Cluster {
            id: "c1".into(),
            former: Vec::new(),
        };
        standing(seen, &cluster, &object(), policy, true)
    }

    fn candidate(id: &str, ours: Option<&str>) -> Candidate {
        let mark = ours.map(|cluster| Mark {
            cluster: cluster.into(),
            object: object(),
            token: None,
        });
        Candidate {
            id: id.into(),
            description: mark.map(|mark| mark.append_to(None)),
        }
    }

    #[test]
    fn an_id_counts_more_than_a_name() {
        let seen = Seen {
            known: Some(candidate("1", None)),
            named: vec![candidate("2", Some("c1"))],
        };
        assert_eq!(
            decide(&seen, AdoptionPolicy::Never),
            Standing::Keep { id: "1".into() }
        );
    }

    #[test]
    fn our_mark_is_found_among_namesakes() {
        let seen = Seen {
            known: None,
            named: vec![candidate("1", None), candidate("2", Some("c1"))],
        };
        assert_eq!(
            decide(&seen, AdoptionPolicy::Never),
            Standing::Keep { id: "2".into() }
        );
    }

    #[test]
    fn a_free_name_is_taken_and_a_foreign_one_only_on_request() {
        let seen = |named| Seen { known: None, named };
        assert_eq!(
            decide(&seen(vec![]), AdoptionPolicy::Never),
            Standing::Create
        );
        let foreign = seen(vec![candidate("1", Some("c2"))]);
        assert_eq!(
            decide(&foreign, AdoptionPolicy::Never),
            Standing::Refuse(Reason::NameConflict)
        );
        assert_eq!(
            decide(&foreign, AdoptionPolicy::TakeOver),
            Standing::Adopt { id: "1".into() }
        );
        let two = seen(vec![candidate("1", None), candidate("2", None)]);
        assert_eq!(
            decide(&two, AdoptionPolicy::TakeOver),
            Standing::Refuse(Reason::NameConflict)
        );
    }
}
