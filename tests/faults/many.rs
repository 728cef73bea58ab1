//! Very many objects at once: some that fail, some whose tokens expire in the same minute, some that expired already.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use testbed::gate::{Answer, Verdict, When};

use crate::bench::{brisk, merge};
use crate::gated::{Gated, fastest_second};
use crate::scale::scaled;

const KIND: &str = "ServiceAccount";

/// As many requests a second as a large installation is given.
const RATE: usize = 1000;

fn generous() -> Value {
    json!({"budget": {"requestsPerSecond": RATE, "inFlight": 64}})
}

fn names(prefix: &str, count: usize) -> Vec<String> {
    (0..count).map(|n| format!("{prefix}-{n}")).collect()
}

fn secret(name: &str) -> String {
    format!("{name}-default")
}

impl Gated {
    /// Accounts with a token each, once all are ready; their ids at the backend.
    async fn accounts(&self, names: &[String]) -> Vec<String> {
        for name in names {
            self.apply(KIND, name, json!({"tokens": [brisk("default")]}))
                .await;
        }
        let mut ids = Vec::new();
        for name in names {
            ids.push(self.id(KIND, name).await);
        }
        ids
    }

    /// What an account tells of its only token.
    async fn token_of(&self, name: &str) -> Value {
        self.get(KIND, name).await["status"]["tokens"][0].clone()
    }
}

#[tokio::test]
async fn fault_60_ten_thousand_objects_some_of_them_failing() {
    let gated = Gated::with(&[], generous()).await;
    let failing = names("bad", scaled(5, 100));
    let ids = gated.accounts(&failing).await;
    let down = gated.iam.decide(move |request| {
        let is_meant = ids.iter().any(|id| request.path.contains(id));
        is_meant.then(|| Verdict::Answer(Answer::status(500)))
    });
    for name in &failing {
        gated.order(KIND, name, "rotate-requested-at", "1").await;
    }
    gated.struck(&down).await;
    let patient = gated.consume(&secret(&failing[0])).await;
    gated.accounts(&names("good", scaled(60, 10_000))).await;
    gated.consume("good-0-default").await.calls(5).await;
    patient.calls(5).await;
    for name in &failing {
        let generation = gated.token_of(name).await["generation"].clone();
        assert_eq!(generation, 1, "{name} failed all the time");
    }
    let tries = down.count();
    // Each later than the one before: 1 s, 2 s, 4 s.
    assert!(tries < failing.len() * 60, "{tries} tries");
    down.lift();
    for name in &failing {
        let done = |entry: &Value| entry["handledRotateRequest"] == "1";
        gated
            .entry((name, "default"), "is rotated after all", done)
            .await;
    }
    gated.judge().await;
}

/// The lifetime of tokens that are imported.
const IMPORTED: SignedDuration = SignedDuration::from_hours(2);

/// The share of their lifetime over which rotations are spread that would come at the same time.
const SPREAD_PERCENT: i32 = 10;

impl Gated {
    /// Accounts whose tokens all expire in the same minute, however long it takes to make them.
    async fn import(&self, names: &[String]) {
        let end = self.now().now() + IMPORTED;
        for some in names.chunks(50) {
            for name in some {
                let left = end.duration_since(self.now().now()).as_secs();
                let mut entry = brisk("default");
                merge(&mut entry, json!({"lifetime": format!("{left}s")}));
                self.apply(KIND, name, json!({"tokens": [entry]})).await;
            }
            for name in some {
                self.ready(KIND, name).await;
            }
        }
    }
}

#[tokio::test]
async fn fault_61_ten_thousand_tokens_that_expire_in_the_same_minute() {
    let gated = Gated::with(&[], generous()).await;
    let names = names("ci", scaled(20, 10_000));
    gated.import(&names).await;
    for name in &names[..3] {
        gated.consume(&secret(name)).await;
    }
    let (mut due, mut ends) = (Vec::new(), Vec::new());
    for name in &names {
        let token = gated.token_of(name).await;
        let instant =
            |field: &str| -> Timestamp { token[field].as_str().unwrap().parse().unwrap() };
        due.push(instant("nextRotationTime"));
        ends.push(instant("expirationTime"));
    }
    due.sort();
    ends.sort();
    let spread = |of: &[Timestamp]| of[of.len() - 1].duration_since(of[0]);
    // A token of the last ones may be issued somewhat later than it was asked for.
    assert!(spread(&ends).as_mins() < 2, "{:#}", spread(&ends));
    // All of it at full size; of a few, the first and the last are seldom so far apart.
    let widest = IMPORTED * SPREAD_PERCENT / 100;
    let least = scaled(widest / 3, widest * 9 / 10);
    assert!(spread(&due) >= least, "spread over {:#}", spread(&due));
    let (soonest, mark) = (ends[0], gated.iam.mark());
    // Minute by minute; whoever is due is replaced before the next one passes.
    while gated.now().now() < soonest {
        let now = gated.now().now();
        let due = due.iter().filter(|due| **due <= now).count();
        gated
            .wait("those that are due", async || {
                (gated.issues() >= names.len() + due).then_some(())
            })
            .await;
        gated.advance(Duration::from_mins(1)).await;
    }
    for name in &names {
        assert_ne!(gated.token_of(name).await["generation"], 1, "{name}");
    }
    let fastest = fastest_second(&gated.iam.requests()[mark..]);
    assert!(fastest <= 2 * RATE, "{fastest} requests in a second");
    gated.judge().await;
}

