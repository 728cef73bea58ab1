//! Watches that end, fall silent, lag behind, lose an event, or show the past.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use testbed::gate::{Answer, EventsOf, Fate, Request, Rule, Verdict, When};

use crate::bench::Bench;
use crate::end_state::end_state;
use crate::gated::Gated;
use crate::oracle::Allowance;
use crate::outages::LASTING;
use crate::scale::scaled;

const CI: (&str, &str) = ("ServiceAccount", "ci");
const SECRET: &str = "ci-default";

fn watches() -> When {
    When::method("GET").query("*watch=true*")
}

/// Where the operator watches accounts, and where the metadata of Secrets.
const WATCHED: [&str; 2] = ["*/serviceaccounts", "*/secrets"];

/// Longer than any client waits for a word of a watch: one lasts for 290 s at most.
const SILENCE: Duration = Duration::from_mins(10);

/// An API server that starts refuses everything until it has read its roles.
const STARTING: Allowance = Allowance {
    forbidden: &[
        "apitokens",
        "clusterinstances",
        "events",
        "groups",
        "instances",
        "leases",
        "namespaces",
        "revocations",
        "rolebindings",
        "roles",
        "secrets",
        "serviceaccounts",
    ],
    replacements: 0,
};

fn is_list(request: &Request) -> bool {
    let is_watched = |path: &&str| request.path.ends_with(path.trim_start_matches('*'));
    request.method == "GET" && !request.is_watch() && WATCHED.iter().any(is_watched)
}

impl Gated {
    /// Changes what nobody cares about, so that watches have something to tell.
    async fn touch(&self, value: &str) {
        let touched = json!({"metadata": {"labels": {"touched": value}}});
        self.patch(CI.0, CI.1, touched.clone()).await;
        self.patch("Secret", SECRET, touched).await;
    }

    /// Has every watch begin anew with a list.
    async fn relist(&self) {
        let gone = Verdict::Answer(Answer::kubernetes(410, "Expired"));
        let mark = self.api.mark();
        let rules = WATCHED.map(|path| self.api.rule(watches().path(path), gone.clone()));
        self.api.reset();
        for path in WATCHED {
            let is_meant = |request: &Request| {
                is_list(request) && request.path.ends_with(path.trim_start_matches('*'))
            };
            self.api
                .answered("a list", mark, is_meant)
                .await
                .unwrap_or_else(|error| panic!("{error:#}\n{}", self.tails()));
        }
        rules.iter().for_each(Rule::lift);
    }
}

#[tokio::test]
async fn fault_31_watch_told_410_gone() {
    let gated = Gated::start().await;
    gated.with_consumer().await;
    let changes = gated.tables().changes().await.unwrap();
    let mark = gated.api.mark();
    let gone = WATCHED.map(|path| gated.api.events(EventsOf::watch(path).times(1), Fate::Gone));
    gated.touch("1").await;
    for rule in &gone {
        gated.struck(rule).await;
    }
    gated.api.answered("a list", mark, is_list).await.unwrap();
    gated.relist().await;
    gated.touch("2").await;
    gated.rest().await;
    let since = gated.tables().changes_since(changes).await.unwrap();
    assert_eq!(since, Vec::<String>::new(), "lists have no side effects");
    gated.rotate("1").await;
    gated.rotated("1").await;
    gated.judge().await;
}

#[tokio::test]
async fn fault_31_history_compacted_and_the_api_server_started_anew() {
    let gated = Gated::around(Bench::builder().own_plane().prepare().await);
    gated.go(&LASTING, json!({})).await;
    gated.with_consumer().await;
    // The revisions of the watches are left behind.
    for value in ["1", "2", "3"] {
        gated.touch(value).await;
    }
    let changes = gated.tables().changes().await.unwrap();
    let mark = gated.api.mark();
    gated.plane().forget_history().await.unwrap();
    let listed = gated.api.answered("a list", mark, |request| {
        request.method == "GET" && request.path.ends_with("/groups") && !request.is_watch()
    });
    listed.await.unwrap();
    gated.rest().await;
    let since = gated.tables().changes_since(changes).await.unwrap();
    assert_eq!(since, Vec::<String>::new(), "lists have no side effects");
    gated.rotate("1").await;
    gated.rotated("1").await;
    gated.judge_with(STARTING).await;
}

#[tokio::test]
async fn fault_32_watch_falls_silent() {
    let gated = Gated::start().await;
    gated.with_consumer().await;
    let silent = gated.api.events(EventsOf::watch(WATCHED[0]), Fate::Silence);
    gated.rotate("1").await;
    gated.struck(&silent).await;
    silent.lift();
    if scaled(false, true) {
        // The client gives a watch up by itself that is silent for longer than the server was to let it last.
        let mark = gated.api.mark();
        let begun =
            |request: &Request| request.is_watch() && request.path.ends_with("/serviceaccounts");
        let begins = testbed::wait_within(SILENCE, "a watch that begins anew", async || {
            let asked = gated.api.requests();
            asked.iter().skip(mark).any(begun).then_some(())
        });
        begins.await.unwrap();
    } else {
        gated.api.reset();
    }
    gated.rotated("1").await;
    gated.judge().await;
}

