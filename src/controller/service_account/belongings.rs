//! What an account is given: its memberships and its direct grants.

use kube::ResourceExt;
use serde::{Deserialize, Serialize};

use super::tokens::Entitled;
use crate::api::ServiceAccount;
use crate::api::condition::Reason;
use crate::api::grant::{GrantedBinding, GrantedGroup};
use crate::controller::backend::Backend;
use crate::controller::error::Error;
use crate::controller::grants;
use crate::controller::kind::Pass;
use crate::controller::named;
use crate::controller::outcome::{Blocked, Stop};
use crate::controller::quota;
use crate::controller::resolve::{Resolver, ScopedRole};
use crate::iam::client::Subject;
use crate::iam::model::{GroupId, PrincipalId};
use crate::plan::grant::{Grant, Member, Memberships, memberships};

/// Annotation that names the grants that were intended when the account was made: what a crash before the next status
/// leaves at the backend is ours all the same.
const INTENDED: &str = "kestra-iam.dev/intended-grants";

/// What the spec asks for, as far as it is permitted and can be resolved.
pub(super) struct Wanted {
    pub(super) members: Vec<Member>,
    roles: Vec<ScopedRole>,
    trouble: Option<Blocked>,
}

impl Wanted {
    /// Resolves the spec's references; `permitted` says whether the account itself may be as it is declared.
    pub(super) fn resolve(
        pass: &Pass<ServiceAccount>,
        backend: &Backend,
        permitted: Result<(), Blocked>,
    ) -> Self {
        let spec = &pass.object.spec;
        let resolver = Resolver {
            context: &pass.context,
            backend,
            instance: &spec.instance_ref,
            namespace: pass.namespace(),
        };
        let members = resolver.members(&spec.groups);
        let roles = resolver.roles(&spec.roles);
        let trouble = Blocked::graver(members.trouble, roles.trouble);
        Self {
            members: members.found,
            roles: roles.found,
            trouble: Blocked::graver(permitted.err(), trouble),
        }
    }

    /// What keeps the account from being made.
    pub(super) fn whole(&self) -> Result<(), Blocked> {
        self.trouble.clone().map_or(Ok(()), Err)
    }

    /// The same once the quota has judged the tokens, if nothing else keeps the account from having them: whoever is
    /// refused, or not made, takes no place.
    pub(super) fn within_quota(self, pass: &Pass<ServiceAccount>, backend: &Backend) -> Self {
        let is_made = pass.status.id.is_some();
        let trouble = self.trouble.as_ref();
        if trouble.is_some_and(|trouble| trouble.is_refusal() || !is_made) {
            quota::stand_back(pass);
            return self;
        }
        let refused = quota::permitted(pass, backend).err();
        Self {
            trouble: Blocked::graver(refused, self.trouble),
            ..self
        }
    }

    /// Why it is not permitted, if it is not.
    pub(super) fn refusal(&self) -> Option<&Blocked> {
        self.trouble.as_ref().filter(|trouble| trouble.is_refusal())
    }

    /// Which entries may have tokens issued. Whoever is refused more tokens may go on with those that it has.
    pub(super) fn entitled(&self, pass: &Pass<ServiceAccount>, backend: &Backend) -> Entitled {
        match self.refusal().map(|refused| refused.reason) {
            None => Entitled::All,
            Some(Reason::QuotaExceeded) if quota::keeps(pass, backend) => Entitled::Holders,
            Some(_) => Entitled::Nobody,
        }
    }

    fn grants(&self, id: &PrincipalId) -> Vec<Grant> {
        let subject = Subject::Principal(id.clone());
        self.roles.iter().map(|role| role.to(&subject)).collect()
    }
}

/// What the annotation [`INTENDED`] holds; subjects are left out, as the account does not exist yet.
#[derive(Default, Serialize, Deserialize)]
struct Intended {
    groups: Vec<GrantedGroup>,
    bindings: Vec<GrantedBinding>,
}

