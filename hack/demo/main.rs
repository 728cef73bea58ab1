//! `make demo`: from `kubectl apply` to a token that rotates, on a real Kubernetes. Every line with a tick is a fact that
//! was checked the moment before.

mod chapters;
mod consumer;
mod kestra;
mod report;
mod world;

use std::process::ExitCode;

use anyhow::{Result, bail};
use testbed::interrupted;
use tokio::runtime::Runtime;

use self::report::Report;
use self::world::World;

/// Set to 1, it ends after the checks.
const ONCE: &str = "ONCE";

fn main() -> ExitCode {
    run().unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}

fn run() -> Result<ExitCode> {
    let ending = Ending::from_env()?;
    let runtime = Runtime::new()?;
    let outcome = runtime.block_on(async {
        tokio::select! {
            outcome = perform(ending) => outcome,
            outcome = interrupted() => outcome.map(|()| ExitCode::from(130)),
        }
    });
    // A build of Kubernetes under way is not waited for: Ctrl-C reaches it as well.
    runtime.shutdown_background();
    outcome
}

/// What comes after the checks.
#[derive(Clone, Copy)]
enum Ending {
    /// All goes away at once.
    AtOnce,
    /// All stays up until Ctrl-C.
    OnRequest,
}

impl Ending {
    fn from_env() -> Result<Self> {
        match std::env::var(ONCE).unwrap_or_default().as_str() {
            "" | "0" => Ok(Self::OnRequest),
            "1" => Ok(Self::AtOnce),
            other => bail!(
                "{ONCE}={other}: write {ONCE}=1 to end after the checks, or leave it out to stay up"
            ),
        }
    }
}

async fn perform(ending: Ending) -> Result<ExitCode> {
    let report = Report::new();
    let world = Box::pin(chapters::tell(&report)).await;
    if let (Some(world), Ending::AtOnce) = (&world, ending) {
        // Its outcome is in the report.
        let _ = chapters::end(world, &report).await;
    }
    report.sum_up();
    if let (Some(world), Ending::OnRequest) = (&world, ending) {
        stay(world).await?;
    }
    Ok(report.exit_code())
}

async fn stay(world: &World) -> Result<()> {
    world.invite();
    tokio::select! {
        outcome = interrupted() => outcome,
        tail = world.ended() => bail!("something ended by itself\n{tail}"),
    }
}
