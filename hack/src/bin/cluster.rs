//! Leaves a control plane running until Ctrl-C: `make cluster`.

use anyhow::{Result, bail};
use testbed::{ControlPlane, interrupted};
use tokio::runtime::Runtime;

fn main() -> Result<()> {
    let runtime = Runtime::new()?;
    let outcome = runtime.block_on(async {
        tokio::select! {
            outcome = run() => outcome,
            outcome = interrupted() => outcome,
        }
    });
    // A build under way is not waited for: Ctrl-C reaches it as well.
    runtime.shutdown_background();
    outcome
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
