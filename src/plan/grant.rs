//! Role bindings and memberships: which to make, which to remove, which are ours.
//!
//! A grant has no description that could carry a mark, so that the status is the memory: what is to be granted is
//! written there before the request, and only what it names is ever removed.

use std::collections::BTreeSet;
use std::fmt;

use crate::api::grant::{GrantedBinding, GrantedGroup};
use crate::iam::client::Subject;
use crate::iam::model::{BindingId, GroupId, RoleId};
use crate::iam::wire::{Binding, BindingRequest};

/// A role that a subject is to have, in one Kestra namespace or in the whole tenant.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Grant {
    /// Who gets it.
    pub subject: Subject,
    /// Which role.
    pub role: RoleId,
    /// Its name, for people.
    pub role_name: String,
    /// The Kestra namespace; `None` = the whole tenant.
    pub namespace: Option<String>,
}

/// What a set of grants asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grants {
    /// To be made.
    pub bind: Vec<Grant>,
    /// To be removed.
    pub unbind: Vec<BindingId>,
    /// What the status says before the first request: nothing that is made may be unknown after a crash.
    pub ahead: Vec<GrantedBinding>,
    /// What the status says of those that are not to be made: ours already.
    pub kept: Vec<GrantedBinding>,
}

impl Grants {
    /// The same without anything new: what an object that is not permitted in part may still do.
    #[must_use]
    pub fn removals(self) -> Self {
        Self {
            bind: Vec::new(),
            ..self
        }
    }

    /// Whether the backend is as it should be.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.bind.is_empty() && self.unbind.is_empty()
    }
}

impl fmt::Display for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let role = &self.role_name;
        match &self.namespace {
            Some(namespace) => write!(f, "role {role} in Kestra namespace {namespace}"),
            None => write!(f, "role {role} in the whole tenant"),
        }
    }
}

impl Grant {
    /// Whether it is this binding at the backend.
    #[must_use]
    pub fn is(&self, binding: &Binding) -> bool {
        binding.is(&self.request())
    }

    /// The body that makes it.
    #[must_use]
    pub fn request(&self) -> BindingRequest {
        BindingRequest {
            kind: self.subject.kind(),
            external_id: self.subject.id().to_owned(),
            role_id: self.role.clone(),
            namespace_id: self.namespace.clone(),
        }
    }

    /// How the status names it, with the id of its binding once there is one.
    #[must_use]
    pub fn granted(&self, id: Option<&BindingId>) -> GrantedBinding {
        GrantedBinding {
            id: id.map(|id| id.0.clone()),
            subject_id: self.subject.id().to_owned(),
            role_id: self.role.0.clone(),
            role_name: self.role_name.clone(),
            namespace: self.namespace.clone(),
        }
    }

    fn is_named_by(&self, granted: &GrantedBinding) -> bool {
        same(&self.granted(None), granted)
    }
}

/// Whether both name the same grant.
#[must_use]
pub fn same(one: &GrantedBinding, other: &GrantedBinding) -> bool {
    one.subject_id == other.subject_id
        && one.role_id == other.role_id
        && one.namespace == other.namespace
}

/// Compares what is wanted with what is there and what is ours.
///
/// `existing` are the subjects' bindings at the backend; `ours` what the status names; `elsewhere` says whether
/// another live object of ours names a grant: it is shared then, and stays when this object goes.
#[must_use]
pub fn grants(
    wanted: &[Grant],
    existing: &[Binding],
    ours: &[GrantedBinding],
    elsewhere: impl Fn(&GrantedBinding) -> bool,
) -> Grants {
    let mut plan = Grants::default();
    for grant in wanted.iter().collect::<BTreeSet<_>>() {
        let claimed = ours.iter().any(|granted| grant.is_named_by(granted));
        match existing.iter().find(|binding| grant.is(binding)) {
            Some(binding) if claimed || elsewhere(&grant.granted(None)) => {
                plan.kept.push(grant.granted(Some(&binding.id)));
            }
            // Somebody else granted it: it is not ours to remove later.
            Some(_) => {}
            None => plan.bind.push(grant.clone()),
        }
    }
    for granted in ours {
        let still_wanted = wanted.iter().any(|grant| grant.is_named_by(granted));
        if !still_wanted && !elsewhere(granted) {
            plan.unbind.extend(
                existing
                    .iter()
                    .filter(|b| named(granted, b))
                    .map(|b| b.id.clone()),
            );
        }
    }
    let pending = plan.bind.iter().map(|grant| grant.granted(None));
    plan.ahead = plan.kept.iter().cloned().chain(pending).collect();
    plan
}

/// Whether the status names this binding.
fn named(granted: &GrantedBinding, binding: &Binding) -> bool {
    let subject = binding.subject();
    let role = binding.role.as_ref().map(|role| role.id.as_str());
    subject.is_some_and(|subject| subject.id() == granted.subject_id)
        && role == Some(granted.role_id.as_str())
        && binding.scope() == granted.namespace.as_deref()
}

/// A group that an account is to be a member of.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Member {
    /// The group's id.
    pub id: GroupId,
    /// Its name.
    pub name: String,
}

/// What a set of memberships asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Memberships {
    /// To be made.
    pub join: Vec<Member>,
    /// To be removed.
    pub leave: Vec<GroupId>,
    /// What the status says before the first request.
    pub ahead: Vec<GrantedGroup>,
}

