//! Instances as objects that have a token: the operator's own.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::api::Api;

use crate::api::instance::InstanceStatus;
use crate::api::token_status::TokenStatus;
use crate::api::{ClusterInstance, Instance};
use crate::controller::kind::Reconciled;
use crate::controller::referrers::KindName;
use crate::controller::tokens::TokenHolder;

impl Reconciled for ClusterInstance {
    const NAME: KindName = KindName::ClusterInstance;
    type Status = InstanceStatus;

    fn is_suspended(&self) -> bool {
        false
    }

    fn status(&self) -> Option<&InstanceStatus> {
        self.status.as_ref()
    }

    fn conditions(status: &InstanceStatus) -> (&[Condition], Option<i64>) {
        (&status.conditions, status.observed_generation)
    }

    fn api(client: kube::Client, _: &str) -> Api<Self> {
        Api::all(client)
    }

    fn secret_namespace<'a>(&'a self, operator: &'a str) -> &'a str {
        operator
    }
}

impl Reconciled for Instance {
    const NAME: KindName = KindName::Instance;
    type Status = InstanceStatus;

    fn is_suspended(&self) -> bool {
        false
    }

    fn status(&self) -> Option<&InstanceStatus> {
        self.status.as_ref()
    }

    fn conditions(status: &InstanceStatus) -> (&[Condition], Option<i64>) {
        (&status.conditions, status.observed_generation)
    }

    fn api(client: kube::Client, namespace: &str) -> Api<Self> {
        Api::namespaced(client, namespace)
    }
}

impl TokenHolder for ClusterInstance {
    fn token<'s>(status: &'s InstanceStatus, _: &str) -> Option<&'s TokenStatus> {
        status.credential.as_ref()
    }

    fn set_token(status: &mut InstanceStatus, _: &str, token: TokenStatus) {
        status.credential = Some(token);
    }

    fn drop_token(status: &mut InstanceStatus, _: &str) {
        status.credential = None;
    }
}

impl TokenHolder for Instance {
    fn token<'s>(status: &'s InstanceStatus, _: &str) -> Option<&'s TokenStatus> {
        status.credential.as_ref()
    }

    fn set_token(status: &mut InstanceStatus, _: &str, token: TokenStatus) {
        status.credential = Some(token);
    }

    fn drop_token(status: &mut InstanceStatus, _: &str) {
        status.credential = None;
    }
}
