//! The end of a soak: faults stop, and everything has to become as it is wanted.

use std::time::Duration;

use kube::api::ListParams;
use serde_json::Value;

use super::deed::Soak;
use super::wanted::Wanted;
use crate::bench::condition;
use crate::oracle::Allowance;
use crate::witness::KINDS;

/// How far the clock moves at a time: less than any overlap.
const STEP: Duration = Duration::from_secs(3);

/// So often between two looks.
const STEPS: usize = 4;

/// By then on the clock everything has converged: twice the longest wait of an entry whose tokens were issued too often.
const LOOKS: usize = 32 * 60 / 12;

/// What is waited for.
#[derive(Clone, Copy)]
enum Goal {
    /// All objects are ready, all Secrets hold live tokens.
    Whole,
    /// The same, and nothing is under way.
    AtRest,
}

impl Soak<'_> {
    /// Stops all faults, lets everything converge, and gives what is violated then.
    pub async fn settle(&mut self, mut wanted: Wanted) -> Vec<String> {
        self.heal();
        wanted.resume();
        self.apply_all(&wanted).await;
        let mut left = self.converge(Goal::Whole).await;
        if left.is_empty() {
            // Among many tokens of minutes there is always one in an overlap.
            wanted.calm();
            self.apply_all(&wanted).await;
            left = self.converge(Goal::AtRest).await;
        }
        if !left.is_empty() {
            let left = left.iter().map(|why| format!("I6: never converges: {why}"));
            return left.chain(self.ends()).collect();
        }
        self.crowd.call_all().await;
        self.crowd.stop();
        let violations = self.bench.violations(Allowance::default()).await;
        violations.into_iter().chain(self.ends()).collect()
    }

    async fn apply_all(&mut self, wanted: &Wanted) {
        for (kind, name, spec) in wanted.objects() {
            self.apply(kind, name, spec).await;
        }
    }

    /// Lets time pass until nothing is left to be done. Gives what is left when there was time enough.
    async fn converge(&mut self, goal: Goal) -> Vec<String> {
        let mut left = Vec::new();
        for look in 1..=LOOKS {
            self.fleet.keep().await;
            self.pay().await;
            left = self.left(goal).await;
            if left.is_empty() && self.is_paid() {
                break;
            }
            if look % 10 == 0 {
                println!("soak: {} are left, {:?} first", left.len(), left.first());
            }
            for _ in 0..STEPS {
                self.crowd.refresh().await;
                self.bench.advance(STEP).await;
            }
        }
        left
    }

    /// What is not yet as it is wanted.
    async fn left(&self, goal: Goal) -> Vec<String> {
        let mut left = match goal {
            Goal::Whole => Vec::new(),
            Goal::AtRest => self.bench.unrest().await,
        };
        for kind in KINDS {
            let api = self.bench.api(kind);
            let all = api.list(&ListParams::default()).await.unwrap();
            let all = all
                .into_iter()
                .map(|object| serde_json::to_value(object).unwrap());
            left.extend(all.filter_map(|object| unready(kind, &object)));
        }
        left.extend(self.bench.amiss().await);
        left
    }

    /// Replicas that ended as none should.
    fn ends(&self) -> Vec<String> {
        let ends = self.fleet.bad_ends.iter().cloned();
        ends.chain(self.fleet.panics()).collect()
    }
}

/// What an object that is not ready says.
fn unready(kind: &str, object: &Value) -> Option<String> {
    let ready = condition(object, "Ready");
    let name = &object["metadata"]["name"];
    let why = format!("{kind} {name} is {}: {}", ready["reason"], ready["message"]);
    (ready["status"] != "True").then_some(why)
}
