//! How objects are written: with what parameters, and a status by the smallest patch.

use std::fmt::Debug;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::api::{Api, DeleteParams, Patch, PatchParams, PostParams, Preconditions};
use kube::core::object::HasStatus;
use kube::{Resource, ResourceExt};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::context::Context;
use super::error::Error;
use super::referrers::Key;
use super::status::news;
use crate::api::instance::InstanceStatus;
use crate::api::names::FIELD_MANAGER;
use crate::api::revocation::RevocationStatus;

/// How an object of ours is created or replaced.
#[must_use]
pub fn creation() -> PostParams {
    PostParams {
        field_manager: Some(FIELD_MANAGER.to_owned()),
        ..PostParams::default()
    }
}

/// Deletes this very object; with a version, only as it was then.
#[must_use]
pub fn exactly(uid: Option<String>, resource_version: Option<String>) -> DeleteParams {
    DeleteParams {
        preconditions: Some(Preconditions {
            uid,
            resource_version,
        }),
        ..DeleteParams::default()
    }
}

/// A status with conditions.
pub trait HasConditions {
    /// Its conditions.
    fn conditions(&self) -> &[Condition];
}

impl HasConditions for InstanceStatus {
    fn conditions(&self) -> &[Condition] {
        &self.conditions
    }
}

impl HasConditions for RevocationStatus {
    fn conditions(&self) -> &[Condition] {
        &self.conditions
    }
}

/// Writes a status that differs from the one that the object has, and tells people what is news.
pub async fn write_status<K>(
    context: &Context,
    key: &Key,
    api: &Api<K>,
    object: &K,
    new: &K::Status,
) -> Result<(), Error>
where
    K: Resource<DynamicType = ()> + HasStatus + Clone + Debug + DeserializeOwned,
    K::Status: HasConditions + Serialize,
{
    let Some(patch) = status_patch(object, object.status(), &to_json(new)?)? else {
        return Ok(());
    };
    let (parameters, patch) = (PatchParams::apply(FIELD_MANAGER), Patch::Merge(&patch));
    let patched = api.patch_status(&key.name, &parameters, &patch);
    let written = context.tell(patched).await?;
    context
        .memory
        .wrote(key, written.resource_version().as_deref());
    let before = object.status().map(HasConditions::conditions);
    for news in news(before.unwrap_or_default(), new.conditions()) {
        context.announce(object.object_ref(&()), news).await;
    }
    Ok(())
}

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
