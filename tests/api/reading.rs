//! Whatever the API server takes can be read, and the types' defaults are the server's.

use std::fmt::Debug;

use kestra_iam_operator::api::{
    ApiToken, ClusterInstance, Group, Instance, Revocation, Role, RoleBinding, ServiceAccount,
};
use kube::core::object::HasSpec;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::cluster::Cluster;
use crate::{examples, tables};

#[tokio::test]
async fn an_object_reads_the_same_before_and_after_the_server_had_it() {
    let cluster = Cluster::new("reading").await;
    let examples = examples::all()
        .into_iter()
        .map(|(_, text)| examples::parse(&text));
    for written in examples.chain(tables::good()) {
        let stored = cluster.create_dry(&written).await.unwrap();
        let stored = serde_json::to_value(stored).unwrap();
        match written["kind"].as_str().unwrap() {
            "ClusterInstance" => compare::<ClusterInstance>(&written, &stored),
            "Instance" => compare::<Instance>(&written, &stored),
            "ServiceAccount" => compare::<ServiceAccount>(&written, &stored),
            "Group" => compare::<Group>(&written, &stored),
            "Role" => compare::<Role>(&written, &stored),
            "RoleBinding" => compare::<RoleBinding>(&written, &stored),
            "ApiToken" => compare::<ApiToken>(&written, &stored),
            "Revocation" => compare::<Revocation>(&written, &stored),
            kind => panic!("{kind} is not compared"),
        }
    }
}

fn compare<K>(written: &Value, stored: &Value)
where
    K: DeserializeOwned + HasSpec,
    K::Spec: Debug + PartialEq + Serialize + DeserializeOwned,
{
    let before: K = serde_json::from_value(written.clone()).unwrap();
    let after: K = serde_json::from_value(stored.clone()).unwrap();
    similar_asserts::assert_eq!(before.spec(), after.spec());
    let rewritten = serde_json::to_value(after.spec()).unwrap();
    let again: K::Spec = serde_json::from_value(rewritten).unwrap();
    similar_asserts::assert_eq!(after.spec(), &again);
}
