//! `Role`: a set of permissions, passed through verbatim.

use std::collections::HashSet;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::api::Api;

use super::backend::Backend;
use super::context::{Context, name_of};
use super::error::Error;
use super::inventory::Sort;
use super::kind::{Kind, Pass, Reconciled};
use super::named;
use super::outcome::{Blocked, Stop};
use super::referrers::{Key, KindName};
use crate::api::Role;
use crate::api::policy::DeletionPolicy;
use crate::api::reference::InstanceRef;
use crate::api::revocation::DepartedKind;
use crate::api::role::RoleStatus;
use crate::iam::client;
use crate::iam::model::{BindingId, RoleId};
use crate::iam::wire::{self, RoleRequest, RoleSummary};
use crate::plan::claim::Obstacle;
use crate::plan::role::{Declared, Drift, Sent, drift, is_same};
use crate::plan::standing::{Candidate, Seen, Standing};

impl Reconciled for Role {
    const NAME: KindName = KindName::Role;
    type Status = RoleStatus;

    fn is_suspended(&self) -> bool {
        self.spec.suspend
    }

    fn status(&self) -> Option<&RoleStatus> {
        self.status.as_ref()
    }

    fn conditions(status: &RoleStatus) -> (&[Condition], Option<i64>) {
        (&status.conditions, status.observed_generation)
    }

    fn api(client: kube::Client, namespace: &str) -> Api<Self> {
        Api::namespaced(client, namespace)
    }
}

impl Kind for Role {
    const DEPARTED: DepartedKind = DepartedKind::Role;

    fn instance_ref(&self) -> &InstanceRef {
        &self.spec.instance_ref
    }

    fn deletion_policy(&self) -> DeletionPolicy {
        self.spec.deletion_policy
    }

    fn identity(status: &RoleStatus) -> Option<String> {
        let (id, name) = (status.id.as_ref()?, status.role_name.as_ref()?);
        // Whoever refers to it is judged by what it allows.
        Some(format!("{id} {name} {:?}", status.applied_permissions))
    }

    fn referents(&self) -> HashSet<Key> {
        HashSet::new()
    }

    async fn live(pass: &mut Pass<Self>, backend: &Backend) -> Result<(), Stop> {
        permitted(pass, backend)?;
        let seen = observe(pass, backend).await?;
        let standing = plan(pass, backend, seen);
        apply(pass, backend, standing).await
    }

    async fn end(pass: &mut Pass<Self>, backend: &Backend) -> Result<(), Stop> {
        let seen = observe(pass, backend).await?;
        let Standing::Keep(role) = plan(pass, backend, seen) else {
            return Ok(());
        };
        pass.may(format_args!("take away role {}", role.name))?;
        if pass.status.adopted || named::is_adopted(role.description.as_deref()) {
            let request = former(&pass.status, &role);
            backend.client.update_role(&role.id, &request).await?;
            return Ok(());
        }
        delete(&pass.context, backend, &role.id).await
    }

    async fn orphan(_: &mut Pass<Self>) -> Result<(), Stop> {
        Ok(())
    }
}

/// The role as it was before it was adopted, as far as that is known.
fn former(status: &RoleStatus, role: &wire::Role) -> RoleRequest {
    let former = status.former_description.as_ref();
    let permissions = match &status.former_permissions {
        unknown if unknown.is_empty() => role.permissions.clone(),
        former => former.clone(),
    };
    RoleRequest {
        name: Some(role.name.clone()),
        description: Some(named::former_description(
            former,
            role.description.as_deref(),
        )),
        permissions: Some(permissions),
        is_default: Some(role.is_default),
    }
}

/// Deletes a role after its bindings, whoever made them: what a backend makes of a binding without its role is not
/// known.
async fn delete(context: &Context, backend: &Backend, id: &RoleId) -> Result<(), Stop> {
    let is_of = |binding: &&wire::Binding| binding.role.as_ref().is_some_and(|role| role.id == *id);
    let bindings: Vec<BindingId> = backend.inventory.read(|tables| {
        let bindings = tables.bindings.all().filter(is_of);
        bindings.map(|binding| binding.id.clone()).collect()
    });
    for binding in &bindings {
        context.authority.may("delete a binding of the role")?;
        backend.client.delete_binding(binding).await?;
        backend
            .inventory
            .write(|tables, stamp| tables.bindings.remove(binding.as_str(), stamp));
    }
    context.authority.may("delete the role")?;
    backend.client.delete_role(id).await?;
    forget(backend, id);
    Ok(())
}

