//! What Helm renders.

use std::process::Command;

use serde_json::Value;

use crate::{CHART, binary, helm, render};

/// The documents of a manifest.
pub fn documents(manifest: &str) -> Vec<Value> {
    let documents: Vec<Value> = serde_saphyr::from_multiple(manifest).unwrap();
    documents
        .into_iter()
        .filter(|document| !document.is_null())
        .collect()
}

fn of_kind(manifest: &str, kind: &str) -> Vec<Value> {
    documents(manifest)
        .into_iter()
        .filter(|document| document["kind"] == kind)
        .collect()
}

#[test]
fn the_chart_lints() {
    let output = helm(&["lint", "--strict", CHART]);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stdout)
    );
}

#[test]
fn the_chart_brings_every_definition() {
    let rendered = of_kind(&render(&[]).unwrap(), "CustomResourceDefinition");
    let mut names: Vec<&str> = rendered
        .iter()
        .map(|crd| crd["metadata"]["name"].as_str().unwrap())
        .collect();
    names.sort_unstable();
    let generated = kestra_iam_operator::api::crds();
    let mut expected: Vec<String> = generated
        .into_iter()
        .map(|crd| crd.metadata.name.unwrap())
        .collect();
    expected.sort_unstable();
    assert_eq!(names, expected);
}

