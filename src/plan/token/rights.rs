//! What the owner of a token may do, in a few characters: enough to tell that it changed.

use std::collections::BTreeSet;

use serde_json::json;
use sha2::{Digest, Sha256};

use crate::iam::model::RoleId;
use crate::iam::wire::Permissions;
use crate::plan::mark::hex;

/// A role that somebody has, directly or by a group.
#[derive(Clone, Copy, Debug)]
pub struct Right<'a> {
    /// The role.
    pub role: &'a RoleId,
    /// The Kestra namespace; `None` = the whole tenant.
    pub namespace: Option<&'a str>,
    /// What it allows, if that is known.
    pub permissions: Option<&'a Permissions>,
}

/// A text that changes if and only if the rights do. Neither their order nor one that is there twice matters.
#[must_use]
pub fn rights<'a>(rights: impl IntoIterator<Item = Right<'a>>) -> String {
    let texts = rights.into_iter().map(|right| {
        let permissions = right.permissions.map(|permissions| {
            let sorted = permissions.iter().map(|(resource, actions)| {
                let actions: BTreeSet<&String> = actions.iter().collect();
                json!([resource, actions])
            });
            sorted.collect::<Vec<_>>()
        });
        json!([right.role, right.namespace, permissions]).to_string()
    });
    let texts: BTreeSet<String> = texts.collect();
    hex(&Sha256::digest(json!(texts).to_string()))[..16].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn permissions(value: serde_json::Value) -> Permissions {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn only_what_can_be_done_matters() {
        let (viewer, editor) = (RoleId("viewer".into()), RoleId("editor".into()));
        let read = permissions(json!({"FLOW": ["READ", "CREATE"]}));
        let same = permissions(json!({"FLOW": ["CREATE", "READ"]}));
        let less = permissions(json!({"FLOW": ["READ"]}));
        let right = |role, namespace, permissions| Right {
            role,
            namespace,
            permissions,
        };
        let one = right(&viewer, None, Some(&read));
        let two = right(&editor, Some("company"), None);
        let all = rights([one, two]);
        assert_eq!(all.len(), 16);
        assert_eq!(rights([two, one, two]), all);
        assert_eq!(rights([right(&viewer, None, Some(&same)), two]), all);
        let others = [
            rights([]),
            rights([one]),
            rights([right(&viewer, None, Some(&less)), two]),
            rights([right(&viewer, None, None), two]),
            rights([one, right(&editor, Some("company.team"), None)]),
            rights([one, right(&editor, None, None)]),
            rights([one, right(&viewer, Some("company"), None)]),
        ];
        for (number, other) in others.iter().enumerate() {
            assert_ne!(*other, all, "{number}");
        }
    }
}
