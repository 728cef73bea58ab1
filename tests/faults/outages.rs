//! An API server that refuses, falls silent, or is out of reach.

use std::time::Duration;

use serde_json::json;
use testbed::Exit;
use testbed::gate::{Answer, EventsOf, Fate, Request, Verdict, When};

use crate::gated::Gated;
use crate::killed::{issue, publish};
use crate::scale::scaled;

const CI: (&str, &str) = ("ServiceAccount", "ci");
const SECRET: &str = "ci-default";

/// A change of the status of the account `ci`.
fn status() -> When {
    When::method("PATCH").path("*/serviceaccounts/ci/status")
}

/// Any other change of it.
fn object() -> When {
    When::method("PATCH").path("*/serviceaccounts/ci")
}

fn conflict() -> Verdict {
    Verdict::Answer(Answer::kubernetes(409, "Conflict"))
}

#[tokio::test]
async fn fault_30_conflicts_on_status_and_finalizer() {
    let gated = Gated::start().await;
    // Somebody else's change comes in between, so that the conflict is real.
    let between = gated.api.rule(object().times(1), Verdict::HoldBefore);
    gated.make().await;
    gated.struck(&between).await;
    let theirs = json!({"metadata": {"annotations": {"theirs": "stays"}}});
    gated.patch(CI.0, CI.1, theirs).await;
    between.lift();
    let refused = [
        gated.api.rule(status().times(2), conflict()),
        gated.api.rule(publish().times(1), conflict()),
    ];
    let object = gated.ready(CI.0, CI.1).await;
    for rule in &refused {
        gated.struck(rule).await;
    }
    assert_eq!(object["metadata"]["annotations"]["theirs"], "stays");
    assert!(object["metadata"]["finalizers"].is_array());
    gated.consume(SECRET).await.calls(5).await;
    gated.rest().await;
    let asked = gated.api.requests();
    let tries = asked.iter().filter(|it| it.status == Some(409)).count();
    assert!(tries <= 4, "{tries} conflicts");
    // The same where the present token works.
    for (order, when) in [("1", status()), ("2", publish())] {
        let refused = gated.api.rule(when.times(2), conflict());
        gated.rotate(order).await;
        gated.struck(&refused).await;
        gated.rotated(order).await;
        refused.lift();
        gated.rest().await;
    }
    gated.judge().await;
}

#[tokio::test]
async fn fault_32b_api_server_never_answers() {
    let flags = ["--request-timeout=3s", "--min-issue-interval=1s"];
    let gated = Gated::with(&flags, json!({})).await;
    gated.with_consumer().await;
    let kinds = [
        ("look", When::method("GET").path("*/secrets/ci-default")),
        ("publish", publish()),
        ("status", status()),
    ];
    for (order, when) in kinds {
        for (kind, verdict) in [("before", Verdict::Never), ("after", Verdict::HoldAfter)] {
            let silent = gated.api.rule(when.clone().times(1), verdict);
            let order = format!("{order}-{kind}");
            gated.rotate(&order).await;
            gated.struck(&silent).await;
            gated.rotated(&order).await;
            silent.lift();
            gated.rest().await;
        }
    }
    gated.judge().await;
}

/// What makes the Lease outlive an outage of the API server.
pub const LASTING: [&str; 2] = ["--lease-duration=5m", "--renew-deadline=4m"];

#[tokio::test]
async fn fault_36_api_server_away_for_minutes() {
    let gated = Gated::with(&LASTING, json!({})).await;
    gated.with_consumer().await;
    let outages = [
        Answer::kubernetes(503, "ServiceUnavailable"),
        Answer::kubernetes(429, "TooManyRequests").header("retry-after", "1"),
        Answer::kubernetes(500, "etcdserver: request timed out"),
    ];
    let operator = gated.operator();
    let process = operator.process.id();
    for outage in outages {
        let old = gated.value(SECRET).await;
        let away = gated.api.rule(When::any(), Verdict::Answer(outage));
        gated.api.reset();
        let (mark, attempts) = (gated.iam.mark(), gated.api.mark() + scaled(30, 600));
        // Meanwhile its turn comes.
        gated.advance(Duration::from_mins(50)).await;
        gated
            .wait("attempts", async || {
                (gated.api.mark() >= attempts).then_some(())
            })
            .await;
        gated
            .wait("a leader that is not ready", async || {
                let (status, body) = operator.get("/readyz").await?;
                (status == 503 && body.contains("a renewal of the Lease")).then_some(())
            })
            .await;
        assert_eq!(operator.get("/livez").await.unwrap().0, 200);
        let asked = gated.iam.requests().split_off(mark);
        let written = asked.iter().filter(|it| it.is_write());
        assert_eq!(written.collect::<Vec<_>>(), Vec::<&_>::new());
        assert!(gated.works(&old).await);
        away.lift();
        operator.leads().await;
        gated.other_value(SECRET, &old).await;
        gated.rest().await;
    }
    // It is still the process that it was.
    assert_eq!(operator.process.id(), process);
    gated.judge().await;
}

#[tokio::test]
async fn fault_41_leader_cut_off_from_the_api_server_alone() {
    let gated = Gated::start().await;
    let second = gated.run("second", &gated.kubeconfig, &[]).await;
    let old = gated.with_consumer().await;
    let held = gated.iam.rule(issue().times(1), Verdict::HoldAfter);
    gated.rotate("1").await;
    gated.struck(&held).await;
    gated.api.rule(When::any(), Verdict::Never);
    gated.api.events(EventsOf::watch("*"), Fate::Silence);
    let cut_off = gated.iam.mark();
    held.lift();
    // Its token is issued, and can't be published any more.
    let exit = gated.operator().process.wait().await.unwrap();
    assert_eq!(exit, Exit::Code(1));
    let written = |from: usize| {
        let asked = gated.iam.requests().split_off(from).into_iter();
        asked.filter(Request::is_write).collect::<Vec<_>>()
    };
    assert_eq!(written(cut_off), [], "cut off, it changes nothing");
    let mark = gated.iam.mark();
    second.leads().await;
    gated.rotated("1").await;
    gated.judge().await;
    assert!(!gated.works(&old).await);
    let issues = written(mark).into_iter();
    assert_eq!(issues.filter(|it| it.method == "POST").count(), 1);
}
