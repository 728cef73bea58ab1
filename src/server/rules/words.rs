//! The words of permissions: resources and actions of Kestra 1.x and 2.x, and which of them a Kestra namespace scopes.
//!
//! Roles may hold any words; these lists are for answers in which clients expect closed sets, and for managed roles.

use std::collections::BTreeMap;

use crate::iam::wire::Permissions;
use crate::server::options::Compat;

/// 1.x's `Permission` enum.
const RESOURCES_1: [&str; 25] = [
    "FLOW",
    "BLUEPRINT",
    "TEMPLATE",
    "NAMESPACE",
    "EXECUTION",
    "USER",
    "GROUP",
    "ROLE",
    "BINDING",
    "AUDITLOG",
    "SECRET",
    "KVSTORE",
    "IMPERSONATE",
    "SETTING",
    "APP",
    "ASSET",
    "APPEXECUTION",
    "TEST",
    "DASHBOARD",
    "TENANT_ACCESS",
    "SERVICE_ACCOUNT",
    "INVITATION",
    "GROUP_MEMBERSHIP",
    "CREDENTIAL",
    "AI_COPILOT",
];

/// 1.x's `Action` enum.
const ACTIONS_1: [&str; 4] = ["READ", "CREATE", "UPDATE", "DELETE"];

/// 2.x's `Resource` enum, with what the 2.0.3 SDK knows besides the document.
const RESOURCES_2: [&str; 41] = [
    "FLOW",
    "EXECUTION",
    "TRIGGER",
    "NAMESPACE",
    "KVSTORE",
    "REUSABLE_INPUTS",
    "DASHBOARD",
    "SECRET",
    "CREDENTIAL",
    "BLUEPRINT",
    "APP",
    "AUDITLOG",
    "SYSTEM_SETTINGS",
    "TENANT_SETTINGS",
    "TESTSUITE",
    "ASSET",
    "USER",
    "GROUP",
    "ROLE",
    "BINDING",
    "SERVICE_ACCOUNT",
    "INVITATION",
    "COPILOT",
    "MCP_SERVER",
    "SUPPORT",
    "POLICY",
    "APP_EXECUTION",
    "NAMESPACE_FILE",
    "TESTSUITE_RUN",
    "TENANT_ACCESS",
    "SECURITY_INTEGRATION",
    "KILL_SWITCH",
    "TENANT",
    "VERSIONED_PLUGIN",
    "WORKER_GROUP",
    "WORKER_QUEUE",
    "INSTANCE",
    "CASE",
    "CASE_TEMPLATE",
    "PROMOTION_TARGET",
    "BANNER",
];

/// 2.x's `Action` enum, with what the 2.0.3 SDK knows besides the document.
const ACTIONS_2: [&str; 33] = [
    "VIEW",
    "LIST",
    "CREATE",
    "UPDATE",
    "DELETE",
    "EXECUTE",
    "RESTART",
    "KILL",
    "REPLAY",
    "PAUSE",
    "RESUME",
    "UNQUEUE",
    "FORCE_RUN",
    "FOLLOW",
    "CHANGE_LABELS",
    "ACCESS_LOGS",
    "ACCESS_OUTPUTS",
    "ACCESS_FILES",
    "EXPORT",
    "IMPORT",
    "DISABLE",
    "ENABLE",
    "VALIDATE",
    "UNLOCK",
    "LOCK",
    "BACKFILL",
    "MANAGE_FILES",
    "MANAGE_MEMBERS",
    "MANAGE_GROUP_MEMBERSHIP",
    "USE",
    "IMPERSONATE",
    "TEMPLATE",
    "PROMOTE",
];

/// What lives in a Kestra namespace, in the words of both lines. Everything else belongs to the tenant, and a binding
/// to a namespace does not grant it; so do words that nobody knows.
const NAMESPACED: [&str; 20] = [
    "APP",
    "APPEXECUTION",
    "APP_EXECUTION",
    "ASSET",
    "CASE",
    "CASE_TEMPLATE",
    "CREDENTIAL",
    "EXECUTION",
    "FLOW",
    "KVSTORE",
    "NAMESPACE",
    "NAMESPACE_FILE",
    "REUSABLE_INPUTS",
    "SECRET",
    "TEMPLATE",
    "TEST",
    "TESTSUITE",
    "TESTSUITE_RUN",
    "TRIGGER",
    "PROMOTION_TARGET",
];

/// The resources that a client of this line knows.
pub(crate) fn resources(compat: Compat) -> &'static [&'static str] {
    match compat {
        Compat::V1 => &RESOURCES_1,
        Compat::V2 => &RESOURCES_2,
    }
}

/// The actions that a client of this line knows.
pub(crate) fn actions(compat: Compat) -> &'static [&'static str] {
    match compat {
        Compat::V1 => &ACTIONS_1,
        Compat::V2 => &ACTIONS_2,
    }
}

/// Whether a Kestra namespace scopes this resource.
pub(crate) fn is_namespaced(resource: &str) -> bool {
    NAMESPACED.contains(&resource)
}

