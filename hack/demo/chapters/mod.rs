//! The story, one chapter a file.

mod access;
mod cost;
mod examples;
mod repair;
mod rotation;
mod secrecy;
mod start;

use anyhow::bail;

use crate::consumer::Consumer;
use crate::report::{Broken, Report};
use crate::world::World;

/// The Secret of the account that the story follows.
const CI_BOT_SECRET: &str = "ci-bot-default";

/// Starts everything and checks every fact. The world is what is left to look at, if it came to be.
pub async fn tell(report: &Report) -> Option<World> {
    let world = start::start(report).await.ok()?;
    let told = tokio::select! {
        told = chapters(&world, report) => told,
        tail = world.ended() => report.fact("All programs go on running", async { bail!(tail) }).await,
    };
    if told.is_err() {
        println!("\n{}", world.tails());
    }
    Some(world)
}

async fn chapters(world: &World, report: &Report) -> Result<(), Broken> {
    start::lead(world, report).await?;
    examples::apply(world, report).await?;
    let consumer = Consumer::start(world.secrets(), CI_BOT_SECRET, world.kestra.clone());
    // Each of them can be told if another could not.
    let told = [
        access::show(world, report).await,
        repair::show(world, report).await,
        cost::show(world, report).await,
        rotation::show(world, report, consumer).await,
        secrecy::show(world, report).await,
    ];
    told.into_iter().collect()
}

/// Ends the operator as Kubernetes ends a pod.
pub async fn end(world: &World, report: &Report) -> Result<(), Broken> {
    report.chapter("The end");
    report
        .fact(
            "Told to end (SIGTERM), the operator ends in order (exit code 0)",
            world.end_operator(),
        )
        .await
}
