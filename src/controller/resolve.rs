//! From the references in a spec to ids at the backend, each judged by the instance's guardrails.

use kube::runtime::reflector::ObjectRef;

use super::backend::Backend;
use super::context::Context;
use super::inventory::NotOne;
use super::kind::Kind;
use super::outcome::{Blocked, Stop};
use super::referrers::{Key, KindName};
use crate::api::Duration;
use crate::api::condition::Reason;
use crate::api::guardrails::ExternalSubjectKind;
use crate::api::reference::{
    GroupKind, GroupRef, InstanceRef, RoleGrant, RoleKind, RoleRef, Subject as SubjectRef,
    SubjectKind,
};
use crate::iam::client::{self, Subject};
use crate::iam::model::{GroupId, PrincipalId, RoleId};
use crate::plan::grant::{Grant, Member};
use crate::plan::guardrail::Refusal;

/// Resolves the references of one object.
#[derive(Clone, Copy)]
pub struct Resolver<'a> {
    /// What the watches show.
    pub context: &'a Context,
    /// What the backend holds.
    pub backend: &'a Backend,
    /// The instance that the object refers to: referents have to be of the same.
    pub instance: &'a InstanceRef,
    /// The object's namespace.
    pub namespace: &'a str,
}

/// What a list of references comes to.
#[derive(Debug)]
pub struct Resolved<T> {
    /// Those that are there and permitted.
    pub found: Vec<T>,
    /// What is the matter with the others: a refusal before something that is missing.
    pub trouble: Option<Blocked>,
}

impl<T> Resolved<T> {
    /// Whether the guardrails do not permit all of it.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        self.trouble.as_ref().is_some_and(Blocked::is_refusal)
    }

    fn gather(results: impl IntoIterator<Item = Result<T, Blocked>>) -> Self {
        let (mut found, mut trouble) = (Vec::new(), None);
        for result in results {
            match result {
                Ok(one) => found.push(one),
                Err(blocked) => trouble = Blocked::graver(trouble, Some(blocked)),
            }
        }
        Self { found, trouble }
    }
}

/// A role where it is to be granted, whoever gets it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScopedRole {
    /// The role.
    pub id: RoleId,
    /// Its name, for people.
    pub name: String,
    /// The Kestra namespace; `None` = the whole tenant.
    pub namespace: Option<String>,
}

impl ScopedRole {
    /// The grant to one subject.
    #[must_use]
    pub fn to(&self, subject: &Subject) -> Grant {
        Grant {
            subject: subject.clone(),
            role: self.id.clone(),
            role_name: self.name.clone(),
            namespace: self.namespace.clone(),
        }
    }
}

impl From<Refusal> for Blocked {
    fn from(refusal: Refusal) -> Self {
        Self::refused(refusal.reason(), refusal.to_string())
    }
}