/// An action as this line takes it: 2.x accepts 1.x's `READ` and takes it for `VIEW` alone.
pub(crate) fn understood(compat: Compat, action: &str) -> &str {
    match (compat, action) {
        (Compat::V2, "READ") => "VIEW",
        _ => action,
    }
}

/// What `permissions` comes to in words that a client of this line knows; the rest is left out, since one unknown word
/// spoils the whole answer for a client with closed sets.
pub(crate) fn known(compat: Compat, permissions: &Permissions) -> Permissions {
    let knows_resource = |resource: &String| resources(compat).contains(&resource.as_str());
    permissions
        .iter()
        .filter(|(resource, _)| knows_resource(resource))
        .map(|(resource, granted)| (resource.clone(), known_actions(compat, granted)))
        .filter(|(_, granted)| !granted.is_empty())
        .collect()
}

fn known_actions(compat: Compat, granted: &[String]) -> Vec<String> {
    let mut known: Vec<String> = Vec::with_capacity(granted.len());
    for action in granted {
        let action = understood(compat, action);
        if actions(compat).contains(&action) && !known.iter().any(|seen| seen == action) {
            known.push(action.to_owned());
        }
    }
    known
}

/// Every resource with every action that it has in this line.
pub(crate) fn everything(compat: Compat) -> Permissions {
    let all: BTreeMap<_, _> = resources(compat)
        .iter()
        .map(|resource| ((*resource).to_owned(), actions_of(compat, resource)))
        .collect();
    all
}

/// The actions of one resource, as Kestra's own migration of 1.x roles spells them out.
pub(crate) fn actions_of(compat: Compat, resource: &str) -> Vec<String> {
    if compat == Compat::V1 {
        return owned(&ACTIONS_1);
    }
    let (replaced, besides) = peculiar(resource);
    let usual: &[&str] = &["VIEW", "LIST", "CREATE", "UPDATE", "DELETE"];
    let mut actions = owned(replaced.unwrap_or(usual));
    actions.extend(owned(besides));
    actions
}

/// What a resource of 2.x has in place of the usual actions, and besides them.
fn peculiar(resource: &str) -> (Option<&'static [&'static str]>, &'static [&'static str]) {
    match resource {
        "FLOW" => (
            None,
            &[
                "EXPORT", "IMPORT", "EXECUTE", "DISABLE", "ENABLE", "VALIDATE",
            ],
        ),
        "EXECUTION" => (
            None,
            &[
                "ACCESS_LOGS",
                "ACCESS_OUTPUTS",
                "ACCESS_FILES",
                "EXPORT",
                "FOLLOW",
                "RESTART",
                "KILL",
                "REPLAY",
                "PAUSE",
                "RESUME",
                "CHANGE_LABELS",
                "UNQUEUE",
                "FORCE_RUN",
            ],
        ),
        "TRIGGER" => (
            None,
            &[
                "EXPORT", "UNLOCK", "RESTART", "DISABLE", "ENABLE", "BACKFILL",
            ],
        ),
        "NAMESPACE" => (None, &["MANAGE_FILES"]),
        "APP" => (None, &["EXECUTE", "ACCESS_FILES", "ACCESS_LOGS"]),
        "USER" => (None, &["MANAGE_GROUP_MEMBERSHIP", "IMPERSONATE"]),
        "GROUP" => (None, &["MANAGE_MEMBERS"]),
        "AUDITLOG" => (Some(&["VIEW", "LIST", "EXPORT"]), &[]),
        "BINDING" => (Some(&["VIEW", "LIST", "CREATE", "DELETE"]), &[]),
        "COPILOT" => (Some(&["USE"]), &[]),
        "SYSTEM_SETTINGS" | "TENANT_SETTINGS" => (Some(&["VIEW", "UPDATE"]), &[]),
        _ => (None, &[]),
    }
}

fn owned(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_action_of_a_resource_is_a_word_of_its_line() {
        for compat in [Compat::V1, Compat::V2] {
            for (resource, granted) in everything(compat) {
                for action in granted {
                    assert!(
                        actions(compat).contains(&action.as_str()),
                        "{resource}: {action}"
                    );
                }
            }
        }
    }

    #[test]
    fn what_a_client_does_not_know_is_left_out() {
        let sent = Permissions::from([
            ("FLOW".to_owned(), owned(&["READ", "EXECUTE"])),
            ("TRIGGER".to_owned(), owned(&["VIEW"])),
        ]);
        let first = known(Compat::V1, &sent);
        assert_eq!(
            first,
            Permissions::from([("FLOW".to_owned(), owned(&["READ"]))])
        );
        let second = known(Compat::V2, &sent);
        assert_eq!(second["FLOW"], owned(&["VIEW", "EXECUTE"]));
        assert_eq!(second["TRIGGER"], owned(&["VIEW"]));
    }

    #[test]
    fn an_action_that_is_meant_twice_is_answered_once() {
        let sent = Permissions::from([("FLOW".to_owned(), owned(&["VIEW", "READ"]))]);
        assert_eq!(known(Compat::V2, &sent)["FLOW"], owned(&["VIEW"]));
    }
}
