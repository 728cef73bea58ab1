//! A status is stored and read back as it was written.

use std::fmt::Debug;

use jiff::Timestamp;
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kestra_iam_operator::api::api_token::{ApiTokenSpec, ApiTokenStatus, TokenOwner};
use kestra_iam_operator::api::condition::{self, ConditionType, Finding, Reason};
use kestra_iam_operator::api::duration::Duration;
use kestra_iam_operator::api::grant::{GrantedBinding, GrantedGroup};
use kestra_iam_operator::api::service_account::{ServiceAccountSpec, ServiceAccountStatus};
use kestra_iam_operator::api::token::TokenSpec;
use kestra_iam_operator::api::token_status::{RetiredToken, TokenEntryStatus, TokenStatus};
use kestra_iam_operator::api::{ApiToken, ServiceAccount};
use kube::api::{Api, Patch, PatchParams, PostParams};
use kube::core::object::HasStatus;
use kube::{Resource, ResourceExt};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::cluster::Cluster;

fn time(second: i64) -> Time {
    Time(Timestamp::from_second(second).unwrap())
}

fn conditions() -> Vec<Condition> {
    let mut conditions = Vec::new();
    let now = Timestamp::from_second(1_000).unwrap();
    for kind in ConditionType::ALL {
        let finding = Finding::new(*kind, true, Reason::Synced, "As the spec says");
        condition::set(&mut conditions, &finding, Some(1), now);
    }
    conditions
}

fn token() -> TokenStatus {
    let retired = RetiredToken {
        id: "one".into(),
        generation: 1,
        retired_time: Some(time(200)),
        revoke_after_time: Some(time(300)),
        expiration_time: Some(time(400)),
        last_used_time: Some(time(250)),
    };
    TokenStatus {
        generation: 2,
        id: Some("two".into()),
        prefix: Some("TCAMX5".into()),
        secret_name: Some("ci-default".into()),
        secret_resource_version: Some("12".into()),
        issued_time: Some(time(190)),
        published_time: Some(time(200)),
        expiration_time: Some(time(900)),
        next_rotation_time: Some(time(800)),
        retired: vec![retired],
        history_since: Some(time(100)),
        handled_rotate_request: Some("today".into()),
        handled_compromised: Some("default=yesterday".into()),
        compromised_generation: 2,
    }
}

#[tokio::test]
async fn of_an_account() {
    let group = GrantedGroup {
        id: "g".into(),
        name: "Bots".into(),
        pending: true,
    };
    let binding = GrantedBinding {
        id: None,
        subject_id: "a".into(),
        role_id: "launcher_main".into(),
        role_name: "Launcher".into(),
        namespace: Some("company.team".into()),
    };
    let status = ServiceAccountStatus {
        observed_generation: Some(1),
        conditions: conditions(),
        id: Some("a".into()),
        account_name: Some("team-ci".into()),
        adopted: true,
        former_description: Some("by hand".into()),
        tokens: vec![TokenEntryStatus {
            name: "default".into(),
            token: token(),
        }],
        expires: Some("never".into()),
        soonest_expiration_time: Some(time(900)),
        next_rotation_time: Some(time(800)),
        groups: vec![group],
        bindings: vec![
            binding.clone(),
            GrantedBinding {
                id: Some("b".into()),
                ..binding
            },
        ],
        foreign_tokens: Some(3),
    };
    let account = ServiceAccount::new("ci", ServiceAccountSpec::default());
    let stored = store(account, &status).await;
    similar_asserts::assert_eq!(stored.status, Some(status));
}

#[tokio::test]
async fn of_a_token() {
    let spec = ApiTokenSpec {
        owner: TokenOwner {
            user: Some("ada@example.com".into()),
            service_account_ref: None,
        },
        token: TokenSpec {
            lifetime: Some(Duration::from_hours(1)),
            ..TokenSpec::default()
        },
        ..ApiTokenSpec::default()
    };
    let status = ApiTokenStatus {
        observed_generation: Some(1),
        conditions: conditions(),
        owner_id: Some("u".into()),
        owner_name: Some("ada@example.com".into()),
        expires: Some("never".into()),
        token: Some(token()),
    };
    let stored = store(ApiToken::new("ada", spec), &status).await;
    similar_asserts::assert_eq!(stored.status, Some(status));
}

/// Creates the object, writes its status by a merge patch, and reads it back.
async fn store<K>(object: K, status: &K::Status) -> K
where
    K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
    K: Clone + Debug + HasStatus + Serialize + DeserializeOwned,
    K::Status: Serialize,
{
    let cluster = Cluster::new("status").await;
    let objects: Api<K> = Api::namespaced(cluster.client.clone(), &cluster.namespace);
    let created = objects
        .create(&PostParams::default(), &object)
        .await
        .unwrap();
    let patch = Patch::Merge(json!({"status": status}));
    let name = created.name_any();
    objects
        .patch_status(&name, &PatchParams::default(), &patch)
        .await
        .unwrap();
    objects.get(&name).await.unwrap()
}
