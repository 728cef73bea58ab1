//! How a bench comes to rest.

use std::time::Duration;

use kube::api::ListParams;
use serde_json::Value;

use crate::bench::{Bench, condition};
use crate::tables::Token;
use crate::witness::KINDS;

/// How far the clock moves at each look: less than any overlap in these tests, so that consumers keep pace.
const STEP: Duration = Duration::from_secs(1);

/// So many renewals of the Lease without another write are rest.
const RENEWALS: usize = 3;

impl Bench {
    /// Lets time pass, faster than it does by itself, until nothing is under way: each object has been seen as it is, each
    /// live token of ours is the one in a Secret or owed by a `Revocation`, and nothing was written while the Lease was
    /// renewed (I5): what goes on writing never comes to rest.
    pub async fn rest(&self) {
        let mut why = Vec::new();
        let rests = testbed::wait_for("the bench to come to rest", async || {
            why = self.unrest().await;
            if !why.is_empty() {
                self.advance(STEP).await;
                return None;
            }
            let writes = self.writes_during(RENEWALS).await.into_iter();
            why = writes.map(|write| format!("I5: {write} at rest")).collect();
            why.is_empty().then_some(())
        });
        if let Err(error) = rests.await {
            panic!("{error:#}\n{}\n{}", why.join("\n"), self.tails());
        }
    }

    /// What is still under way.
    pub async fn unrest(&self) -> Vec<String> {
        let mut reasons = Vec::new();
        let mut current = Vec::new();
        for kind in KINDS {
            let all = self.api(kind).list(&ListParams::default()).await.unwrap();
            for object in all {
                let object = serde_json::to_value(object).unwrap();
                current.extend(ids(&object));
                if is_busy(&object) {
                    reasons.push(format!("{kind} {}", object["metadata"]["name"]));
                }
            }
        }
        let (live, owed) = (self.live().await, self.owed().await);
        let ours = |token: &&Token| {
            token.mark().is_some() && !current.contains(&token.id) && !token.is_of(&owed)
        };
        let others = live.iter().filter(ours);
        reasons.extend(others.map(|token| format!("token {} is not current", token.id)));
        reasons
    }
}

/// Whether an object is not yet seen as it is, is being worked on, or tells of retired tokens.
fn is_busy(object: &Value) -> bool {
    let (metadata, status) = (&object["metadata"], &object["status"]);
    let is_leaving = metadata["deletionTimestamp"].is_string();
    let is_seen = status["observedGeneration"] == metadata["generation"];
    let is_reconciled = condition(object, "Reconciling")["status"] == "True";
    let mut tokens = tokens_of(object).into_iter();
    let has_retired = tokens.any(|token| token["retired"].is_array());
    is_leaving || !is_seen || is_reconciled || has_retired
}

/// The ids of the current tokens that an object tells of.
fn ids(object: &Value) -> Vec<String> {
    let tokens = tokens_of(object).into_iter();
    let ids = tokens.filter_map(|token| token["id"].as_str());
    ids.map(str::to_owned).collect()
}

/// What an object tells of its tokens.
fn tokens_of(object: &Value) -> Vec<&Value> {
    let status = &object["status"];
    let entries = status["tokens"].as_array().into_iter().flatten();
    entries.chain([&status["token"]]).collect()
}
