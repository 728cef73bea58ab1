//! `Group`: a group, and the roles that its members share. Members are declared by the accounts.

use std::collections::HashSet;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::api::Api;

use super::backend::Backend;
use super::context::{name_of, namespace_of};
use super::error::Error;
use super::grants::{self, Granter};
use super::inventory::Sort;
use super::kind::{Kind, Pass, Reconciled};
use super::named;
use super::outcome::{Blocked, Stop};
use super::referrers::{Key, KindName};
use super::resolve::{Resolved, Resolver, ScopedRole, referents};
use crate::api::Group;
use crate::api::grant::GrantedBinding;
use crate::api::group::GroupStatus;
use crate::api::policy::DeletionPolicy;
use crate::api::reference::InstanceRef;
use crate::api::revocation::DepartedKind;
use crate::iam::client::{self, Subject};
use crate::iam::model::GroupId;
use crate::iam::wire::{self, GroupRequest, GroupSummary};
use crate::plan::grant::Grant;
use crate::plan::standing::{Candidate, Seen, Standing};

impl Reconciled for Group {
    const NAME: KindName = KindName::Group;
    type Status = GroupStatus;

    fn is_suspended(&self) -> bool {
        self.spec.suspend
    }

    fn status(&self) -> Option<&GroupStatus> {
        self.status.as_ref()
    }

    fn conditions(status: &GroupStatus) -> (&[Condition], Option<i64>) {
        (&status.conditions, status.observed_generation)
    }

    fn api(client: kube::Client, namespace: &str) -> Api<Self> {
        Api::namespaced(client, namespace)
    }
}

impl Kind for Group {
    const DEPARTED: DepartedKind = DepartedKind::Group;

    fn instance_ref(&self) -> &InstanceRef {
        &self.spec.instance_ref
    }

    fn deletion_policy(&self) -> DeletionPolicy {
        self.spec.deletion_policy
    }

    fn identity(status: &GroupStatus) -> Option<String> {
        let (id, name) = (status.id.as_ref()?, status.group_name.as_ref()?);
        Some(format!("{id} {name}"))
    }

    fn referents(&self) -> HashSet<Key> {
        referents(namespace_of(self), &[], &self.spec.roles)
            .into_iter()
            .collect()
    }

    async fn live(pass: &mut Pass<Self>, backend: &Backend) -> Result<(), Stop> {
        let roles = roles(pass, backend);
        if let (None, Some(trouble)) = (&pass.status.id, &roles.trouble) {
            // There is nothing to take away, so nothing is asked of the backend.
            return Err(trouble.clone().into());
        }
        let seen = observe(pass, backend).await?;
        let standing = plan(pass, backend, seen);
        apply(pass, backend, standing, roles).await
    }

