//! The roles that Kestra brings along: read-only, one set per tenant, called `<role>_<tenant>`.

use crate::iam::wire::Permissions;
use crate::server::options::Compat;

use super::words;

/// A managed role.
#[derive(Debug)]
pub(crate) struct Managed {
    pub(crate) key: &'static str,
    pub(crate) name: &'static str,
    pub(crate) description: &'static str,
    pub(crate) permissions: Permissions,
}

impl Managed {
    /// Its id in a tenant.
    pub(crate) fn id_in(&self, tenant: &str) -> String {
        format!("{}_{tenant}", self.key)
    }

    /// Its key among the templates of 2.x.
    pub(crate) fn template(&self) -> String {
        self.key.to_ascii_uppercase()
    }
}

/// The id of Admin in a tenant, the role that allows everything.
pub(crate) fn admin_of(tenant: &str) -> String {
    format!("admin_{tenant}")
}

/// All managed roles of this line.
pub(crate) fn roles(compat: Compat) -> Vec<Managed> {
    let mut roles = vec![
        role(
            "admin",
            "Admin",
            "May do everything in the tenant",
            words::everything(compat),
        ),
        role(
            "editor",
            "Editor",
            "Writes flows and runs them",
            editor(compat),
        ),
        role("launcher", "Launcher", "Runs flows", launcher(compat)),
        role(
            "viewer",
            "Viewer",
            "Reads flows and executions",
            viewer(compat),
        ),
    ];
    if compat == Compat::V2 {
        let developer = role(
            "developer",
            "Developer",
            "Writes flows and tests",
            developer(),
        );
        roles.push(developer);
    }
    roles
}

fn role(
    key: &'static str,
    name: &'static str,
    description: &'static str,
    permissions: Permissions,
) -> Managed {
    Managed {
        key,
        name,
        description,
        permissions,
    }
}

fn viewer(compat: Compat) -> Permissions {
    let (resources, actions): (&[&str], &[&str]) = match compat {
        Compat::V1 => (
            &[
                "FLOW",
                "BLUEPRINT",
                "TEMPLATE",
                "NAMESPACE",
                "EXECUTION",
                "DASHBOARD",
                "APP",
            ],
            &["READ"],
        ),
        Compat::V2 => (
            &[
                "FLOW",
                "BLUEPRINT",
                "TRIGGER",
                "NAMESPACE",
                "EXECUTION",
                "DASHBOARD",
                "APP",
            ],
            &["VIEW", "LIST"],
        ),
    };
    all(resources, actions)
}

fn launcher(compat: Compat) -> Permissions {
    let mut permissions = viewer(compat);
    let runs: &[&str] = match compat {
        Compat::V1 => &["READ", "CREATE", "UPDATE"],
        Compat::V2 => &[
            "VIEW", "LIST", "CREATE", "UPDATE", "FOLLOW", "RESTART", "KILL", "REPLAY",
        ],
    };
    permissions.extend(all(&["EXECUTION"], runs));
    if compat == Compat::V2 {
        permissions.extend(all(&["FLOW"], &["VIEW", "LIST", "EXECUTE"]));
    }
    permissions
}

fn editor(compat: Compat) -> Permissions {
    let written: &[&str] = match compat {
        Compat::V1 => &[
            "FLOW",
            "TEMPLATE",
            "EXECUTION",
            "KVSTORE",
            "APP",
            "TEST",
            "DASHBOARD",
        ],
        Compat::V2 => &[
            "FLOW",
            "TRIGGER",
            "EXECUTION",
            "KVSTORE",
            "APP",
            "TESTSUITE",
            "DASHBOARD",
        ],
    };
    let mut permissions = viewer(compat);
    for resource in written {
        permissions.insert((*resource).to_owned(), words::actions_of(compat, resource));
    }
    permissions
}

fn developer() -> Permissions {
    let mut permissions = viewer(Compat::V2);
    for resource in ["FLOW", "TRIGGER", "EXECUTION", "TESTSUITE"] {
        permissions.insert(resource.to_owned(), words::actions_of(Compat::V2, resource));
    }
    permissions
}

fn all(resources: &[&str], actions: &[&str]) -> Permissions {
    let actions: Vec<String> = actions.iter().map(|action| (*action).to_owned()).collect();
    resources
        .iter()
        .map(|resource| ((*resource).to_owned(), actions.clone()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn their_words_are_known_to_clients() {
        for compat in [Compat::V1, Compat::V2] {
            for role in roles(compat) {
                assert_eq!(
                    words::known(compat, &role.permissions),
                    role.permissions,
                    "{}",
                    role.key
                );
            }
        }
    }

    #[test]
    fn a_launcher_has_no_business_with_accounts() {
        for compat in [Compat::V1, Compat::V2] {
            assert!(!launcher(compat).contains_key("SERVICE_ACCOUNT"));
        }
    }
}
