//! What an account may do, and from where it has that.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use testbed::wait_for;

use super::CI_BOT_SECRET;
use crate::report::{Broken, Report};
use crate::world::World;

/// GET needs the right to read service accounts, POST the right to create them.
const ACCOUNTS: &str = "/api/v1/main/service-accounts";

/// The members of the group, by their Secrets.
const BOTS: [&str; 4] = [
    CI_BOT_SECRET,
    "deploy-bot-default",
    "report-bot-default",
    "chat-bot-default",
];

pub async fn show(world: &World, report: &Report) -> Result<(), Broken> {
    report.chapter("What ci-bot may do");
    let token = report
        .fact(
            "The token in the Secret ci-bot-default speaks for team-a-ci-bot (GET me: 200)",
            speaks(world),
        )
        .await?;
    report
        .fact(
            "ci-bot has the role Bot through the group Bots, and none by itself (GET tenant-access: origin GROUP)",
            has_role(world),
        )
        .await?;
    report
        .fact(
            "It may list service accounts, as the role says (GET: 200)",
            allowed(world, &token),
        )
        .await?;
    report
        .fact(
            "It may not create one (POST: 403)",
            forbidden(world, &token),
        )
        .await?;
    report
        .fact(
            "The token is no password: an account cannot log in (Basic: 401)",
            no_password(world, &token),
        )
        .await?;
    report
        .fact(
            "One word less in the Role bot, and all four bots may not list accounts any more (403); then it is back (200)",
            governed(world),
        )
        .await?;
    report
        .fact(
            "The token in the Secret ada-notebook speaks for the user ada@example.com",
            speaks_for_ada(world),
        )
        .await
}

async fn speaks(world: &World) -> Result<String> {
    let token = world.token(CI_BOT_SECRET).await?;
    let owner = world.owner_of(&token).await?;
    ensure!(owner == "team-a-ci-bot", "it speaks for {owner}");
    Ok(token)
}

async fn speaks_for_ada(world: &World) -> Result<()> {
    let owner = world.owner_of(&world.token("ada-notebook").await?).await?;
    ensure!(owner == "ada@example.com", "it speaks for {owner}");
    Ok(())
}

/// Fails unless all that the account may do comes from its one group.
async fn has_role(world: &World) -> Result<()> {
    let account = world.account("ci-bot").await?;
    let id = account["status"]["id"]
        .as_str()
        .context("no id in status")?;
    let path = format!("/api/v1/main/tenant-access/{id}");
    let access = world.look_up(&path).await?;
    let bots = &access["groups"][0];
    let roles = access["roles"].as_array().context("no roles")?;
    let by_group = |role: &Value| role["origin"] == "GROUP" && role["sourceId"] == bots["id"];
    ensure!(
        bots["name"] == "Bots" && roles.iter().all(by_group),
        "GET {path}: {access:#}"
    );
    let mut names = roles.iter().map(|role| (&role["name"], &role["namespace"]));
    let is_everywhere = |(name, namespace): (&Value, &Value)| name == "Bot" && namespace.is_null();
    ensure!(names.any(is_everywhere), "GET {path}: {access:#}");
    Ok(())
}

async fn allowed(world: &World, token: &str) -> Result<()> {
    let listed = world.kestra.get(token, ACCOUNTS).await?;
    listed.with_status(200)?;
    Ok(())
}

async fn forbidden(world: &World, token: &str) -> Result<()> {
    let body = json!({"name": "made-by-ci-bot"});
    let refused = world.kestra.post(token, ACCOUNTS, &body).await?;
    refused.with_status(403)?;
    Ok(())
}

async fn no_password(world: &World, token: &str) -> Result<()> {
    let refused = world.kestra.get_as("team-a-ci-bot", token, "/api/v1/me");
    refused.await?.with_status(401)?;
    Ok(())
}

/// Takes a right from the role that the group gives, and gives it back.
async fn governed(world: &World) -> Result<()> {
    change_role(world, &Value::Null).await?;
    all_bots_get(world, 403).await?;
    change_role(world, &json!(["READ"])).await?;
    all_bots_get(world, 200).await
}

async fn change_role(world: &World, actions: &Value) -> Result<()> {
    let patch = json!({"spec": {"permissions": {"SERVICE_ACCOUNT": actions}}}).to_string();
    let words = ["patch", "krole", "bot", "--type=merge", "-p", &patch];
    world.kubectl(&words, "").await?;
    Ok(())
}

async fn all_bots_get(world: &World, status: u16) -> Result<()> {
    for secret in BOTS {
        let token = world.token(secret).await?;
        let what = format!("{status} for the token in {secret}");
        let seen = async || {
            let answer = world.kestra.get(&token, ACCOUNTS).await.ok()?;
            (answer.status == status).then_some(())
        };
        wait_for(&what, seen).await?;
    }
    Ok(())
}
