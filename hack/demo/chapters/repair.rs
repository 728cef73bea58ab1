//! A Secret that somebody deletes, and an account that is deleted.

use anyhow::{Context, Result, ensure};
use testbed::wait_for;

use crate::report::{Broken, Report};
use crate::world::World;

const RESTORED: &str = "quickstart-default";
const DELETED: &str = "report-bot";
const DELETED_SECRET: &str = "report-bot-default";

pub async fn show(world: &World, report: &Report) -> Result<(), Broken> {
    report.chapter("What is deleted");
    report
        .fact(
            "The Secret quickstart-default is deleted, and comes back with a working token",
            restored(world),
        )
        .await?;
    report
        .fact(
            "The ServiceAccount report-bot is deleted: object, Secret and account are gone",
            deleted(world),
        )
        .await?;
    Ok(())
}

async fn restored(world: &World) -> Result<()> {
    let old = world.token(RESTORED).await?;
    world.kubectl(&["delete", "secret", RESTORED], "").await?;
    let new = world.other_token(RESTORED, &old).await?;
    let owner = world.owner_of(&new).await?;
    ensure!(owner == "team-a-quickstart", "it speaks for {owner}");
    // Pods may still hold the token of the deleted Secret: it keeps its overlap.
    world.owner_of(&old).await?;
    Ok(())
}

async fn deleted(world: &World) -> Result<()> {
    let token = world.token(DELETED_SECRET).await?;
    let account = world.account(DELETED).await?;
    let id = account["status"]["id"]
        .as_str()
        .context("no id in status")?;
    world.kubectl(&["delete", "ksa", DELETED], "").await?;
    world.is_refused(&token).await?;
    let path = format!("/api/v1/main/service-accounts/{id}");
    let found = world.kestra.get(world.server.admin_token(), &path).await?;
    found.with_status(404)?;
    let gone = async || {
        let found = world.secrets().get_opt(DELETED_SECRET).await.ok()?;
        found.is_none().then_some(())
    };
    wait_for("the garbage collector to take the Secret", gone).await
}
