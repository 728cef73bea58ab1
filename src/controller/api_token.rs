//! `ApiToken`: a token for an existing user, or one more for an account.

use std::collections::HashSet;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::ResourceExt;
use kube::api::Api;

use super::backend::Backend;
use super::context::namespace_of;
use super::kind::{Kind, Pass, Reconciled};
use super::named;
use super::outcome::{Blocked, Stop};
use super::quota;
use super::referrers::{Key, KindName};
use super::resolve::{Resolver, itself};
use super::status;
use super::tokens::{self, Dressing, Entry, Ledger, TokenHolder, check_metadata, rights};
use crate::api::ApiToken;
use crate::api::api_token::ApiTokenStatus;
use crate::api::names::{COMPROMISED, ROTATE_REQUESTED_AT};
use crate::api::policy::DeletionPolicy;
use crate::api::reference::InstanceRef;
use crate::api::revocation::DepartedKind;
use crate::api::token_status::{self, TokenStatus};
use crate::iam::client::Owner;
use crate::iam::model::PrincipalId;
use crate::plan::token::{Activity, Naming, Requests};

/// Annotation that names the owner's id at the backend since before the first token was issued: a crash before the
/// first status must not hide whose token is to be revoked.
const OWNER_ID: &str = "kestra-iam.dev/owner-id";

/// An `ApiToken` has one token, whose entry has no name.
const ENTRY: &str = "";

impl Reconciled for ApiToken {
    const NAME: KindName = KindName::ApiToken;
    type Status = ApiTokenStatus;

    fn is_suspended(&self) -> bool {
        self.spec.suspend
    }

    fn status(&self) -> Option<&ApiTokenStatus> {
        self.status.as_ref()
    }

    fn conditions(status: &ApiTokenStatus) -> (&[Condition], Option<i64>) {
        (&status.conditions, status.observed_generation)
    }

    fn api(client: kube::Client, namespace: &str) -> Api<Self> {
        Api::namespaced(client, namespace)
    }
}

impl Kind for ApiToken {
    const DEPARTED: DepartedKind = DepartedKind::ApiToken;

    fn instance_ref(&self) -> &InstanceRef {
        &self.spec.instance_ref
    }

    fn deletion_policy(&self) -> DeletionPolicy {
        self.spec.deletion_policy
    }

    fn identity(_: &ApiTokenStatus) -> Option<String> {
        None
    }

    fn tokens(status: &ApiTokenStatus) -> Vec<(&str, &TokenStatus)> {
        let token = status.token.as_ref();
        token.map(|token| (ENTRY, token)).into_iter().collect()
    }

    fn requests(&self, _: &str) -> Requests {
        let annotation = |name: &str| self.annotations().get(name).cloned();
        Requests {
            rotate: annotation(ROTATE_REQUESTED_AT),
            compromised: annotation(COMPROMISED),
        }
    }

    fn referents(&self) -> HashSet<Key> {
        let account = self.spec.owner.service_account_ref.as_ref();
        let account = account
            .map(|account| Key::new(KindName::ServiceAccount, namespace_of(self), &account.name));
        account.into_iter().collect()
    }

    async fn live(pass: &mut Pass<Self>, backend: &Backend) -> Result<(), Stop> {
        if pass.is_suspended() {
            named::suspended(pass);
        }
        let owner = owner_permitted(pass, backend).await;
        if owner.is_err() {
            quota::stand_back(pass);
        }
        let (owner, name) = match owner {
            Err(Stop::Blocked(refused)) if refused.is_refusal() => {
                pass.findings.extend(status::refusal(&refused));
                run_out(pass, backend).await?;
                return Err(refused.into());
            }
            Err(Stop::Blocked(missing)) => {
                // Whoever its owner is: no compromised token lives on.
                let condemned = Self::condemn(pass, backend).await;
                quota::settle(pass);
                return Stop::first(Err(missing.into()), condemned);
            }
            owner => owner?,
        };
        pass.status.owner_id = Some(id(&owner).to_owned());
        pass.status.owner_name = Some(name.clone());
        if !pass.is_suspended() {
            pass.hold(&[(OWNER_ID, id(&owner).to_owned())]).await?;
        }
        let activity = tokens::activity(pass);
        keep(pass, backend, owner, &name, activity).await?;
        let (settings, spec) = (&pass.context.settings, &pass.object.spec.token);
        Ok(tokens::check_feasible(settings, ENTRY, spec)?)
    }

    async fn end(pass: &mut Pass<Self>, backend: &Backend) -> Result<(), Stop> {
        let Some(owner) = owner_to_clear(pass) else {
            return Ok(());
        };
        let revoked = tokens::revoke_all(pass, backend, &mut Ledger::of(owner)).await;
        named::unless_gone(backend, revoked).await
    }

