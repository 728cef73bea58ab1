//! The account's entries.

use std::collections::BTreeSet;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::ResourceExt;

use crate::api::ServiceAccount;
use crate::api::names::{COMPROMISED, ROTATE_REQUESTED_AT};
use crate::api::token::TokenEntry;
use crate::controller::backend::Backend;
use crate::controller::error::Error;
use crate::controller::kind::Pass;
use crate::controller::outcome::Stop;
use crate::controller::tokens::{
    self, Dressing, Entry, OwnerAge, check_metadata, entries_of_secrets, is_ours,
};
use crate::iam::client::Owner;
use crate::iam::model::PrincipalId;
use crate::plan::token::{Activity, Policy, Requests};

/// Keeps every entry's token alive, and removes entries that the spec does not have any more. The first trouble does
/// not keep the other entries from their due.
pub(super) async fn keep(
    pass: &mut Pass<ServiceAccount>,
    backend: &Backend,
    id: &PrincipalId,
    name: &str,
    age: OwnerAge,
) -> Result<(), Stop> {
    let owner = Owner::Account(id.clone());
    let entries = pass.object.spec.tokens.clone();
    let mut trouble = None;
    for entry in &entries {
        let result = keep_one(pass, backend, &owner, name, entry, age).await;
        trouble = trouble.or(result.err());
    }
    if !pass.object.spec.suspend {
        for removed in removed(pass, &entries) {
            let result = tokens::remove(pass, backend, &owner, &removed).await;
            trouble = trouble.or(result.err());
        }
    }
    summarise(pass, &entries);
    trouble.map_or(Ok(()), Err)
}

async fn keep_one(
    pass: &mut Pass<ServiceAccount>,
    backend: &Backend,
    owner: &Owner,
    name: &str,
    entry: &TokenEntry,
    age: OwnerAge,
) -> Result<(), Stop> {
    let spec = &entry.token;
    check_metadata(&pass.context.settings, &spec.secret.template.metadata)?;
    let secret_name = entry.secret_name(pass.name());
    let entry = Entry {
        owner: owner.clone(),
        owner_name: name,
        name: &entry.name,
        policy: Policy::new(spec, backend.granularity),
        dressing: Dressing {
            name: &secret_name,
            template: &spec.secret.template,
            account: name,
            url: &backend.url,
            tenant: backend.client.tenant(),
        },
        requests: requests(&pass.object, &entry.name),
        owner_age: age,
        activity: if pass.object.spec.suspend {
            Activity::Suspended
        } else {
            Activity::Active
        },
    };
    tokens::keep(pass, backend, &entry).await?;
    tokens::tidy(pass, entry.name, &secret_name).await?;
    Ok(())
}

/// What the annotations ask for, as far as it concerns this entry: `<entry>=<value>` is for one, anything else for all.
fn requests(object: &ServiceAccount, entry: &str) -> Requests {
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

/// Entries that the status or a Secret names, and the spec does not.
fn removed(pass: &Pass<ServiceAccount>, entries: &[TokenEntry]) -> BTreeSet<String> {
    let named = pass.status.tokens.iter().map(|token| token.name.clone());
    let all = named.chain(entries_of_secrets(pass));
    all.filter(|name| !entries.iter().any(|entry| entry.name == *name))
        .collect()
}

/// What the status says of all tokens together.
fn summarise(pass: &mut Pass<ServiceAccount>, entries: &[TokenEntry]) {
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
    let rotating = tokens
        .map(|token| token.token.next_rotation_time.as_ref())
        .collect();
    pass.status.soonest_expiration_time = first(expiring);
    pass.status.next_rotation_time = first(rotating);
    let foreign = entries
        .first()
        .and_then(|entry| pass.context.memory.entry(&pass.key(), &entry.name).foreign);
    pass.status.foreign_tokens = foreign.or(pass.status.foreign_tokens);
    let soonest: Option<Timestamp> = pass
        .status
        .soonest_expiration_time
        .as_ref()
        .map(|time| time.0);
    pass.context
        .metrics
        .expires(&pass.object.uid().unwrap_or_default(), soonest);
}

/// Revokes every token that carries a mark of this object.
pub(super) async fn revoke_all(
    pass: &Pass<ServiceAccount>,
    backend: &Backend,
    owner: &Owner,
) -> Result<(), Stop> {
    for token in backend.client.tokens(owner).await? {
        if is_ours(pass, &token) {
            pass.context.leadership.guard().map_err(Error::from)?;
            backend.client.revoke_token(owner, &token.id).await?;
        }
    }
    Ok(())
}
