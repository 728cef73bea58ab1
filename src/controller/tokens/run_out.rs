//! Tokens of an object that is not permitted any more: they are not renewed, and none of them is forgotten.

use super::ledger::Ledger;
use super::removal::{self, is_compromised};
use super::{Dressing, Entry, TokenHolder, keep, next_look};
use crate::controller::backend::Backend;
use crate::controller::kind::Pass;
use crate::controller::memory::EntryMemory;
use crate::controller::outcome::Stop;
use crate::plan::token::Activity;

/// Keeps watch over the token of a refused entry: what it replaced is revoked in its time, and it goes on working until
/// it expires. Nothing may succeed it, so that one that is declared compromised, or whose Secret is gone, ends like that of a
/// removed entry.
pub async fn run_out<K: TokenHolder>(
    pass: &mut Pass<K>,
    backend: &Backend,
    ledger: &mut Ledger,
    entry: Entry<'_>,
) -> Result<(), Stop> {
    let compromised = entry.requests.compromised.as_deref();
    let is_compromised = is_compromised(pass, entry.name, compromised);
    if pass.is_suspended() && !is_compromised {
        let activity = Activity::Suspended;
        return keep(pass, backend, ledger, &Entry { activity, ..entry }).await;
    }
    let held = removal::held_secret(pass, entry.name, entry.dressing.name);
    if let Some(name) = held.filter(|_| !is_compromised) {
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
    end(pass, backend, ledger, &entry).await
}

/// Ends an entry as if it were removed, if there is anything to end.
async fn end<K: TokenHolder>(
    pass: &mut Pass<K>,
    backend: &Backend,
    ledger: &mut Ledger,
    entry: &Entry<'_>,
) -> Result<(), Stop> {
    let key = pass.key();
    let listed = pass.context.memory.entry(&key, entry.name).listed;
    let now = backend.client.backend_now();
    let is_due = listed.is_none_or(|last| next_look(pass, backend, last) <= now);
    let has_left = K::token(&pass.status, entry.name).is_some()
        || !removal::secrets_of(pass, entry.name).is_empty();
    if has_left || is_due {
        let compromised = entry.requests.compromised.as_deref();
        removal::remove(pass, backend, ledger, entry.name, compromised).await?;
    }
    if let Some(at) = ledger.listed_at() {
        let note = |memory: &mut EntryMemory| memory.listed = Some(at);
        pass.context.memory.remember(&key, entry.name, note);
    }
    let looked = ledger.listed_at().or(listed).unwrap_or(now);
    pass.wake_at(backend.on_our_clock(next_look(pass, backend, looked)));
    Ok(())
}
