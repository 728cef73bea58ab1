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
    /// What was sent last, if anything was.
    pub last: Option<Sent<'a>>,
}

/// Permissions that were sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sent<'a> {
    /// As they were sent.
    pub sent: &'a Permissions,
    /// What the backend answered: one of a newer line makes other words of them.
    pub answered: &'a Permissions,
}

/// What to do about the role.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drift {
    /// It is as declared.
    None,
    /// It has to be written anew.
    Differs,
}

/// Compares as sets: the order of actions means nothing. What was sent unchanged has to be as the backend answered it
/// then, so that a backend with words of its own is written to once, and whatever others add is taken away.
#[must_use]
pub fn drift(declared: &Declared<'_>, role: &Role) -> Drift {
    let same_text = role.name == declared.name
        && role.description.as_deref().unwrap_or_default() == declared.description;
    let last = declared
        .last
        .filter(|last| is_same(last.sent, declared.permissions));
    let expected = last.map_or(declared.permissions, |last| last.answered);
    if same_text && is_same(&role.permissions, expected) {
        Drift::None
    } else {
        Drift::Differs
    }
}

/// Whether both allow the same, in whatever order.
#[must_use]
pub fn is_same(one: &Permissions, other: &Permissions) -> bool {
    pairs(one) == pairs(other)
}

fn pairs(permissions: &Permissions) -> BTreeSet<(&str, &str)> {
    let pairs = permissions.iter().flat_map(|(resource, actions)| {
        actions
            .iter()
            .map(move |action| (resource.as_str(), action.as_str()))
    });
    pairs.collect()
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

    fn judge(
        wanted: &Permissions,
        last: Option<(&Permissions, &Permissions)>,
        there: &Permissions,
    ) -> Drift {
        let declared = Declared {
            name: "r",
            description: "d",
            permissions: wanted,
            last: last.map(|(sent, answered)| Sent { sent, answered }),
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
    fn what_the_backend_made_of_what_was_sent_is_no_drift() {
        let wanted = permissions(json!({"FLOW": ["READ"]}));
        let made = permissions(json!({"FLOW": ["VIEW", "LIST"]}));
        assert_eq!(judge(&wanted, Some((&wanted, &made)), &made), Drift::None);
        assert_eq!(judge(&wanted, None, &made), Drift::Differs, "never sent");
        let back = permissions(json!({"FLOW": ["READ"]}));
        assert_eq!(
            judge(&wanted, Some((&wanted, &made)), &back),
            Drift::Differs
        );
    }

    #[test]
    fn what_others_added_or_took_away_is_drift() {
        let wanted = permissions(json!({"FLOW": ["READ", "CREATE"]}));
        let last = Some((&wanted, &wanted));
        let more = permissions(json!({"FLOW": ["READ", "CREATE", "DELETE"]}));
        assert_eq!(judge(&wanted, last, &more), Drift::Differs);
        let less = permissions(json!({"FLOW": ["READ"]}));
        assert_eq!(judge(&wanted, last, &less), Drift::Differs);
    }

    #[test]
    fn what_the_spec_takes_away_is_drift_whatever_was_answered() {
        let (old, new) = (
            permissions(json!({"FLOW": ["READ", "VIEW"]})),
            permissions(json!({"FLOW": ["READ"]})),
        );
        assert_eq!(judge(&new, Some((&old, &old)), &old), Drift::Differs);
    }

    #[test]
    fn another_name_or_description_is_drift() {
        let wanted = permissions(json!({"FLOW": ["READ"]}));
        let declared = Declared {
            name: "r",
            description: "other",
            permissions: &wanted,
            last: None,
        };
        assert_eq!(drift(&declared, &role(&wanted)), Drift::Differs);
    }
}
