//! The end of an object that is deleted: what it made at the backend goes first, unless something holds that up.

use kube::runtime::controller::Action;
use tracing::info;

use super::brake::{self, Verdict};
use super::kind::{Kind, Pass, is_held};
use super::outcome::Stop;
use super::pipeline::{conclude, note};
use super::revocation;
use crate::api::policy::DeletionPolicy;
use crate::ops::metrics::Outcome;

/// Ends a deleted object. One that was never held has nothing at the backend. With `Orphan` the backend is not needed.
pub(super) async fn end<K: Kind>(pass: &mut Pass<K>) -> (Outcome, Action) {
    if !is_held(&pass.object) {
        return (Outcome::Done, Action::await_change());
    }
    let result = match pass.object.deletion_policy() {
        DeletionPolicy::Orphan => K::orphan(pass).await,
        DeletionPolicy::Delete => match take_away(pass).await {
            Some(result) => result,
            None => return (Outcome::Deferred, Action::await_change()),
        },
    };
    let result = match result {
        Ok(()) => pass.release().await.map_err(Stop::from),
        Err(stop) => Err(stop),
    };
    match result {
        Ok(()) => {
            let key = pass.key();
            info!(object = %key, "deleted");
            (Outcome::Done, Action::await_change())
        }
        Err(stop) => conclude(pass, Some(stop)).await,
    }
}

/// How what a deleted object made is left at the backend.
const ORPHAN: &str = "set deletionPolicy: Orphan";

/// Removes what the object made at the backend, or has a `Revocation` stand for it; `None` = whoever decides whether
/// that may be, or the instance when it was looked at, wakes it.
async fn take_away<K: Kind>(pass: &mut Pass<K>) -> Option<Result<(), Stop>> {
    let instance = pass.instance_key();
    let stop = match brake::verdict(&pass.context, &instance, pass.object.meta().uid.as_deref()) {
        Verdict::Open => return None,
        Verdict::Wait => {
            let stop = condemned(pass).await.err();
            let stop = stop.unwrap_or_else(|| brake::waits(&instance, ORPHAN).into());
            // Its Secrets go with it: only where they go in any case does it not stay.
            if !pass.context.is_ending(pass.namespace()) {
                return Some(Err(stop));
            }
            stop
        }
        Verdict::Go => match removed(pass).await? {
            Ok(()) => return Some(Ok(())),
            Err(stop) => stop,
        },
    };
    Some(revocation::outlive(pass, stop).await)
}

/// Removes what the object made at the backend; `None` = the instance wakes it as soon as it was looked at.
async fn removed<K: Kind>(pass: &mut Pass<K>) -> Option<Result<(), Stop>> {
    let backend = match pass.reached() {
        Ok(backend) => backend?,
        Err(stop) => return Some(Err(stop)),
    };
    let result = K::end(pass, &backend).await;
    note(&pass.context, &backend, result.as_ref().err());
    Some(result)
}

/// No brake holds what is declared compromised. An instance that cannot be worked with wakes the object when it can.
pub(super) async fn condemned<K: Kind>(pass: &mut Pass<K>) -> Result<(), Stop> {
    let Ok(Some(backend)) = pass.reached() else {
        return Ok(());
    };
    let result = K::condemn(pass, &backend).await;
    note(&pass.context, &backend, result.as_ref().err());
    result
}