    async fn end(pass: &mut Pass<Self>, backend: &Backend) -> Result<(), Stop> {
        grants::remove_all(pass, backend).await?;
        let seen = observe(pass, backend).await?;
        let Standing::Keep(group) = plan(pass, backend, seen) else {
            return Ok(());
        };
        pass.may(format_args!("take away group {}", group.name))?;
        if pass.status.adopted || named::is_adopted(group.description.as_deref()) {
            let former = pass.status.former_description.as_ref();
            let description = named::former_description(former, group.description.as_deref());
            let request = request(&group.name, description);
            backend.client.update_group(&group.id, &request).await?;
            return Ok(());
        }
        backend.client.delete_group(&group.id).await?;
        forget(backend, &group.id);
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

fn request(name: &str, description: String) -> GroupRequest {
    GroupRequest {
        name: Some(name.to_owned()),
        description: Some(description),
        members_id: None,
    }
}

/// The group that the status names, and all of the wanted name: read one by one, as lists of 1.x have no descriptions.
async fn observe(pass: &Pass<Group>, backend: &Backend) -> Result<Seen<wire::Group>, Error> {
    let mut seen = Seen {
        known: None,
        named: Vec::new(),
    };
    if let Some(id) = &pass.status.id {
        seen.known = find(backend, &GroupId(id.clone())).await?;
    }
    if seen.known.is_some() {
        return Ok(seen);
    }
    let ids: Vec<GroupId> = backend.inventory.read(|tables| {
        let named = tables.groups.named(name(pass));
        named.map(|group| group.id.clone()).collect()
    });
    for id in &ids {
        seen.named.extend(find(backend, id).await?);
    }
    Ok(seen)
}

async fn find(backend: &Backend, id: &GroupId) -> Result<Option<Candidate<wire::Group>>, Error> {
    match backend.client.group(id).await {
        Ok(group) => Ok(Some(Candidate {
            description: group.description.clone(),
            it: group,
        })),
        Err(client::Error::Gone { .. }) => {
            let gone = named::really_gone(backend).await?;
            forget(backend, id);
            Ok(gone)
        }
        Err(error) => Err(error.into()),
    }
}

fn plan(pass: &Pass<Group>, backend: &Backend, seen: Seen<wire::Group>) -> Standing<wire::Group> {
    let policy = pass.object.spec.adoption_policy;
    named::plan(pass, backend, name(pass), policy, seen)
}

/// The roles that its members are to share; a name that is not permitted is a refusal of them all.
fn roles(pass: &Pass<Group>, backend: &Backend) -> Resolved<ScopedRole> {
    let spec = &pass.object.spec;
    let resolver = Resolver {
        context: &pass.context,
        backend,
        instance: &spec.instance_ref,
        namespace: pass.namespace(),
    };
    let verdict = backend.guard(pass.namespace()).group(name(pass));
    let roles = resolver.roles(&spec.roles);
    Resolved {
        trouble: Blocked::graver(verdict.err().map(Blocked::from), roles.trouble),
        ..roles
    }
}

async fn apply(
    pass: &mut Pass<Group>,
    backend: &Backend,
    standing: Standing<wire::Group>,
    roles: Resolved<ScopedRole>,
) -> Result<(), Stop> {
    let suspended = pass.object.spec.suspend;
    if suspended {
        named::suspended(pass);
    }
    let group = match (standing, &roles.trouble) {
        (Standing::Refuse(obstacle), _) => {
            return Err(named::refused(obstacle, Sort::Group, name(pass)).into());
        }
        // A group that cannot be given its roles is not made.
        (Standing::Create | Standing::Adopt(_), Some(trouble)) => {
            return Err(trouble.clone().into());
        }
        (Standing::Create | Standing::Adopt(_), None) if suspended => {
            return Err(named::held_back().into());
        }
        (Standing::Create, None) => create(pass, backend).await?,
        (Standing::Adopt(group), None) => adopt(pass, group).await?,
        (Standing::Keep(group), _) => keep(pass, group).await?,
    };
    let id = group.id.clone();
    if roles.is_refused() {
        return grant(pass, backend, &id, roles).await;
    }
    let described = describe(pass, backend, group).await;
    let granted = grant(pass, backend, &id, roles).await;
    Stop::first(granted, described)
}

async fn create(pass: &mut Pass<Group>, backend: &Backend) -> Result<wire::Group, Stop> {
    let name = name(pass).to_owned();
    let _reserved = named::reserve(backend, Sort::Group, &name)?;
    pass.hold(&[]).await?;
    pass.status.adopted = false;
    pass.may(format_args!("create group {name}"))?;
    let request = request(&name, description(pass));
    let group = match backend.client.create_group(&request).await {
        Ok(group) => group,
        Err(error) => return Err(taken(pass, backend, &name, error).await),
    };
    note(pass, backend, &group);
    Ok(group)
}

/// A name that is taken although the lists did not show it: what is not to be left alone, the next pass takes.
async fn taken(pass: &Pass<Group>, backend: &Backend, name: &str, error: client::Error) -> Stop {
    if !matches!(error, client::Error::Conflict { .. }) {
        return error.into();
    }
    match backend.client.find_group(name).await {
        Ok(Some(group)) => {
            let id = group.id.clone();
            backend
                .inventory
                .write(|tables, stamp| tables.groups.put(group, stamp));
            refused(pass, backend, &id, name)
                .await
                .unwrap_or_else(|| error.into())
        }
        Ok(None) => error.into(),
        Err(error) => error.into(),
    }
}

/// Why a group that was met by name is left alone. Lists do not show descriptions.
async fn refused(pass: &Pass<Group>, backend: &Backend, id: &GroupId, name: &str) -> Option<Stop> {
    let found = match find(backend, id).await {
        Ok(found) => found?,
        Err(error) => return Some(error.into()),
    };
    let policy = pass.object.spec.adoption_policy;
    let obstacle = named::left_alone(pass, backend, name, policy, found.description)?;
    Some(named::refused(obstacle, Sort::Group, name).into())
}

/// Writes down whose the group was before anything of it is changed: a crash must not make it look like ours.
async fn adopt(pass: &mut Pass<Group>, group: wire::Group) -> Result<wire::Group, Stop> {
    pass.may(format_args!("take over group {}", group.name))?;
    pass.hold(&[]).await?;
    pass.status.adopted = true;
    pass.status.former_description = Some(group.description.clone().unwrap_or_default());
    pass.status.id = Some(group.id.0.clone());
    pass.checkpoint().await?;
    Ok(group)
}

async fn keep(pass: &mut Pass<Group>, group: wire::Group) -> Result<wire::Group, Stop> {
    if !pass.object.spec.suspend {
        pass.hold(&[]).await?;
    }
    pass.status.adopted |= named::is_adopted(group.description.as_deref());
    Ok(group)
}

/// Brings name and description in line with the spec.
async fn describe(
    pass: &mut Pass<Group>,
    backend: &Backend,
    group: wire::Group,
) -> Result<(), Stop> {
    let (name, description) = (name(pass).to_owned(), description(pass));
    if group.name == name && group.description.as_ref() == Some(&description) {
        note(pass, backend, &group);
        return Ok(());
    }
    if pass.object.spec.suspend {
        return Err(named::held_back().into());
    }
    pass.may(format_args!("write name and description of group {name}"))?;
    let request = request(&name, description);
    let group = backend.client.update_group(&group.id, &request).await?;
    note(pass, backend, &group);
    Ok(())
}

/// Brings the group's roles in line with the spec. While not all of them can be had, none is added, and what is not
/// permitted any more is taken away.
async fn grant(
    pass: &mut Pass<Group>,
    backend: &Backend,
    id: &GroupId,
    roles: Resolved<ScopedRole>,
) -> Result<(), Stop> {
    let subject = Subject::Group(id.clone());
    let wanted: Vec<Grant> = roles.found.iter().map(|role| role.to(&subject)).collect();
    grants::bring_about(pass, backend, &wanted, roles.trouble).await
}

fn description(pass: &Pass<Group>) -> String {
    let text = pass.object.spec.description.as_deref();
    named::description(pass, text, pass.status.adopted)
}

fn note(pass: &mut Pass<Group>, backend: &Backend, group: &wire::Group) {
    let summary = GroupSummary {
        id: group.id.clone(),
        name: Some(group.name.clone()),
        description: None,
    };
    backend
        .inventory
        .write(|tables, stamp| tables.groups.put(summary, stamp));
    pass.status.id = Some(group.id.0.clone());
    pass.status.group_name = Some(group.name.clone());
}

fn forget(backend: &Backend, id: &GroupId) {
    backend
        .inventory
        .write(|tables, stamp| tables.groups.remove(id.as_str(), stamp));
}
