//! The end of a soak: faults stop, and everything has to become as it is wanted.

use std::time::Duration;

use kube::api::ListParams;
use serde_json::Value;

use super::act::Wanted;
use super::deed::Soak;
use crate::bench::condition;
use crate::oracle::Allowance;
use crate::witness::KINDS;

/// How far the clock moves at each look: less than any overlap.
const STEP: Duration = Duration::from_secs(2);

/// By then on the clock everything has converged: twice the longest wait of an entry whose tokens were issued too often.
const STEPS: usize = 32 * 60 / 2;

impl Soak<'_> {
    /// Stops all faults, lets everything converge, and gives what is violated then.
    pub async fn settle(&mut self, wanted: &Wanted) -> Vec<String> {
        self.heal();
        for (kind, name, spec) in wanted.objects() {
            self.apply(kind, name, spec).await;
        }
        let left = self.converge().await;
        if !left.is_empty() {
            let left = left.iter().map(|why| format!("I6: never converges: {why}"));
            return left.chain(self.ends()).collect();
        }
        self.crowd.call_all().await;
        self.crowd.stop();
        let violations = self.bench.violations(Allowance::default()).await;
        violations.into_iter().chain(self.ends()).collect()
    }

    /// Lets time pass until nothing is left to be done. Gives what is left when there was time enough.
    async fn converge(&mut self) -> Vec<String> {
        let mut left = Vec::new();
        for _ in 0..STEPS {
            self.fleet.keep().await;
            self.pay().await;
            left = self.left().await;
            if left.is_empty() && self.is_paid() {
                break;
            }
            self.crowd.refresh().await;
            self.bench.advance(STEP).await;
        }
        left
    }

    /// What is not yet as it is wanted.
    async fn left(&self) -> Vec<String> {
        let mut left = self.bench.unrest().await;
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
