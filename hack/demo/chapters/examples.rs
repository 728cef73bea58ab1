//! `kubectl apply -f examples/`, and everything becomes Ready.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::report::{Broken, Report};
use crate::world::World;

const EXAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples");
const CI_BOT: &str = include_str!("../ci-bot.yaml");

/// The address that examples/instance.yaml names.
const ADDRESS: &str = "http://127.0.0.1:8080";

/// Left out: it needs an operator with `--namespaced-instances` and a second backend.
const LEFT_OUT: &str = "namespaced-instance.yaml";

const KINDS: &str = "ksa,kgrp,krole,krb,ktok";

pub async fn apply(world: &World, report: &Report) -> Result<(), Broken> {
    report.chapter("kubectl apply -f examples/");
    let by_hand = report
        .fact(
            "By hand at the backend: the user ada@example.com, and the account legacy-bot with a token",
            prepare(world),
        )
        .await?;
    let files = report
        .fact(
            "The API server takes every example, and ci-bot with a token of two minutes",
            apply_all(world),
        )
        .await?;
    report.detail(&format!(
        "{files}; the instance's url is {}",
        world.server.url()
    ));
    let ready = report.fact(
        "Instance, accounts, groups, roles, bindings and tokens are Ready",
        all_ready(world),
    );
    let table = ready.await?;
    report.detail(&table);
    let adopted = report.fact(
        "legacy-bot was adopted: the token made by hand goes on working, beside ours",
        adopted(world, &by_hand),
    );
    adopted.await
}

/// What somebody did before there was an operator; gives the token that they made.
async fn prepare(world: &World) -> Result<String> {
    let ada = json!({"email": "ada@example.com", "firstName": "Ada", "tenants": ["main"]});
    world.make("/api/v1/users", &ada).await?;
    let accounts = "/api/v1/main/service-accounts";
    let legacy = world.make(accounts, &json!({"name": "legacy-bot"})).await?;
    let id = legacy["id"].as_str().context("an account without id")?;
    let tokens = format!("{accounts}/{id}/api-tokens");
    let token = world.make(&tokens, &json!({"name": "by-hand"})).await?;
    let value = token["fullToken"]
        .as_str()
        .context("a token without value")?;
    world.remember(value);
    Ok(value.to_owned())
}

async fn apply_all(world: &World) -> Result<String> {
    let (names, manifests) = read(Path::new(EXAMPLES))?;
    let manifests = manifests.replace(ADDRESS, world.server.url());
    world.apply(&manifests).await?;
    world.apply(CI_BOT).await?;
    Ok(names.join(", "))
}

/// The examples' names, and their texts one after the other.
fn read(folder: &Path) -> Result<(Vec<String>, String)> {
    let entries = fs::read_dir(folder).with_context(|| format!("no {}", folder.display()))?;
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let mut paths: Vec<_> = paths
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "yaml")
        })
        .filter(|path| !path.ends_with(LEFT_OUT))
        .collect();
    paths.sort();
    let texts: std::io::Result<Vec<_>> = paths.iter().map(fs::read_to_string).collect();
    let names = paths.iter().filter_map(|path| path.file_name()?.to_str());
    Ok((names.map(str::to_owned).collect(), texts?.join("\n---\n")))
}

async fn all_ready(world: &World) -> Result<String> {
    world.ready(&["kci", "default"]).await?;
    world.ready(&[KINDS, "--all"]).await?;
    world.kubectl(&["get", "ksa"], "").await
}

/// Both tokens of the account authenticate: the one made by hand, and the one in the Secret.
async fn adopted(world: &World, by_hand: &str) -> Result<()> {
    let foreign = |object: &Value| (object["status"]["foreignTokens"] == 1).then_some(());
    let counted = world.until("legacy-bot", "counts one token that is not ours", foreign);
    counted.await?;
    for token in [by_hand, &world.token("legacy-bot-default").await?] {
        let owner = world.owner_of(token).await?;
        ensure!(owner == "legacy-bot", "a token speaks for {owner}");
    }
    Ok(())
}
