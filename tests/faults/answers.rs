//! A backend that answers wrongly, too much, too late, or not at all.

use std::fs;
use std::io::Write;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use testbed::gate::{Answer, Gate, Request, Verdict, When};

use crate::bench::{Operator, brisk, condition};
use crate::gated::{Gated, fastest_second};
use crate::killed::issue;
use crate::scale::scaled;

const CI: (&str, &str) = ("ServiceAccount", "ci");
const SECRET: &str = "ci-default";

/// The instance gives up early, so that rows about silence are short.
fn impatient() -> Value {
    json!({"timeouts": {"connect": "1s", "request": "3s"}})
}

/// The requests per second that a backend is asked at most, unless its instance says otherwise.
const USUAL_RATE: usize = 50;

/// A backend that hears nothing, whatever it is asked.
fn everything() -> When {
    When::any()
}

impl Gated {
    /// An account at rest with a consumer of its token; the value in its Secret.
    pub async fn with_consumer(&self) -> String {
        self.account("ci").await;
        self.consume(SECRET).await;
        self.rest().await;
        self.value(SECRET).await
    }

    /// Waits until the instance says this of its backend.
    pub async fn instance_says(&self, reason: &str) {
        let instance = self.instance.clone();
        self.complaint("ClusterInstance", &instance, reason).await;
    }

    /// Has the instance looked at.
    async fn look_at_instance(&self, granularity: &str) {
        let spec = json!({"spec": {"lastUsedGranularity": granularity}});
        self.patch("ClusterInstance", &self.instance, spec).await;
    }

    /// Waits until the instance works again.
    pub async fn instance_works(&self) {
        let works = ("Ready", "True", "");
        self.has("ClusterInstance", &self.instance, works).await;
    }
}

#[tokio::test]
async fn fault_02_answer_to_an_issue_lost() {
    let gated = Gated::with(&["--min-issue-interval=1s"], impatient()).await;
    let old = gated.with_consumer().await;
    for (order, verdict) in [("1", Verdict::Lose), ("2", Verdict::HoldAfter)] {
        let rule = gated.iam.rule(issue().times(1), verdict);
        let issues = gated.issues();
        gated.rotate(order).await;
        gated.struck(&rule).await;
        gated.rotated(order).await;
        rule.lift();
        assert_eq!(gated.issues(), issues + 2, "the first was nobody's");
        gated.rest().await;
    }
    gated.judge().await;
    assert!(!gated.works(&old).await);
}

#[tokio::test]
async fn fault_09_backend_throttles() {
    let gated = Gated::start().await;
    gated.with_consumer().await;
    let seconds = scaled(5, 30);
    for order in ["seconds", "date"] {
        let wait = match order {
            "seconds" => seconds.to_string(),
            _ => http_date(&gated, seconds + 1),
        };
        let date = http_date(&gated, 0);
        let answer = Answer::status(429)
            .header("retry-after", &wait)
            .header("date", &date);
        let mark = gated.iam.mark();
        gated.iam.rule(issue().times(1), Verdict::Answer(answer));
        gated.rotate(order).await;
        let throttled = ("Synced", "False", "BackendThrottled");
        let object = gated.has(CI.0, CI.1, throttled).await;
        assert_eq!(condition(&object, "Ready")["status"], "True");
        gated.apply("ServiceAccount", "other", json!({})).await;
        gated.rotated(order).await;
        let asked = gated.iam.requests().split_off(mark);
        let refused = asked.iter().position(|it| it.status == Some(429)).unwrap();
        let pause = asked[refused + 1].arrived - asked[refused].arrived;
        let least = Duration::from_secs(seconds.unsigned_abs() - 2);
        assert!(pause > least, "{wait}: {pause:?}");
        gated.ready("ServiceAccount", "other").await;
        gated.rest().await;
    }
    gated.judge().await;
}

