//! The account itself: found, made, adopted, described, deleted.

use crate::api::ServiceAccount;
use crate::api::condition::Reason;
use crate::controller::backend::Backend;
use crate::controller::error::Error;
use crate::controller::grants;
use crate::controller::kind::Pass;
use crate::controller::named;
use crate::controller::outcome::{Blocked, Stop};
use crate::controller::resolve::itself;
use crate::iam::client::{self, Account, AccountSpec, Owner};
use crate::iam::model::PrincipalId;
use crate::plan::mark;
pub(super) use crate::plan::standing::Standing;
use crate::plan::standing::{Candidate, Seen};

use super::{INTENDED, Intended, resolve_roles};

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
pub(super) async fn observe(
    pass: &Pass<ServiceAccount>,
    backend: &Backend,
    name: &str,
) -> Result<Seen, Error> {
    let known = match &pass.status.id {
        Some(id) => find(backend, &PrincipalId(id.clone())).await?,
        None => None,
    };
    let named = backend
        .inventory
        .read(|tables| tables.accounts.named(name).map(candidate).collect());
    Ok(Seen {
        known: known.as_ref().map(candidate),
        named,
    })
}

async fn find(backend: &Backend, id: &PrincipalId) -> Result<Option<Account>, Error> {
    if let Some(account) = backend
        .inventory
        .read(|tables| tables.accounts.get(id.as_str()).cloned())
    {
        return Ok(Some(account));
    }
    match backend.client.account(id).await {
        Ok(account) => {
            backend
                .inventory
                .write(|tables, stamp| tables.accounts.put(account.clone(), stamp));
            Ok(Some(account))
        }
        Err(client::Error::Gone { .. }) => named::really_gone(backend).await,
        Err(error) => Err(error.into()),
    }
}

fn candidate(account: &Account) -> Candidate {
    Candidate {
        id: account.id.0.clone(),
        description: account.description.clone(),
    }
}

/// What to do about the account.
pub(super) fn plan(
    pass: &Pass<ServiceAccount>,
    backend: &Backend,
    name: &str,
    seen: &Seen,
) -> Standing {
    named::plan(pass, backend, name, pass.object.spec.adoption_policy, seen)
}

/// Has the account there and described; `None` while suspended and not there.
pub(super) async fn apply(
    pass: &mut Pass<ServiceAccount>,
    backend: &Backend,
    name: &str,
    plan: Standing,
) -> Result<Option<(PrincipalId, Age)>, Stop> {
    match plan {
        Standing::Refuse(reason) => {
            Err(named::refused(reason, "account", name, "accountName").into())
        }
        Standing::Create | Standing::Adopt { .. } if pass.object.spec.suspend => Ok(None),
        Standing::Create => {
            let id = create(pass, backend, name).await?;
            Ok(Some((id, Age::New)))
        }
        Standing::Adopt { id } => {
            let id = PrincipalId(id);
            adopt(pass, backend, name, &id).await?;
            describe(pass, backend, name, &id).await?;
            Ok(Some((id, Age::Old)))
        }
        Standing::Keep { id } => {
            let id = PrincipalId(id);
            recover(pass, &id).await?;
            describe(pass, backend, name, &id).await?;
            Ok(Some((id, Age::Old)))
        }
    }
}

/// Makes the account with its groups, having written down what it is to be granted.
async fn create(
    pass: &mut Pass<ServiceAccount>,
    backend: &Backend,
    name: &str,
) -> Result<PrincipalId, Stop> {
    let wanted = resolve_roles(pass, backend)?;
    let intended = Intended::of(&wanted);
    let text = serde_json::to_string(&intended);
    let text = text.map_err(|source| Error::Json {
        what: "the intended grants",
        source,
    })?;
    pass.hold(&[(INTENDED, text)]).await?;
    pass.context.leadership.guard().map_err(Error::from)?;
    let spec = AccountSpec {
        name: name.to_owned(),
        description: Some(
            pass.mark()
                .append_to(pass.object.spec.description.as_deref()),
        ),
        groups: grants::ids(&wanted.members),
    };
    let account = match backend.client.create_account(&spec).await {
        Ok(account) => account,
        Err(error) => return Err(taken(backend, name, error).await),
    };
    let id = account.id.clone();
    backend
        .inventory
        .write(|tables, stamp| tables.accounts.put(account, stamp));
    pass.status.adopted = false;
    pass.status.groups = intended.groups;
    Ok(id)
}

