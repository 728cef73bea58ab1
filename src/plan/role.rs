//! Whether a role at the backend is still what was declared.

use std::collections::BTreeSet;

use crate::iam::wire::{Permissions, Role};

/// What is declared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Declared<'a> {
    /// Its name at the backend.
    pub name: &'a str,
    /// Its description, mark included.
    pub description: &'a str,
    /// What it allows.
    pub permissions: &'a Permissions,
    /// What was sent last, and what the backend answered to it: an upgraded backend answers with more.
    pub sent: Option<&'a Permissions>,
}

/// What to do about the role.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drift {
    /// It is as declared.
    None,
    /// It has to be written anew.
    Differs,
}

/// Compares as sets: the order of actions means nothing. Permissions that the backend added to what was sent unchanged
/// are no drift as long as nothing that was sent is missing.
#[must_use]
pub fn drift(declared: &Declared<'_>, role: &Role) -> Drift {
    let same_text = role.name == declared.name
        && role.description.as_deref().unwrap_or_default() == declared.description;
    let sent = declared
        .sent
        .is_some_and(|sent| same(sent, declared.permissions));
    let permitted = if sent {
        includes(&role.permissions, declared.permissions)
    } else {
        same(&role.permissions, declared.permissions)
    };
    if same_text && permitted {
        Drift::None
    } else {
        Drift::Differs
    }
}

fn pairs(permissions: &Permissions) -> BTreeSet<(&str, &str)> {
    let pairs = permissions.iter().flat_map(|(resource, actions)| {
        actions
            .iter()
            .map(move |action| (resource.as_str(), action.as_str()))
    });
    pairs.collect()
}

fn same(one: &Permissions, other: &Permissions) -> bool {
    pairs(one) == pairs(other)
}

fn includes(more: &Permissions, less: &Permissions) -> bool {
    pairs(more).is_superset(&pairs(less))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn permissions(json: serde_json::Value) -> Permissions {
        serde_json::from_value(json).unwrap()
    }

    fn role(permissions: &Permissions) -> Role {
        let role = json!({"id": "1", "name": "r", "description": "d", "permissions": permissions});
        serde_json::from_value(role).unwrap()
    }

    fn judge(wanted: &Permissions, sent: Option<&Permissions>, there: &Permissions) -> Drift {
        let declared = Declared {
            name: "r",
            description: "d",
            permissions: wanted,
            sent,
        };
        drift(&declared, &role(there))
    }

    #[test]
    fn the_order_of_actions_is_no_drift() {
        let one = permissions(json!({"FLOW": ["READ", "CREATE"]}));
        let other = permissions(json!({"FLOW": ["CREATE", "READ"]}));
        assert_eq!(judge(&one, None, &other), Drift::None);
    }

    #[test]
    fn what_the_backend_adds_to_what_was_sent_is_no_drift() {
        let wanted = permissions(json!({"FLOW": ["READ"]}));
        let more = permissions(json!({"FLOW": ["READ", "VIEW"]}));
        assert_eq!(judge(&wanted, Some(&wanted), &more), Drift::None);
        assert_eq!(judge(&wanted, None, &more), Drift::Differs, "never sent");
        let other = permissions(json!({"FLOW": ["VIEW"]}));
        assert_eq!(
            judge(&wanted, Some(&wanted), &other),
            Drift::Differs,
            "one is missing"
        );
        let old = permissions(json!({"FLOW": ["READ", "VIEW"]}));
        assert_eq!(
            judge(&wanted, Some(&old), &more),
            Drift::Differs,
            "the spec has taken one away"
        );
    }

    #[test]
    fn another_name_or_description_is_drift() {
        let wanted = permissions(json!({"FLOW": ["READ"]}));
        let declared = Declared {
            name: "r",
            description: "other",
            permissions: &wanted,
            sent: None,
        };
        assert_eq!(drift(&declared, &role(&wanted)), Drift::Differs);
    }
}
