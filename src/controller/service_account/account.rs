//! The account itself: found, made, adopted, described, deleted.

use super::belongings::{self, Wanted};
use crate::api::ServiceAccount;
use crate::api::condition::Reason;
use crate::controller::backend::Backend;
use crate::controller::error::Error;
use crate::controller::grants;
use crate::controller::inventory::Sort;
use crate::controller::kind::Pass;
use crate::controller::named;
use crate::controller::outcome::{Blocked, Stop};
use crate::controller::resolve::itself;
use crate::iam::client::{self, Account, AccountSpec, Owner};
use crate::iam::model::PrincipalId;
use crate::plan::claim::Obstacle;
use crate::plan::standing::{Candidate, Seen, Standing};

/// Whether the account can have tokens already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Age {
    /// Made in this pass.
    New,
    /// It was there before.
    Old,
}

/// The account's name at the backend.
pub(super) fn name(pass: &Pass<ServiceAccount>, backend: &Backend) -> String {
    let given = pass.object.spec.account_name.clone();
    given.unwrap_or_else(|| backend.usual_name(pass.namespace(), pass.name()))
}

/// Whether the instance lets this namespace have an account of this name.
pub(super) fn permitted(
    pass: &Pass<ServiceAccount>,
    backend: &Backend,
    name: &str,
) -> Result<(), Blocked> {
    let namespace = pass.namespace();
    let usual = backend.usual_name(namespace, pass.name());
    if name.len() > 63 {
        let message =
            format!("the account's name {name} has more than 63 characters: set spec.accountName");
        return Err(Blocked::refused(Reason::Invalid, message));
    }
    let guard = backend.guard(namespace);
    guard.account_name(name, &usual)?;
    for entry in &pass.object.spec.tokens {
        guard.token(&entry.token)?;
    }
    Ok(())
}

/// The account that the status names, and all of the wanted name. What the lists do not show is asked for by id: they
/// may lag.
async fn observe(
    pass: &Pass<ServiceAccount>,
    backend: &Backend,
    name: &str,
) -> Result<Seen<Account>, Error> {
    let known = match &pass.status.id {
        Some(id) => find(backend, &PrincipalId(id.clone())).await?,
        None => None,
    };
    let named = backend.inventory.read(|tables| {
        let named = tables.accounts.named(name).cloned();
        named.map(candidate).collect()
    });
    Ok(Seen {
        known: known.map(candidate),
        named,
    })
}

async fn find(backend: &Backend, id: &PrincipalId) -> Result<Option<Account>, Error> {
    let listed = backend
        .inventory
        .read(|tables| tables.accounts.get(id.as_str()).cloned());
    if listed.is_some() {
        return Ok(listed);
    }
    match backend.client.account(id).await {
        Ok(account) => {
            note(backend, account.clone());
            Ok(Some(account))
        }
        Err(client::Error::Gone { .. }) => named::really_gone(backend).await,
        Err(error) => Err(error.into()),
    }
}

