//! The account's entries.

use std::collections::BTreeSet;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::ResourceExt;
use tracing::warn;

use crate::api::ServiceAccount;
use crate::api::condition::Reason;
use crate::api::names::{COMPROMISED, ROTATE_REQUESTED_AT};
use crate::api::token::TokenEntry;
use crate::api::token_status;
use crate::controller::backend::Backend;
use crate::controller::kind::Pass;
use crate::controller::memory::EntryMemory;
use crate::controller::outcome::Stop;
use crate::controller::status;
use crate::controller::tokens::{
    self, Dressing, Ending, Entry, Ledger, TokenHolder, check_metadata, entries_of_secrets,
    next_look, rights,
};
use crate::iam::client::Owner;
use crate::iam::model::PrincipalId;
use crate::plan::token::{Activity, Naming, Requests};

use super::account::Age;

/// Under which name the looks at all tokens of an account are remembered: that of no entry.
const ACCOUNT: &str = "";

/// Whose tokens they are.
pub(super) struct Holder<'a> {
    pub(super) id: &'a PrincipalId,
    pub(super) name: &'a str,
    pub(super) age: Age,
}

/// Which entries may have tokens issued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Entitled {
    /// All.
    All,
    /// Those that have a token: another in its place is no more.
    Holders,
    /// None.
    Nobody,
}

/// Keeps every entry's token alive, and removes entries that the spec does not have any more. The first trouble does
/// not keep the other entries from their due. Of whoever is not entitled to one, no token is renewed.
pub(super) async fn keep(
    pass: &mut Pass<ServiceAccount>,
    backend: &Backend,
    holder: Holder<'_>,
    entitled: Entitled,
) -> Result<(), Stop> {
    let owner = Owner::Account(holder.id.clone());
    let mut ledger = match holder.age {
        Age::New => Ledger::empty(owner, backend.client.backend_now()),
        Age::Old => Ledger::of(owner),
    };
    let entries = pass.object.spec.tokens.clone();
    let mut result = Ok(());
    for entry in &entries {
        let kept = keep_one(pass, backend, &mut ledger, &holder, entry, entitled).await;
        result = first_of(pass, result, kept);
    }
    tell_unheeded(pass).await;
    let removed = remove_others(pass, backend, &mut ledger, &entries).await;
    summarise(pass, &entries, &ledger);
    first_of(pass, result, removed)
}

/// The first trouble is told by the conditions, each further one by the log.
fn first_of(
    pass: &Pass<ServiceAccount>,
    first: Result<(), Stop>,
    next: Result<(), Stop>,
) -> Result<(), Stop> {
    if let (Err(_), Err(stop)) = (&first, &next)
        && !stop.is_withheld()
    {
        warn!(object = %pass.key(), reason = %stop.reason(), "{}", stop.message());
    }
    Stop::first(first, next)
}

async fn keep_one(
    pass: &mut Pass<ServiceAccount>,
    backend: &Backend,
    ledger: &mut Ledger,
    holder: &Holder<'_>,
    entry: &TokenEntry,
    entitled: Entitled,
) -> Result<(), Stop> {
    let (spec, name) = (&entry.token, &entry.name);
    let policy = tokens::policy(&pass.context.settings, backend, spec);
    let permitted = check_metadata(&pass.context.settings, &spec.secret.template.metadata);
    if let Err(refused) = &permitted {
        pass.findings.extend(status::refusal(refused));
    }
    let activity = if permitted.is_ok() && is_entitled(pass, backend, name, entitled) {
        tokens::activity(pass)
    } else {
        Activity::Refused
    };
    let naming = Naming::new(&spec.secret, entry.secret_name(pass.name()));
    let entry = Entry {
        owner_name: holder.name,
        name,
        rights: rights(pass, backend, &policy, holder.id.as_str()),
        policy,
        dressing: Dressing {
            naming: &naming,
            template: &spec.secret.template,
            account: holder.name,
            url: &backend.url,
            tenant: backend.client.tenant(),
        },
        requests: requests(&pass.object, name),
        activity,
    };
    tokens::keep(pass, backend, ledger, entry).await?;
    permitted?;
    Ok(tokens::check_feasible(&pass.context.settings, name, spec)?)
}

fn is_entitled(
    pass: &Pass<ServiceAccount>,
    backend: &Backend,
    entry: &str,
    entitled: Entitled,
) -> bool {
    let now = backend.client.backend_now();
    let status = || ServiceAccount::token(&pass.status, entry);
    match entitled {
        Entitled::All => true,
        Entitled::Holders => status().is_some_and(|status| status.has_token(now)),
        Entitled::Nobody => false,
    }
}

