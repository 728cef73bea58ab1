//! The examples of consumers fit the Secrets that the other examples make, and the programs that they are for.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

use serde_json::{Value, json};
use testbed::Scratch;

use crate::cluster::Cluster;
use crate::examples;

const FOLDER: &str = "examples/consumers";

/// Of each Secret that the examples make, the keys that it will have.
fn secrets() -> BTreeMap<String, BTreeSet<String>> {
    let objects = examples::all().into_iter();
    let objects = objects.map(|(_, text)| examples::parse(&text));
    objects.flat_map(|object| secrets_of(&object)).collect()
}

fn secrets_of(object: &Value) -> Vec<(String, BTreeSet<String>)> {
    let name = object["metadata"]["name"].as_str().unwrap();
    let spec = &object["spec"];
    if object["kind"] == "ApiToken" {
        return vec![secret(spec, name.to_owned())];
    }
    let entries = list(&spec["tokens"]).into_iter();
    let secrets = entries.map(|entry| {
        let usual = format!("{name}-{}", entry["name"].as_str().unwrap());
        secret(&entry, usual)
    });
    secrets.collect()
}

/// The Secret of a token, which is called this way unless it says otherwise.
fn secret(token: &Value, usual: String) -> (String, BTreeSet<String>) {
    let secret = &token["secret"];
    let name = secret["name"].as_str().map_or(usual, str::to_owned);
    let more = secret["template"]["data"].as_object();
    let more = more.into_iter().flat_map(|data| data.keys().cloned());
    (name, more.chain(["token".to_owned()]).collect())
}

fn list(value: &Value) -> Vec<Value> {
    value.as_array().cloned().unwrap_or_default()
}

fn read(name: &str) -> String {
    fs::read_to_string(format!("{FOLDER}/{name}")).unwrap()
}

fn names(extension: &str) -> Vec<String> {
    let entries = fs::read_dir(FOLDER).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.ends_with(extension)).collect()
}

/// The objects of the YAML files.
fn objects() -> Vec<Value> {
    let texts = names(".yaml").into_iter().map(|name| read(&name));
    let objects = texts.flat_map(|text| {
        let documents = text.split("\n---\n").map(examples::parse);
        documents.collect::<Vec<_>>()
    });
    objects.collect()
}

/// The Secrets that an object names, each with the key that it takes, or none for the Secret as a whole.
fn taken(value: &Value) -> Vec<(String, Option<String>)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let of_field = |(field, inner): (&String, &Value)| match field.as_str() {
        "secretKeyRef" => vec![(text(&inner["name"]), Some(text(&inner["key"])))],
        "secretRef" => vec![(text(&inner["name"]), None)],
        "secretName" | "secret.reloader.stakater.com/reload" => vec![(text(inner), None)],
        _ => taken(inner),
    };
    match value {
        Value::Array(items) => items.iter().flat_map(taken).collect(),
        Value::Object(fields) => fields.iter().flat_map(of_field).collect(),
        _ => Vec::new(),
    }
}

#[tokio::test]
async fn the_api_server_takes_every_object() {
    let cluster = Cluster::new("consumers").await;
    for name in names(".yaml") {
        let apply = ["apply", "--dry-run=server", "-f", "-"];
        let told = cluster.kubectl_with(&apply, &read(&name)).await;
        assert!(told.contains("created (server dry run)"), "{name}: {told}");
    }
}

#[test]
fn every_secret_and_key_is_one_that_the_examples_make() {
    let made = secrets();
    let taken: Vec<_> = objects().iter().flat_map(taken).collect();
    assert!(taken.len() >= 4, "{taken:?}");
    for (name, key) in taken {
        let keys = made.get(&name);
        assert!(keys.is_some(), "no example makes the Secret {name}");
        let found = key.as_ref().is_none_or(|key| keys.unwrap().contains(key));
        assert!(found, "the Secret {name} has no key {key:?}");
    }
}