impl Resolver<'_> {
    /// Whether an object can be referred to: of the same instance, and not on its way out.
    fn may_be<K: Kind>(&self, object: &K) -> bool {
        object.instance_ref() == self.instance && object.meta().deletion_timestamp.is_none()
    }

    /// The groups that an account is to be a member of.
    #[must_use]
    pub fn members(&self, groups: &[GroupRef]) -> Resolved<Member> {
        Resolved::gather(groups.iter().map(|group| self.group(group)))
    }

    fn group(&self, reference: &GroupRef) -> Result<Member, Blocked> {
        let GroupRef { kind, name } = reference;
        let guard = self.backend.guard(self.namespace);
        match kind {
            GroupKind::Group => {
                let member = self.declared_group(name)?;
                guard.group(&member.name)?;
                Ok(member)
            }
            GroupKind::External => {
                guard.group(name)?;
                self.external_group(name)
            }
        }
    }

    fn declared_group(&self, name: &str) -> Result<Member, Blocked> {
        let groups = &self.context.stores.groups;
        let object = groups.get(&ObjectRef::new(name).within(self.namespace));
        let object = object.filter(|group| self.may_be(&**group));
        let status = object.as_ref().and_then(|group| group.status.as_ref());
        let made =
            status.and_then(|status| Some((status.id.as_ref()?, status.group_name.as_ref()?)));
        let (id, name) = made.ok_or_else(|| not_ready("Group", name))?;
        Ok(Member {
            id: GroupId(id.clone()),
            name: name.clone(),
        })
    }

    fn external_group(&self, name: &str) -> Result<Member, Blocked> {
        let found = self
            .backend
            .inventory
            .read(|tables| tables.groups.only(name).map(|group| group.id.clone()));
        let id = found.map_err(|why| self.not_one("group", name, why))?;
        Ok(Member {
            id,
            name: name.to_owned(),
        })
    }

    /// Roles with the Kestra namespaces in which each is granted.
    #[must_use]
    pub fn roles(&self, grants: &[RoleGrant]) -> Resolved<ScopedRole> {
        let all = grants.iter().map(|grant| {
            let role = grant.role();
            self.scoped(&role, &grant.namespaces)
        });
        let (mut found, mut trouble) = (Vec::new(), None);
        for one in all {
            found.extend(one.found);
            trouble = Blocked::graver(trouble, one.trouble);
        }
        Resolved { found, trouble }
    }

    /// One role in these Kestra namespaces, or in the whole tenant if there are none.
    #[must_use]
    pub fn scoped(&self, reference: &RoleRef, namespaces: &[String]) -> Resolved<ScopedRole> {
        let (id, name) = match self.role(reference) {
            Ok(role) => role,
            Err(blocked) => return Resolved::gather([Err(blocked)]),
        };
        let guard = self.backend.guard(self.namespace);
        let scopes: Vec<Option<&String>> = match namespaces {
            [] => vec![None],
            some => some.iter().map(Some).collect(),
        };
        Resolved::gather(scopes.into_iter().map(|scope| {
            guard.scope(scope.map(String::as_str))?;
            Ok(ScopedRole {
                id: id.clone(),
                name: name.clone(),
                namespace: scope.cloned(),
            })
        }))
    }

    /// A role's id and name at the backend.
    fn role(&self, reference: &RoleRef) -> Result<(RoleId, String), Blocked> {
        match reference.kind {
            RoleKind::Role => self.declared_role(&reference.name),
            RoleKind::External => self.external_role(&reference.name),
        }
    }

    /// A `Role` object is judged by what it allows at the backend right now, whatever its spec says by now.
    fn declared_role(&self, name: &str) -> Result<(RoleId, String), Blocked> {
        let roles = &self.context.stores.roles;
        let object = roles.get(&ObjectRef::new(name).within(self.namespace));
        let object = object.filter(|role| self.may_be(&**role));
        let status = object.as_ref().and_then(|role| role.status.as_ref());
        let made = status.and_then(|status| {
            let name = status.role_name.as_ref()?;
            Some((status.id.as_ref()?, name, &status.applied_permissions))
        });
        let (id, role_name, permissions) = made.ok_or_else(|| not_ready("Role", name))?;
        self.backend
            .guard(self.namespace)
            .permissions(permissions)?;
        Ok((RoleId(id.clone()), role_name.clone()))
    }

    fn external_role(&self, name: &str) -> Result<(RoleId, String), Blocked> {
        self.backend.guard(self.namespace).role(name)?;
        let found = self
            .backend
            .inventory
            .read(|tables| tables.roles.only(name).map(|role| role.id.clone()));
        let id = found.map_err(|why| self.not_one("role", name, why))?;
        Ok((id, name.to_owned()))
    }

    /// The id of an account that is an object of this namespace.
    pub fn account(&self, name: &str) -> Result<(PrincipalId, String), Blocked> {
        let accounts = &self.context.stores.service_accounts;
        let object = accounts.get(&ObjectRef::new(name).within(self.namespace));
        let object = object.filter(|account| self.may_be(&**account));
        let status = object.as_ref().and_then(|account| account.status.as_ref());
        let made =
            status.and_then(|status| Some((status.id.as_ref()?, status.account_name.as_ref()?)));
        let (id, name) = made.ok_or_else(|| not_ready("ServiceAccount", name))?;
        Ok((PrincipalId(id.clone()), name.clone()))
    }

    /// Whether a binding may be for this subject, by its name alone: nothing is asked of the backend.
    pub fn permitted(&self, reference: &SubjectRef) -> Result<(), Blocked> {
        let guard = self.backend.guard(self.namespace);
        let external = match reference.kind {
            SubjectKind::ServiceAccount | SubjectKind::Group => return Ok(()),
            SubjectKind::ExternalGroup => ExternalSubjectKind::ExternalGroup,
            SubjectKind::ExternalServiceAccount => ExternalSubjectKind::ExternalServiceAccount,
            SubjectKind::ExternalUser => ExternalSubjectKind::ExternalUser,
        };
        Ok(guard.subject(external, &reference.name)?)
    }

    /// The subject of a binding, which [`Resolver::permitted`] let pass. Users are not in the lists: they are asked for.
    pub async fn subject(&self, reference: &SubjectRef) -> Result<Subject, Stop> {
        let SubjectRef { kind, name } = reference;
        let subject = match kind {
            SubjectKind::ServiceAccount => Subject::Principal(self.account(name)?.0),
            SubjectKind::Group => Subject::Group(self.declared_group(name)?.id),
            SubjectKind::ExternalGroup => Subject::Group(self.external_group(name)?.id),
            SubjectKind::ExternalServiceAccount => {
                self.principal(name, self.external_account(name)?).await?
            }
            SubjectKind::ExternalUser => self.principal(name, self.user(name).await?).await?,
        };
        if self.backend.is_self(subject.id()) {
            return Err(itself(name).into());
        }
        Ok(subject)
    }

    async fn principal(&self, name: &str, id: PrincipalId) -> Result<Subject, Stop> {
        self.ordinary(name, &id).await?;
        Ok(Subject::Principal(id))
    }

    fn external_account(&self, name: &str) -> Result<PrincipalId, Blocked> {
        let found = self
            .backend
            .inventory
            .read(|tables| tables.accounts.only(name).map(|account| account.id.clone()));
        found.map_err(|why| self.not_one("service account", name, why))
    }

    /// A user's id by name.
    pub async fn user(&self, name: &str) -> Result<PrincipalId, Stop> {
        let not_one = |why| Stop::from(self.not_one("user", name, why));
        match self.backend.client.find_user(name).await {
            Ok(found) => Ok(found.ok_or_else(|| not_one(NotOne::Nothing))?.id),
            Err(client::Error::Ambiguous { .. }) => Err(not_one(NotOne::Several)),
            Err(error) => Err(error.into()),
        }
    }

    /// Refuses an owner of the whole instance, unless the guardrails allow those too. The backend is asked each time:
    /// one that was ordinary yesterday may be none today.
    pub async fn ordinary(&self, name: &str, id: &PrincipalId) -> Result<(), Stop> {
        let verdict = self.backend.guard(self.namespace).super_admin(name);
        let Err(refusal) = verdict else { return Ok(()) };
        match self.backend.client.access(id).await {
            Ok(access) if access.is_superadmin() => Err(Blocked::from(refusal).into()),
            Ok(_) => Ok(()),
            // Known, but no longer let in here.
            Err(client::Error::Gone { .. }) => Err(self
                .not_one("user or account", name, NotOne::Nothing)
                .into()),
            Err(error) => Err(error.into()),
        }
    }

    fn not_one(&self, what: &str, name: &str, why: NotOne) -> Blocked {
        not_one(what, name, why, self.backend.sweep)
    }
}