#[tokio::test]
async fn fault_62_operator_away_for_longer_than_the_margin() {
    let gated = Gated::with(&[], generous()).await;
    let names = names("ci", scaled(20, 10_000));
    gated.accounts(&names).await;
    let consumer = gated.consume(&secret(&names[0])).await;
    gated.rest().await;
    let mut values = Vec::new();
    for name in &names {
        values.push(gated.value(&secret(name)).await);
    }
    gated.kill(&[]).await;
    let broken = consumer.excuse();
    gated.advance(Duration::from_hours(2)).await;
    for value in &values {
        assert!(!gated.works(value).await, "it has run out");
    }
    gated.revive().await;
    for (name, old) in names.iter().zip(&values) {
        let new = gated.other_value(&secret(name), old).await;
        assert!(gated.works(&new).await);
    }
    broken.take_back().await;
    gated.judge().await;
    assert_eq!(gated.issues(), 2 * names.len(), "one each");
}

/// In the order of their ends another one than in that of their names; all are due after ninety minutes.
const LIFETIMES: [(&str, &str); 5] = [
    ("a", "116m"),
    ("b", "104m"),
    ("c", "112m"),
    ("d", "100m"),
    ("e", "108m"),
];

#[tokio::test]
async fn fault_62_the_soonest_end_goes_first() {
    let patient = json!({"timeouts": {"request": "10m"}});
    let gated = Gated::with(&["--concurrency=1"], patient).await;
    let mut ids = Vec::new();
    for (name, lifetime) in LIFETIMES {
        let spec = json!({"tokens": [{"name": "default", "lifetime": lifetime}]});
        ids.push((gated.account_with(name, spec).await, name));
    }
    let consumer = gated.consume("d-default").await;
    consumer.calls(5).await;
    let held = gated.iam.rule(
        When::any().path("*/service-accounts/*").times(1),
        Verdict::HoldBefore,
    );
    let before = gated.iam.mark();
    gated.advance(Duration::from_mins(90)).await;
    held.reached(1).await.unwrap();
    gated
        .apply(KIND, "new", json!({"tokens": [brisk("default")]}))
        .await;
    let waiting = format!(
        "kestra_iam_objects_waiting{{instance=\"{}\",kind=\"{KIND}\"}} 5\n",
        gated.instance
    );
    let look = async || {
        let (_, metrics) = gated.operator().get("/metrics").await?;
        metrics.contains(&waiting).then_some(())
    };
    gated.wait("all others to wait", look).await;
    held.lift();
    ids.push((gated.id(KIND, "new").await, "new"));
    for (name, _) in LIFETIMES {
        let is_replaced = |entry: &Value| entry["generation"] == 2;
        gated
            .entry((name, "default"), "is replaced", is_replaced)
            .await;
    }
    let requests = gated.iam.requests().split_off(before);
    let first_write = |id: &str| {
        let mut requests = requests.iter();
        requests.position(|request| request.is_write() && request.path.contains(id))
    };
    let held = |id: &str| {
        requests
            .iter()
            .position(|request| request.path.contains(id))
    };
    let first = ids.iter().min_by_key(|(id, _)| held(id)).unwrap().1;
    ids.sort_by_key(|(id, _)| first_write(id));
    let order = ids.iter().map(|(_, name)| *name);
    let order: Vec<_> = order.filter(|name| *name != first).collect();
    let expected = ["d", "b", "e", "c", "a", "new"];
    let expected: Vec<_> = expected.into_iter().filter(|name| *name != first).collect();
    assert_eq!(order, expected, "after {first}, which was held");
    gated.judge().await;
}

#[tokio::test]
async fn fault_54_very_large_objects() {
    let gated = Gated::with(&[], generous()).await;
    let group = |n: usize| json!({"kind": "Group", "name": format!("g-{n}")});
    let entries = |count: usize| -> Vec<Value> {
        let names = names("t", count);
        names.iter().map(|name| brisk(name)).collect()
    };
    let role = |n: usize| json!({"kind": "External", "name": format!("r-{n}")});
    let many = 10_000;
    let too_large = [
        json!({"description": "x".repeat(1024 * 1024)}),
        json!({"groups": (0..many).map(group).collect::<Vec<_>>()}),
        json!({"roles": (0..many).map(role).collect::<Vec<_>>()}),
        json!({"tokens": entries(17)}),
        json!({"accountName": "x".repeat(1024)}),
    ];
    for spec in too_large {
        let field = spec.as_object().unwrap().keys().next().unwrap().clone();
        let refused = gated.try_apply(&gated.object(KIND, "ci", spec)).await;
        let refused = refused.unwrap_err().to_string();
        assert!(refused.contains(&format!("spec.{field}")), "{refused}");
    }
    // As large as an object may be.
    for n in 0..64 {
        let name = format!("{}-g-{n}", gated.namespace);
        gated
            .apply("Group", &format!("g-{n}"), json!({"groupName": name}))
            .await;
    }
    let spec = json!({
        "description": "x".repeat(1024),
        "groups": (0..64).map(group).collect::<Vec<_>>(),
        "roles": [{"kind": "External", "name": "Viewer", "namespaces": names("team.n", 64)}],
        "tokens": entries(16),
    });
    gated.account_with("ci", spec).await;
    gated.consume("ci-t-0").await.calls(5).await;
    let bindings = gated.get(KIND, "ci").await["status"]["bindings"].clone();
    assert_eq!(bindings.as_array().unwrap().len(), 64);
    gated.judge().await;
}
