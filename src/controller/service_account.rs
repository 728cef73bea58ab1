//! `ServiceAccount`: an account, its memberships and direct grants, and its tokens.

mod account;
mod belongings;
mod tokens;

use std::collections::HashSet;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::api::Api;

use self::belongings::Wanted;
use self::tokens::Holder;
use super::backend::Backend;
use super::context::namespace_of;
use super::grants::Granter;
use super::kind::{Kind, Pass, Reconciled};
use super::outcome::Stop;
use super::quota;
use super::referrers::{Key, KindName};
use super::resolve::referents;
use super::status;
use super::tokens::TokenHolder;
use crate::api::ServiceAccount;
use crate::api::grant::GrantedBinding;
use crate::api::policy::DeletionPolicy;
use crate::api::reference::InstanceRef;
use crate::api::revocation::DepartedKind;
use crate::api::service_account::ServiceAccountStatus;
use crate::api::token_status::{TokenEntryStatus, TokenStatus};
use crate::plan::token::Requests;

impl Reconciled for ServiceAccount {
    const NAME: KindName = KindName::ServiceAccount;
    type Status = ServiceAccountStatus;

    fn is_suspended(&self) -> bool {
        self.spec.suspend
    }

    fn status(&self) -> Option<&ServiceAccountStatus> {
        self.status.as_ref()
    }

    fn conditions(status: &ServiceAccountStatus) -> (&[Condition], Option<i64>) {
        (&status.conditions, status.observed_generation)
    }

    fn api(client: kube::Client, namespace: &str) -> Api<Self> {
        Api::namespaced(client, namespace)
    }
}

impl Kind for ServiceAccount {
    const DEPARTED: DepartedKind = DepartedKind::ServiceAccount;

    fn instance_ref(&self) -> &InstanceRef {
        &self.spec.instance_ref
    }

    fn deletion_policy(&self) -> DeletionPolicy {
        self.spec.deletion_policy
    }

    fn identity(status: &ServiceAccountStatus) -> Option<String> {
        let (id, name) = (status.id.as_ref()?, status.account_name.as_ref()?);
        Some(format!("{id} {name}"))
    }

    fn tokens(status: &ServiceAccountStatus) -> Vec<(&str, &TokenStatus)> {
        let tokens = status.tokens.iter();
        tokens
            .map(|entry| (entry.name.as_str(), &entry.token))
            .collect()
    }

    fn requests(&self, entry: &str) -> Requests {
        tokens::requests(self, entry)
    }

    fn referents(&self) -> HashSet<Key> {
        referents(namespace_of(self), &self.spec.groups, &self.spec.roles)
            .into_iter()
            .collect()
    }

    async fn live(pass: &mut Pass<Self>, backend: &Backend) -> Result<(), Stop> {
        let name = account::name(pass, backend);
        let permitted = account::permitted(pass, backend, &name);
        let wanted = Wanted::resolve(pass, backend, permitted).within_quota(pass, backend);
        if pass.status.id.is_none() {
            // There is nothing to take away, so nothing is asked of the backend.
            wanted.whole()?;
        }
        if let Some(refused) = wanted.refusal() {
            pass.findings.extend(status::refusal(refused));
        }
        let there = account::have(pass, backend, &name, &wanted).await;
        if there.is_err() {
            quota::stand_back(pass);
        }
        let (id, age) = match there {
            Err(Stop::Blocked(blocked)) => {
                // Whatever is the matter with the account: no compromised token lives on.
                let condemned = Self::condemn(pass, backend).await;
                quota::settle(pass);
                return Stop::first(Err(blocked.into()), condemned);
            }
            there => there?,
        };
        let entitled = wanted.entitled(pass, backend);
        let described = match wanted.refusal() {
            Some(_) => Ok(()),
            None => account::describe(pass, backend, &name, &id).await,
        };
        let granted = belongings::grant(pass, backend, &id, wanted).await;
        let (id, name) = (&id, name.as_str());
        // A missing group must not let a token die.
        let kept = tokens::keep(pass, backend, Holder { id, name, age }, entitled).await;
        quota::settle(pass);
        let result = Stop::first(kept, Stop::first(granted, described));
        if let Err(Stop::Failed(error)) = &result {
            account::doubt(backend, id, error);
        }
        result
    }

    async fn end(pass: &mut Pass<Self>, backend: &Backend) -> Result<(), Stop> {
        account::remove(pass, backend).await
    }

    async fn condemn(pass: &mut Pass<Self>, backend: &Backend) -> Result<(), Stop> {
        let condemned = tokens::condemn(pass, backend).await;
        super::named::unless_gone(backend, condemned).await
    }

    async fn orphan(pass: &mut Pass<Self>) -> Result<(), Stop> {
        super::tokens::disown(pass).await?;
        Ok(())
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