#[test]
fn the_binary_takes_the_flags_that_the_chart_sets() {
    let values = [
        r#"watchNamespace="team-a""#,
        r#"clusterId="prod""#,
        r#"formerClusterIds=["old","older"]"#,
        r#"instanceHosts=["kestra.example.com"]"#,
        "restartConsumers=true",
        "deletionBrake=0",
        "observeOnly=true",
        r#"extraArgs=["--concurrency=32"]"#,
    ];
    let deployment = of_kind(&render(&values).unwrap(), "Deployment").remove(0);
    let args = deployment["spec"]["template"]["spec"]["containers"][0]["args"]
        .as_array()
        .unwrap();
    let args: Vec<&str> = args.iter().map(|arg| arg.as_str().unwrap()).collect();
    for expected in [
        "--watch-namespace=team-a",
        "--former-cluster-ids=old,older",
        "--namespaced-instances",
        "--deletion-brake=0",
        "--observe-only",
    ] {
        assert!(args.contains(&expected), "{args:?}");
    }
    let output = Command::new(binary())
        .args(&args)
        .arg("--help")
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn no_domain_for_metadata_means_none_and_not_the_default() {
    let deployment = of_kind(
        &render(&["secretMetadataDomains=[]"]).unwrap(),
        "Deployment",
    )
    .remove(0);
    let container = &deployment["spec"]["template"]["spec"]["containers"][0];
    let args = container["args"].as_array().unwrap();
    assert!(
        args.contains(&"--secret-metadata-domains=".into()),
        "{args:?}"
    );
    let args = args.iter().map(|arg| arg.as_str().unwrap());
    // Flags are judged before anything is reached.
    let output = Command::new(binary())
        .args(args)
        .args(["--kubeconfig", "/nowhere"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("--kubeconfig /nowhere"), "{said}");
}

#[test]
fn wrong_values_are_refused_with_the_name_of_the_field() {
    for (value, field) in [
        ("replicas=-1", "replicas"),
        ("deletionBrake=-1", "deletionBrake"),
        (r#"log={"format":"xml"}"#, "format"),
        (
            r#"clusterInstance={"name":"default","url":"kestra"}"#,
            "url",
        ),
        ("replica=2", "replica"),
    ] {
        let error = render(&[value]).unwrap_err();
        assert!(error.contains(field), "{value}: {error}");
    }
}

#[test]
fn one_watched_namespace_takes_no_right_on_secrets_elsewhere() {
    let rendered = render(&[r#"watchNamespace="team-a""#]).unwrap();
    let rules = of_kind(&rendered, "ClusterRole");
    let rules = rules
        .iter()
        .flat_map(|role| role["rules"].as_array().unwrap().clone());
    for rule in rules {
        let resources = rule["resources"].as_array().unwrap().clone();
        assert!(
            !resources.iter().any(|resource| resource == "secrets"),
            "{rule}"
        );
    }
    let bindings = of_kind(&rendered, "RoleBinding");
    assert!(
        bindings
            .iter()
            .any(|binding| binding["metadata"]["namespace"] == "team-a")
    );
}

/// The verbs that a role of this kind and name has on a resource.
fn verbs(manifest: &str, (kind, name): (&str, &str), resource: &str) -> Vec<Value> {
    let found = of_kind(manifest, kind).into_iter();
    let found = found.filter(|role| role["metadata"]["name"] == name);
    let rules = found.flat_map(|role| role["rules"].as_array().unwrap().clone());
    let about = |rule: &Value| {
        let resources = rule["resources"].as_array().unwrap();
        resources.iter().any(|named| named == resource)
    };
    rules
        .filter(about)
        .flat_map(|rule| rule["verbs"].as_array().unwrap().clone())
        .collect()
}

#[test]
fn the_right_to_write_ones_own_credential_is_given_on_request() {
    let (own, cluster) = (
        ("Role", "kestra-iam-operator"),
        ("ClusterRole", "kestra-iam-operator"),
    );
    let looks = ["get", "list", "watch"].map(Value::from);
    let without = render(&[]).unwrap();
    assert_eq!(verbs(&without, own, "secrets"), looks);
    assert_eq!(verbs(&without, cluster, "clusterinstances"), looks);
    let instance = r#"clusterInstance.url="https://kestra.example.com""#;
    let rotation = r#"clusterInstance.rotation={"lifetime":"720h"}"#;
    for values in [&["rotateCredentials=true"][..], &[instance, rotation]] {
        let rendered = render(values).unwrap();
        for verb in ["create", "update", "patch", "delete"] {
            assert!(verbs(&rendered, own, "secrets").contains(&verb.into()));
        }
        assert!(verbs(&rendered, cluster, "clusterinstances").contains(&"patch".into()));
    }
    let rendered = render(&[instance, rotation]).unwrap();
    let instance = of_kind(&rendered, "ClusterInstance").remove(0);
    let credentials = &instance["spec"]["credentials"];
    assert_eq!(credentials["rotation"]["lifetime"], "720h");
}

#[test]
fn who_only_observes_has_no_right_to_change_more_than_statuses_and_events() {
    let rendered = render(&[
        "observeOnly=true",
        "restartConsumers=true",
        "rotateCredentials=true",
    ])
    .unwrap();
    let roles = [
        of_kind(&rendered, "ClusterRole"),
        of_kind(&rendered, "Role"),
    ]
    .concat();
    let granted = roles
        .iter()
        .flat_map(|role| role["rules"].as_array().unwrap());
    let changes = |rule: &&Value| {
        let mut verbs = rule["verbs"].as_array().unwrap().iter();
        verbs.any(|verb| !["get", "list", "watch"].contains(&verb.as_str().unwrap()))
    };
    for rule in granted.filter(changes) {
        for resource in rule["resources"].as_array().unwrap() {
            let resource = resource.as_str().unwrap();
            let tells = resource.ends_with("/status") || ["events", "leases"].contains(&resource);
            assert!(tells, "{rule}");
        }
    }
}

#[test]
fn no_right_is_a_wildcard_or_lets_rights_grow() {
    let rendered = render(&[]).unwrap();
    for role in [
        of_kind(&rendered, "ClusterRole"),
        of_kind(&rendered, "Role"),
    ]
    .concat()
    {
        let text = role["rules"].to_string();
        for forbidden in [
            "\"*\"",
            "escalate",
            "\"bind\"",
            "impersonate",
            "pods/exec",
            "serviceaccounts/token",
        ] {
            assert!(!text.contains(forbidden), "{forbidden} in {text}");
        }
    }
}