    async fn condemn(pass: &mut Pass<Self>, backend: &Backend) -> Result<(), Stop> {
        let Some(owner) = owner_to_clear(pass) else {
            return Ok(());
        };
        let compromised = pass.object.annotations().get(COMPROMISED).cloned();
        let ledger = &mut Ledger::of(owner);
        let condemned = tokens::condemn(pass, backend, ledger, ENTRY, compromised.as_deref()).await;
        pass.status.expires = token_status::expires(&pass.status.token);
        named::unless_gone(backend, condemned).await
    }

    async fn orphan(pass: &mut Pass<Self>) -> Result<(), Stop> {
        tokens::disown(pass).await?;
        Ok(())
    }
}

impl TokenHolder for ApiToken {
    fn token<'s>(status: &'s ApiTokenStatus, _: &str) -> Option<&'s TokenStatus> {
        status.token.as_ref()
    }

    fn set_token(status: &mut ApiTokenStatus, _: &str, token: TokenStatus) {
        status.token = Some(token);
    }

    fn drop_token(status: &mut ApiTokenStatus, _: &str) {
        status.token = None;
    }
}

fn permitted(pass: &Pass<ApiToken>, backend: &Backend) -> Result<(), Blocked> {
    let spec = &pass.object.spec;
    let guard = backend.guard(pass.namespace());
    if let Some(user) = &spec.owner.user {
        guard.token_subject(user)?;
    }
    guard.token(&spec.token)?;
    check_metadata(&pass.context.settings, &spec.token.secret.template.metadata)?;
    quota::permitted(pass, backend)
}

/// Whose token it is, if that may be.
async fn owner_permitted(
    pass: &Pass<ApiToken>,
    backend: &Backend,
) -> Result<(Owner, String), Stop> {
    permitted(pass, backend)?;
    observe(pass, backend).await
}

/// The token of a refused object is not renewed, and not forgotten either.
async fn run_out(pass: &mut Pass<ApiToken>, backend: &Backend) -> Result<(), Stop> {
    let Some(owner) = owner_to_clear(pass) else {
        return Ok(());
    };
    let name = pass.status.owner_name.clone().unwrap_or_default();
    let kept = keep(pass, backend, owner, &name, Activity::Refused).await;
    quota::settle(pass);
    named::unless_gone(backend, kept).await
}

/// Whose token it is.
async fn observe(pass: &Pass<ApiToken>, backend: &Backend) -> Result<(Owner, String), Stop> {
    let spec = &pass.object.spec;
    let resolver = Resolver {
        context: &pass.context,
        backend,
        instance: &spec.instance_ref,
        namespace: pass.namespace(),
    };
    let (owner, name) = match (&spec.owner.service_account_ref, &spec.owner.user) {
        (Some(account), _) => {
            let (id, name) = resolver.account(&account.name)?;
            (Owner::Account(id), name)
        }
        (None, user) => {
            let name = user.clone().unwrap_or_default();
            let id = user_id(pass, &resolver, &name).await?;
            resolver.ordinary(&name, &id).await?;
            (Owner::User(id), name)
        }
    };
    if backend.is_self(id(&owner)) {
        return Err(itself(&name).into());
    }
    Ok((owner, name))
}

/// A user is asked for once; its id stays.
async fn user_id(
    pass: &Pass<ApiToken>,
    resolver: &Resolver<'_>,
    name: &str,
) -> Result<PrincipalId, Stop> {
    match (&pass.status.owner_id, &pass.status.owner_name) {
        (Some(id), Some(known)) if known == name => Ok(PrincipalId(id.clone())),
        _ => resolver.user(name).await,
    }
}

fn id(owner: &Owner) -> &str {
    match owner {
        Owner::Account(id) | Owner::User(id) => id.as_str(),
        Owner::Me => "",
    }
}

async fn keep(
    pass: &mut Pass<ApiToken>,
    backend: &Backend,
    owner: Owner,
    name: &str,
    activity: Activity,
) -> Result<(), Stop> {
    let spec = pass.object.spec.clone();
    let naming = Naming::new(&spec.token.secret, spec.secret_name(pass.name()));
    let policy = tokens::policy(&pass.context.settings, backend, &spec.token);
    let entry = Entry {
        owner_name: name,
        name: ENTRY,
        rights: rights(pass, backend, &policy, id(&owner)),
        policy,
        dressing: Dressing {
            naming: &naming,
            template: &spec.token.secret.template,
            account: name,
            url: &backend.url,
            tenant: backend.client.tenant(),
        },
        requests: pass.object.requests(ENTRY),
        activity,
    };
    let ledger = &mut Ledger::of(owner);
    let result = tokens::keep(pass, backend, ledger, entry).await;
    pass.status.expires = token_status::expires(&pass.status.token);
    result
}

/// Whose tokens are to be revoked when the object goes: who was written down, for the account may be gone.
fn owner_to_clear(pass: &Pass<ApiToken>) -> Option<Owner> {
    let held = pass.object.annotations().get(OWNER_ID);
    let id = pass.status.owner_id.as_ref().or(held)?;
    let id = PrincipalId(id.clone());
    let is_account = pass.object.spec.owner.service_account_ref.is_some();
    Some(if is_account {
        Owner::Account(id)
    } else {
        Owner::User(id)
    })
}