/// The operator's own account or user.
pub fn itself(name: &str) -> Blocked {
    let message =
        format!("{name} is the operator's own identity at the backend, which no object may touch");
    Blocked::refused(Reason::NotAllowed, message)
}

fn not_ready(kind: &str, name: &str) -> Blocked {
    let message = format!(
        "{kind} {name} of this namespace is not there, not ready, or of another instance; this object goes on as soon \
         as it is"
    );
    Blocked::unresolved(Reason::ReferenceNotFound, message)
}

/// Said of names alone that the guardrails let pass: of others nobody learns whether they are there.
fn not_one(what: &str, name: &str, why: NotOne, sweep: Duration) -> Blocked {
    let (has, mend) = match why {
        NotOne::Nothing => ("no", "create it there, or correct the name"),
        NotOne::Several => (
            "more than one",
            "which one is meant cannot be told, so rename the others there",
        ),
    };
    let message = format!(
        "the backend has {has} {what} called {name}: {mend}; the operator looks again every {sweep} (spec.resync.objects of the \
         instance)"
    );
    Blocked::unresolved(Reason::ReferenceNotFound, message)
}

/// The objects that references to groups and roles name.
pub fn referents(namespace: &str, groups: &[GroupRef], roles: &[RoleGrant]) -> Vec<Key> {
    let groups = groups.iter().filter(|group| group.kind == GroupKind::Group);
    let roles = roles.iter().filter(|role| role.kind == RoleKind::Role);
    let groups = groups.map(|group| Key::new(KindName::Group, namespace, &group.name));
    let roles = roles.map(|role| Key::new(KindName::Role, namespace, &role.name));
    groups.chain(roles).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_nothing_has_is_told_from_one_that_several_have() {
        let every = Duration::from_mins(10);
        let nothing = not_one("role", "runner", NotOne::Nothing, every).message;
        assert!(nothing.starts_with("the backend has no role called runner: create it"));
        let when = "; the operator looks again every 10m (spec.resync.objects of the instance)";
        assert!(nothing.ends_with(when), "{nothing}");
        let several = not_one("role", "runner", NotOne::Several, every).message;
        assert!(several.starts_with("the backend has more than one role called runner: "));
        assert!(several.contains("rename"), "{several}");
    }
}
