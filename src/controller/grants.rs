//! Carries out what [`crate::plan::grant`] decided: bindings of any subject, memberships of one account.

use std::collections::HashSet;

use super::backend::Backend;
use super::context::Context;
use super::error::Error;
use super::kind::{Kind, Pass, key_of};
use super::outcome::Stop;
use super::referrers::Key;
use crate::api::grant::{GrantedBinding, GrantedGroup};
use crate::iam::client::{Made, Subject};
use crate::iam::model::{BindingId, GroupId, PrincipalId};
use crate::iam::wire::{Binding, Membership};
use crate::plan::grant::{Grant, Grants, Member, Memberships, grants, same};

/// A kind whose objects bring bindings about.
pub trait Granter: Kind {
    /// The bindings that a status names.
    fn granted(status: &Self::Status) -> &Vec<GrantedBinding>;
    /// The same, to be changed.
    fn granted_mut(status: &mut Self::Status) -> &mut Vec<GrantedBinding>;
}

/// What is to be done about the bindings of an object.
pub fn plan<K: Granter>(pass: &Pass<K>, backend: &Backend, wanted: &[Grant]) -> Grants {
    let ours = K::granted(&pass.status);
    let mut subjects: HashSet<&str> = wanted.iter().map(|grant| grant.subject.id()).collect();
    subjects.extend(ours.iter().map(|granted| granted.subject_id.as_str()));
    let existing: Vec<Binding> = backend.inventory.read(|tables| {
        subjects
            .into_iter()
            .flat_map(|subject| tables.bindings.named(subject))
            .cloned()
            .collect()
    });
    let elsewhere =
        |granted: &GrantedBinding| is_declared_elsewhere(&pass.context, &pass.key(), granted);
    grants(wanted, &existing, ours, elsewhere)
}

/// Makes what is missing and removes what is ours and not wanted, having written down what is to be ours.
pub async fn apply<K: Granter>(
    pass: &mut Pass<K>,
    backend: &Backend,
    plan: &Grants,
) -> Result<(), Stop> {
    if !plan.bind.is_empty() && !knows_all(K::granted(&pass.status), &plan.ahead) {
        // What is to be removed stays named until it is gone.
        let mut ahead = plan.ahead.clone();
        let leaving = K::granted(&pass.status)
            .iter()
            .filter(|old| !ahead.iter().any(|new| same(old, new)));
        let leaving: Vec<_> = leaving.cloned().collect();
        ahead.extend(leaving);
        *K::granted_mut(&mut pass.status) = ahead;
        pass.checkpoint().await?;
    }
    for grant in &plan.bind {
        let id = bind(&pass.context, backend, grant).await?;
        let granted = K::granted_mut(&mut pass.status);
        granted.retain(|old| !same(old, &grant.granted(None)));
        granted.push(grant.granted(Some(&id)));
    }
    for id in &plan.unbind {
        unbind(&pass.context, backend, id).await?;
    }
    let wanted = K::granted_mut(&mut pass.status);
    wanted.retain(|granted| plan.ahead.iter().any(|ahead| same(ahead, granted)));
    for kept in &plan.kept {
        wanted.retain(|old| !same(old, kept));
        wanted.push(kept.clone());
    }
    wanted.sort();
    Ok(())
}

/// Removes every binding that is ours and that no other live object declares.
pub async fn remove_all<K: Granter>(pass: &mut Pass<K>, backend: &Backend) -> Result<(), Stop> {
    let plan = plan(pass, backend, &[]);
    apply(pass, backend, &plan).await
}

fn knows_all(known: &[GrantedBinding], ahead: &[GrantedBinding]) -> bool {
    ahead
        .iter()
        .all(|grant| known.iter().any(|known| same(known, grant)))
}

async fn bind(context: &Context, backend: &Backend, grant: &Grant) -> Result<BindingId, Error> {
    context.leadership.guard()?;
    let (Made::New(binding) | Made::Existing(binding)) =
        backend.client.create_binding(&grant.request()).await?;
    let id = binding.id.clone();
    backend
        .inventory
        .write(|tables, stamp| tables.bindings.put(binding, stamp));
    Ok(id)
}

/// Gone already is as good.
async fn unbind(context: &Context, backend: &Backend, id: &BindingId) -> Result<(), Error> {
    context.leadership.guard()?;
    backend.client.delete_binding(id).await?;
    backend
        .inventory
        .write(|tables, stamp| tables.bindings.remove(id.as_str(), stamp));
    Ok(())
}

/// Whether another live object of ours names this grant in its status.
fn is_declared_elsewhere(context: &Context, key: &Key, granted: &GrantedBinding) -> bool {
    fn names<K: Granter>(key: &Key, object: &K, granted: &GrantedBinding) -> bool {
        let live = object.meta().deletion_timestamp.is_none() && key_of(object) != *key;
        let named = object
            .status()
            .is_some_and(|s| K::granted(s).iter().any(|g| same(g, granted)));
        live && named
    }
    let stores = &context.stores;
    let any = |found: bool| found;
    any(stores
        .service_accounts
        .state()
        .iter()
        .any(|object| names(key, &**object, granted)))
        || stores
            .groups
            .state()
            .iter()
            .any(|object| names(key, &**object, granted))
        || stores
            .role_bindings
            .state()
            .iter()
            .any(|object| names(key, &**object, granted))
}

/// Changes the memberships of one account, one after the other: the backend loses concurrent ones.
pub async fn change_memberships(
    context: &Context,
    backend: &Backend,
    account: &PrincipalId,
    plan: &Memberships,
) -> Result<(), Error> {
    for group in &plan.join {
        context.leadership.guard()?;
        backend.client.add_member(&group.id, account).await?;
        note(backend, account, |groups| groups.push(membership(group)));
    }
    for group in &plan.leave {
        context.leadership.guard()?;
        backend.client.remove_member(group, account).await?;
        note(backend, account, |groups| {
            groups.retain(|membership| membership.id != *group);
        });
    }
    if !plan.leave.is_empty() {
        // 1.x takes the access to the tenant away with the last group.
        context.leadership.guard()?;
        backend.client.grant_access(account).await?;
    }
    Ok(())
}

fn note(backend: &Backend, account: &PrincipalId, change: impl FnOnce(&mut Vec<Membership>)) {
    backend.inventory.write(|tables, stamp| {
        let Some(mut row) = tables.accounts.get(account.as_str()).cloned() else {
            return;
        };
        change(&mut row.groups);
        tables.accounts.put(row, stamp);
    });
}

fn membership(group: &Member) -> Membership {
    Membership {
        id: group.id.clone(),
        name: Some(group.name.clone()),
        external: false,
        membership: None,
    }
}

/// The memberships that a status names, once they are all made.
#[must_use]
pub fn settled(ahead: &[GrantedGroup]) -> Vec<GrantedGroup> {
    let made = ahead.iter().map(|granted| GrantedGroup {
        pending: false,
        ..granted.clone()
    });
    made.collect()
}

/// A subject that is an account.
#[must_use]
pub fn principal(id: &PrincipalId) -> Subject {
    Subject::Principal(id.clone())
}

/// The ids of groups.
#[must_use]
pub fn ids(members: &[Member]) -> Vec<GroupId> {
    members.iter().map(|member| member.id.clone()).collect()
}
