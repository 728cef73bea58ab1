//! `Revocation`: what an object left at a backend that could not be reached, removed as soon as it can be.

mod hand_over;
mod owed;

use std::collections::HashSet;
use std::sync::Arc;

use kube::api::Api;
use kube::runtime::controller::Action;
use kube::{Resource, ResourceExt};
use tokio::time::Instant;
use tracing::{debug, info};

pub use hand_over::{due, is_of_backend, outlive, restored};
pub use owed::{Owed, object_of};

use super::brake::{self, Verdict};
use super::context::{Context, name_of, namespace_of};
use super::departure::condemned;
use super::error::Error;
use super::kind::{Kind, Pass, instance_key};
use super::outcome::{Blocked, Stop};
use super::patch::{exactly, write_status};
use super::pipeline::{note, retry};
use super::referrers::{Key, KindName};
use super::status::{self, TokensLive};
use crate::api::condition::Reason;
use crate::api::revocation::{DepartedKind, RevocationStatus};
use crate::api::{ApiToken, Group, Revocation, Role, RoleBinding, ServiceAccount};
use crate::ops::metrics::{self, Outcome};

const KIND: metrics::Kind = KindName::Revocation.metric();

/// One pass over a duty.
pub(super) async fn reconcile(
    object: Arc<Revocation>,
    context: Arc<Context>,
) -> Result<Action, std::convert::Infallible> {
    let started = Instant::now();
    context.stores.filled().await;
    let key = Key::new(
        KindName::Revocation,
        namespace_of(&*object),
        name_of(&*object),
    );
    if object.meta().deletion_timestamp.is_some() {
        return Ok(Action::await_change());
    }
    let spec = &object.spec;
    let instance = instance_key(&spec.instance_ref, &spec.object.namespace);
    let verdict = brake::verdict(&context, &instance, Some(&spec.object.uid));
    context.referrers.note(&key, HashSet::from([instance]));
    if verdict == Verdict::Open {
        return Ok(Action::await_change());
    }
    let done = match carry_out(&context, &object, verdict).await {
        Ok(()) => dismiss(&context, &object).await,
        Err(stop) => Err(stop),
    };
    let (outcome, action) = match done {
        Ok(()) => {
            context.memory.succeeded(&key);
            (Outcome::Done, Action::await_change())
        }
        Err(stop) => wait(&context, &key, &object, stop).await,
    };
    context.metrics.reconciled(KIND, outcome, started.elapsed());
    Ok(action)
}

async fn carry_out(
    context: &Arc<Context>,
    duty: &Revocation,
    verdict: Verdict,
) -> Result<(), Stop> {
    match duty.spec.object.kind {
        DepartedKind::ServiceAccount => end::<ServiceAccount>(context, duty, verdict).await,
        DepartedKind::Group => end::<Group>(context, duty, verdict).await,
        DepartedKind::Role => end::<Role>(context, duty, verdict).await,
        DepartedKind::RoleBinding => end::<RoleBinding>(context, duty, verdict).await,
        DepartedKind::ApiToken => end::<ApiToken>(context, duty, verdict).await,
    }
}

/// Ends the object as it would have ended while it was there.
async fn end<K: Kind>(
    context: &Arc<Context>,
    duty: &Revocation,
    verdict: Verdict,
) -> Result<(), Stop> {
    let mut pass = Pass::new(Arc::clone(context), restored::<K>(duty)?);
    pass.regarding = duty.object_ref(&());
    if verdict == Verdict::Wait {
        condemned(&mut pass).await?;
        return Err(brake::waits(&pass.instance_key(), "delete this Revocation").into());
    }
    let Some(backend) = pass.reached()? else {
        // The instance wakes it as soon as it was looked at.
        return Err(not_yet(&pass.instance_key()).into());
    };
    let result = K::end(&mut pass, &backend).await;
    note(context, &backend, result.as_ref().err());
    result
}

fn not_yet(instance: &Key) -> Blocked {
    Blocked::unsynced(
        Reason::BackendUnavailable,
        format!("waits for the first look at {instance}"),
    )
}

/// The duty is done.
async fn dismiss(context: &Context, duty: &Revocation) -> Result<(), Stop> {
    let api: Api<Revocation> = Api::namespaced(context.client.clone(), &context.settings.namespace);
    let (parameters, name) = (exactly(duty.uid(), None), duty.name_any());
    let delete = api.delete(&name, &parameters);
    match context.change("delete the Revocation", delete).await {
        Err(error) if !error.is_not_found() => Err(error.into()),
        _ => {
            info!(revocation = name, "what a deleted object left is removed");
            Ok(())
        }
    }
}

/// Says what it waits for, and when it is tried again.
async fn wait(context: &Context, key: &Key, duty: &Revocation, stop: Stop) -> (Outcome, Action) {
    context.authority.note(key, Some(&stop));
    let written = tell(context, key, duty, &stop).await;
    let ((Stop::Failed(error), _) | (_, Err(error))) = (&stop, &written) else {
        debug!(object = %key, reason = %stop.reason(), "waits");
        return (Outcome::Deferred, Action::requeue(context.recheck()));
    };
    context.metrics.failed(KIND, error.reason().as_str());
    (Outcome::Failed, retry(context, key, error))
}

async fn tell(context: &Context, key: &Key, duty: &Revocation, stop: &Stop) -> Result<(), Error> {
    let old = duty.status.clone().unwrap_or_default();
    let generation = duty.meta().generation;
    let pass = status::Pass {
        generation,
        old: &old.conditions,
        old_generation: old.observed_generation,
        stop: Some(stop),
        findings: &[],
        tokens_live: TokensLive::All,
    };
    let new = RevocationStatus {
        observed_generation: generation,
        conditions: status::conditions(&pass, context.clock.now()),
    };
    let api = Api::namespaced(context.client.clone(), &key.namespace);
    write_status(context, key, &api, duty, &new).await
}
