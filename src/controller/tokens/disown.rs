//! Lets Secrets go with their tokens alive: `deletionPolicy: Orphan`.

use kube::api::{ListParams, Patch, PatchParams};
use kube::core::ObjectMeta;
use serde_json::{Value, json};

use super::TokenHolder;
use super::dressing::TEMPLATE;
use super::secret::{self, HISTORY};
use crate::api::names::{ENTRY, FIELD_MANAGER, OWNER_KIND, OWNER_NAME};
use crate::controller::error::Error;
use crate::controller::kind::Pass;

/// Takes our ownership and marks off every Secret of the object, so that the garbage collector leaves it.
pub async fn disown<K: TokenHolder>(pass: &Pass<K>) -> Result<(), Error> {
    let api = secret::api(&pass.context, pass.namespace());
    let (kind, name) = (K::kind(&()), pass.name());
    let ours = ListParams::default().labels(&format!("{OWNER_KIND}={kind},{OWNER_NAME}={name}"));
    // The cache may lack a Secret that was just written.
    let list = api.list_metadata(&ours);
    let list = pass.context.within("list the Secrets", list).await?;
    for secret in list {
        let patch = released(&secret.metadata, pass.object.meta().uid.as_deref());
        let name = secret.metadata.name.unwrap_or_default();
        let (parameters, patch) = (PatchParams::apply(FIELD_MANAGER), Patch::Merge(&patch));
        let patched = api.patch_metadata(&name, &parameters, &patch);
        secret::change(&pass.context, "let the Secret go", patched).await?;
    }
    Ok(())
}

/// What turns our Secret into anybody's.
fn released(metadata: &ObjectMeta, uid: Option<&str>) -> Value {
    let owners = metadata.owner_references.iter().flatten();
    let others: Vec<_> = owners
        .filter(|owner| Some(owner.uid.as_str()) != uid)
        .collect();
    json!({"metadata": {
        "uid": metadata.uid,
        "resourceVersion": metadata.resource_version,
        "ownerReferences": others,
        "labels": {OWNER_KIND: Value::Null, OWNER_NAME: Value::Null, ENTRY: Value::Null},
        "annotations": {HISTORY: Value::Null, TEMPLATE: Value::Null},
    }})
}