impl Memberships {
    /// The same without anything new: what an object that is not permitted in part may still do.
    #[must_use]
    pub fn removals(self) -> Self {
        Self {
            join: Vec::new(),
            ..self
        }
    }

    /// Whether the backend is as it should be.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.join.is_empty() && self.leave.is_empty()
    }
}

/// Compares the groups that an account is to be in with those that it is in (`external` ones included) and those
/// that we brought about.
#[must_use]
pub fn memberships(wanted: &[Member], present: &[GroupId], ours: &[GrantedGroup]) -> Memberships {
    let mut plan = Memberships::default();
    for group in wanted {
        let claimed = ours.iter().any(|granted| granted.id == group.id.0);
        let is_member = present.contains(&group.id);
        if !is_member {
            plan.join.push(group.clone());
        }
        if claimed || !is_member {
            plan.ahead.push(group.granted(!is_member));
        }
    }
    let unwanted = ours
        .iter()
        .filter(|granted| !wanted.iter().any(|group| group.id.0 == granted.id));
    // Also those that it is in no more: what leaving takes away may not have been given back yet.
    plan.leave = unwanted
        .map(|granted| GroupId(granted.id.clone()))
        .collect();
    plan
}

impl Member {
    /// How the status names it.
    #[must_use]
    pub fn granted(&self, pending: bool) -> GrantedGroup {
        GrantedGroup {
            id: self.id.0.clone(),
            name: self.name.clone(),
            pending,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn grant(role: &str, namespace: Option<&str>) -> Grant {
        Grant {
            subject: Subject::Principal("a1".into()),
            role: role.into(),
            role_name: role.to_uppercase(),
            namespace: namespace.map(str::to_owned),
        }
    }

    fn binding(id: &str, grant: &Grant) -> Binding {
        let mut json =
            json!({"id": id, "type": "USER", "role": {"id": grant.role}, "user": {"id": "a1"}});
        if let Some(namespace) = &grant.namespace {
            json["namespace"] = json!(namespace);
        }
        serde_json::from_value(json).unwrap()
    }

    const ALONE: fn(&GrantedBinding) -> bool = |_| false;

    #[test]
    fn what_is_missing_is_bound_and_written_ahead() {
        let wanted = [
            grant("r1", None),
            grant("r1", Some("company")),
            grant("r1", None),
        ];
        let plan = grants(&wanted, &[], &[], ALONE);
        assert_eq!(plan.bind, wanted[..2], "each once");
        assert_eq!(plan.ahead.len(), 2);
        assert!(plan.ahead.iter().all(|granted| granted.id.is_none()));
    }

    #[test]
    fn what_others_granted_is_neither_claimed_nor_removed() {
        let wanted = grant("r1", None);
        let existing = [binding("b1", &wanted)];
        let plan = grants(std::slice::from_ref(&wanted), &existing, &[], ALONE);
        assert_eq!(plan, Grants::default());
        assert_eq!(grants(&[], &existing, &[], ALONE), Grants::default());
    }

    #[test]
    fn what_was_written_ahead_and_is_there_is_ours() {
        let wanted = grant("r1", Some("company"));
        let plan = grants(
            std::slice::from_ref(&wanted),
            &[binding("b1", &wanted)],
            &[wanted.granted(None)],
            ALONE,
        );
        assert_eq!(plan.kept, [wanted.granted(Some(&"b1".into()))]);
        assert!(plan.bind.is_empty() && plan.unbind.is_empty());
    }

    #[test]
    fn ours_is_removed_only_when_nobody_else_declares_it() {
        let gone = grant("r1", None);
        let (existing, ours) = ([binding("b1", &gone)], [gone.granted(Some(&"b1".into()))]);
        assert_eq!(
            grants(&[], &existing, &ours, ALONE).unbind,
            [BindingId::from("b1")]
        );
        assert!(grants(&[], &existing, &ours, |_| true).unbind.is_empty());
    }

    #[test]
    fn a_namespace_is_part_of_the_grant() {
        let (tenant, company) = (grant("r1", None), grant("r1", Some("company")));
        let ours = [tenant.granted(Some(&"b1".into()))];
        let plan = grants(
            std::slice::from_ref(&company),
            &[binding("b1", &tenant)],
            &ours,
            ALONE,
        );
        assert_eq!(
            (plan.bind, plan.unbind),
            (vec![company], vec![BindingId::from("b1")])
        );
    }

    fn group(id: &str) -> Member {
        Member {
            id: id.into(),
            name: id.to_uppercase(),
        }
    }

    #[test]
    fn memberships_of_others_stay() {
        let present = ["g1".into(), "g2".into()];
        let plan = memberships(&[group("g1")], &present, &[]);
        assert_eq!(plan, Memberships::default());
    }

    #[test]
    fn a_group_is_left_until_the_status_says_so() {
        let ours = [group("g1").granted(false)];
        let plan = memberships(&[], &[], &ours);
        assert_eq!(plan.leave, [GroupId::from("g1")]);
        assert!(plan.ahead.is_empty());
    }

    #[test]
    fn memberships_of_ours_follow_the_spec() {
        let ours = [group("g1").granted(false), group("g2").granted(false)];
        let plan = memberships(
            &[group("g2"), group("g3")],
            &["g1".into(), "g2".into()],
            &ours,
        );
        assert_eq!(plan.join, [group("g3")]);
        assert_eq!(plan.leave, [GroupId::from("g1")]);
        assert_eq!(
            plan.ahead,
            [group("g2").granted(false), group("g3").granted(true)]
        );
    }
}
