//! The smallest patch that writes a status.

use kube::{Resource, ResourceExt};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::error::Error;

/// The patch that turns the status of an object from `old` into `new`, if the object still has the version that was
/// seen; `None` if they are equal.
pub fn status_patch<K: Resource, S: Serialize>(
    object: &K,
    old: Option<&S>,
    new: &Value,
) -> Result<Option<Value>, Error> {
    let old = old.map(to_json).transpose()?.unwrap_or_else(|| json!({}));
    let patch = merge_patch(&old, new);
    Ok(patch.map(|patch| {
        json!({"metadata": {"resourceVersion": object.resource_version()}, "status": patch})
    }))
}

/// A status, or a part of one, as JSON.
pub fn to_json<T: Serialize>(status: &T) -> Result<Value, Error> {
    serde_json::to_value(status).map_err(|source| Error::Json {
        what: "the status",
        source,
    })
}

/// The JSON merge patch that turns `old` into `new`; `None` if they are equal.
fn merge_patch(old: &Value, new: &Value) -> Option<Value> {
    if old == new {
        return None;
    }
    let (Value::Object(old), Value::Object(new)) = (old, new) else {
        return Some(new.clone());
    };
    let mut patch = Map::new();
    for (name, value) in new {
        let change = old
            .get(name)
            .map_or_else(|| Some(value.clone()), |old| merge_patch(old, value));
        patch.extend(change.map(|change| (name.clone(), change)));
    }
    let gone = old.keys().filter(|name| !new.contains_key(*name));
    patch.extend(gone.map(|name| (name.clone(), Value::Null)));
    Some(Value::Object(patch))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_patch_holds_what_differs_and_nothing_else() {
        let old = json!({"a": 1, "b": {"c": 1, "d": 2}, "list": [1, 2], "gone": true});
        let new = json!({"a": 1, "b": {"c": 1, "d": 3}, "list": [1], "more": "x"});
        let patch = json!({"b": {"d": 3}, "list": [1], "gone": null, "more": "x"});
        assert_eq!(merge_patch(&old, &new), Some(patch));
        assert_eq!(merge_patch(&old, &old), None);
    }
}
