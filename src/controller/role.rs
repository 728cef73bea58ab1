//! `Role`: a set of permissions, passed through verbatim.

use std::collections::HashSet;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use super::backend::Backend;
use super::context::name_of;
use super::error::Error;
use super::kind::{Kind, Pass};
use super::named;
use super::outcome::{Blocked, Stop};
use super::referrers::{Key, KindName};
use crate::api::Role;
use crate::api::policy::DeletionPolicy;
use crate::api::reference::InstanceRef;
use crate::api::role::RoleStatus;
use crate::iam::client;
use crate::iam::model::RoleId;
use crate::iam::wire::{self, RoleRequest, RoleSummary};
use crate::plan::mark;
use crate::plan::role::{Declared, Drift, drift};
use crate::plan::standing::{Candidate, Seen, Standing};

impl Kind for Role {
    const NAME: KindName = KindName::Role;
    type Status = RoleStatus;

    fn instance_ref(&self) -> &InstanceRef {
        &self.spec.instance_ref
    }

    fn deletion_policy(&self) -> DeletionPolicy {
        self.spec.deletion_policy
    }

    fn status(&self) -> Option<&RoleStatus> {
        self.status.as_ref()
    }

    fn conditions(status: &RoleStatus) -> (&[Condition], Option<i64>) {
        (&status.conditions, status.observed_generation)
    }

    fn identity(status: &RoleStatus) -> Option<(&str, &str)> {
        Some((status.id.as_deref()?, status.role_name.as_deref()?))
    }

    fn expirations(_: &RoleStatus) -> Vec<Timestamp> {
        Vec::new()
    }

    fn referents(&self) -> HashSet<Key> {
        HashSet::new()
    }

    async fn live(pass: &mut Pass<Self>, backend: &Backend) -> Result<(), Stop> {
        permitted(pass, backend)?;
        let seen = observe(pass, backend).await?;
        let plan = plan(pass, backend, &seen);
        apply(pass, backend, plan).await
    }

    async fn end(pass: &mut Pass<Self>, backend: &Backend) -> Result<(), Stop> {
        let seen = observe(pass, backend).await?;
        let Standing::Keep { id } = plan(pass, backend, &seen) else {
            return Ok(());
        };
        pass.context.leadership.guard().map_err(Error::from)?;
        if pass.status.adopted {
            let role = backend.client.role(&RoleId(id)).await?;
            let description = role
                .description
                .as_deref()
                .map(|text| mark::strip(text).to_owned());
            backend
                .client
                .update_role(&role.id, &request(&role, description))
                .await?;
            return Ok(());
        }
        backend.client.delete_role(&RoleId(id.clone())).await?;
        backend
            .inventory
            .write(|tables, stamp| tables.roles.remove(&id, stamp));
        Ok(())
    }

    async fn orphan(_: &mut Pass<Self>) -> Result<(), Stop> {
        Ok(())
    }
}

/// The role as it is, with another description.
fn request(role: &wire::Role, description: Option<String>) -> RoleRequest {
    RoleRequest {
        name: Some(role.name.clone()),
        description,
        permissions: Some(role.permissions.clone()),
        is_default: Some(role.is_default),
    }
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
async fn observe(pass: &Pass<Role>, backend: &Backend) -> Result<Seen, Error> {
    let known = match &pass.status.id {
        Some(id) => find(backend, &RoleId(id.clone())).await?,
        None => None,
    };
    if known.is_some() {
        return Ok(Seen {
            known,
            named: Vec::new(),
        });
    }
    let ids: Vec<RoleId> = backend.inventory.read(|tables| {
        tables
            .roles
            .named(name(pass))
            .map(|role| role.id.clone())
            .collect()
    });
    let mut named = Vec::new();
    for id in &ids {
        named.extend(find(backend, id).await?);
    }
    Ok(Seen { known: None, named })
}

async fn find(backend: &Backend, id: &RoleId) -> Result<Option<Candidate>, Error> {
    match backend.client.role(id).await {
        // Kestra's own roles are nobody's to take over.
        Ok(role) if role.is_managed => Ok(Some(Candidate {
            id: role.id.0,
            description: None,
        })),
        Ok(role) => Ok(Some(Candidate {
            id: role.id.0,
            description: role.description,
        })),
        Err(client::Error::Gone { .. }) => named::really_gone(backend).await,
        Err(error) => Err(error.into()),
    }
}

fn plan(pass: &Pass<Role>, backend: &Backend, seen: &Seen) -> Standing {
    named::plan(
        pass,
        backend,
        name(pass),
        pass.object.spec.adoption_policy,
        seen,
    )
}

async fn apply(pass: &mut Pass<Role>, backend: &Backend, plan: Standing) -> Result<(), Stop> {
    let name = name(pass).to_owned();
    let id = match plan {
        Standing::Refuse(reason) => {
            return Err(named::refused(reason, "role", &name, "roleName").into());
        }
        _ if pass.object.spec.suspend => {
            named::suspended(pass);
            return Ok(());
        }
        Standing::Create => return create(pass, backend, &name).await,
        Standing::Adopt { id } => {
            pass.hold(&[]).await?;
            pass.status.adopted = true;
            RoleId(id)
        }
        Standing::Keep { id } => {
            pass.hold(&[]).await?;
            RoleId(id)
        }
    };
    let role = backend.client.role(&id).await?;
    if role.is_managed {
        return Err(named::refused(
            crate::api::condition::Reason::NameConflict,
            "role",
            &name,
            "roleName",
        )
        .into());
    }
    let description = pass
        .mark()
        .append_to(pass.object.spec.description.as_deref());
    let declared = Declared {
        name: &name,
        description: &description,
        permissions: &pass.object.spec.permissions,
        sent: Some(&pass.status.applied_permissions).filter(|sent| !sent.is_empty()),
    };
    let role = match drift(&declared, &role) {
        Drift::None => role,
        Drift::Differs => {
            pass.context.leadership.guard().map_err(Error::from)?;
            backend
                .client
                .update_role(&id, &declared_request(pass, &name))
                .await?
        }
    };
    note(pass, backend, &role, &name);
    Ok(())
}

async fn create(pass: &mut Pass<Role>, backend: &Backend, name: &str) -> Result<(), Stop> {
    pass.hold(&[]).await?;
    pass.context.leadership.guard().map_err(Error::from)?;
    let role = backend
        .client
        .create_role(&declared_request(pass, name))
        .await?;
    pass.status.adopted = false;
    note(pass, backend, &role, name);
    Ok(())
}

fn declared_request(pass: &Pass<Role>, name: &str) -> RoleRequest {
    RoleRequest {
        name: Some(name.to_owned()),
        description: Some(
            pass.mark()
                .append_to(pass.object.spec.description.as_deref()),
        ),
        permissions: Some(pass.object.spec.permissions.clone()),
        is_default: None,
    }
}

/// What the status says; a new id wakes whoever refers to the role.
fn note(pass: &mut Pass<Role>, backend: &Backend, role: &wire::Role, name: &str) {
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
    pass.status
        .applied_permissions
        .clone_from(&pass.object.spec.permissions);
    pass.status.role_name = Some(name.to_owned());
    pass.status.id = Some(role.id.0.clone());
}