/// A name that is taken although the lists did not show it: they are asked again, and the next pass decides.
async fn taken(backend: &Backend, name: &str, error: client::Error) -> Stop {
    if !matches!(
        error,
        client::Error::Conflict { .. } | client::Error::Invalid { .. }
    ) {
        return error.into();
    }
    match backend.client.find_account(name).await {
        Ok(Some(account)) => backend
            .inventory
            .write(|tables, stamp| tables.accounts.put(account, stamp)),
        Ok(None) => {
            return Blocked::unsynced(
                Reason::NameConflict,
                format!("the backend refuses account {name}, perhaps taken in another tenant: create this object with another accountName"),
            )
            .into();
        }
        Err(error) => return error.into(),
    }
    error.into()
}

/// Takes an account over that someone else made: never our own, and a superadmin only if that is allowed.
async fn adopt(
    pass: &mut Pass<ServiceAccount>,
    backend: &Backend,
    name: &str,
    id: &PrincipalId,
) -> Result<(), Stop> {
    if backend.is_self(id.as_str()) {
        return Err(itself(name).into());
    }
    let account = backend.client.account(id).await?;
    if account.superadmin == Some(true) {
        backend
            .guard(pass.namespace())
            .super_admin(name)
            .map_err(Blocked::from)?;
    }
    pass.hold(&[]).await?;
    pass.status.adopted = true;
    Ok(())
}

/// After a crash before the first status: what was intended is ours.
async fn recover(pass: &mut Pass<ServiceAccount>, id: &PrincipalId) -> Result<(), Error> {
    if pass.status.id.is_none() {
        let intended = Intended::read(&pass.object, id);
        pass.status.groups = intended.groups;
        pass.status.bindings = intended.bindings;
    }
    pass.hold(&[]).await
}

/// Brings the description in line with the spec, mark included. The request replaces the whole account, so that it is
/// read right before.
async fn describe(
    pass: &Pass<ServiceAccount>,
    backend: &Backend,
    name: &str,
    id: &PrincipalId,
) -> Result<(), Error> {
    let wanted = pass
        .mark()
        .append_to(pass.object.spec.description.as_deref());
    let present = backend.inventory.read(|tables| {
        tables
            .accounts
            .get(id.as_str())
            .and_then(|a| a.description.clone())
    });
    if present.as_deref() == Some(wanted.as_str()) || pass.object.spec.suspend {
        return Ok(());
    }
    let account = backend.client.account(id).await?;
    pass.context.leadership.guard()?;
    let spec = AccountSpec {
        name: name.to_owned(),
        description: Some(wanted),
        groups: account
            .groups
            .iter()
            .map(|group| group.id.clone())
            .collect(),
    };
    let account = backend.client.update_account(id, &spec).await?;
    backend
        .inventory
        .write(|tables, stamp| tables.accounts.put(account, stamp));
    Ok(())
}

/// Deletes what we made: of an adopted account only our tokens and grants, else tokens, bindings and the account.
pub(super) async fn remove(pass: &mut Pass<ServiceAccount>, backend: &Backend) -> Result<(), Stop> {
    let name = name(pass, backend);
    let seen = observe(pass, backend, &name).await?;
    let Standing::Keep { id } = plan(pass, backend, &name, &seen) else {
        return Ok(());
    };
    let id = PrincipalId(id);
    if backend.is_self(id.as_str()) {
        return Ok(());
    }
    if pass.status.id.is_none() {
        let intended = Intended::read(&pass.object, &id);
        (pass.status.groups, pass.status.bindings) = (intended.groups, intended.bindings);
    }
    super::tokens::revoke_all(pass, backend, Owner::Account(id.clone())).await?;
    grants::remove_all(pass, backend).await?;
    if pass.status.adopted {
        return leave_groups(pass, backend, &id, &name).await;
    }
    pass.context.leadership.guard().map_err(Error::from)?;
    backend.client.delete_account(&id).await?;
    backend
        .inventory
        .write(|tables, stamp| tables.accounts.remove(id.as_str(), stamp));
    Ok(())
}

/// An adopted account goes back as it was: without our memberships and without our mark.
async fn leave_groups(
    pass: &Pass<ServiceAccount>,
    backend: &Backend,
    id: &PrincipalId,
    name: &str,
) -> Result<(), Stop> {
    let present = super::present_groups(backend, id);
    let plan = crate::plan::grant::memberships(&[], &present, &pass.status.groups);
    grants::change_memberships(&pass.context, backend, id, &plan).await?;
    let account = backend.client.account(id).await?;
    pass.context.leadership.guard().map_err(Error::from)?;
    let spec = AccountSpec {
        name: name.to_owned(),
        description: account
            .description
            .as_deref()
            .map(|text| mark::strip(text).to_owned()),
        groups: account
            .groups
            .iter()
            .map(|group| group.id.clone())
            .collect(),
    };
    let account = backend.client.update_account(id, &spec).await?;
    backend
        .inventory
        .write(|tables, stamp| tables.accounts.put(account, stamp));
    Ok(())
}
