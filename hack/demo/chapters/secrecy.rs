//! The value of a token is in its Secret and nowhere else.

use anyhow::{Result, ensure};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use crate::report::{Broken, Report};
use crate::world::World;

/// Somewhere that a value could have leaked to.
struct Place {
    name: &'static str,
    text: String,
}

pub async fn show(world: &World, report: &Report) -> Result<(), Broken> {
    report.chapter("Who knows a token");
    let values = report.fact(
        "Searched for in the Secrets themselves, every current token is found",
        found_in_secrets(world),
    );
    values.await?;
    let nowhere = report.fact(
        "Searched for everywhere else, none of all tokens of this demo is found",
        found_nowhere_else(world),
    );
    report.detail(&nowhere.await?);
    Ok(())
}

/// Shows that the search below would find something if it were there.
async fn found_in_secrets(world: &World) -> Result<()> {
    let names = world.kubectl(&["get", "secret", "-o", "name"], "").await?;
    let everything = world.kubectl(&["get", "secret", "-o", "yaml"], "").await?;
    for name in names.lines() {
        let value = world.token(name.trim_start_matches("secret/")).await?;
        ensure!(
            is_in(&everything, &value),
            "the search misses the token in {name}"
        );
    }
    Ok(())
}

async fn found_nowhere_else(world: &World) -> Result<String> {
    let places = places(world).await?;
    let values = world.values();
    for place in &places {
        ensure!(!place.text.is_empty(), "{} is empty", place.name);
        let leaked = values
            .iter()
            .filter(|value| is_in(&place.text, value))
            .count();
        ensure!(leaked == 0, "{leaked} tokens are in {}", place.name);
    }
    let names: Vec<_> = places.iter().map(|place| place.name).collect();
    let bytes: usize = places.iter().map(|place| place.text.len()).sum();
    Ok(format!(
        "{} tokens; {} kB of {}",
        values.len(),
        bytes / 1000,
        names.join(", ")
    ))
}

async fn places(world: &World) -> Result<Vec<Place>> {
    let all = ["get", "--all-namespaces", "-o", "yaml"];
    let objects = async |kinds| world.kubectl(&[&all[..], &[kinds]].concat(), "").await;
    // Without the values, but with annotations, labels and managed fields.
    let metadata = "jsonpath={range .items[*]}{.metadata}{end}";
    let database = ["iam.db", "iam.db-wal"].map(|file| world.server.data().join(file));
    let database = database.map(|file| std::fs::read(file).unwrap_or_default());
    let place = |name, text| Place { name, text };
    Ok(vec![
        place(
            "the operator's log at level debug",
            world.operator.process.log(),
        ),
        place("the IAM server's log", world.server.process().log()),
        place(
            "its database",
            String::from_utf8_lossy(&database.concat()).into_owned(),
        ),
        place("the logs of Kubernetes", world.plane.logs()),
        place("its audit log", world.plane.audit().text()),
        place("Events", objects("events").await?),
        place("objects and their status", objects("kestra-iam").await?),
        place(
            "the Secrets' metadata",
            world
                .kubectl(&["get", "secret", "-o", metadata], "")
                .await?,
        ),
        place("metrics", world.operator.metrics().await?),
    ])
}

fn is_in(text: &str, value: &str) -> bool {
    text.contains(value) || text.contains(&BASE64_STANDARD.encode(value))
}
