//! `Group`: a group, and the roles that its members share. Members are declared by the accounts.

use std::collections::HashSet;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use super::backend::Backend;
use super::context::{name_of, namespace_of};
use super::error::Error;
use super::grants::{self, Granter};
use super::kind::{Kind, Pass};
use super::named;
use super::outcome::{Blocked, Stop};
use super::referrers::{Key, KindName};
use super::resolve::{Resolver, referents};
use crate::api::Group;
use crate::api::grant::GrantedBinding;
use crate::api::group::GroupStatus;
use crate::api::policy::DeletionPolicy;
use crate::api::reference::InstanceRef;
use crate::iam::client::{self, Subject};
use crate::iam::model::GroupId;
use crate::iam::wire::{self, GroupRequest, GroupSummary};
use crate::plan::grant::Grant;
use crate::plan::mark;
use crate::plan::standing::{Candidate, Seen, Standing};

impl Kind for Group {
    const NAME: KindName = KindName::Group;
    type Status = GroupStatus;

    fn instance_ref(&self) -> &InstanceRef {
        &self.spec.instance_ref
    }

    fn deletion_policy(&self) -> DeletionPolicy {
        self.spec.deletion_policy
    }

    fn status(&self) -> Option<&GroupStatus> {
        self.status.as_ref()
    }

    fn conditions(status: &GroupStatus) -> (&[Condition], Option<i64>) {
        (&status.conditions, status.observed_generation)
    }

    fn identity(status: &GroupStatus) -> Option<(&str, &str)> {
        Some((status.id.as_deref()?, status.group_name.as_deref()?))
    }

    fn expirations(_: &GroupStatus) -> Vec<Timestamp> {
        Vec::new()
    }

    fn referents(&self) -> HashSet<Key> {
        referents(namespace_of(self), &[], &self.spec.roles)
            .into_iter()
            .collect()
    }

    async fn live(pass: &mut Pass<Self>, backend: &Backend) -> Result<(), Stop> {
        let name = name(pass).to_owned();
        backend
            .guard(pass.namespace())
            .group(&name)
            .map_err(Blocked::from)?;
        let seen = observe(pass, backend).await?;
        let plan = plan(pass, backend, &seen);
        apply(pass, backend, &name, plan).await
    }

    async fn end(pass: &mut Pass<Self>, backend: &Backend) -> Result<(), Stop> {
        grants::remove_all(pass, backend).await?;
        let seen = observe(pass, backend).await?;
        let Standing::Keep { id } = plan(pass, backend, &seen) else {
            return Ok(());
        };
        let id = GroupId(id);
        pass.context.leadership.guard().map_err(Error::from)?;
        if pass.status.adopted {
            let group = backend.client.group(&id).await?;
            let description = group
                .description
                .as_deref()
                .map(|text| mark::strip(text).to_owned());
            backend
                .client
                .update_group(&id, &request(&group.name, description))
                .await?;
            return Ok(());
        }
        backend.client.delete_group(&id).await?;
        backend
            .inventory
            .write(|tables, stamp| tables.groups.remove(id.as_str(), stamp));
        Ok(())
    }

    async fn orphan(_: &mut Pass<Self>) -> Result<(), Stop> {
        Ok(())
    }
}

impl Granter for Group {
    fn granted(status: &GroupStatus) -> &Vec<GrantedBinding> {
        &status.bindings
    }

    fn granted_mut(status: &mut GroupStatus) -> &mut Vec<GrantedBinding> {
        &mut status.bindings
    }
}

fn name(pass: &Pass<Group>) -> &str {
    pass.object
        .spec
        .group_name
        .as_deref()
        .unwrap_or_else(|| name_of(&pass.object))
}

fn request(name: &str, description: Option<String>) -> GroupRequest {
    GroupRequest {
        name: Some(name.to_owned()),
        description,
        members_id: None,
    }
}

