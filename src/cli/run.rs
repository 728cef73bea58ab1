//! `kestra-iam-operator run`.

use super::logging;

/// Flags of `run`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    log: logging::Args,
}

/// Runs the operator until it is told to stop.
pub async fn run(args: Args) -> anyhow::Result<()> {
    args.log.install()?;
    tokio::signal::ctrl_c().await?;
    Ok(())
}
