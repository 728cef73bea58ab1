//! Tokens of an object that is not permitted any more: they are not renewed, and none of them is forgotten.

use super::ledger::Ledger;
use super::removal::{self, Ending};
use super::{Dressing, Entry, TokenHolder, keep, next_look};
use crate::controller::backend::Backend;
use crate::controller::kind::Pass;
use crate::controller::outcome::Stop;
use crate::plan::token::Activity;

/// Keeps watch over the token of a refused entry: what it replaced is revoked in its time, and it goes on working until
/// it expires. Nothing may succeed it, so that one that is declared compromised, or whose Secret is gone, ends like that
/// of a removed entry.
pub async fn run_out<K: TokenHolder>(
    pass: &mut Pass<K>,
    backend: &Backend,
    ledger: &mut Ledger,
    entry: Entry<'_>,
) -> Result<(), Stop> {
    let compromised = entry.requests.compromised.as_deref();
    let ending = removal::ending(pass, entry.name, compromised);
    if pass.is_suspended() && ending == Ending::InTime {
        let activity = Activity::Suspended;
        return keep(pass, backend, ledger, &Entry { activity, ..entry }).await;
    }
    let held = removal::held_secret(pass, entry.name, entry.dressing.name);
    if let Some(name) = held.filter(|_| ending == Ending::InTime) {
        let dressing = Dressing {
            name: &name,
            ..entry.dressing
        };
        let entry = Entry {
            activity: Activity::Refused,
            dressing,
            ..entry
        };
        return keep(pass, backend, ledger, &entry).await;
    }
    end(pass, backend, ledger, &entry, ending).await
}

/// Ends an entry as if it were removed, if there is anything to end.
async fn end<K: TokenHolder>(
    pass: &mut Pass<K>,
    backend: &Backend,
    ledger: &mut Ledger,
    entry: &Entry<'_>,
    ending: Ending,
) -> Result<(), Stop> {
    let key = pass.key();
    let listed = pass.context.memory.entry(&key, entry.name).listed;
    let now = backend.client.backend_now();
    let is_due = listed.is_none_or(|last| next_look(pass, backend, last) <= now);
    let has_left = K::token(&pass.status, entry.name).is_some()
        || !removal::secrets_of(pass, entry.name).is_empty();
    if has_left || is_due {
        removal::remove(pass, backend, ledger, entry.name, ending).await?;
        ledger.remember_look(pass, entry.name);
    }
    let looked = pass.context.memory.entry(&key, entry.name).listed;
    let looked = looked.unwrap_or(now);
    pass.wake_at(backend.on_our_clock(next_look(pass, backend, looked)));
    Ok(())
}
