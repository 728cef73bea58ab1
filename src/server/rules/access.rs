//! Who may do what: the one place where access is decided.
//!
//! A principal has in a tenant the union of what its own bindings and those of its groups grant, provided that it has
//! access to the tenant at all. There is no rule that takes something away.

use crate::iam::wire::Permissions;
use crate::server::options::Compat;

use super::rights::Right;
use super::words::{is_namespaced, understood};

/// What one binding grants.
#[derive(Clone, Debug)]
pub(crate) struct Grant {
    allowed: Allowed,
    /// A Kestra namespace with its children; absent = the whole tenant.
    namespace: Option<String>,
}

#[derive(Clone, Debug)]
enum Allowed {
    /// What the managed role Admin allows: words that are yet to come included.
    Everything,
    These(Permissions),
}

impl Grant {
    /// A binding to the managed role Admin.
    pub(crate) fn everything(namespace: Option<String>) -> Self {
        Self {
            allowed: Allowed::Everything,
            namespace,
        }
    }

    /// A binding to any other role. A namespace keeps only what lives in namespaces.
    pub(crate) fn of(compat: Compat, permissions: Permissions, namespace: Option<String>) -> Self {
        let effective = permissions
            .into_iter()
            .filter(|(resource, _)| namespace.is_none() || is_namespaced(resource))
            .map(|(resource, actions)| (resource, understand(compat, actions)))
            .collect();
        Self {
            allowed: Allowed::These(effective),
            namespace,
        }
    }

    fn allows(&self, resource: &str, action: &str, place: Option<&str>) -> bool {
        let in_place = match (self.namespace.as_deref(), place) {
            (None, _) => true,
            (Some(own), Some(asked)) => is_namespaced(resource) && covers(own, asked),
            (Some(_), None) => false,
        };
        in_place
            && match &self.allowed {
                Allowed::Everything => true,
                Allowed::These(permissions) => permissions
                    .get(resource)
                    .is_some_and(|actions| actions.iter().any(|a| a == action)),
            }
    }

    fn is_everything_in(&self, place: Option<&str>) -> bool {
        let in_place = match (self.namespace.as_deref(), place) {
            (None, _) => true,
            (Some(own), Some(asked)) => covers(own, asked),
            (Some(_), None) => false,
        };
        in_place && matches!(self.allowed, Allowed::Everything)
    }
}

fn understand(compat: Compat, actions: Vec<String>) -> Vec<String> {
    actions
        .into_iter()
        .map(|action| understood(compat, &action).to_owned())
        .collect()
}

/// Whether the namespace `outer` is `inner` or one of its parents, dot by dot.
pub(crate) fn covers(outer: &str, inner: &str) -> bool {
    inner
        .strip_prefix(outer)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// What a principal has in one tenant.
#[derive(Clone, Debug)]
pub(crate) struct Access {
    pub(crate) compat: Compat,
    /// Owner of the whole instance: may hand out anything, but acts in a tenant by its roles like everyone else.
    pub(crate) is_superadmin: bool,
    /// What counts in the tenant: nothing without access to it, whatever is bound.
    pub(crate) grants: Vec<Grant>,
}

impl Access {
    /// Whether a route of the tenant itself may be used: only what is granted for the whole tenant counts.
    pub(crate) fn allows(&self, right: &Right) -> bool {
        right
            .words(self.compat)
            .iter()
            .any(|(resource, action)| self.has(resource, action, None))
    }

    /// Whether `action` on `resource` is granted in a namespace, or in the whole tenant if `place` is absent.
    pub(crate) fn has(&self, resource: &str, action: &str, place: Option<&str>) -> bool {
        self.grants
            .iter()
            .any(|grant| grant.allows(resource, action, place))
    }

    /// Whether somebody with this access may give `grant` to somebody: nobody gives more than they hold.
    pub(crate) fn may_give(&self, grant: &Grant) -> bool {
        let place = grant.namespace.as_deref();
        self.is_superadmin
            || match &grant.allowed {
                Allowed::Everything => self.grants.iter().any(|own| own.is_everything_in(place)),
                Allowed::These(permissions) => permissions.iter().all(|(resource, actions)| {
                    actions
                        .iter()
                        .all(|action| self.has(resource, action, place))
                }),
            }
    }

    /// Whether it may give all that another one has, e.g. by handing out a credential of theirs.
    pub(crate) fn may_give_all_of(&self, other: &Self) -> bool {
        (self.is_superadmin || !other.is_superadmin)
            && other.grants.iter().all(|grant| self.may_give(grant))
    }
}

#[cfg(test)]
#[path = "access_tests.rs"]
mod tests;
