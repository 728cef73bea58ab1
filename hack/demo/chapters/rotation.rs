//! A token is replaced before it expires, and nobody who uses it notices.

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use testbed::wait_for;
use tokio::time::{Duration, Instant};

use super::CI_BOT_SECRET;
use crate::consumer::Consumer;
use crate::report::{Broken, Report, in_words};
use crate::world::World;

/// What ci-bot.yaml promises to whoever holds the old token.
const OVERLAP: Duration = Duration::from_secs(10);

pub async fn show(world: &World, report: &Report, consumer: Consumer) -> Result<(), Broken> {
    report.chapter("A rotation, watched by a consumer that calls without pause");
    let due = report.fact("ci-bot's token has a date for its successor", due(world));
    let before = due.await?;
    report.detail(&format!(
        "now it waits until {}, half of the token's two minutes",
        before.due
    ));
    let rotated = report.fact(
        "Generation 2 is in the Secret before generation 1 expires, and both work",
        rotated(world, &before),
    );
    let since = rotated.await?;
    let revoked = report.fact(
        "After the overlap generation 1 is revoked, and refused (401)",
        revoked(world, &before, since),
    );
    let overlap = revoked.await?;
    report.detail(&format!("it worked on for {}", in_words(overlap)));
    let stopped = report.fact("The consumer was served all the time", consumer.stop());
    let tally = stopped.await?;
    report.detail(&tally.summary());
    let flawless = report.fact("Not one of its calls failed", async {
        tally.is_flawless(2)
    });
    flawless.await
}

/// The token that is to be replaced.
struct Before {
    value: String,
    id: String,
    due: String,
}

async fn due(world: &World) -> Result<Before> {
    let value = world.token(CI_BOT_SECRET).await?;
    let account = world.account("ci-bot").await?;
    let token = &account["status"]["tokens"][0];
    ensure!(
        token["generation"] == 1,
        "it was replaced already: {token:#}"
    );
    let text = |field: &str| token[field].as_str().map(str::to_owned);
    Ok(Before {
        value,
        id: text("id").context("no id in status")?,
        due: text("nextRotationTime").context("no nextRotationTime in status")?,
    })
}

/// Gives the instant at which the new token was first seen in the Secret.
async fn rotated(world: &World, before: &Before) -> Result<Instant> {
    let new = world.other_token(CI_BOT_SECRET, &before.value).await?;
    let since = Instant::now();
    for value in [&new, &before.value] {
        let owner = world.owner_of(value).await?;
        ensure!(owner == "team-a-ci-bot", "a token speaks for {owner}");
    }
    let generation =
        |object: &Value| (object["status"]["tokens"][0]["generation"] == 2).then_some(());
    world.until("ci-bot", "generation 2", generation).await?;
    Ok(since)
}

/// Looks at the backend's list rather than trying the token: that would count as use, and use prolongs the overlap.
async fn revoked(world: &World, before: &Before, since: Instant) -> Result<Duration> {
    let account = world.account("ci-bot").await?;
    let id = account["status"]["id"]
        .as_str()
        .context("no id in status")?;
    let path = format!("/api/v1/main/service-accounts/{id}/api-tokens");
    let gone = async || {
        let tokens = world.look_up(&path).await.ok()?;
        let mut listed = tokens["results"].as_array()?.iter();
        listed
            .all(|token| token["id"] != before.id.as_str())
            .then_some(())
    };
    wait_for("the backend to list the old token no more", gone).await?;
    let overlap = since.elapsed();
    world.is_refused(&before.value).await?;
    ensure!(
        overlap >= OVERLAP,
        "it was revoked after {}",
        in_words(overlap)
    );
    Ok(overlap)
}