/// The group that the status names, and all of the wanted name: read one by one, as lists of 1.x have no descriptions.
async fn observe(pass: &Pass<Group>, backend: &Backend) -> Result<Seen, Error> {
    let known = match &pass.status.id {
        Some(id) => find(backend, &GroupId(id.clone())).await?,
        None => None,
    };
    if known.is_some() {
        return Ok(Seen {
            known,
            named: Vec::new(),
        });
    }
    let ids: Vec<GroupId> = backend.inventory.read(|tables| {
        tables
            .groups
            .named(name(pass))
            .map(|group| group.id.clone())
            .collect()
    });
    let mut named = Vec::new();
    for id in &ids {
        named.extend(find(backend, id).await?);
    }
    Ok(Seen { known: None, named })
}

async fn find(backend: &Backend, id: &GroupId) -> Result<Option<Candidate>, Error> {
    match backend.client.group(id).await {
        Ok(group) => Ok(Some(Candidate {
            id: group.id.0,
            description: group.description,
        })),
        Err(client::Error::Gone { .. }) => named::really_gone(backend).await,
        Err(error) => Err(error.into()),
    }
}

fn plan(pass: &Pass<Group>, backend: &Backend, seen: &Seen) -> Standing {
    named::plan(
        pass,
        backend,
        name(pass),
        pass.object.spec.adoption_policy,
        seen,
    )
}

async fn apply(
    pass: &mut Pass<Group>,
    backend: &Backend,
    name: &str,
    plan: Standing,
) -> Result<(), Stop> {
    // A group that its roles cannot be given to is not made.
    let place = Subject::Group(GroupId(String::new()));
    let unresolved = wanted(pass, backend, &place).err();
    let id = match plan {
        Standing::Refuse(reason) => {
            return Err(named::refused(reason, "group", name, "groupName").into());
        }
        _ if pass.object.spec.suspend => {
            named::suspended(pass);
            return Ok(());
        }
        Standing::Keep { id } => {
            pass.hold(&[]).await?;
            describe(pass, backend, &GroupId(id), name).await?
        }
        Standing::Create | Standing::Adopt { .. } if unresolved.is_some() => {
            return unresolved.map_or(Ok(()), |blocked| Err(blocked.into()));
        }
        Standing::Adopt { id } => {
            pass.hold(&[]).await?;
            pass.status.adopted = true;
            describe(pass, backend, &GroupId(id), name).await?
        }
        Standing::Create => create(pass, backend, name).await?,
    };
    pass.status.id = Some(id.0.clone());
    pass.status.group_name = Some(name.to_owned());
    let wanted = wanted(pass, backend, &Subject::Group(id))?;
    let plan = grants::plan(pass, backend, &wanted);
    grants::apply(pass, backend, &plan).await
}

fn wanted(pass: &Pass<Group>, backend: &Backend, subject: &Subject) -> Result<Vec<Grant>, Blocked> {
    let spec = &pass.object.spec;
    let resolver = Resolver {
        context: &pass.context,
        backend,
        instance: &spec.instance_ref,
        namespace: pass.namespace(),
    };
    resolver.grants(subject, &spec.roles)
}

async fn create(pass: &mut Pass<Group>, backend: &Backend, name: &str) -> Result<GroupId, Stop> {
    pass.hold(&[]).await?;
    pass.context.leadership.guard().map_err(Error::from)?;
    let group = backend
        .client
        .create_group(&request(name, Some(description(pass))))
        .await?;
    pass.status.adopted = false;
    Ok(note(backend, group))
}

/// Brings name and description in line with the spec.
async fn describe(
    pass: &Pass<Group>,
    backend: &Backend,
    id: &GroupId,
    name: &str,
) -> Result<GroupId, Error> {
    let group = backend.client.group(id).await?;
    let description = description(pass);
    if group.name == name && group.description.as_deref() == Some(description.as_str()) {
        return Ok(note(backend, group));
    }
    pass.context.leadership.guard()?;
    let group = backend
        .client
        .update_group(id, &request(name, Some(description)))
        .await?;
    Ok(note(backend, group))
}

fn description(pass: &Pass<Group>) -> String {
    pass.mark()
        .append_to(pass.object.spec.description.as_deref())
}

fn note(backend: &Backend, group: wire::Group) -> GroupId {
    let id = group.id.clone();
    let summary = GroupSummary {
        id: group.id,
        name: Some(group.name),
        description: None,
    };
    backend
        .inventory
        .write(|tables, stamp| tables.groups.put(summary, stamp));
    id
}