/// Holds the object, and writes down what its account is to be given, before the account is made.
pub(super) async fn intend(pass: &mut Pass<ServiceAccount>, wanted: &Wanted) -> Result<(), Error> {
    let nobody = PrincipalId(String::new());
    let grants = wanted.grants(&nobody);
    let intended = Intended {
        groups: wanted.members.iter().map(|m| m.granted(true)).collect(),
        bindings: grants.iter().map(|grant| grant.granted(None)).collect(),
    };
    let text = serde_json::to_string(&intended).map_err(|source| Error::Json {
        what: "the intended grants",
        source,
    })?;
    pass.hold(&[(INTENDED, text)]).await
}

/// Names what was intended as ours in the status: for an account that was just made, and for one that was made before
/// a crash.
pub(super) fn claim(pass: &mut Pass<ServiceAccount>, id: &PrincipalId) {
    let text = pass.object.annotations().get(INTENDED);
    let intended = text.and_then(|text| serde_json::from_str(text).ok());
    let Intended {
        groups,
        mut bindings,
    } = intended.unwrap_or_default();
    for binding in &mut bindings {
        binding.subject_id.clone_from(&id.0);
    }
    bindings.sort();
    pass.status.groups = groups;
    pass.status.bindings = bindings;
}

/// Brings memberships and direct grants in line with the spec. While not all of them can be had, none is added, and
/// what is not permitted any more is taken away.
pub(super) async fn grant(
    pass: &mut Pass<ServiceAccount>,
    backend: &Backend,
    id: &PrincipalId,
    wanted: Wanted,
) -> Result<(), Stop> {
    let present = present(backend, id);
    let members = memberships(&wanted.members, &present, &pass.status.groups);
    let joined = match &wanted.trouble {
        Some(trouble) if trouble.is_refusal() => join(pass, backend, id, &members.removals()).await,
        Some(_) => Ok(()),
        None if !pass.is_suspended() => join(pass, backend, id, &members).await,
        None if members.is_settled() => Ok(()),
        None => Err(named::held_back().into()),
    };
    let grants = wanted.grants(id);
    let bound = grants::bring_about(pass, backend, &grants, wanted.trouble).await;
    Stop::first(bound, joined)
}

/// Takes the account out of all groups that we put it into.
pub(super) async fn leave_groups(
    pass: &mut Pass<ServiceAccount>,
    backend: &Backend,
    id: &PrincipalId,
) -> Result<(), Stop> {
    let plan = memberships(&[], &present(backend, id), &pass.status.groups);
    join(pass, backend, id, &plan).await
}

fn present(backend: &Backend, id: &PrincipalId) -> Vec<GroupId> {
    backend.inventory.read(|tables| {
        let account = tables.accounts.get(id.as_str());
        let groups = account.map(|account| &account.groups).into_iter().flatten();
        groups.map(|group| group.id.clone()).collect()
    })
}

async fn join(
    pass: &mut Pass<ServiceAccount>,
    backend: &Backend,
    id: &PrincipalId,
    plan: &Memberships,
) -> Result<(), Stop> {
    let before = pass.status.groups.clone();
    write_ahead(pass, plan).await?;
    let found = grants::change_memberships(&pass.context, backend, id, plan).await?;
    let knew = |id: &str| before.iter().any(|known| known.id == id);
    // What somebody else made since the last sweep is not ours.
    let theirs = |id: &str| !knew(id) && found.iter().any(|found| found.as_str() == id);
    let named = |id: &str| pass.status.groups.iter().any(|known| known.id == id);
    let settled = plan.ahead.iter().map(|granted| GrantedGroup {
        pending: false,
        ..granted.clone()
    });
    let settled = settled.filter(|group| named(&group.id) && !theirs(&group.id));
    pass.status.groups = settled.collect();
    Ok(())
}

/// Names in the status what is to be joined before it is, and what is to be left until it is.
async fn write_ahead(pass: &mut Pass<ServiceAccount>, plan: &Memberships) -> Result<(), Error> {
    let known = &pass.status.groups;
    let is_known = |ahead: &GrantedGroup| known.iter().any(|known| known.id == ahead.id);
    let new: Vec<_> = plan
        .ahead
        .iter()
        .filter(|ahead| !is_known(ahead))
        .cloned()
        .collect();
    if plan.join.is_empty() || new.is_empty() {
        return Ok(());
    }
    pass.status.groups.extend(new);
    pass.checkpoint().await
}
