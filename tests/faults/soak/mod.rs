//! A soak: accounts of all shapes whose specs change, random faults of all kinds and kills, for as long as asked; then
//! everything converges, and the oracle judges. `make soak` runs it for longer than the tests do.

mod act;
mod crowd;
mod deed;
mod fleet;
mod settle;
mod shape;
mod trouble;
mod wanted;

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use testbed::gate::Gate;
use tokio::time::{Instant, sleep};

use self::act::Acts;
use self::crowd::Crowd;
use self::deed::Soak;
use self::fleet::Fleet;
use self::shape::USERS;
use crate::bench::Bench;
use crate::scale::seed;

/// Some seconds, so that each run of the tests has one.
const MINUTES: f64 = 0.1;

/// How many accounts there are in a short run.
const FEW: usize = 40;

/// How many there are in a long one.
const MANY: usize = 200;

/// From so many minutes on it is long.
const LONG: f64 = 10.0;

/// Between two acts.
const PAUSE: Duration = Duration::from_millis(150);

/// What `make soak` was asked for.
struct Asked {
    minutes: f64,
    accounts: usize,
    seed: u64,
}

impl Asked {
    fn read() -> Self {
        let minutes = given("MINUTES").unwrap_or(MINUTES);
        let usual = if minutes < LONG { FEW } else { MANY };
        Self {
            minutes,
            accounts: given("ACCOUNTS").unwrap_or(usual).max(shape::GROUPS),
            seed: seed("soak"),
        }
    }
}

fn given<T: std::str::FromStr>(name: &str) -> Option<T> {
    std::env::var(name)
        .ok()
        .and_then(|value| value.parse().ok())
}

#[tokio::test]
async fn soak() {
    let asked = Asked::read();
    let bench = Bench::builder().prepare().await;
    for user in USERS {
        make_user(&bench, user).await;
    }
    let gates = [
        Gate::to(bench.server.url()).unwrap(),
        Gate::to_api_server(bench.plane()).unwrap(),
    ];
    connect(&bench, gates[0].url()).await;
    let kubeconfig = gates[1].kubeconfig(&bench.kubeconfig).unwrap();
    let fleet = Fleet::start(&bench, Path::new(&kubeconfig)).await;
    let crowd = Crowd::start(bench.secrets(), bench.server.url(), asked.seed);
    let mut soak = Soak::new(&bench, crowd, gates, fleet);
    let mut acts = Acts::new(asked.seed, &bench.namespace, asked.accounts);
    for (kind, name, spec) in acts.wanted.objects() {
        soak.apply(kind, name, spec).await;
    }
    let end = Instant::now() + Duration::from_secs_f64(asked.minutes * 60.0);
    let mut count = 0;
    while Instant::now() < end {
        soak.carry_out(acts.next()).await;
        count += 1;
        sleep(PAUSE).await;
    }
    println!("soak: {count} acts, now everything has to converge");
    let violations = soak.settle(acts.wanted).await;
    report(&asked, &soak, &violations);
}

/// The instance behind a gate, looked over often.
async fn connect(bench: &Bench, url: &str) {
    let fields = json!({
        "resync": {"objects": "1m", "tokens": "2m"},
        "timeouts": {"connect": "2s", "request": "5s"},
        // The clock runs many times as fast as time, and what is to be done by it comes as fast.
        "budget": {"requestsPerSecond": 1000, "inFlight": 64},
    });
    bench.connect(url, fields).await;
}

async fn make_user(bench: &Bench, email: &str) {
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let users = format!("{}/api/v1/users", bench.server.url());
    let request = http.post(users).bearer_auth(bench.server.admin_token());
    let body = json!({"email": email, "tenants": ["main"]});
    let answer = request.json(&body).send().await.unwrap();
    let _: Value = answer.error_for_status().unwrap().json().await.unwrap();
}

/// The last line, and a failure if anything was violated.
fn report(asked: &Asked, soak: &Soak<'_>, violations: &[String]) {
    let (seen, tally) = (soak.bench.witness.seen(), soak.crowd.tally());
    let rotations = seen.published.len().saturating_sub(seen.most.len());
    let (explained, unexplained) = (tally.explained, tally.unexplained.len());
    let is_clean = violations.is_empty() && unexplained == 0;
    if !is_clean {
        println!("{}", soak.bench.tails());
    }
    for line in violations.iter().chain(&tally.unexplained) {
        println!("  {line}");
    }
    println!(
        "soak: seed={} minutes={} accounts={} rotations={rotations} faults={} kills={} leases-lost={} calls={} \
         explained-401s={explained} unexplained-401s={unexplained} violations={}",
        asked.seed,
        asked.minutes,
        asked.accounts,
        soak.faults,
        soak.fleet.kills,
        soak.fleet.losses,
        tally.calls,
        violations.len(),
    );
    assert!(is_clean, "see above");
}