/// Lets the account that the status names into the tenant again, if there still is one. 1.x takes the access away with the
/// last group, and whoever had it leave that group may have come no further.
async fn let_back(pass: &Pass<ServiceAccount>, backend: &Backend) -> Result<bool, Error> {
    let Some(id) = pass.status.id.clone().filter(|_| !pass.is_suspended()) else {
        return Ok(false);
    };
    pass.may("give the account access to the tenant, or create it anew")?;
    match backend.client.grant_access(&PrincipalId(id)).await {
        Ok(_) => Ok(true),
        // Without that right it is made anew, or its name is found to be taken.
        Err(client::Error::Gone { .. } | client::Error::Forbidden { .. }) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

fn candidate(account: Account) -> Candidate<Account> {
    Candidate {
        description: account.description.clone(),
        it: account,
    }
}

/// What to do about the account. The operator's own is nobody's, whatever it carries.
fn plan(
    pass: &Pass<ServiceAccount>,
    backend: &Backend,
    name: &str,
    seen: Seen<Account>,
) -> Result<Standing<Account>, Blocked> {
    let policy = pass.object.spec.adoption_policy;
    match named::plan(pass, backend, name, policy, seen) {
        Standing::Keep(account) | Standing::Adopt(account)
            if backend.is_self(account.id.as_str()) =>
        {
            Err(itself(name))
        }
        standing => Ok(standing),
    }
}

/// Finds the account, and has it there.
pub(super) async fn have(
    pass: &mut Pass<ServiceAccount>,
    backend: &Backend,
    name: &str,
    wanted: &Wanted,
) -> Result<(PrincipalId, Age), Stop> {
    let mut seen = observe(pass, backend, name).await?;
    if seen.known.is_none() && let_back(pass, backend).await? {
        seen = observe(pass, backend, name).await?;
    }
    let standing = plan(pass, backend, name, seen)?;
    if pass.is_suspended() {
        named::suspended(pass);
    }
    apply(pass, backend, name, standing, wanted).await
}

/// Has the account there. It is not made or taken over while something that it is to be given cannot be had.
async fn apply(
    pass: &mut Pass<ServiceAccount>,
    backend: &Backend,
    name: &str,
    standing: Standing<Account>,
    wanted: &Wanted,
) -> Result<(PrincipalId, Age), Stop> {
    let (id, age) = match standing {
        Standing::Refuse(obstacle) => {
            return Err(named::refused(obstacle, Sort::Account, name).into());
        }
        Standing::Create | Standing::Adopt(_) if pass.is_suspended() => {
            return Err(named::held_back().into());
        }
        Standing::Create => {
            wanted.whole()?;
            (create(pass, backend, name, wanted).await?, Age::New)
        }
        Standing::Adopt(account) => {
            wanted.whole()?;
            adopt(pass, backend, name, &account.id).await?;
            (account.id, Age::Old)
        }
        Standing::Keep(account) => {
            keep(pass, &account).await?;
            (account.id, Age::Old)
        }
    };
    pass.status.id = Some(id.0.clone());
    pass.status.account_name = Some(name.to_owned());
    Ok((id, age))
}

/// Makes the account with its groups, having written down what it is to be granted.
async fn create(
    pass: &mut Pass<ServiceAccount>,
    backend: &Backend,
    name: &str,
    wanted: &Wanted,
) -> Result<PrincipalId, Stop> {
    let _reserved = named::reserve(backend, Sort::Account, name)?;
    belongings::intend(pass, wanted).await?;
    pass.status.adopted = false;
    pass.status.former_description = None;
    pass.may(format_args!("create account {name}"))?;
    let spec = AccountSpec {
        name: name.to_owned(),
        description: Some(description(pass)),
        groups: grants::ids(&wanted.members),
    };
    let account = match backend.client.create_account(&spec).await {
        Ok(account) => account,
        Err(error) => return Err(taken(pass, backend, name, error).await),
    };
    let id = account.id.clone();
    note(backend, account);
    belongings::claim(pass, &id);
    Ok(id)
}

/// A name that is taken although the lists did not show it: what is not to be left alone, the next pass takes.
async fn taken(
    pass: &Pass<ServiceAccount>,
    backend: &Backend,
    name: &str,
    error: client::Error,
) -> Stop {
    let is_conflict = matches!(error, client::Error::Conflict { .. });
    if !is_conflict && !matches!(error, client::Error::Invalid { .. }) {
        return error.into();
    }
    match backend.client.find_account(name).await {
        Ok(Some(account)) => {
            let mark = account.description.clone();
            note(backend, account);
            let policy = pass.object.spec.adoption_policy;
            match named::left_alone(pass, backend, name, policy, mark) {
                Some(obstacle) => named::refused(obstacle, Sort::Account, name).into(),
                None => error.into(),
            }
        }
        Ok(None) if is_conflict => elsewhere(name).into(),
        Ok(None) => error.into(),
        Err(error) => error.into(),
    }
}

/// Names of accounts are one space for the whole instance, of which a tenant shows its part alone.
fn elsewhere(name: &str) -> Blocked {
    let message = format!(
        "the backend has account {name} already, though not in this tenant: create this object with another accountName"
    );
    Blocked::unsynced(Reason::NameConflict, message)
}

/// Takes an account over that someone else made, a superadmin only if that is allowed. Whose it was is written down
/// before anything of it is changed: a crash must not make it look like ours.
async fn adopt(
    pass: &mut Pass<ServiceAccount>,
    backend: &Backend,
    name: &str,
    id: &PrincipalId,
) -> Result<(), Stop> {
    pass.may(format_args!("take over account {name}"))?;
    let account = backend.client.account(id).await?;
    if account.superadmin == Some(true) {
        let verdict = backend.guard(pass.namespace()).super_admin(name);
        verdict.map_err(Blocked::from)?;
    }
    pass.hold(&[]).await?;
    pass.status.adopted = true;
    pass.status.former_description = Some(account.description.clone().unwrap_or_default());
    pass.status.id = Some(id.0.clone());
    pass.checkpoint().await?;
    Ok(())
}

/// After a crash before the status was written, what was intended is ours.
async fn keep(pass: &mut Pass<ServiceAccount>, account: &Account) -> Result<(), Error> {
    if pass.status.id.as_ref() != Some(&account.id.0) {
        belongings::claim(pass, &account.id);
    }
    pass.status.adopted |= named::is_adopted(account.description.as_deref());
    if pass.is_suspended() {
        return Ok(());
    }
    pass.hold(&[]).await
}

/// Brings name and description in line with the spec. The request replaces the whole account, so that it is read right
/// before.
pub(super) async fn describe(
    pass: &Pass<ServiceAccount>,
    backend: &Backend,
    name: &str,
    id: &PrincipalId,
) -> Result<(), Stop> {
    let wanted = description(pass);
    let is_as_declared = backend.inventory.read(|tables| {
        let account = tables.accounts.get(id.as_str());
        account.is_some_and(|account| {
            account.name == name && account.description.as_ref() == Some(&wanted)
        })
    });
    if is_as_declared {
        return Ok(());
    }
    if pass.is_suspended() {
        return Err(named::held_back().into());
    }
    rewrite(pass, backend, id, name, wanted).await
}

fn description(pass: &Pass<ServiceAccount>) -> String {
    let text = pass.object.spec.description.as_deref();
    named::description(pass, text, pass.status.adopted)
}

/// Writes an account's name and description, and its groups as they are.
async fn rewrite(
    pass: &Pass<ServiceAccount>,
    backend: &Backend,
    id: &PrincipalId,
    name: &str,
    description: String,
) -> Result<(), Stop> {
    let account = backend.client.account(id).await?;
    pass.may(format_args!("write name and description of account {name}"))?;
    let spec = AccountSpec {
        name: name.to_owned(),
        description: Some(description),
        groups: account.groups.into_iter().map(|group| group.id).collect(),
    };
    note(backend, backend.client.update_account(id, &spec).await?);
    Ok(())
}

/// Deletes what we made: of an adopted account only our tokens and grants, else tokens, bindings and the account.
pub(super) async fn remove(pass: &mut Pass<ServiceAccount>, backend: &Backend) -> Result<(), Stop> {
    let name = name(pass, backend);
    refresh(pass, backend, &name).await?;
    let seen = observe(pass, backend, &name).await?;
    let known = seen.known.as_ref().map(|known| known.it.id.clone());
    let account = match plan(pass, backend, &name, seen) {
        Ok(Standing::Keep(account)) => account,
        // Somebody else's, or gone: what we granted goes all the same.
        Ok(Standing::Refuse(Obstacle::OtherObject)) => {
            leave(pass, backend, known).await?;
            return grants::remove_all(pass, backend).await;
        }
        _ => return grants::remove_all(pass, backend).await,
    };
    let id = &account.id;
    if pass.status.id.as_ref() != Some(&id.0) {
        belongings::claim(pass, id);
    }
    super::tokens::revoke_all(pass, backend, Owner::Account(id.clone())).await?;
    grants::remove_all(pass, backend).await?;
    if pass.status.adopted || named::is_adopted(account.description.as_deref()) {
        belongings::leave_groups(pass, backend, id).await?;
        let former = pass.status.former_description.as_ref();
        let description = named::former_description(former, account.description.as_deref());
        return rewrite(pass, backend, id, &account.name, description).await;
    }
    pass.may(format_args!("delete account {}", account.name))?;
    backend.client.delete_account(id).await?;
    forget(backend, id);
    Ok(())
}

/// Revokes our tokens of an account that another object of this cluster has taken over. Those of one that went to another
/// cluster are left: where it moved with its objects, they are that cluster's by now.
async fn leave(
    pass: &Pass<ServiceAccount>,
    backend: &Backend,
    known: Option<PrincipalId>,
) -> Result<(), Stop> {
    match known {
        Some(id) => super::tokens::revoke_all(pass, backend, Owner::Account(id)).await,
        None => Ok(()),
    }
}

/// Looks at the accounts in question as they are now: the lists may show what is gone.
async fn refresh(pass: &Pass<ServiceAccount>, backend: &Backend, name: &str) -> Result<(), Error> {
    let known = pass.status.id.iter().map(|id| PrincipalId(id.clone()));
    let named: Vec<PrincipalId> = backend.inventory.read(|tables| {
        let named = tables.accounts.named(name);
        known
            .chain(named.map(|account| account.id.clone()))
            .collect()
    });
    for id in &named {
        forget(backend, id);
        find(backend, id).await?;
    }
    Ok(())
}

/// A failure that may come of an account that the lists still show and that is gone: the next pass asks for it by id.
pub(super) fn doubt(backend: &Backend, id: &PrincipalId, error: &Error) {
    if matches!(error, Error::Backend(client::Error::Gone { .. })) {
        forget(backend, id);
    }
}

fn forget(backend: &Backend, id: &PrincipalId) {
    backend
        .inventory
        .write(|tables, stamp| tables.accounts.remove(id.as_str(), stamp));
}

fn note(backend: &Backend, account: Account) {
    backend
        .inventory
        .write(|tables, stamp| tables.accounts.put(account, stamp));
}
