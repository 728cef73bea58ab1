//! From the references in a spec to ids at the backend.

use kube::runtime::reflector::ObjectRef;

use super::backend::Backend;
use super::context::Context;
use super::kind::Kind;
use super::outcome::Blocked;
use super::referrers::{Key, KindName};
use crate::api::condition::Reason;
use crate::api::guardrails::ExternalSubjectKind;
use crate::api::reference::{
    GroupKind, GroupRef, InstanceRef, RoleGrant, RoleKind, RoleRef, Subject as SubjectRef,
    SubjectKind,
};
use crate::iam::client::Subject;
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

impl From<Refusal> for Blocked {
    fn from(refusal: Refusal) -> Self {
        Self::refused(Reason::NotAllowed, refusal.to_string())
    }
}

impl Resolver<'_> {
    /// Whether an object can be referred to: of the same instance, and not on its way out.
    fn may_be<K: Kind>(&self, object: &K) -> bool {
        object.instance_ref() == self.instance && object.meta().deletion_timestamp.is_none()
    }

    /// The groups that an account is to be a member of.
    pub fn members(&self, groups: &[GroupRef]) -> Result<Vec<Member>, Blocked> {
        groups.iter().map(|group| self.group(group)).collect()
    }

    fn group(&self, reference: &GroupRef) -> Result<Member, Blocked> {
        let GroupRef { kind, name } = reference;
        let guard = self.backend.guard(self.namespace);
        if *kind == GroupKind::External {
            guard.group(name)?;
        }
        let member = match kind {
            GroupKind::Group => self.declared_group(name)?,
            GroupKind::External => self.external_group(name)?,
        };
        guard.group(&member.name)?;
        Ok(member)
    }

    fn declared_group(&self, name: &str) -> Result<Member, Blocked> {
        let object = self
            .context
            .stores
            .groups
            .get(&ObjectRef::new(name).within(self.namespace));
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
            .read(|tables| tables.groups.only(name).map(|g| g.id.clone()));
        let id = found.ok_or_else(|| not_found("group", name))?;
        Ok(Member {
            id,
            name: name.to_owned(),
        })
    }

    /// The grants that a list of roles means for a subject.
    pub fn grants(&self, subject: &Subject, roles: &[RoleGrant]) -> Result<Vec<Grant>, Blocked> {
        let mut grants = Vec::new();
        for grant in roles {
            let role = self.role(&grant.role())?;
            grants.extend(self.scoped(subject, &role, &grant.namespaces)?);
        }
        Ok(grants)
    }

    /// The grants of one role in these Kestra namespaces, or in the whole tenant if there are none.
    pub fn scoped(
        &self,
        subject: &Subject,
        (role, role_name): &(RoleId, String),
        namespaces: &[String],
    ) -> Result<Vec<Grant>, Blocked> {
        let guard = self.backend.guard(self.namespace);
        let scopes: Vec<Option<&String>> = match namespaces {
            [] => vec![None],
            some => some.iter().map(Some).collect(),
        };
        let grants = scopes.into_iter().map(|scope| {
            guard.scope(scope.map(String::as_str))?;
            Ok(Grant {
                subject: subject.clone(),
                role: role.clone(),
                role_name: role_name.clone(),
                namespace: scope.cloned(),
            })
        });
        grants.collect()
    }

    /// A role's id and name at the backend.
    pub fn role(&self, reference: &RoleRef) -> Result<(RoleId, String), Blocked> {
        let RoleRef { kind, name } = reference;
        match kind {
            RoleKind::Role => self.declared_role(name),
            RoleKind::External => self.external_role(name),
        }
    }

    /// A `Role` object is permitted by its name, or by what it contains.
    fn declared_role(&self, name: &str) -> Result<(RoleId, String), Blocked> {
        let object = self
            .context
            .stores
            .roles
            .get(&ObjectRef::new(name).within(self.namespace));
        let object = object.filter(|role| self.may_be(&**role));
        let status = object.as_ref().and_then(|role| role.status.as_ref());
        let made =
            status.and_then(|status| Some((status.id.as_ref()?, status.role_name.as_ref()?)));
        let ((id, role_name), object) = made
            .zip(object.as_ref())
            .ok_or_else(|| not_ready("Role", name))?;
        let guard = self.backend.guard(self.namespace);
        guard
            .role(role_name)
            .or_else(|_| guard.permissions(&object.spec.permissions))?;
        Ok((RoleId(id.clone()), role_name.clone()))
    }

    fn external_role(&self, name: &str) -> Result<(RoleId, String), Blocked> {
        self.backend.guard(self.namespace).role(name)?;
        let found = self
            .backend
            .inventory
            .read(|tables| tables.roles.only(name).map(|r| r.id.clone()));
        let id = found.ok_or_else(|| not_found("role", name))?;
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

    /// The subject of a binding. Users are not in the lists: they are asked for.
    pub async fn subject(&self, reference: &SubjectRef) -> Result<Subject, super::outcome::Stop> {
        let SubjectRef { kind, name } = reference;
        let guard = self.backend.guard(self.namespace);
        let subject = match kind {
            SubjectKind::ServiceAccount => Subject::Principal(self.account(name)?.0),
            SubjectKind::Group => Subject::Group(self.declared_group(name)?.id),
            SubjectKind::ExternalGroup => {
                guard
                    .subject(ExternalSubjectKind::ExternalGroup, name)
                    .map_err(Blocked::from)?;
                Subject::Group(self.external_group(name)?.id)
            }
            SubjectKind::ExternalServiceAccount => {
                guard
                    .subject(ExternalSubjectKind::ExternalServiceAccount, name)
                    .map_err(Blocked::from)?;
                Subject::Principal(self.external_account(name)?)
            }
            SubjectKind::ExternalUser => {
                guard
                    .subject(ExternalSubjectKind::ExternalUser, name)
                    .map_err(Blocked::from)?;
                Subject::Principal(self.user(name).await?)
            }
        };
        if self.backend.is_self(subject.id()) {
            return Err(itself(name).into());
        }
        Ok(subject)
    }

    fn external_account(&self, name: &str) -> Result<PrincipalId, Blocked> {
        let found = self
            .backend
            .inventory
            .read(|tables| tables.accounts.only(name).map(|a| a.id.clone()));
        found.ok_or_else(|| not_found("service account", name))
    }

    /// A user's id by name.
    pub async fn user(&self, name: &str) -> Result<PrincipalId, super::outcome::Stop> {
        let found = self.backend.client.find_user(name).await?;
        Ok(found.ok_or_else(|| not_found("user", name))?.id)
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

fn not_found(what: &str, name: &str) -> Blocked {
    let message = format!(
        "the backend has no {what}, or more than one, called {name}: create it there, or correct the name; looked at \
         again with each sweep"
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
