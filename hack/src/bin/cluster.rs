//! Leaves a control plane running until Ctrl-C: `make cluster`.

use anyhow::{Result, bail};
use testbed::ControlPlane;
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};

fn main() -> Result<()> {
    let runtime = Runtime::new()?;
    let outcome = runtime.block_on(until_interrupted());
    // A build under way is not waited for: Ctrl-C reaches it as well.
    runtime.shutdown_background();
    outcome
}

async fn until_interrupted() -> Result<()> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    tokio::select! {
        outcome = run() => outcome,
        _ = interrupt.recv() => Ok(()),
        _ = terminate.recv() => Ok(()),
        _ = hang_up.recv() => Ok(()),
    }
}

async fn run() -> Result<()> {
    let control = ControlPlane::start().await?;
    let programs = control.binaries().folder().display();
    println!("# A Kubernetes control plane runs until Ctrl-C. In another terminal:");
    println!("export KUBECONFIG={}", control.kubeconfig().display());
    println!("export PATH={programs}:$PATH  # for kubectl");
    bail!(
        "the control plane ended by itself\n{}",
        control.ended().await
    )
}
