//! `ServiceAccount`: an account, its memberships and direct grants, and its tokens.

mod account;
mod tokens;

use std::collections::HashSet;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::ResourceExt;
use serde::{Deserialize, Serialize};

use super::backend::Backend;
use super::context::namespace_of;
use super::error::Error;
use super::grants::{self, Granter};
use super::kind::{Kind, Pass};
use super::named;
use super::outcome::{Blocked, Stop};
use super::quota;
use super::referrers::{Key, KindName};
use super::resolve::{Resolver, referents};
use super::tokens::TokenHolder;
use crate::api::ServiceAccount;
use crate::api::grant::{GrantedBinding, GrantedGroup};
use crate::api::policy::DeletionPolicy;
use crate::api::reference::InstanceRef;
use crate::api::service_account::ServiceAccountStatus;
use crate::api::token_status::{TokenEntryStatus, TokenStatus};
use crate::iam::model::{GroupId, PrincipalId};
use crate::plan::grant::{Grant, Grants, Member, Memberships, memberships};

/// Annotation that names the grants that were intended when the object was first held: what a crash before the first
/// status leaves at the backend is ours all the same.
const INTENDED: &str = "kestra-iam.dev/intended-grants";

/// What the annotation [`INTENDED`] holds; subjects are left out, as the account does not exist yet.
#[derive(Default, Serialize, Deserialize)]
struct Intended {
    groups: Vec<GrantedGroup>,
    bindings: Vec<GrantedBinding>,
}

/// What a pass needs to know of the account's grants.
struct Wanted {
    members: Vec<Member>,
    grants: Vec<Grant>,
}

impl Kind for ServiceAccount {
    const NAME: KindName = KindName::ServiceAccount;
    type Status = ServiceAccountStatus;

    fn instance_ref(&self) -> &InstanceRef {
        &self.spec.instance_ref
    }

    fn deletion_policy(&self) -> DeletionPolicy {
        self.spec.deletion_policy
    }

    fn status(&self) -> Option<&ServiceAccountStatus> {
        self.status.as_ref()
    }

    fn conditions(status: &ServiceAccountStatus) -> (&[Condition], Option<i64>) {
        (&status.conditions, status.observed_generation)
    }

    fn identity(status: &ServiceAccountStatus) -> Option<(&str, &str)> {
        Some((status.id.as_deref()?, status.account_name.as_deref()?))
    }

    fn expirations(status: &ServiceAccountStatus) -> Vec<Timestamp> {
        let tokens = status
            .tokens
            .iter()
            .filter(|entry| entry.token.id.is_some());
        tokens
            .filter_map(|entry| Some(entry.token.expiration_time.as_ref()?.0))
            .collect()
    }

    fn referents(&self) -> HashSet<Key> {
        referents(namespace_of(self), &self.spec.groups, &self.spec.roles)
            .into_iter()
            .collect()
    }

    async fn live(pass: &mut Pass<Self>, backend: &Backend) -> Result<(), Stop> {
        let name = account::name(pass, backend);
        account::permitted(pass, backend, &name)?;
        quota::permitted(pass, backend)?;
        let known = account::observe(pass, backend, &name).await?;
        let plan = account::plan(pass, backend, &name, &known);
        let unresolved = resolve_roles(pass, backend).err();
        if let (Some(blocked), account::Standing::Create | account::Standing::Adopt { .. }) =
            (&unresolved, &plan)
        {
            return Err(blocked.clone().into());
        }
        if pass.object.spec.suspend {
            named::suspended(pass);
        }
        let Some((id, age)) = account::apply(pass, backend, &name, plan).await? else {
            return Ok(());
        };
        pass.status.id = Some(id.0.clone());
        pass.status.account_name = Some(name.clone());
        let granted = match unresolved {
            Some(blocked) => Err(blocked.into()),
            None => grant(pass, backend, &id).await,
        };
        // A missing group must not let a token die.
        tokens::keep(pass, backend, &id, &name, age).await?;
        granted
    }

    async fn end(pass: &mut Pass<Self>, backend: &Backend) -> Result<(), Stop> {
        account::remove(pass, backend).await
    }

    async fn orphan(pass: &mut Pass<Self>) -> Result<(), Stop> {
        super::tokens::disown(pass).await?;
        Ok(())
    }
}

/// Whether all references can be resolved; the account itself need not exist.
fn resolve_roles(pass: &Pass<ServiceAccount>, backend: &Backend) -> Result<Wanted, Blocked> {
    wanted(pass, backend, &PrincipalId(String::new()))
}

