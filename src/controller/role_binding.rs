//! `RoleBinding`: a role for many subjects, in some Kestra namespaces or in the whole tenant.

use std::collections::HashSet;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::api::Api;

use super::backend::Backend;
use super::context::namespace_of;
use super::grants::{self, Granter};
use super::kind::{Kind, Pass, Reconciled};
use super::named;
use super::outcome::{Blocked, Stop};
use super::referrers::{Key, KindName};
use super::resolve::Resolver;
use crate::api::RoleBinding;
use crate::api::grant::GrantedBinding;
use crate::api::policy::DeletionPolicy;
use crate::api::reference::{InstanceRef, RoleKind, Subject, SubjectKind};
use crate::api::revocation::DepartedKind;
use crate::api::role_binding::RoleBindingStatus;
use crate::plan::grant::Grant;

impl Reconciled for RoleBinding {
    const NAME: KindName = KindName::RoleBinding;
    type Status = RoleBindingStatus;

    fn is_suspended(&self) -> bool {
        self.spec.suspend
    }

    fn status(&self) -> Option<&RoleBindingStatus> {
        self.status.as_ref()
    }

    fn conditions(status: &RoleBindingStatus) -> (&[Condition], Option<i64>) {
        (&status.conditions, status.observed_generation)
    }

    fn api(client: kube::Client, namespace: &str) -> Api<Self> {
        Api::namespaced(client, namespace)
    }
}

impl Kind for RoleBinding {
    const DEPARTED: DepartedKind = DepartedKind::RoleBinding;

    fn instance_ref(&self) -> &InstanceRef {
        &self.spec.instance_ref
    }

    fn deletion_policy(&self) -> DeletionPolicy {
        self.spec.deletion_policy
    }

    fn identity(_: &RoleBindingStatus) -> Option<String> {
        None
    }

    fn referents(&self) -> HashSet<Key> {
        let namespace = namespace_of(self);
        let subjects = self
            .spec
            .subjects
            .iter()
            .filter_map(|subject| match subject.kind {
                SubjectKind::ServiceAccount => {
                    Some(Key::new(KindName::ServiceAccount, namespace, &subject.name))
                }
                SubjectKind::Group => Some(Key::new(KindName::Group, namespace, &subject.name)),
                _ => None,
            });
        let role = Some(&self.spec.role_ref).filter(|role| role.kind == RoleKind::Role);
        let role = role.map(|role| Key::new(KindName::Role, namespace, &role.name));
        subjects.chain(role).collect()
    }

    async fn live(pass: &mut Pass<Self>, backend: &Backend) -> Result<(), Stop> {
        let Wanted { grants, trouble } = observe(pass, backend).await?;
        if pass.object.spec.suspend {
            named::suspended(pass);
        } else if trouble.is_none() {
            pass.hold(&[]).await?;
        }
        grants::bring_about(pass, backend, &grants, trouble).await
    }

    async fn end(pass: &mut Pass<Self>, backend: &Backend) -> Result<(), Stop> {
        grants::remove_all(pass, backend).await
    }

    async fn orphan(_: &mut Pass<Self>) -> Result<(), Stop> {
        Ok(())
    }
}

impl Granter for RoleBinding {
    fn granted(status: &RoleBindingStatus) -> &Vec<GrantedBinding> {
        &status.bindings
    }

    fn granted_mut(status: &mut RoleBindingStatus) -> &mut Vec<GrantedBinding> {
        &mut status.bindings
    }
}

/// The grants that the spec means, as far as they are permitted and can be resolved.
struct Wanted {
    grants: Vec<Grant>,
    trouble: Option<Blocked>,
}

/// One subject that is not there yet holds up the whole binding, so that its status tells about all of it or none.
async fn observe(pass: &Pass<RoleBinding>, backend: &Backend) -> Result<Wanted, Stop> {
    let spec = &pass.object.spec;
    let resolver = Resolver {
        context: &pass.context,
        backend,
        instance: &spec.instance_ref,
        namespace: pass.namespace(),
    };
    let roles = resolver.scoped(&spec.role_ref, &spec.namespaces);
    let refused = spec
        .subjects
        .iter()
        .find_map(|subject| resolver.permitted(subject).err());
    let mut trouble = Blocked::graver(roles.trouble, refused);
    let is_refused = trouble.as_ref().is_some_and(Blocked::is_refusal);
    if let Some(refused) = trouble
        .clone()
        .filter(|_| is_refused && pass.status.bindings.is_empty())
    {
        // Nothing to take away, so nothing is asked of the backend.
        return Err(refused.into());
    }
    let mut grants = Vec::new();
    let permitted = |subject: &&Subject| resolver.permitted(subject).is_ok();
    for subject in spec.subjects.iter().filter(permitted) {
        match resolver.subject(subject).await {
            Ok(subject) => grants.extend(roles.found.iter().map(|role| role.to(&subject))),
            Err(Stop::Blocked(blocked)) => trouble = Blocked::graver(trouble, Some(blocked)),
            Err(stop) => return Err(stop),
        }
    }
    Ok(Wanted { grants, trouble })
}
