//! Entries that the spec does not have any more, and Secrets that an entry left for another name.

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Secret;
use kube::api::{Api, DeleteParams, Preconditions};
use kube::core::ObjectMeta;
use kube::runtime::reflector::ObjectRef;
use tracing::info;

use super::secret::{HISTORY, Labels};
use super::{TokenHolder, our_generation, record, sight};
use crate::api::names::ENTRY;
use crate::api::token_status::{RetiredToken, TokenStatus};
use crate::controller::backend::Backend;
use crate::controller::context::Context;
use crate::controller::error::Error;
use crate::controller::kind::{Kind, Pass};
use crate::controller::outcome::Stop;
use crate::iam::client::Owner;
use crate::plan::token::History;

/// Removes an entry: its token goes on working for the overlap's minimum, then it is revoked, and its Secret deleted.
pub async fn remove<K: TokenHolder>(
    pass: &mut Pass<K>,
    backend: &Backend,
    owner: &Owner,
    entry: &str,
) -> Result<(), Stop> {
    let now = backend.client.backend_now();
    let mut status = K::token(&pass.status, entry).cloned().unwrap_or_default();
    let secrets = ours(&pass.context, pass, |label| label == entry);
    if status.id.is_some() || (status.retired.is_empty() && !secrets.is_empty()) {
        retire(&mut status, &secrets, now);
        K::set_token(&mut pass.status, entry, status.clone());
    }
    let end = status
        .retired
        .iter()
        .filter_map(|retired| Some(retired.revoke_after_time.as_ref()?.0))
        .max();
    if let Some(end) = end.filter(|end| *end > now) {
        let offset = backend
            .client
            .clock_offset()
            .unwrap_or(SignedDuration::ZERO);
        pass.wake_at(end.checked_sub(offset).unwrap_or(end));
        return Ok(());
    }
    revoke_all(pass, backend, owner, entry).await?;
    for secret in &secrets {
        delete(pass, secret).await?;
    }
    K::drop_token(&mut pass.status, entry);
    Ok(())
}

/// The current token becomes a retired one that ends after the overlap's minimum.
fn retire(status: &mut TokenStatus, secrets: &[ObjectMeta], now: Timestamp) {
    let histories = secrets
        .iter()
        .filter_map(|metadata| History::parse(metadata.annotations.as_ref()?.get(HISTORY)?));
    let validity = histories
        .map(|history| history.current)
        .find_map(|current| Some(current.expires?.duration_since(current.issued)));
    let hour = SignedDuration::from_hours(1);
    let min = validity.map_or(hour, |validity| (validity / 20).min(hour));
    let end = now.checked_add(min).unwrap_or(Timestamp::MAX);
    status.retired.push(RetiredToken {
        id: status.id.take().unwrap_or_else(|| "unknown".to_owned()),
        generation: status.generation,
        retired_time: Some(record::time(now)),
        revoke_after_time: Some(record::time(end)),
        expiration_time: status.expiration_time.take(),
        last_used_time: None,
    });
    status.next_rotation_time = None;
}

/// Revokes every token that carries this entry's mark.
pub(super) async fn revoke_all<K: TokenHolder>(
    pass: &Pass<K>,
    backend: &Backend,
    owner: &Owner,
    entry: &str,
) -> Result<(), Stop> {
    let tokens = backend.client.tokens(owner).await?;
    for token in tokens
        .iter()
        .filter(|token| our_generation(pass, entry, token).is_some())
    {
        pass.context.leadership.guard().map_err(Error::from)?;
        backend.client.revoke_token(owner, &token.id).await?;
        info!(namespace = pass.namespace(), name = pass.name(), token = %token.id, "token of a removed entry revoked");
    }
    Ok(())
}

/// Deletes Secrets that a live entry left for another name, once none of their tokens works any more.
pub async fn tidy<K: TokenHolder>(
    pass: &Pass<K>,
    entry: &str,
    secret_name: &str,
) -> Result<(), Error> {
    let Some(status) = K::token(&pass.status, entry) else {
        return Ok(());
    };
    if status.secret_name.as_deref() != Some(secret_name) || !status.retired.is_empty() {
        return Ok(());
    }
    let left = ours(&pass.context, pass, |label| label == entry);
    for metadata in left
        .iter()
        .filter(|metadata| metadata.name.as_deref() != Some(secret_name))
    {
        delete(pass, metadata).await?;
    }
    Ok(())
}

/// The entries that Secrets of this object carry.
pub fn entries_of_secrets<K: Kind>(pass: &Pass<K>) -> Vec<String> {
    let secrets = ours(&pass.context, pass, |_| true);
    let labels = secrets
        .into_iter()
        .filter_map(|metadata| metadata.labels?.remove(ENTRY));
    labels.collect()
}

fn ours<K: Kind>(
    context: &Context,
    pass: &Pass<K>,
    is_wanted: impl Fn(&str) -> bool,
) -> Vec<ObjectMeta> {
    let secrets = context
        .secrets_of
        .get(&pass.key())
        .into_iter()
        .filter_map(|name| {
            context
                .stores
                .secrets
                .get(&ObjectRef::new(&name).within(pass.namespace()))
        });
    let wanted = secrets.filter(|secret| {
        let entry = secret
            .metadata
            .labels
            .as_ref()
            .and_then(|labels| labels.get(ENTRY));
        entry.is_some_and(|entry| {
            is_wanted(entry) && Labels::of(pass, entry).are_on(&secret.metadata)
        })
    });
    wanted.map(|secret| secret.metadata.clone()).collect()
}

/// Deletes a Secret of ours if it still is what it was, by a look at it as it is now.
async fn delete<K: Kind>(pass: &Pass<K>, metadata: &ObjectMeta) -> Result<(), Error> {
    let name = metadata.name.as_deref().unwrap_or_default();
    let entry = metadata
        .labels
        .as_ref()
        .and_then(|labels| labels.get(ENTRY));
    let now = sight::read(&pass.context, pass.namespace(), name).await?;
    let Some(now) =
        now.filter(|now| entry.is_some_and(|entry| Labels::of(pass, entry).are_on(now)))
    else {
        return Ok(());
    };
    let preconditions = Preconditions {
        uid: now.uid,
        resource_version: now.resource_version,
    };
    let parameters = DeleteParams {
        preconditions: Some(preconditions),
        ..DeleteParams::default()
    };
    let api: Api<Secret> = Api::namespaced(pass.context.client.clone(), pass.namespace());
    match pass
        .context
        .change("delete the Secret", api.delete(name, &parameters))
        .await
    {
        Ok(_) => Ok(()),
        Err(error) if error.is_not_found() => Ok(()),
        Err(error) => Err(error),
    }
}