fn name(pass: &Pass<Role>) -> &str {
    pass.object
        .spec
        .role_name
        .as_deref()
        .unwrap_or_else(|| name_of(&pass.object))
}

/// A `Role` object may contain what the guardrails list, whatever its name; a name that they list is no licence to
/// define what it means.
fn permitted(pass: &Pass<Role>, backend: &Backend) -> Result<(), Blocked> {
    backend
        .guard(pass.namespace())
        .permissions(&pass.object.spec.permissions)?;
    Ok(())
}

/// The role that the status names, and all of the wanted name: read one by one, as lists have neither descriptions
/// nor permissions.
async fn observe(pass: &Pass<Role>, backend: &Backend) -> Result<Seen<wire::Role>, Error> {
    let mut seen = Seen {
        known: None,
        named: Vec::new(),
    };
    if let Some(id) = &pass.status.id {
        seen.known = find(backend, &RoleId(id.clone())).await?;
    }
    if seen.known.is_some() {
        return Ok(seen);
    }
    let ids: Vec<RoleId> = backend.inventory.read(|tables| {
        let named = tables.roles.named(name(pass));
        named.map(|role| role.id.clone()).collect()
    });
    for id in &ids {
        seen.named.extend(find(backend, id).await?);
    }
    Ok(seen)
}

async fn find(backend: &Backend, id: &RoleId) -> Result<Option<Candidate<wire::Role>>, Error> {
    match backend.client.role(id).await {
        Ok(role) => Ok(Some(Candidate {
            description: role.description.clone(),
            it: role,
        })),
        Err(client::Error::Gone { .. }) => {
            let gone = named::really_gone(backend).await?;
            forget(backend, id);
            Ok(gone)
        }
        Err(error) => Err(error.into()),
    }
}

fn plan(pass: &Pass<Role>, backend: &Backend, seen: Seen<wire::Role>) -> Standing<wire::Role> {
    let policy = pass.object.spec.adoption_policy;
    match named::plan(pass, backend, name(pass), policy, seen) {
        // Kestra's own roles are nobody's to take over.
        Standing::Adopt(role) if role.is_managed => Standing::Refuse(Obstacle::Managed),
        standing => standing,
    }
}

async fn apply(
    pass: &mut Pass<Role>,
    backend: &Backend,
    standing: Standing<wire::Role>,
) -> Result<(), Stop> {
    let suspended = pass.object.spec.suspend;
    if suspended {
        named::suspended(pass);
    }
    match standing {
        Standing::Refuse(obstacle) => Err(named::refused(obstacle, Sort::Role, name(pass)).into()),
        Standing::Create | Standing::Adopt(_) if suspended => Err(named::held_back().into()),
        Standing::Create => create(pass, backend).await,
        Standing::Adopt(role) => {
            adopt(pass, &role).await?;
            describe(pass, backend, role).await
        }
        Standing::Keep(role) => {
            if !suspended {
                pass.hold(&[]).await?;
            }
            pass.status.adopted |= named::is_adopted(role.description.as_deref());
            describe(pass, backend, role).await
        }
    }
}

async fn create(pass: &mut Pass<Role>, backend: &Backend) -> Result<(), Stop> {
    let name = name(pass).to_owned();
    let _reserved = named::reserve(backend, Sort::Role, &name)?;
    unused(pass, backend, &name).await?;
    pass.hold(&[]).await?;
    pass.status.adopted = false;
    pass.may(format_args!("create role {name}"))?;
    let request = request(pass, None);
    let role = backend.client.create_role(&request).await?;
    written(pass, &role);
    note(pass, backend, &role);
    Ok(())
}