/// Removes the entries that the status, a Secret or the mark of a token names, and the spec does not.
async fn remove_others(
    pass: &mut Pass<ServiceAccount>,
    backend: &Backend,
    ledger: &mut Ledger,
    entries: &[TokenEntry],
) -> Result<(), Stop> {
    let now = backend.client.backend_now();
    let listed = pass
        .context
        .memory
        .entry(&pass.key(), ACCOUNT)
        .listed_by(now);
    let is_due = |last| next_look(pass, backend, last) <= now;
    if entries.is_empty() && listed.is_none_or(is_due) {
        // A token may have been issued, and its entry removed before anybody wrote it down.
        ledger.list(backend).await?;
    }
    ledger.remember_look(pass, ACCOUNT);
    if let Some(last) = ledger.listed_at().or(listed).filter(|_| entries.is_empty()) {
        pass.wake_at(backend.on_our_clock(next_look(pass, backend, last)));
    }
    let mut names = ledger.entries(pass);
    names.extend(pass.status.tokens.iter().map(|token| token.name.clone()));
    names.extend(entries_of_secrets(pass));
    names.retain(|name| !entries.iter().any(|entry| entry.name == *name));
    let mut result = Ok(());
    for name in names {
        let compromised = requests(&pass.object, &name).compromised;
        let ending = tokens::ending(pass, &name, compromised.as_deref());
        if !pass.is_suspended() || ending == Ending::AtOnce {
            let removed = tokens::remove(pass, backend, ledger, &name, ending).await;
            if removed.is_ok() && ending == Ending::AtOnce {
                note_order(pass, COMPROMISED);
            }
            result = first_of(pass, result, removed);
        }
    }
    result
}

/// What the annotations ask for, as far as it concerns this entry: `<entry>=<value>` is for one, anything else for all.
pub(super) fn requests(object: &ServiceAccount, entry: &str) -> Requests {
    let asked = |annotation: &str| {
        let value = object.annotations().get(annotation)?;
        match value.split_once('=') {
            Some((of, value)) => (of == entry).then(|| value.to_owned()),
            None => Some(value.clone()),
        }
    };
    Requests {
        rotate: asked(ROTATE_REQUESTED_AT),
        compromised: asked(COMPROMISED),
    }
}

/// Tells people once of each order to an entry that is not there.
async fn tell_unheeded(pass: &Pass<ServiceAccount>) {
    let (memory, key) = (&pass.context.memory, pass.key());
    for annotation in [ROTATE_REQUESTED_AT, COMPROMISED] {
        let Some(order) = pass.object.annotations().get(annotation) else {
            continue;
        };
        let of = order.split_once('=').map(|(of, _)| of);
        let Some(of) = of.filter(|of| !is_known(pass, of)) else {
            continue;
        };
        let told = memory.entry(&key, ACCOUNT).unheeded;
        if told.get(annotation) != Some(order) {
            let note = format!(
                "annotation {annotation} is for token {of}, and no such token is there. For one token write \
                 <name>=<value>, for all a value without ="
            );
            pass.warn(Reason::Invalid, note).await;
            note_order(pass, annotation);
        }
    }
}

/// Remembers an order of which there is nothing more to tell: people were told, or the entry went by it.
fn note_order(pass: &Pass<ServiceAccount>, annotation: &'static str) {
    if let Some(order) = pass.object.annotations().get(annotation) {
        let note = |memory: &mut EntryMemory| {
            memory.unheeded.insert(annotation, order.clone());
        };
        let memory = &pass.context.memory;
        memory.remember(&pass.key(), ACCOUNT, note);
    }
}

fn is_known(pass: &Pass<ServiceAccount>, entry: &str) -> bool {
    let mut wanted = pass.object.spec.tokens.iter();
    let mut known = pass.status.tokens.iter();
    wanted.any(|token| token.name == entry) || known.any(|token| token.name == entry)
}

/// What the status says of all tokens together.
fn summarise(pass: &mut Pass<ServiceAccount>, entries: &[TokenEntry], ledger: &Ledger) {
    let is_live = |name: &String| entries.iter().any(|entry| entry.name == *name);
    let tokens = pass
        .status
        .tokens
        .iter()
        .filter(|token| is_live(&token.name));
    let first = |times: Vec<Option<&Time>>| {
        times
            .into_iter()
            .flatten()
            .map(|time| time.0)
            .min()
            .map(Time)
    };
    let expiring = tokens
        .clone()
        .map(|token| token.token.expiration_time.as_ref())
        .collect();
    let expires = token_status::expires(tokens.clone().map(|token| &token.token));
    let rotating = tokens
        .map(|token| token.token.next_rotation_time.as_ref())
        .collect();
    pass.status.expires = expires;
    pass.status.soonest_expiration_time = first(expiring);
    pass.status.next_rotation_time = first(rotating);
    pass.status.foreign_tokens = ledger.foreign(pass).or(pass.status.foreign_tokens);
}

/// Revokes every token that carries a mark of this object.
pub(super) async fn revoke_all(
    pass: &Pass<ServiceAccount>,
    backend: &Backend,
    owner: Owner,
) -> Result<(), Stop> {
    tokens::revoke_all(pass, backend, &mut Ledger::of(owner)).await
}

/// Revokes at once the tokens that are declared compromised, of an account where nothing can take their place.
pub(super) async fn condemn(
    pass: &mut Pass<ServiceAccount>,
    backend: &Backend,
) -> Result<(), Stop> {
    let Some(id) = pass.status.id.clone() else {
        return Ok(());
    };
    let ledger = &mut Ledger::of(Owner::Account(PrincipalId(id)));
    let declared = pass.object.spec.tokens.iter().map(|entry| &entry.name);
    let known = pass.status.tokens.iter().map(|entry| &entry.name);
    let mut names: BTreeSet<String> = declared.chain(known).cloned().collect();
    names.extend(entries_of_secrets(pass));
    for name in names {
        let compromised = requests(&pass.object, &name).compromised;
        tokens::condemn(pass, backend, ledger, &name, compromised.as_deref()).await?;
    }
    let entries = pass.object.spec.tokens.clone();
    summarise(pass, &entries, ledger);
    Ok(())
}
