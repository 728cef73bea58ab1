//! The operator killed between two of its requests, or asked to end in the middle of a pass.

use std::time::Duration;

use serde_json::{Value, json};
use testbed::Exit;
use testbed::gate::{Request, Rule, Verdict, When};

use crate::bench::{brisk, condition};
use crate::gated::Gated;

const CI: (&str, &str) = ("ServiceAccount", "ci");
const SECRET: &str = "ci-default";

/// The issue of a token.
pub fn issue() -> When {
    When::method("POST").path("*/api-tokens")
}

/// A write of the token's Secret.
pub fn publish() -> When {
    When::write().path("*/secrets*")
}

fn is_issue(request: &Request) -> bool {
    request.method == "POST" && request.path.ends_with("/api-tokens")
}

fn is_token(request: &Request) -> bool {
    request.path.contains("/api-tokens/")
}

impl Gated {
    /// Waits until a rule stopped or lost a request.
    pub async fn struck(&self, rule: &Rule) {
        self.wait("the gate to act", async || (rule.count() > 0).then_some(()))
            .await;
    }

    /// Lets time pass until a rule stopped or lost a request.
    pub async fn struck_in_time(&self, rule: &Rule) {
        self.wait("the gate to act", async || {
            if rule.count() > 0 {
                return Some(());
            }
            self.advance(Duration::from_secs(1)).await;
            None
        })
        .await;
    }

    /// Orders a rotation of the account `ci`; not done yet when this returns.
    pub async fn rotate(&self, order: &str) {
        self.order(CI.0, CI.1, "rotate-requested-at", order).await;
    }

    /// Waits until that order is carried out.
    pub async fn rotated(&self, order: &str) {
        let done = |entry: &Value| entry["handledRotateRequest"] == order;
        self.entry((CI.1, "default"), "carries out the order", done)
            .await;
        self.ready(CI.0, CI.1).await;
    }

    /// How many tokens were asked for.
    pub fn issues(&self) -> usize {
        self.iam.count_of(is_issue)
    }

    /// Applies the account `ci` with one token; not made yet when this returns.
    pub async fn make(&self) {
        let spec = json!({"tokens": [brisk("default")]});
        self.apply(CI.0, CI.1, spec).await;
    }

    /// The end of each row: one token, in the Secret, working.
    async fn settles(&self) {
        let id = self.id(CI.0, CI.1).await;
        self.judge().await;
        assert_eq!(self.tokens(&id).await.len(), 1);
    }
}

#[tokio::test]
async fn fault_01_killed_between_issue_and_secret() {
    let gated = Gated::start().await;
    let held = gated.iam.rule(issue().times(1), Verdict::HoldAfter);
    gated.make().await;
    gated.struck(&held).await;
    assert_eq!(gated.get("Secret", SECRET).await, Value::Null);
    gated.crash(&[&held]).await;
    gated.ready(CI.0, CI.1).await;
    gated.consume(SECRET).await.calls(5).await;
    gated.settles().await;
    assert_eq!(gated.issues(), 2, "the first was nobody's");
}

#[tokio::test]
async fn fault_03_killed_before_the_accounts_id_is_stored() {
    let gated = Gated::start().await;
    let made = When::method("POST").path("*/service-accounts");
    let held = gated.iam.rule(made.times(1), Verdict::HoldAfter);
    gated.make().await;
    gated.struck(&held).await;
    let name = format!("{}-ci", gated.namespace);
    let account = gated.backend.find_account(&name).await.unwrap().unwrap();
    gated.crash(&[&held]).await;
    assert_eq!(gated.id(CI.0, CI.1).await, account.id.0, "by its mark");
    gated.consume(SECRET).await.calls(5).await;
    gated.settles().await;
    let object = gated.get(CI.0, CI.1).await;
    assert_eq!(condition(&object, "Synced")["status"], "True");
}