/// Looks for the name once more: unlike those of accounts and groups, the backend takes it a second time. What is found
/// is judged by the next pass.
async fn unused(pass: &mut Pass<Role>, backend: &Backend, name: &str) -> Result<(), Stop> {
    let mut obstacle = Obstacle::Unknown;
    match backend.client.find_role(name).await {
        Ok(None) => return Ok(()),
        Ok(Some(role)) => {
            let seen = Seen {
                known: None,
                named: find(backend, &role.id).await?.into_iter().collect(),
            };
            if let Standing::Refuse(found) = plan(pass, backend, seen) {
                obstacle = found;
            }
            backend
                .inventory
                .write(|tables, stamp| tables.roles.put(role, stamp));
            pass.wake_at(pass.context.clock.now());
        }
        Err(client::Error::Ambiguous { .. }) => {}
        Err(error) => return Err(error.into()),
    }
    Err(named::refused(obstacle, Sort::Role, name).into())
}

/// Writes down what the role was before anything of it is changed: a crash must not make it look like ours.
async fn adopt(pass: &mut Pass<Role>, role: &wire::Role) -> Result<(), Stop> {
    pass.may(format_args!("take over role {}", role.name))?;
    pass.hold(&[]).await?;
    let status = &mut pass.status;
    status.adopted = true;
    status.former_description = Some(role.description.clone().unwrap_or_default());
    status.former_permissions.clone_from(&role.permissions);
    status.id = Some(role.id.0.clone());
    pass.checkpoint().await?;
    Ok(())
}

/// Brings name, description and permissions in line with the spec.
async fn describe(pass: &mut Pass<Role>, backend: &Backend, role: wire::Role) -> Result<(), Stop> {
    let role = match compare(pass, &role) {
        Drift::None => role,
        Drift::Differs if pass.object.spec.suspend => return Err(named::held_back().into()),
        Drift::Differs => {
            let name = name(pass);
            pass.may(format_args!(
                "write name, description and permissions of role {name}"
            ))?;
            let request = request(pass, Some(role.is_default));
            let role = backend.client.update_role(&role.id, &request).await?;
            written(pass, &role);
            role
        }
    };
    note(pass, backend, &role);
    Ok(())
}

fn compare(pass: &Pass<Role>, role: &wire::Role) -> Drift {
    let status = &pass.status;
    let sent = &status.applied_permissions;
    let answered = match &status.answered_permissions {
        same if same.is_empty() => sent,
        other => other,
    };
    let declared = Declared {
        name: name(pass),
        description: &description(pass),
        permissions: &pass.object.spec.permissions,
        last: (!sent.is_empty()).then_some(Sent { sent, answered }),
    };
    drift(&declared, role)
}

fn description(pass: &Pass<Role>) -> String {
    let text = pass.object.spec.description.as_deref();
    named::description(pass, text, pass.status.adopted)
}

/// The role as declared; whether it is the default for new users is not ours to say.
fn request(pass: &Pass<Role>, is_default: Option<bool>) -> RoleRequest {
    RoleRequest {
        name: Some(name(pass).to_owned()),
        description: Some(description(pass)),
        permissions: Some(pass.object.spec.permissions.clone()),
        is_default,
    }
}

/// Remembers what the backend made of what was sent.
fn written(pass: &mut Pass<Role>, role: &wire::Role) {
    let sent = pass.object.spec.permissions.clone();
    pass.status.answered_permissions.clear();
    if !is_same(&sent, &role.permissions) {
        pass.status
            .answered_permissions
            .clone_from(&role.permissions);
    }
    pass.status.applied_permissions = sent;
}

/// What the status says; a new id wakes whoever refers to the role.
fn note(pass: &mut Pass<Role>, backend: &Backend, role: &wire::Role) {
    let summary = RoleSummary {
        id: role.id.clone(),
        name: Some(role.name.clone()),
        is_default: role.is_default,
        is_managed: role.is_managed,
        permission_count: None,
    };
    backend
        .inventory
        .write(|tables, stamp| tables.roles.put(summary, stamp));
    let status = &mut pass.status;
    if status.applied_permissions.is_empty() {
        status
            .applied_permissions
            .clone_from(&pass.object.spec.permissions);
    }
    status.role_name = Some(role.name.clone());
    status.id = Some(role.id.0.clone());
}

fn forget(backend: &Backend, id: &RoleId) {
    backend
        .inventory
        .write(|tables, stamp| tables.roles.remove(id.as_str(), stamp));
}