#[tokio::test]
async fn fault_33_watch_lags_behind() {
    let gated = Gated::start().await;
    let account = format!("{}/ci", gated.namespace);
    // What it wrote itself does not come back.
    let late = [
        EventsOf::watch(WATCHED[0]).object(&account).nth(2),
        EventsOf::watch(WATCHED[1]),
    ]
    .map(|events| gated.api.events(events, Fate::Hold));
    gated.make().await;
    let consumer = gated.consume(SECRET).await;
    gated.ready(CI.0, CI.1).await;
    consumer.calls(20).await;
    assert_eq!(gated.issues(), 1);
    let value = gated.value(SECRET).await;
    gated.rotate("1").await;
    // All the while nothing is issued for what does not come back.
    tokio::time::sleep(Duration::from_secs(scaled(0, 60))).await;
    assert!(gated.issues() <= 2);
    late.iter().for_each(Rule::lift);
    gated.rotated("1").await;
    gated.judge().await;
    assert_eq!(gated.issues(), 2);
    assert_ne!(gated.value(SECRET).await, value);
    let is_creation = |it: &&Request| it.method == "POST" && it.path.ends_with("/service-accounts");
    let asked = gated.iam.requests();
    assert_eq!(asked.iter().filter(is_creation).count(), 1);
}

#[tokio::test]
async fn fault_34_reads_of_an_older_state() {
    let gated = Gated::start().await;
    gated.with_consumer().await;
    // The lists of this moment are what a restarted operator is shown later.
    let past: Arc<Mutex<Option<Value>>> = Arc::default();
    let kept = Arc::clone(&past);
    let remember = Verdict::edit(move |list| {
        kept.lock().unwrap().get_or_insert_with(|| list.clone());
    });
    let lists = || When::method("GET").path(WATCHED[0]).query("*limit=*");
    let recorded = gated.api.rule(lists(), remember);
    gated.relist().await;
    recorded.lift();
    gated.rotate("1").await;
    gated.rotated("1").await;
    gated.rest().await;
    let (state, value) = (end_state(&gated).await, gated.value(SECRET).await);
    let changes = gated.tables().changes().await.unwrap();

    let shown = past.lock().unwrap().clone().unwrap();
    let old = Verdict::edit(move |list| *list = shown.clone());
    let rules = [
        gated.api.rule(lists(), old),
        gated.api.rule(watches().path(WATCHED[0]), Verdict::Never),
    ];
    let mark = gated.iam.mark();
    gated.crash(&[]).await;
    let is_look = |it: &Request| it.method == "GET" && it.path.ends_with("/api-tokens");
    let looked = gated.iam.answered("a look at its tokens", mark, is_look);
    looked.await.unwrap();
    // Whatever it takes for due comes due.
    gated.advance(Duration::from_mins(5)).await;
    gated.rest().await;
    let since = gated.tables().changes_since(changes).await.unwrap();
    assert_eq!(since, Vec::<String>::new(), "nothing is done for the past");
    assert_eq!(gated.value(SECRET).await, value);
    rules.iter().for_each(Rule::lift);
    gated.relist().await;
    gated.rest().await;
    similar_asserts::assert_eq!(end_state(&gated).await, state);
    gated.judge().await;
}

#[tokio::test]
async fn fault_35_watch_event_lost() {
    let gated = Gated::start().await;
    let expected = run(&gated, None).await.state;
    let usual = run(&gated, None).await;
    similar_asserts::assert_eq!(usual.state, expected);
    let mut lost_at_the_end = 0;
    for number in 1..=usual.all {
        let lost = Lost {
            number,
            is_early: number <= usual.until_ready,
        };
        let run = run(&gated, Some(lost)).await;
        similar_asserts::assert_eq!(run.state, expected, "without event {number}");
        lost_at_the_end += usize::from(!lost.is_early && run.all >= number);
    }
    assert!(lost_at_the_end > 0, "{} events", usual.all);
    gated.judge().await;
}

/// An event that does not arrive.
#[derive(Clone, Copy)]
struct Lost {
    /// From 1 on.
    number: usize,
    /// Whether it is one of those that come before the account is deleted.
    is_early: bool,
}

/// What happened while an account was made and taken away again.
struct Run {
    /// Events until it was at rest.
    until_ready: usize,
    /// All of them.
    all: usize,
    /// What it had come to when it was at rest.
    state: Value,
}

/// Makes the account `ci` and takes it away again; an event on the way may get lost until the next list.
async fn run(gated: &Gated, lost: Option<Lost>) -> Run {
    let account = format!("{}/ci*", gated.namespace);
    let events = || EventsOf::watch("*").object(&account);
    let rule = match lost {
        None => gated.api.events(events(), Fate::Deliver),
        Some(lost) => gated.api.events(events().nth(lost.number), Fate::Drop),
    };
    gated.make().await;
    if lost.is_some_and(|lost| lost.is_early) {
        gated.struck(&rule).await;
        gated.relist().await;
    }
    let consumer = gated.consume(SECRET).await;
    gated.ready(CI.0, CI.1).await;
    gated.rest().await;
    let (until_ready, state) = (rule.count(), end_state(gated).await);
    consumer.calls(1).await;
    consumer.stop().await;
    gated.begin_delete(CI.0, CI.1).await;
    if lost.is_some_and(|lost| !lost.is_early) {
        // An end has now and then one event less.
        gated
            .wait("a lost event, or the end", async || {
                let is_over = rule.count() > 0 || gated.get(CI.0, CI.1).await.is_null();
                is_over.then_some(())
            })
            .await;
        gated.relist().await;
    }
    gated.gone(CI.0, CI.1).await;
    gated.gone("Secret", SECRET).await;
    let counted = rule.count();
    rule.lift();
    let all = match lost {
        None => counted,
        // One was dropped, or none.
        Some(lost) => counted * lost.number,
    };
    Run {
        until_ready,
        all,
        state,
    }
}
