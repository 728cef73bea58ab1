//! What the permissions of an account come from, as the sweep and our own writes show it.

use std::collections::HashMap;

use crate::api::policy::PermissionChangePolicy;
use crate::controller::backend::Backend;
use crate::controller::context::namespace_of;
use crate::controller::kind::{Kind, Pass, instance_key};
use crate::iam::wire::{Binding, Permissions};
use crate::plan::token::{Policy, Right, rights as digest};

/// What the permissions of an account come from, in a few characters; `None` if it does not matter, or is not known.
/// Nothing is asked of the backend.
pub fn rights<K: Kind>(
    pass: &Pass<K>,
    backend: &Backend,
    policy: &Policy,
    account: &str,
) -> Option<String> {
    if policy.permission_change == PermissionChangePolicy::Ignore {
        return None;
    }
    let declared = declared(pass);
    backend.inventory.read(|tables| {
        let account = tables.accounts.get(account)?;
        let groups = account.groups.iter().map(|group| group.id.as_str());
        let subjects = groups.chain([account.id.as_str()]);
        let bindings = subjects.flat_map(|subject| tables.bindings.named(subject));
        Some(digest(
            bindings.filter_map(|binding| right(binding, &declared)),
        ))
    })
}

fn right<'a>(
    binding: &'a Binding,
    declared: &'a HashMap<String, Permissions>,
) -> Option<Right<'a>> {
    let role = &binding.role.as_ref()?.id;
    Some(Right {
        role,
        namespace: binding.namespace.as_deref(),
        permissions: declared.get(role.as_str()),
    })
}

/// What the `Role` objects of the same backend allow, by the role's id.
fn declared<K: Kind>(pass: &Pass<K>) -> HashMap<String, Permissions> {
    let instance = pass.instance_key();
    let roles = pass.context.stores.roles.state();
    let ours = roles
        .iter()
        .filter(|role| instance_key(role.instance_ref(), namespace_of(&***role)) == instance);
    let made = ours.filter_map(|role| {
        let status = role.status.as_ref()?;
        Some((status.id.clone()?, status.applied_permissions.clone()))
    });
    made.collect()
}
