//! Tokens of an object that is not permitted any more: they are not renewed, and none of them is forgotten.

use super::ledger::Ledger;
use super::removal::{self, Ending};
use super::{Entry, TokenHolder, keep_up, next_look};
use crate::controller::backend::Backend;
use crate::controller::error::Error;
use crate::controller::kind::Pass;
use crate::controller::outcome::Stop;
use crate::plan::token::{Activity, Naming};

/// Keeps watch over the token of a refused entry: what it replaced is revoked in its time, and it goes on working until
/// it expires. Nothing may succeed it, so that one that is declared compromised, or whose Secret is gone, ends like that
/// of a removed entry.
pub(super) async fn run_out<K: TokenHolder>(
    pass: &mut Pass<K>,
    backend: &Backend,
    ledger: &mut Ledger,
    entry: Entry<'_>,
) -> Result<(), Stop> {
    let compromised = entry.requests.compromised.as_deref();
    let ending = removal::ending(pass, entry.name, compromised);
    if pass.is_suspended() && ending == Ending::InTime {
        let activity = Activity::Suspended;
        return keep_up(pass, backend, ledger, &Entry { activity, ..entry }).await;
    }
    let held = removal::held_secret(pass, entry.name, entry.dressing.naming);
    if let Some(name) = held.filter(|_| ending == Ending::InTime) {
        return keep_in(pass, backend, ledger, entry, &name).await;
    }
    end(pass, backend, ledger, entry, ending).await
}

/// Keeps watch over the token in the Secret of this name, whatever name the spec wants.
async fn keep_in<K: TokenHolder>(
    pass: &mut Pass<K>,
    backend: &Backend,
    ledger: &mut Ledger,
    entry: Entry<'_>,
    name: &str,
) -> Result<(), Stop> {
    let naming = Naming::Fixed(name.to_owned());
    keep_up(pass, backend, ledger, &entry.called(&naming)).await
}

/// Ends an entry as if it were removed, if there is anything to end, unless its Secret is there after all.
async fn end<K: TokenHolder>(
    pass: &mut Pass<K>,
    backend: &Backend,
    ledger: &mut Ledger,
    entry: Entry<'_>,
    ending: Ending,
) -> Result<(), Stop> {
    let key = pass.key();
    let now = backend.client.backend_now();
    let listed = pass.context.memory.entry(&key, entry.name).listed_by(now);
    let is_due = listed.is_none_or(|last| next_look(pass, backend, last) <= now);
    let has_left = K::token(&pass.status, entry.name).is_some()
        || !removal::secrets_of(pass, entry.name).is_empty();
    if has_left || is_due {
        if let Some(name) = met(pass, &entry, ending).await? {
            return keep_in(pass, backend, ledger, entry, &name).await;
        }
        let farewell = entry.policy.overlap.min;
        if removal::is_over(pass, backend, ledger, entry.name, ending, farewell).await? {
            finish(pass, backend, ledger, &entry, ending).await?;
        }
        ledger.remember_look(pass, entry.name);
    }
    let looked = pass.context.memory.entry(&key, entry.name).listed_by(now);
    let looked = looked.unwrap_or(now);
    pass.wake_at(backend.on_our_clock(next_look(pass, backend, looked)));
    Ok(())
}

/// Revokes the tokens, unless their Secret has come back while they were listed: then the next pass keeps them.
async fn finish<K: TokenHolder>(
    pass: &mut Pass<K>,
    backend: &Backend,
    ledger: &mut Ledger,
    entry: &Entry<'_>,
    ending: Ending,
) -> Result<(), Stop> {
    if met(pass, entry, ending).await?.is_some() {
        let now = pass.context.clock.now();
        pass.wake_at(now);
        return Ok(());
    }
    removal::finish(pass, backend, ledger, entry.name).await
}

/// The Secret for whose sake a token is kept.
async fn met<K: TokenHolder>(
    pass: &Pass<K>,
    entry: &Entry<'_>,
    ending: Ending,
) -> Result<Option<String>, Error> {
    match ending {
        Ending::InTime => removal::met_secret(pass, entry).await,
        Ending::AtOnce => Ok(None),
    }
}
