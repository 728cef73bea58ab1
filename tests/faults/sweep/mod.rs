//! The crash sweep: for each request of a run without faults, a run with a kill before it is sent, one with a kill after
//! it acted, and one with its answer lost. All of them come to the same end.

mod request;
mod scenario;
mod workloads;

use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};
use testbed::gate::{Rule, Verdict};
use tokio::time::Instant;

use self::request::{Mark, Name, Nth, Side};
use self::scenario::Scenario;
use crate::bench::Bench;
use crate::consumer::Consumer;
use crate::end_state::end_state;
use crate::gated::Gated;

/// What befalls a request.
#[derive(Clone, Copy, Debug)]
enum Fault {
    KillBefore,
    KillAfter,
    AnswerLost,
}

const FAULTS: [Fault; 3] = [Fault::KillBefore, Fault::KillAfter, Fault::AnswerLost];

impl Fault {
    fn verdict(self) -> Verdict {
        match self {
            Self::KillBefore => Verdict::HoldBefore,
            Self::KillAfter => Verdict::HoldAfter,
            Self::AnswerLost => Verdict::Lose,
        }
    }
}

/// What a run came to.
struct Run {
    asked: Vec<Nth>,
    state: Value,
    /// Whether the request came that something was to befall.
    is_struck: bool,
}

/// A bench that goes through one scenario again and again.
struct Sweep {
    gated: Gated,
    scenario: Scenario,
    runs: AtomicUsize,
}

impl Sweep {
    async fn of(scenario: Scenario) -> Self {
        let bench = Bench::builder().chart(scenario.chart()).prepare().await;
        let gated = Gated::around(bench);
        gated.go(scenario.flags(), json!({})).await;
        let sweep = Self {
            gated,
            scenario,
            runs: AtomicUsize::new(0),
        };
        sweep.scenario.lay(&sweep.gated).await;
        sweep.gated.rest().await;
        sweep
    }

    /// A run with this fault, or without.
    async fn run(&self, fault: Option<(&Nth, Fault)>) -> Run {
        let (gated, scenario) = (&self.gated, self.scenario);
        let number = self.runs.fetch_add(1, Ordering::SeqCst) + 1;
        scenario.prepare(gated).await;
        let consumer = scenario.consumer(gated).await;
        let mark = Mark::now(gated);
        let armed = fault.map(|(nth, fault)| (fault, self.arm(nth, fault)));
        scenario.begin(gated, number).await;
        let is_struck = match &armed {
            Some((fault, rule)) => self.strike(*fault, rule, number).await,
            None => false,
        };
        scenario.end(gated, number).await;
        gated.rest().await;
        let (asked, mut state) = (mark.since(gated), end_state(gated).await);
        state["workloads"] = scenario.workloads(gated, number).await;
        gated.api.open();
        gated.iam.open();
        if let Some(consumer) = consumer {
            content(&consumer).await;
            consumer.stop().await;
            scenario.clear(gated).await;
        }
        Run {
            asked,
            state,
            is_struck,
        }
    }

    /// The rule that stops one request of the run that begins now.
    fn arm(&self, nth: &Nth, fault: Fault) -> Rule {
        let (nth, verdict, seen) = (nth.clone(), fault.verdict(), AtomicUsize::new(0));
        let gate = match nth.name.side {
            Side::Api => &self.gated.api,
            Side::Iam => &self.gated.iam,
        };
        gate.decide(move |request| {
            let name = Name::of(nth.name.side, request)?;
            let number = (name == nth.name).then(|| seen.fetch_add(1, Ordering::SeqCst) + 1)?;
            (number == nth.number).then(|| verdict.clone())
        })
    }

    /// Strikes when the request comes; answers whether it came before all was done without it.
    async fn strike(&self, fault: Fault, rule: &Rule, number: usize) -> bool {
        let done = async {
            self.scenario.end(&self.gated, number).await;
            self.gated.rest().await;
        };
        tokio::select! {
            () = self.gated.struck(rule) => {}
            () = done => return false,
        }
        if !matches!(fault, Fault::AnswerLost) {
            self.gated.crash(&[rule]).await;
        }
        true
    }

    /// All runs. Every change that the run without faults asks for is hit; whether a look is needed may depend on who was
    /// faster. Answers with the end that all runs came to.
    async fn all(self) -> Value {
        let start = Instant::now();
        let (first, second) = (self.run(None).await, self.run(None).await);
        similar_asserts::assert_eq!(second.state, first.state);
        let both = first.asked.iter().filter(|it| second.asked.contains(it));
        let both: Vec<&Nth> = both.collect();
        println!("{:?}: {}", self.scenario, words(&both));
        let (mut strikes, mut missed) = (0, Vec::<&Nth>::new());
        for (nth, fault) in both
            .iter()
            .flat_map(|&nth| FAULTS.map(|fault| (nth, fault)))
        {
            let run = self.run(Some((nth, fault))).await;
            similar_asserts::assert_eq!(run.state, first.state, "{fault:?} at {nth}");
            strikes += usize::from(run.is_struck);
            missed.extend((!run.is_struck).then_some(nth));
        }
        self.gated.judge().await;
        let (requests, elapsed) = (both.len(), start.elapsed());
        println!(
            "{:?}: {requests} requests, {strikes} faults, {elapsed:?}",
            self.scenario
        );
        missed.retain(|nth| nth.is_write());
        assert_eq!(missed, Vec::<&Nth>::new());
        first.state
    }
}

fn words(requests: &[&Nth]) -> String {
    let words: Vec<String> = requests.iter().map(ToString::to_string).collect();
    words.join("\n  ")
}

/// It called and was never refused.
async fn content(consumer: &Consumer) {
    consumer.calls(1).await;
    let tally = consumer.tally();
    assert_eq!(tally.refusals, Vec::<String>::new(), "{tally:?}");
}

#[tokio::test]
async fn sweep_create() {
    Sweep::of(Scenario::Create).await.all().await;
}

#[tokio::test]
async fn sweep_rotate() {
    Sweep::of(Scenario::Rotate).await.all().await;
}

#[tokio::test]
async fn sweep_renew() {
    Sweep::of(Scenario::Renew).await.all().await;
}

#[tokio::test]
async fn sweep_delete() {
    Sweep::of(Scenario::Delete).await.all().await;
}

#[tokio::test]
async fn sweep_restart() {
    let state = Sweep::of(Scenario::Restart).await.all().await;
    let once = json!({"rollouts": 1, "marks": ["current"], "pods": ["current"]});
    let wanted = json!({"Deployment": once, "StatefulSet": once});
    assert_eq!(state["workloads"], wanted);
}
