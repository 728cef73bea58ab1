//! `kestra-iam-operator server`.

use anyhow::{Context, bail};

use super::logging::Logging;
use crate::ops::shutdown::Shutdown;
use crate::server::{self, ServerArgs};

/// Flags of `server`.
#[derive(Debug, clap::Args)]
#[group(skip)]
pub struct Args {
    #[command(flatten, next_help_heading = "Server")]
    server: ServerArgs,

    #[command(flatten)]
    log: Logging,
}

/// Runs the embedded IAM server until it is told to stop.
///
/// # Errors
/// When it cannot start, and when a second signal cuts its end short.
pub async fn run(args: Args) -> anyhow::Result<()> {
    args.log.install()?;
    let shutdown = Shutdown::on_signals().context("listening for signals")?;
    tokio::select! {
        biased;
        () = shutdown.abort().cancelled() => bail!("ended at once by a second signal"),
        outcome = server::run(args.server, shutdown.stop().clone()) => Ok(outcome?),
    }
}
