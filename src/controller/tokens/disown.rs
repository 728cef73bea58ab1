//! Lets Secrets go with their tokens alive: `deletionPolicy: Orphan`.

use k8s_openapi::api::core::v1::Secret;
use kube::api::{Api, Patch, PatchParams};
use serde_json::{Value, json};

use super::secret::{HISTORY, Labels, TEMPLATE};
use super::{TokenHolder, sight};
use crate::api::names::{ENTRY, FIELD_MANAGER, OWNER_KIND, OWNER_NAME};
use crate::controller::error::Error;
use crate::controller::kind::Pass;

/// Takes our ownership and marks off every Secret of the object, so that the garbage collector leaves it.
pub async fn disown<K: TokenHolder>(pass: &Pass<K>) -> Result<(), Error> {
    for name in pass.context.secrets_of.get(&pass.key()) {
        let metadata = sight::read(&pass.context, pass.namespace(), &name).await?;
        let Some(metadata) = metadata else { continue };
        let entry = metadata
            .labels
            .as_ref()
            .and_then(|labels| labels.get(ENTRY));
        if !entry.is_some_and(|entry| Labels::of(pass, entry).are_on(&metadata)) {
            continue;
        }
        let uid = pass.object.meta().uid.as_deref();
        let owners = metadata.owner_references.iter().flatten();
        let others: Vec<_> = owners
            .filter(|owner| Some(owner.uid.as_str()) != uid)
            .collect();
        let patch = json!({"metadata": {
            "uid": metadata.uid,
            "resourceVersion": metadata.resource_version,
            "ownerReferences": others,
            "labels": {OWNER_KIND: Value::Null, OWNER_NAME: Value::Null, ENTRY: Value::Null},
            "annotations": {HISTORY: Value::Null, TEMPLATE: Value::Null},
        }});
        let api: Api<Secret> = Api::namespaced(pass.context.client.clone(), pass.namespace());
        let (parameters, patch) = (PatchParams::apply(FIELD_MANAGER), Patch::Merge(&patch));
        let patched = api.patch_metadata(&name, &parameters, &patch);
        pass.context.change("let the Secret go", patched).await?;
    }
    Ok(())
}
