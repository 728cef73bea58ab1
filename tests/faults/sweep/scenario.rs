//! What is swept.

use serde_json::{Value, json};

use crate::bench::brisk;
use crate::consumer::Consumer;
use crate::gated::Gated;

const CI: (&str, &str) = ("ServiceAccount", "ci");
const SECRET: &str = "ci-default";

/// What happens to the account `ci`, with a group, a role and a token; where it is rotated, with a token alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scenario {
    Create,
    Rotate,
    Delete,
}

impl Scenario {
    /// What all runs have in common.
    pub async fn lay(self, gated: &Gated) {
        if self == Self::Rotate {
            return self.make(gated).await;
        }
        let bots = json!({"groupName": format!("{}-bots", gated.namespace)});
        gated.apply("Group", "bots", bots).await;
        gated.ready("Group", "bots").await;
    }

    async fn make(self, gated: &Gated) {
        self.apply(gated).await;
        gated.ready(CI.0, CI.1).await;
    }

    async fn apply(self, gated: &Gated) {
        let mut spec = json!({"tokens": [brisk("default")]});
        if self != Self::Rotate {
            spec["groups"] = json!([{"kind": "Group", "name": "bots"}]);
            spec["roles"] = json!([{"kind": "External", "name": "Viewer"}]);
        }
        gated.apply(CI.0, CI.1, spec).await;
    }

    /// What a run begins with.
    pub async fn prepare(self, gated: &Gated) {
        if self == Self::Delete {
            self.make(gated).await;
        }
        gated.rest().await;
    }

    /// Whoever lives on the token; in a deletion nobody may.
    pub async fn consumer(self, gated: &Gated) -> Option<Consumer> {
        match self {
            Self::Create => Some(gated.follow(SECRET)),
            Self::Rotate => Some(gated.consume(SECRET).await),
            Self::Delete => None,
        }
    }

    /// Sets it off.
    pub async fn begin(self, gated: &Gated, run: usize) {
        match self {
            Self::Create => self.apply(gated).await,
            Self::Rotate => {
                let request = run.to_string();
                gated
                    .order(CI.0, CI.1, "rotate-requested-at", &request)
                    .await;
            }
            Self::Delete => gated.begin_delete(CI.0, CI.1).await,
        }
    }

    /// Waits until it is done.
    pub async fn end(self, gated: &Gated, run: usize) {
        match self {
            Self::Create => {
                gated.ready(CI.0, CI.1).await;
            }
            Self::Rotate => {
                let fact = "answers the request";
                let order = run.to_string();
                let handled = |entry: &Value| entry["handledRotateRequest"] == order.as_str();
                gated.entry((CI.1, "default"), fact, handled).await;
                gated.ready(CI.0, CI.1).await;
            }
            Self::Delete => {
                gated.gone(CI.0, CI.1).await;
                gated.gone("Secret", SECRET).await;
            }
        }
    }

    /// Takes away what the next run makes anew.
    pub async fn clear(self, gated: &Gated) {
        if self == Self::Create {
            gated.delete(CI.0, CI.1).await;
            gated.gone("Secret", SECRET).await;
        }
    }
}