#[tokio::test]
async fn fault_04_killed_between_secret_and_status() {
    let gated = Gated::start().await;
    let held = gated.api.rule(publish().times(1), Verdict::HoldAfter);
    gated.make().await;
    gated.struck(&held).await;
    let value = gated.value(SECRET).await;
    let consumer = gated.consume(SECRET).await;
    gated.crash(&[&held]).await;
    let object = gated.ready(CI.0, CI.1).await;
    assert_eq!(object["status"]["tokens"][0]["generation"], 1);
    consumer.calls(5).await;
    gated.settles().await;
    assert_eq!(gated.value(SECRET).await, value);
    assert_eq!(gated.issues(), 1, "no new token");
}

#[tokio::test]
async fn fault_05_killed_in_a_rotation_before_the_secret() {
    let gated = Gated::start().await;
    gated.account("ci").await;
    let consumer = gated.consume(SECRET).await;
    gated.rest().await;
    let old = gated.value(SECRET).await;
    let held = gated.iam.rule(issue().times(1), Verdict::HoldAfter);
    gated.rotate("1").await;
    gated.struck(&held).await;
    gated.kill(&[&held]).await;
    consumer.calls(10).await;
    assert_eq!(gated.value(SECRET).await, old);
    assert!(gated.works(&old).await);
    gated.revive().await;
    gated.rotated("1").await;
    assert!(gated.works(&old).await, "in its overlap");
    gated.settles().await;
    assert!(!gated.works(&old).await);
}

#[tokio::test]
async fn fault_06_killed_in_a_rotation_before_the_revocation() {
    let gated = Gated::start().await;
    gated.account("ci").await;
    gated.consume(SECRET).await;
    gated.rest().await;
    let old = gated.value(SECRET).await;
    let revocation = When::method("DELETE").path("*/api-tokens/*");
    let held = gated.iam.rule(revocation.times(1), Verdict::HoldBefore);
    gated.rotate("1").await;
    gated.rotated("1").await;
    gated.struck_in_time(&held).await;
    gated.crash(&[&held]).await;
    gated.refused("the replaced token", &old).await;
    gated.settles().await;
    assert_eq!(gated.issues(), 2);
}

#[tokio::test]
async fn fault_07_killed_in_a_deletion_before_the_finalizer_goes() {
    let gated = Gated::start().await;
    let id = gated.account("ci").await;
    gated.rest().await;
    let held = gated.iam.decide(|request| {
        let is_account = request.path.contains("/service-accounts/");
        let is_meant = request.method == "DELETE" && is_account && !is_token(request);
        is_meant.then_some(Verdict::HoldAfter)
    });
    gated.begin_delete(CI.0, CI.1).await;
    gated.struck(&held).await;
    let account = gated.backend.account(&id.as_str().into()).await;
    assert!(account.is_err(), "it is gone at the backend");
    gated.crash(&[&held]).await;
    gated.gone(CI.0, CI.1).await;
    gated.gone("Secret", SECRET).await;
    gated.judge().await;
}

#[tokio::test]
async fn fault_08_sigterm_in_the_middle_of_a_pass() {
    let gated = Gated::start().await;
    gated.account("ci").await;
    let consumer = gated.consume(SECRET).await;
    gated.rest().await;
    let old = gated.value(SECRET).await;
    let held = gated.iam.rule(issue().times(1), Verdict::HoldAfter);
    gated.rotate("1").await;
    gated.struck(&held).await;
    let operator = gated.operator();
    let ends = operator.process.terminate();
    let told = async {
        let what = "/readyz to tell of the end";
        let told = async || {
            let (_, body) = operator.get("/readyz").await?;
            body.contains("shutting down").then_some(())
        };
        gated.wait(what, told).await;
        held.lift();
    };
    let (exit, ()) = tokio::join!(ends, told);
    assert_eq!(exit.unwrap(), Exit::Code(0));
    let lease = gated.get("Lease", "kestra-iam-operator").await;
    let holder = lease["spec"]["holderIdentity"].as_str().unwrap_or_default();
    assert_eq!(holder, "", "the Lease is given up");
    consumer.calls(5).await;
    assert!(gated.works(&old).await);
    operator.restart().await;
    gated.rotated("1").await;
    gated.settles().await;
}