#[test]
fn the_secret_for_terraform_has_the_variables_of_its_provider() {
    let variables = ["KESTRA_API_TOKEN", "KESTRA_TENANT_ID", "KESTRA_URL"];
    assert!(
        variables
            .iter()
            .all(|name| read("terraform.yaml").contains(name))
    );
    let keys = &secrets()["ci-kestra"];
    assert!(
        variables.iter().all(|name| keys.contains(*name)),
        "{keys:?}"
    );
}

/// Runs a script in a namespace with the Secrets of the examples, in which each value is named after its key.
async fn run(script: &str, args: &[&str], variable: (&str, &str)) -> Output {
    let cluster = Cluster::new("scripts").await;
    for (name, keys) in secrets() {
        let data: BTreeMap<_, _> = keys.iter().map(|key| (key, format!("<{key}>"))).collect();
        let secret = json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": data,
        });
        cluster.create(&secret).await;
    }
    let scratch = Scratch::new("scripts").unwrap();
    let programs = cluster.control.binaries().folder().display();
    let path = format!(
        "tests/api/stand-ins:{programs}:{}",
        std::env::var("PATH").unwrap()
    );
    let mut command = Command::new("bash");
    command.arg(format!("{FOLDER}/{script}")).args(args);
    command.env("KUBECONFIG", kubeconfig(&cluster, &scratch));
    command.env("PATH", path).env(variable.0, variable.1);
    command.output().unwrap()
}

/// The cluster's kubeconfig with the test's namespace.
fn kubeconfig(cluster: &Cluster, scratch: &Scratch) -> PathBuf {
    let text = fs::read_to_string(cluster.control.kubeconfig()).unwrap();
    let mut config = examples::parse(&text);
    config["contexts"][0]["context"]["namespace"] = json!(*cluster.namespace);
    let file = scratch.file("kubeconfig");
    fs::write(&file, config.to_string()).unwrap();
    file
}

fn words(output: &Output) -> Vec<&str> {
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{error}");
    std::str::from_utf8(&output.stdout)
        .unwrap()
        .lines()
        .collect()
}

#[tokio::test]
async fn the_command_line_gets_address_and_token() {
    let output = run("kestra-cli.sh", &[], ("KESTRA_USER", "")).await;
    let expected = ["--server=<KESTRA_URL>", "--api-token", "<KESTRA_API_TOKEN>"];
    assert_eq!(words(&output)[6..], expected);
}

#[tokio::test]
async fn the_command_line_gets_name_and_password_of_a_user() {
    let user = ("KESTRA_USER", "ada@example.com:secret");
    let output = run("kestra-cli.sh", &["--as-user"], user).await;
    let expected = ["--server=<KESTRA_URL>", "--user=ada@example.com:secret"];
    assert_eq!(words(&output)[6..], expected);
}

#[tokio::test]
async fn a_script_that_is_called_wrongly_says_how_to_call_it() {
    let output = run("kestra-cli.sh", &["--as-admin"], ("KESTRA_USER", "")).await;
    assert_eq!(output.status.code(), Some(2));
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(told, "usage: kestra-cli.sh [--as-user]\n");
}

#[tokio::test]
async fn github_gets_the_token_by_its_standard_input_under_the_name_of_the_workflow() {
    let output = run("github-secret.sh", &["me/flows"], ("GH_DEBUG", "")).await;
    let name = "KESTRA_API_TOKEN";
    let expected = [
        "secret",
        "set",
        name,
        "--repo",
        "me/flows",
        "<KESTRA_API_TOKEN>",
    ];
    assert_eq!(words(&output), expected);
    let workflow = examples::parse(&read("github-workflow.yml"));
    let token = &workflow["jobs"]["deploy"]["steps"][1]["with"]["apiToken"];
    assert_eq!(token, &format!("${{{{ secrets.{name} }}}}"));
}
