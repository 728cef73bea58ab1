//! What a user of kubectl sees.

use serde_json::{Value, json};

use crate::cluster::Cluster;
use crate::examples;

/// The examples, each with the file that it is in. What belongs to the whole cluster is called after the test.
fn objects(cluster: &Cluster) -> Vec<(String, Value)> {
    let objects = examples::all().into_iter().map(|(file, text)| {
        let mut object = examples::parse(&text);
        if object["kind"] == "ClusterInstance" {
            object["metadata"]["name"] = json!(*cluster.namespace);
        }
        (file, object)
    });
    let owed = ("revocation".to_owned(), revocation());
    objects.chain([owed]).collect()
}

/// What the operator writes in place of a deleted account: no example shows it.
fn revocation() -> Value {
    json!({
        "apiVersion": "kestra-iam.dev/v1alpha1", "kind": "Revocation", "metadata": {"name": "serviceaccount-0b6c"},
        "spec": {
            "instanceRef": {"kind": "ClusterInstance", "name": "default"},
            "object": {"kind": "ServiceAccount", "namespace": "team-a", "name": "ci", "uid": "0b6c"},
            "was": {
                "spec": {"accountName": "team-a-ci", "tokens": [{"name": "default", "lifetime": "1h"}]},
                "status": {"id": "1", "bindings": []},
            },
        },
    })
}

#[tokio::test]
async fn every_example_is_taken_and_shows_no_difference_afterwards() {
    let cluster = Cluster::new("examples").await;
    for (file, object) in objects(&cluster) {
        let text = object.to_string();
        cluster.kubectl_with(&["apply", "-f", "-"], &text).await;
        let differences = cluster.kubectl_with(&["diff", "-f", "-"], &text).await;
        assert_eq!(differences, "", "{file}");
        let again = cluster.kubectl_with(&["apply", "-f", "-"], &text).await;
        assert!(again.ends_with("unchanged\n"), "{file}: {again}");
        let server_side = [
            "apply",
            "--server-side",
            "--field-manager",
            "gitops",
            "--force-conflicts",
            "-f",
            "-",
        ];
        cluster.kubectl_with(&server_side, &text).await;
        let before = version(&cluster, &text).await;
        cluster.kubectl_with(&server_side, &text).await;
        assert_eq!(version(&cluster, &text).await, before, "{file}");
    }
}

async fn version(cluster: &Cluster, text: &str) -> String {
    let path = "jsonpath={.metadata.resourceVersion}";
    cluster
        .kubectl_with(&["get", "-f", "-", "--output", path], text)
        .await
}

#[tokio::test]
async fn what_a_user_writes_is_stored_as_it_is() {
    let cluster = Cluster::new("stored").await;
    for (file, written) in objects(&cluster) {
        let stored = cluster.create(&written).await;
        let kept = stored.data["spec"].as_object().unwrap();
        for (field, value) in written["spec"].as_object().unwrap() {
            assert_eq!(&kept[field], value, "{file}: {field}");
        }
    }
}

#[tokio::test]
async fn an_untouched_object_is_not_ready() {
    let cluster = Cluster::new("untouched").await;
    for (_, object) in objects(&cluster) {
        let stored = cluster.create(&object).await;
        assert_eq!(stored.data["status"], json!({"observedGeneration": -1}));
    }
}

#[tokio::test]
async fn objects_are_selected_by_what_they_refer_to() {
    let cluster = Cluster::new("select").await;
    let account = |name: &str, instance: &str| {
        json!({
            "apiVersion": "kestra-iam.dev/v1alpha1",
            "kind": "ServiceAccount",
            "metadata": {"name": name},
            "spec": {"instanceRef": {"name": instance}, "accountName": format!("x-{name}")},
        })
    };
    cluster.create(&account("a", "default")).await;
    cluster.create(&account("b", "other")).await;
    let select = async |selector: &str| {
        cluster
            .kubectl(&[
                "get",
                "ksa",
                "--output",
                "name",
                "--field-selector",
                selector,
            ])
            .await
    };
    assert_eq!(
        select("spec.instanceRef.name=other").await,
        "serviceaccount.kestra-iam.dev/b\n"
    );
    assert_eq!(
        select("spec.accountName=x-a").await,
        "serviceaccount.kestra-iam.dev/a\n"
    );
    let both = select("spec.instanceRef.kind=ClusterInstance").await;
    assert_eq!(both.lines().count(), 2, "{both}");
}

/// Short names, and the columns that they list.
const COLUMNS: [(&str, &str); 8] = [
    ("kci", "NAME READY REASON URL TENANT VERSION AGE"),
    ("ki", "NAME READY REASON URL TENANT VERSION AGE"),
    ("ksa", "NAME READY REASON ACCOUNT EXPIRES NEXT ROTATION AGE"),
    ("kgrp", "NAME READY REASON GROUP AGE"),
    ("krole", "NAME READY REASON ROLE AGE"),
    ("krb", "NAME READY REASON ROLE AGE"),
    (
        "ktok",
        "NAME READY REASON ACCOUNT EXPIRES NEXT ROTATION AGE",
    ),
    (
        "krev",
        "NAME READY REASON KIND NAMESPACE OBJECT INSTANCE AGE",
    ),
];

#[tokio::test]
async fn short_names_and_the_category_list_all_kinds() {
    let cluster = Cluster::new("lists").await;
    for (_, object) in objects(&cluster) {
        cluster.create(&object).await;
    }
    for (short, columns) in COLUMNS {
        let listed = cluster.kubectl(&["get", short]).await;
        let header: Vec<_> = listed.lines().next().unwrap().split_whitespace().collect();
        assert_eq!(header.join(" "), columns, "{short}");
    }
    let listed = cluster
        .kubectl(&["get", "kestra-iam", "--output", "name"])
        .await;
    for crd in kestra_iam_operator::api::crds() {
        let kind = crd.spec.names.singular.unwrap();
        assert!(
            listed.contains(&format!("{kind}.kestra-iam.dev/")),
            "{kind}: {listed}"
        );
    }
}

#[tokio::test]
async fn explain_tells_about_a_nested_field() {
    let cluster = Cluster::new("explain").await;
    let told = cluster
        .kubectl(&["explain", "ksa.spec.tokens.rotation.overlap.quietPeriod"])
        .await;
    let told = told.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        told.contains("the replaced token is revoked once it was not used for this long"),
        "{told}"
    );
    let tree = cluster
        .kubectl(&["explain", "ksa.spec.tokens.rotation", "--recursive"])
        .await;
    assert!(tree.contains("renewBeforePercentage\t<integer>"), "{tree}");
}