/// An instant on the clock of server and operator, as HTTP writes it.
fn http_date(gated: &Gated, seconds: i64) -> String {
    let instant = gated.now().now() + jiff::SignedDuration::from_secs(seconds);
    instant.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

#[tokio::test]
async fn fault_10_backend_answers_5xx() {
    let rate = scaled(10, USUAL_RATE);
    let budget = json!({"budget": {"requestsPerSecond": rate}});
    let gated = Gated::with(&[], budget).await;
    gated.with_consumer().await;
    let names: Vec<String> = (0..scaled(10, 1000)).map(|n| format!("ci-{n}")).collect();
    let spec = || json!({"tokens": [brisk("default")]});
    for name in &names {
        gated.apply(CI.0, name, spec()).await;
    }
    for name in &names {
        gated.ready(CI.0, name).await;
    }
    gated.rest().await;
    for (round, status) in [500, 502, 503].into_iter().enumerate() {
        let down = Verdict::Answer(Answer::status(status));
        let rule = gated.iam.rule(everything(), down);
        gated.look_at_instance(&format!("{}s", status - 498)).await;
        gated.instance_says("BackendUnavailable").await;
        let mark = gated.iam.mark();
        let order = status.to_string();
        gated.rotate(&order).await;
        for name in &names {
            gated.order(CI.0, name, "rotate-requested-at", &order).await;
        }
        let probes = scaled(2, 12);
        gated
            .wait("more probes", async || {
                (gated.iam.mark() >= mark + probes).then_some(())
            })
            .await;
        let probe = |request: &Request| request.path == "/api/v1/configs";
        let asked = gated.iam.requests().split_off(mark);
        assert!(asked.iter().all(probe), "one probe, and nobody else");
        let object = gated.get(CI.0, CI.1).await;
        assert_eq!(condition(&object, "Ready")["status"], "True");
        let mark = gated.iam.mark();
        rule.lift();
        gated.instance_works().await;
        gated.rotated(&order).await;
        for name in &names {
            let done = |entry: &Value| entry["handledRotateRequest"] == order.as_str();
            gated
                .entry((name, "default"), "is replaced after the outage", done)
                .await;
        }
        let fastest = fastest_second(&gated.iam.requests()[mark..]);
        assert!(fastest <= 2 * rate, "{fastest} requests in a second");
        gated.rest().await;
        assert_eq!(gated.issues(), (round + 2) * (names.len() + 1), "one each");
    }
    gated.judge().await;
}

#[tokio::test]
async fn fault_12_backend_takes_connections_and_answers_nothing() {
    let gated = Gated::with(&[], impatient()).await;
    gated.with_consumer().await;
    let well = format!("{}-well", gated.instance);
    gated.connect_as(&well, gated.server.url()).await;
    let silence = gated.iam.rule(everything(), Verdict::Never);
    // More than there are places for.
    let names: Vec<String> = (0..scaled(20, 100)).map(|n| format!("ci-{n}")).collect();
    for name in &names {
        gated.apply("ServiceAccount", name, json!({})).await;
    }
    gated.struck(&silence).await;
    let elsewhere = json!({"instanceRef": {"name": well}, "tokens": [brisk("default")]});
    gated.apply("ServiceAccount", "well", elsewhere).await;
    gated.ready("ServiceAccount", "well").await;
    gated.instance_says("BackendUnavailable").await;
    silence.lift();
    for name in &names {
        gated.ready("ServiceAccount", name).await;
    }
    gated.judge().await;
}

#[tokio::test]
async fn fault_13_backend_answers_a_byte_a_second() {
    let gated = Gated::with(&[], impatient()).await;
    let value = gated.with_consumer().await;
    for (order, verdict) in [
        ("1", Verdict::Drip(Duration::from_secs(1))),
        ("2", Verdict::EndlessHead(Duration::from_secs(1))),
    ] {
        let slow = gated.iam.rule(everything(), verdict);
        gated.rotate(order).await;
        gated.struck(&slow).await;
        gated.instance_says("BackendUnavailable").await;
        slow.lift();
        gated.rotated(order).await;
        gated.rest().await;
    }
    gated.judge().await;
    assert_ne!(gated.value(SECRET).await, value);
}

#[tokio::test]
async fn fault_14_backend_answers_garbage() {
    let gated = Gated::with(&["--min-issue-interval=1s"], json!({})).await;
    let id = gated.account("ci").await;
    gated.consume(SECRET).await;
    gated.rest().await;
    let full = |value: Value| Verdict::edit(move |body| body["fullToken"] = value.clone());
    let without = Verdict::edit(|body| {
        body.as_object_mut().map(|body| body.remove("fullToken"));
    });
    let html = Answer::with(200, "text/html", "<html>log in</html>");
    let garbage = [
        ("html", Verdict::Replace(html), "BackendProtocol"),
        ("cut", Verdict::Cut(20), "BackendUnavailable"),
        (
            "truncated",
            Verdict::Replace(Answer::with(200, "application/json", "{\"id\": \"a\"")),
            "BackendProtocol",
        ),
        (
            "null",
            Verdict::Replace(Answer::json(200, &Value::Null)),
            "BackendProtocol",
        ),
        ("types", full(json!(7)), "BackendProtocol"),
        ("without", without, "BackendProtocol"),
        ("empty", full(json!("")), "BackendProtocol"),
        ("line", full(json!("two\nlines")), "BackendProtocol"),
        ("nul", full(json!("with\0nul")), "BackendProtocol"),
    ];
    for (order, verdict, reason) in garbage {
        let value = gated.value(SECRET).await;
        let wrong = gated.iam.rule(issue(), verdict);
        gated.rotate(order).await;
        gated.struck(&wrong).await;
        let failed = ("TokenIssued", "False", reason);
        gated.has(CI.0, CI.1, failed).await;
        assert_eq!(gated.value(SECRET).await, value, "{order}");
        wrong.lift();
        gated.wait_for_rotation(order).await;
        gated.rest().await;
    }
    gated.judge().await;
    assert_eq!(gated.tokens(&id).await.len(), 1, "all others are revoked");
}

impl Gated {
    /// Lets time pass until an order is carried out: what failed several times in a row has to wait.
    async fn wait_for_rotation(&self, order: &str) {
        self.wait("the order to be carried out", async || {
            let object = self.get(CI.0, CI.1).await;
            let is_done = object["status"]["tokens"][0]["handledRotateRequest"] == order;
            if !is_done {
                self.advance(Duration::from_secs(1)).await;
            }
            is_done.then_some(())
        })
        .await;
    }
}

/// The most memory that a process ever had, in KiB.
fn peak(operator: &Operator) -> u64 {
    let file = format!("/proc/{}/status", operator.process.id().as_raw_nonzero());
    let status = fs::read_to_string(file).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    let mut words = line.unwrap().split_whitespace();
    words.nth(1).unwrap().parse().unwrap()
}

#[tokio::test]
async fn fault_15_backend_answers_without_end() {
    let gated = Gated::with(&["--min-issue-interval=1s"], json!({})).await;
    gated.with_consumer().await;
    let mebibyte = vec![b' '; 1024 * 1024];
    let long = Answer::with(200, "application/json", mebibyte).repeated(scaled(64, 1024));
    // Whoever unpacked it would have a hundred times as much.
    let zeros = Answer::with(200, "application/json", bomb()).header("content-encoding", "gzip");
    let deep = Answer::with(200, "application/json", "[".repeat(100_000));
    let before = peak(&gated.operator());
    for (order, answer) in [("long", long), ("bomb", zeros), ("deep", deep)] {
        let rule = gated.iam.rule(issue(), Verdict::Replace(answer));
        gated.rotate(order).await;
        gated.struck(&rule).await;
        let failed = ("TokenIssued", "False", "BackendProtocol");
        gated.has(CI.0, CI.1, failed).await;
        rule.lift();
        gated.wait_for_rotation(order).await;
        gated.rest().await;
    }
    let grown = peak(&gated.operator()).saturating_sub(before);
    assert!(grown < 8 * 1024, "{grown} KiB more");
    gated.judge().await;
}

/// Sixteen mebibytes in some kibibytes.
fn bomb() -> Vec<u8> {
    let mut packer = GzEncoder::new(Vec::new(), Compression::fast());
    packer.write_all(&vec![b' '; 16 * 1024 * 1024]).unwrap();
    let bytes = packer.finish().unwrap();
    assert!(bytes.len() < 256 * 1024, "{}", bytes.len());
    bytes
}

#[tokio::test]
async fn fault_16_backend_redirects() {
    let gated = Gated::start().await;
    gated.with_consumer().await;
    let elsewhere = Gate::to(gated.server.url()).unwrap();
    for (order, status) in [("1", 302), ("2", 307), ("3", 308)] {
        let away = Answer::status(status).header("location", elsewhere.url());
        let rule = gated.iam.rule(everything(), Verdict::Answer(away));
        gated.rotate(order).await;
        gated.struck(&rule).await;
        gated.has(CI.0, CI.1, ("Synced", "False", "")).await;
        rule.lift();
        gated.rotated(order).await;
        gated.rest().await;
    }
    assert_eq!(elsewhere.mark(), 0, "nobody went there");
    gated.judge().await;
}

#[tokio::test]
async fn fault_18_backend_hides_what_was_just_created() {
    // It is swept over all the time.
    let swept = json!({"resync": {"objects": "1s", "tokens": "1h"}});
    let gated = Gated::with(&[], swept).await;
    let lists = When::method("GET").path("*/service-accounts");
    let nothing = |body: &mut Value| {
        body["results"] = json!([]);
        body["total"] = json!(0);
    };
    let hidden = [
        gated.iam.rule(lists, Verdict::edit(nothing)),
        gated.iam.rule(
            When::method("GET").path("*/service-accounts/*"),
            Verdict::Replace(Answer::json(404, &json!({"message": "not found"}))),
        ),
        gated.iam.rule(
            When::method("GET").path("*/api-tokens"),
            Verdict::edit(nothing),
        ),
    ];
    let spec = json!({"tokens": [brisk("default")]});
    gated.apply(CI.0, CI.1, spec).await;
    let consumer = gated.consume(SECRET).await;
    consumer.calls(20).await;
    let value = gated.value(SECRET).await;
    for rule in hidden {
        rule.lift();
    }
    gated.ready(CI.0, CI.1).await;
    gated.judge().await;
    assert_eq!(gated.value(SECRET).await, value);
    assert_eq!(gated.issues(), 1);
    let is_creation = |it: &&Request| it.method == "POST" && it.path.ends_with("/service-accounts");
    let asked = gated.iam.requests();
    assert_eq!(asked.iter().filter(is_creation).count(), 1);
}

#[tokio::test]
async fn fault_19_pages_change_under_a_list() {
    let swept = json!({"resync": {"objects": "1s", "tokens": "1h"}});
    let gated = Gated::with(&[], swept).await;
    gated.with_consumer().await;
    let lies = [
        Verdict::edit(|body| body["total"] = json!(1_000_000)),
        Verdict::edit(|body| body["total"] = json!(0)),
        Verdict::edit(|body| body["results"] = json!([])),
        Verdict::edit(|body| {
            body["results"] = json!([]);
            body["total"] = json!(400);
        }),
    ];
    for lie in lies {
        let changes = gated.tables().changes().await.unwrap();
        let mark = gated.iam.mark();
        let lists = When::method("GET").query("*page=*");
        let rule = gated.iam.rule(lists, lie);
        let sweeps = |requests: Vec<Request>| {
            let sweeps = requests.into_iter().skip(mark);
            sweeps.filter(|it| it.query.contains("page=1")).count()
        };
        gated
            .wait("two more sweeps", async || {
                (sweeps(gated.iam.requests()) >= 8).then_some(())
            })
            .await;
        rule.lift();
        let since = gated.tables().changes_since(changes).await.unwrap();
        assert_eq!(since, Vec::<String>::new(), "nothing was taken away");
    }
    gated.judge().await;
}
