//! What each route of a tenant asks for, in the words of both lines.
//!
//! 1.x says it in its permissions reference; for 2.x it follows Kestra's own migration of roles.

use crate::server::options::Compat;

/// A resource and an action on it.
pub(crate) type Word = (&'static str, &'static str);

/// A right that a route asks for: one word in 1.x, any of some in 2.x.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Right {
    first: Word,
    second: &'static [Word],
}

impl Right {
    const fn new(first: Word, second: &'static [Word]) -> Self {
        Self { first, second }
    }

    /// The words that satisfy it, any one of them.
    pub(crate) fn words(&self, compat: Compat) -> &[Word] {
        match compat {
            Compat::V1 => std::slice::from_ref(&self.first),
            Compat::V2 => self.second,
        }
    }

    /// How an answer names it to someone who lacks it.
    pub(crate) fn describe(&self, compat: Compat) -> String {
        let words = self.words(compat);
        let all: Vec<String> = words
            .iter()
            .map(|(resource, action)| format!("{resource} {action}"))
            .collect();
        all.join(" or ")
    }
}

macro_rules! rights {
    ($($name:ident = $first:expr, [$($second:expr),+];)+) => {
        $(pub(crate) const $name: Right = Right::new($first, &[$($second),+]);)+
        /// All of them, for the tests.
        #[cfg(test)]
        const ALL: &[Right] = &[$($name),+];
    };
}

rights! {
    ACCOUNT_LIST = ("SERVICE_ACCOUNT", "READ"), [("SERVICE_ACCOUNT", "LIST")];
    ACCOUNT_READ = ("SERVICE_ACCOUNT", "READ"), [("SERVICE_ACCOUNT", "VIEW")];
    ACCOUNT_CREATE = ("SERVICE_ACCOUNT", "CREATE"), [("SERVICE_ACCOUNT", "CREATE")];
    ACCOUNT_UPDATE = ("SERVICE_ACCOUNT", "UPDATE"), [("SERVICE_ACCOUNT", "UPDATE")];
    ACCOUNT_DELETE = ("SERVICE_ACCOUNT", "DELETE"), [("SERVICE_ACCOUNT", "DELETE")];
    GROUP_LIST = ("GROUP", "READ"), [("GROUP", "LIST")];
    GROUP_READ = ("GROUP", "READ"), [("GROUP", "VIEW")];
    GROUP_CREATE = ("GROUP", "CREATE"), [("GROUP", "CREATE")];
    GROUP_UPDATE = ("GROUP", "UPDATE"), [("GROUP", "UPDATE")];
    GROUP_DELETE = ("GROUP", "DELETE"), [("GROUP", "DELETE")];
    MEMBER_LIST = ("GROUP_MEMBERSHIP", "READ"), [("GROUP", "VIEW")];
    MEMBER_ADD = ("GROUP_MEMBERSHIP", "CREATE"), [("GROUP", "MANAGE_MEMBERS")];
    MEMBER_CHANGE = ("GROUP_MEMBERSHIP", "UPDATE"), [("GROUP", "MANAGE_MEMBERS")];
    MEMBER_REMOVE = ("GROUP_MEMBERSHIP", "DELETE"), [("GROUP", "MANAGE_MEMBERS")];
    MEMBERSHIPS_REPLACE = ("GROUP_MEMBERSHIP", "UPDATE"), [("USER", "MANAGE_GROUP_MEMBERSHIP")];
    ROLE_LIST = ("ROLE", "READ"), [("ROLE", "LIST")];
    ROLE_READ = ("ROLE", "READ"), [("ROLE", "VIEW")];
    ROLE_CREATE = ("ROLE", "CREATE"), [("ROLE", "CREATE")];
    ROLE_UPDATE = ("ROLE", "UPDATE"), [("ROLE", "UPDATE")];
    ROLE_DELETE = ("ROLE", "DELETE"), [("ROLE", "DELETE")];
    BINDING_LIST = ("BINDING", "READ"), [("BINDING", "LIST")];
    BINDING_READ = ("BINDING", "READ"), [("BINDING", "VIEW")];
    BINDING_CREATE = ("BINDING", "CREATE"), [("BINDING", "CREATE")];
    BINDING_DELETE = ("BINDING", "DELETE"), [("BINDING", "DELETE")];
    // Where 2.x put tenant access is not settled: its enum has the resource, Kestra's migration maps it to USER.
    ACCESS_LIST = ("TENANT_ACCESS", "READ"), [("TENANT_ACCESS", "LIST"), ("USER", "LIST")];
    ACCESS_READ = ("TENANT_ACCESS", "READ"), [("TENANT_ACCESS", "VIEW"), ("USER", "VIEW")];
    ACCESS_CREATE = ("TENANT_ACCESS", "CREATE"), [("TENANT_ACCESS", "CREATE"), ("USER", "CREATE")];
    ACCESS_DELETE = ("TENANT_ACCESS", "DELETE"), [("TENANT_ACCESS", "DELETE"), ("USER", "DELETE")];
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::rules::words;

    #[test]
    fn each_right_is_said_in_words_of_its_line() {
        for right in ALL {
            for compat in [Compat::V1, Compat::V2] {
                for (resource, action) in right.words(compat) {
                    assert!(words::resources(compat).contains(resource), "{resource}");
                    let actions = words::actions_of(compat, resource);
                    assert!(
                        actions.iter().any(|a| a == action),
                        "{resource} has no {action}"
                    );
                }
            }
        }
    }

    #[test]
    fn a_namespace_scopes_none_of_them() {
        for right in ALL {
            for compat in [Compat::V1, Compat::V2] {
                for (resource, _) in right.words(compat) {
                    assert!(!words::is_namespaced(resource), "{resource}");
                }
            }
        }
    }
}
