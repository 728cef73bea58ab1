//! Secrets that somebody made immutable: they take no new value, so they are deleted and made anew.

use k8s_openapi::api::core::v1::Secret;
use kube::api::PostParams;

use super::round::Round;
use super::{TokenHolder, secret};
use crate::api::condition::Reason;
use crate::controller::error::Error;
use crate::controller::patch::exactly;

impl<K: TokenHolder> Round<'_, K> {
    /// Whether the very Secret that was seen is immutable and should not be, which its metadata do not tell.
    pub(super) async fn is_frozen(&self) -> Result<bool, Error> {
        if self.is_versioned() {
            return Ok(false);
        }
        let (context, name) = (&self.pass.context, self.secret_name());
        let there = secret::read(context, self.pass.namespace(), name).await?;
        let seen = self.sight.seen.version();
        Ok(there.is_some_and(|there| {
            there.immutable == Some(true) && there.metadata.resource_version.as_deref() == seen
        }))
    }

    /// Deletes exactly the Secret that was seen, and creates this one in its place. Whoever is killed in between leaves a
    /// Secret that is missing, and its token is retired as such. A dry run does nothing.
    pub(super) async fn make_anew(
        &self,
        mut secret: Secret,
        parameters: &PostParams,
    ) -> Result<Secret, Error> {
        if parameters.dry_run {
            return Ok(secret);
        }
        let context = &self.pass.context;
        let (api, name) = (
            secret::api(context, self.pass.namespace()),
            self.secret_name(),
        );
        let metadata = &mut secret.metadata;
        let deletion = exactly(metadata.uid.take(), metadata.resource_version.take());
        let delete = api.delete(name, &deletion);
        secret::change(context, "delete the immutable Secret", delete).await?;
        secret.metadata.creation_timestamp = None;
        let create = api.create(parameters, &secret);
        let created = secret::change(context, secret::WRITE, create).await?;
        let note = format!("Secret {name} was immutable; it was deleted and made anew");
        self.pass
            .event(Reason::SecretTampered, "Rewrite", note, Some(name))
            .await;
        Ok(created)
    }
}