fn wanted(
    pass: &Pass<ServiceAccount>,
    backend: &Backend,
    id: &PrincipalId,
) -> Result<Wanted, Blocked> {
    let spec = &pass.object.spec;
    let resolver = Resolver {
        context: &pass.context,
        backend,
        instance: &spec.instance_ref,
        namespace: pass.namespace(),
    };
    let members = resolver.members(&spec.groups)?;
    let grants = resolver.grants(&grants::principal(id), &spec.roles)?;
    Ok(Wanted { members, grants })
}

/// Brings memberships and direct grants in line with the spec.
async fn grant(
    pass: &mut Pass<ServiceAccount>,
    backend: &Backend,
    id: &PrincipalId,
) -> Result<(), Stop> {
    let wanted = wanted(pass, backend, id)?;
    let present = present_groups(backend, id);
    let members = memberships(&wanted.members, &present, &pass.status.groups);
    let bindings = grants::plan(pass, backend, &wanted.grants);
    if pass.object.spec.suspend {
        return Ok(());
    }
    write_ahead(pass, &members, &bindings).await?;
    grants::change_memberships(&pass.context, backend, id, &members).await?;
    pass.status.groups = grants::settled(&members.ahead);
    grants::apply(pass, backend, &bindings).await
}

fn present_groups(backend: &Backend, id: &PrincipalId) -> Vec<GroupId> {
    backend.inventory.read(|tables| {
        let groups = tables
            .accounts
            .get(id.as_str())
            .map(|account| &account.groups);
        groups
            .into_iter()
            .flatten()
            .map(|group| group.id.clone())
            .collect()
    })
}

/// Names what is to be made in the status before it is made, unless it is named there already.
async fn write_ahead(
    pass: &mut Pass<ServiceAccount>,
    members: &Memberships,
    bindings: &Grants,
) -> Result<(), Error> {
    let known = |group: &GrantedGroup| pass.status.groups.iter().any(|known| known.id == group.id);
    if members.ahead.iter().all(known) {
        return Ok(());
    }
    let leaving: Vec<GrantedGroup> = pass
        .status
        .groups
        .iter()
        .filter(|group| members.leave.iter().any(|id| id.0 == group.id))
        .cloned()
        .collect();
    pass.status.groups = members.ahead.iter().cloned().chain(leaving).collect();
    let new = bindings.ahead.iter().filter(|ahead| {
        !pass
            .status
            .bindings
            .iter()
            .any(|b| crate::plan::grant::same(b, ahead))
    });
    let new: Vec<GrantedBinding> = new.cloned().collect();
    pass.status.bindings.extend(new);
    pass.checkpoint().await
}

impl Intended {
    fn of(wanted: &Wanted) -> Self {
        let groups = wanted
            .members
            .iter()
            .map(|member| member.granted(true))
            .collect();
        let bindings = wanted
            .grants
            .iter()
            .map(|grant| grant.granted(None))
            .collect();
        Self { groups, bindings }
    }

    /// What was intended for an account whose status was never written.
    fn read(object: &ServiceAccount, id: &PrincipalId) -> Self {
        let text = object.annotations().get(INTENDED);
        let mut intended: Self = text
            .and_then(|text| serde_json::from_str(text).ok())
            .unwrap_or_default();
        for binding in &mut intended.bindings {
            binding.subject_id.clone_from(&id.0);
        }
        intended
    }
}

impl Granter for ServiceAccount {
    fn granted(status: &ServiceAccountStatus) -> &Vec<GrantedBinding> {
        &status.bindings
    }

    fn granted_mut(status: &mut ServiceAccountStatus) -> &mut Vec<GrantedBinding> {
        &mut status.bindings
    }
}

impl TokenHolder for ServiceAccount {
    fn token<'s>(status: &'s ServiceAccountStatus, entry: &str) -> Option<&'s TokenStatus> {
        status
            .tokens
            .iter()
            .find(|token| token.name == entry)
            .map(|token| &token.token)
    }

    fn set_token(status: &mut ServiceAccountStatus, entry: &str, token: TokenStatus) {
        match status.tokens.iter_mut().find(|token| token.name == entry) {
            Some(old) => old.token = token,
            None => status.tokens.push(TokenEntryStatus {
                name: entry.to_owned(),
                token,
            }),
        }
    }

    fn drop_token(status: &mut ServiceAccountStatus, entry: &str) {
        status.tokens.retain(|token| token.name != entry);
    }
}
