//! What it costs, counted by the API server's audit log.

use anyhow::{Result, ensure};
use testbed::audit::{Mark, Request};
use tokio::time::{Duration, sleep};

use crate::report::{Broken, Report};
use crate::world::{OPERATOR, World};

/// One more member of the group Bots, with a role of its own besides.
const ONE_MORE: &str = "
apiVersion: kestra-iam.dev/v1alpha1
kind: ServiceAccount
metadata: {name: one-more}
spec:
  groups: [{kind: Group, name: bots}]
  roles: [{kind: External, name: Viewer}]
  tokens: [{name: default, lifetime: 24h}]
";

/// Writes for an account with its token: finalizer, Secret, status.
const WRITES: usize = 3;

/// How long nothing is to happen.
const QUIET: Duration = Duration::from_secs(5);

pub async fn show(world: &World, report: &Report) -> Result<(), Broken> {
    report.chapter("What it costs");
    let creation = report.fact(
        format!("One more account costs {WRITES} writes to the API server besides Events: finalizer, Secret, status"),
        creation(world),
    );
    report.detail(&creation.await?);
    report
        .fact(
            "Where nothing is to be done nothing is written but the Lease",
            quiet(world),
        )
        .await
}

async fn creation(world: &World) -> Result<String> {
    let calls = world.operator.backend_calls();
    let mark = world.plane.audit().mark()?;
    world.apply(ONE_MORE).await?;
    world.ready(&["ksa", "one-more"]).await?;
    let writes = writes_since(world, mark)?;
    let calls = world.operator.backend_calls() - calls;
    ensure!(writes.len() == WRITES, "{}", told(&writes));
    Ok(format!(
        "and {calls} calls of the backend: account, role, token, a list for its expiry, a try of its value"
    ))
}

async fn quiet(world: &World) -> Result<()> {
    let mark = world.plane.audit().mark()?;
    sleep(QUIET).await;
    let writes = writes_since(world, mark)?;
    ensure!(writes.is_empty(), "{}", told(&writes));
    Ok(())
}

/// What the operator wrote, apart from Events, its Lease, and what belongs to ci-bot, whose token is on its way out.
fn writes_since(world: &World, mark: Mark) -> Result<Vec<Request>> {
    let mut requests = world.plane.audit().since(mark)?;
    requests.retain(|request| {
        let counted = request.user == OPERATOR && request.is_write();
        let apart = ["events", "leases"].contains(&request.resource.as_str());
        counted && !apart && !request.name.starts_with("ci-bot")
    });
    Ok(requests)
}

fn told(writes: &[Request]) -> String {
    let lines: Vec<_> = writes
        .iter()
        .map(|write| format!("{} {} {}", write.verb, write.path, write.code))
        .collect();
    format!("{} writes:\n{}", writes.len(), lines.join("\n"))
}
