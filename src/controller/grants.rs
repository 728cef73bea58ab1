//! Carries out what [`crate::plan::grant`] decided: bindings of any subject, memberships of one account.

use std::collections::HashSet;

use kube::runtime::reflector::Store;

use super::backend::Backend;
use super::context::Context;
use super::error::Error;
use super::kind::{Kind, Pass, key_of};
use super::named;
use super::outcome::{Blocked, Stop};
use super::referrers::Key;
use crate::api::grant::GrantedBinding;
use crate::iam::client::{Change, Made};
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
    let before = K::granted(&pass.status).clone();
    write_ahead(pass, plan).await?;
    for grant in &plan.bind {
        let made = bind(&pass.context, backend, grant).await?;
        let granted = grant.granted(Some(&made.id));
        let is_ours = made.is_new
            || before.iter().any(|known| same(known, &granted))
            || is_declared_elsewhere(&pass.context, &pass.key(), &granted);
        let named = K::granted_mut(&mut pass.status);
        if is_ours {
            name(named, granted);
        } else {
            // Somebody made it since the last sweep.
            named.retain(|known| !same(known, &granted));
        }
    }
    for id in &plan.unbind {
        unbind(&pass.context, backend, id).await?;
    }
    let granted = K::granted_mut(&mut pass.status);
    granted.retain(|granted| plan.ahead.iter().any(|ahead| same(ahead, granted)));
    for kept in &plan.kept {
        name(granted, kept.clone());
    }
    granted.sort();
    if !plan.unbind.is_empty() {
        wake_sharers(pass);
    }
    Ok(())
}

/// Names in the status what is to be made before it is made, and what is to be removed until it is gone.
async fn write_ahead<K: Granter>(pass: &mut Pass<K>, plan: &Grants) -> Result<(), Error> {
    let known = K::granted(&pass.status);
    let is_known = |ahead: &GrantedBinding| known.iter().any(|known| same(known, ahead));
    let new: Vec<_> = plan
        .ahead
        .iter()
        .filter(|ahead| !is_known(ahead))
        .cloned()
        .collect();
    if plan.bind.is_empty() || new.is_empty() {
        return Ok(());
    }
    K::granted_mut(&mut pass.status).extend(new);
    pass.checkpoint().await
}

/// Names a grant in place of what was said of it.
fn name(granted: &mut Vec<GrantedBinding>, grant: GrantedBinding) {
    granted.retain(|old| !same(old, &grant));
    granted.push(grant);
}

/// Whoever came to declare a removed grant while it was being removed makes it again.
fn wake_sharers<K: Granter>(pass: &Pass<K>) {
    pass.context.wake_referrers(&pass.key());
    for referent in pass.object.referents() {
        pass.context.wake_referrers(&referent);
    }
}

/// Brings the bindings of an object in line with what it wants. `trouble` keeps new ones from being made: while
/// something is missing nothing changes, while something is refused only what is not permitted any more goes, in spite
/// of a suspension.
pub async fn bring_about<K: Granter>(
    pass: &mut Pass<K>,
    backend: &Backend,
    wanted: &[Grant],
    trouble: Option<Blocked>,
) -> Result<(), Stop> {
    let plan = plan(pass, backend, wanted);
    match trouble {
        Some(refused) if refused.is_refusal() => {
            apply(pass, backend, &plan.removals()).await?;
            Err(refused.into())
        }
        Some(missing) => Err(missing.into()),
        None if !pass.is_suspended() => apply(pass, backend, &plan).await,
        None if plan.is_settled() => Ok(()),
        None => Err(named::held_back().into()),
    }
}

/// Removes every binding that is ours and that no other live object declares.
pub async fn remove_all<K: Granter>(pass: &mut Pass<K>, backend: &Backend) -> Result<(), Stop> {
    let plan = plan(pass, backend, &[]);
    apply(pass, backend, &plan).await
}

/// A binding that is there now.
struct Bound {
    id: BindingId,
    /// Whether it was not there before.
    is_new: bool,
}

async fn bind(context: &Context, backend: &Backend, grant: &Grant) -> Result<Bound, Error> {
    context.authority.may(format_args!("grant {grant}"))?;
    let made = backend.client.create_binding(&grant.request()).await?;
    let is_new = matches!(made, Made::New(_));
    let (Made::New(binding) | Made::Existing(binding)) = made;
    let id = binding.id.clone();
    backend
        .inventory
        .write(|tables, stamp| tables.bindings.put(binding, stamp));
    Ok(Bound { id, is_new })
}

/// Gone already is as good.
async fn unbind(context: &Context, backend: &Backend, id: &BindingId) -> Result<(), Error> {
    context
        .authority
        .may(format_args!("take away binding {id}"))?;
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
    fn any<K: Granter>(store: &Store<K>, key: &Key, granted: &GrantedBinding) -> bool {
        let objects = store.state();
        objects.iter().any(|object| names(key, &**object, granted))
    }
    let stores = &context.stores;
    any(&stores.service_accounts, key, granted)
        || any(&stores.groups, key, granted)
        || any(&stores.role_bindings, key, granted)
}

/// Changes the memberships of one account, one after the other: the backend loses concurrent ones. Answers which of
/// those to be made were there already, though the lists did not show them.
pub async fn change_memberships(
    context: &Context,
    backend: &Backend,
    account: &PrincipalId,
    plan: &Memberships,
) -> Result<Vec<GroupId>, Error> {
    let mut found = Vec::new();
    for group in &plan.join {
        context
            .authority
            .may(format_args!("put the account into group {}", group.name))?;
        let change = backend.client.add_member(&group.id, account).await?;
        note(backend, account, |groups| groups.push(membership(group)));
        found.extend((change == Change::AlreadySo).then(|| group.id.clone()));
    }
    for group in &plan.leave {
        context
            .authority
            .may(format_args!("take the account out of group {group}"))?;
        backend.client.remove_member(group, account).await?;
        note(backend, account, |groups| {
            groups.retain(|membership| membership.id != *group);
        });
    }
    if !plan.leave.is_empty() {
        // 1.x takes the access to the tenant away with the last group.
        context
            .authority
            .may("give the account access to the tenant")?;
        backend.client.grant_access(account).await?;
    }
    Ok(found)
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

/// The ids of groups.
#[must_use]
pub fn ids(members: &[Member]) -> Vec<GroupId> {
    members.iter().map(|member| member.id.clone()).collect()
}
