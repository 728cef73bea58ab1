//! What is swept.

use serde_json::{Value, json};

use super::workloads;
use crate::bench::{brisk, merge};
use crate::consumer::Consumer;
use crate::gated::Gated;

const CI: (&str, &str) = ("ServiceAccount", "ci");
const SECRET: &str = "ci-default";

/// What happens to the account `ci`, with a group, a role and a token; where it is rotated, with a token alone; renewed
/// is one whose tokens have a Secret each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scenario {
    Create,
    Rotate,
    /// A rotation that rolls the token's consumers.
    Restart,
    /// A rotation of a token with a Secret for each generation.
    Renew,
    Delete,
}

impl Scenario {
    /// Values of the chart whose rights the operator has.
    pub fn chart(self) -> &'static [&'static str] {
        match self {
            Self::Restart => &["restartConsumers=true"],
            Self::Create | Self::Rotate | Self::Renew | Self::Delete => &[],
        }
    }

    /// Flags of the operator: each run issues anew, as often as it comes to it, and deletes.
    pub fn flags(self) -> &'static [&'static str] {
        match self {
            Self::Restart => &[
                "--min-issue-interval=1s",
                "--deletion-brake=1000",
                "--restart-consumers",
            ],
            Self::Create | Self::Rotate | Self::Renew | Self::Delete => {
                &["--min-issue-interval=1s", "--deletion-brake=1000"]
            }
        }
    }

    /// What all runs have in common.
    pub async fn lay(self, gated: &Gated) {
        if self == Self::Restart {
            workloads::lay(gated).await;
        }
        if self.has_token_alone() {
            return self.make(gated).await;
        }
        let bots = json!({"groupName": format!("{}-bots", gated.namespace)});
        gated.apply("Group", "bots", bots).await;
        gated.ready("Group", "bots").await;
    }

    fn has_token_alone(self) -> bool {
        matches!(self, Self::Rotate | Self::Renew | Self::Restart)
    }

    async fn make(self, gated: &Gated) {
        self.apply(gated).await;
        gated.ready(CI.0, CI.1).await;
    }

    async fn apply(self, gated: &Gated) {
        let mut entry = brisk("default");
        if self == Self::Renew {
            entry["secret"] = json!({"immutable": true});
        }
        if self == Self::Restart {
            // The rollout is always over before its end, however fast the clock is driven.
            let overlap = json!({"min": "5s", "max": "15m", "quietPeriod": "2s"});
            let rotation = json!({"overlap": overlap});
            merge(
                &mut entry,
                json!({"rotation": rotation, "restart": workloads::all()}),
            );
        }
        let mut spec = json!({"tokens": [entry]});
        if !self.has_token_alone() {
            spec["groups"] = json!([{"kind": "Group", "name": "bots"}]);
            spec["roles"] = json!([{"kind": "External", "name": "Viewer"}]);
        }
        gated.apply(CI.0, CI.1, spec).await;
    }

    /// What a run begins with. Rotations begin with what the one before left at rest.
    pub async fn prepare(self, gated: &Gated) {
        match self {
            Self::Rotate | Self::Restart | Self::Renew => return,
            Self::Delete => self.make(gated).await,
            Self::Create => {}
        }
        gated.rest().await;
    }

    /// Whoever lives on the token; in a deletion nobody may.
    pub async fn consumer(self, gated: &Gated) -> Option<Consumer> {
        match self {
            Self::Create => Some(gated.follow(SECRET)),
            Self::Rotate | Self::Restart => Some(gated.consume(SECRET).await),
            Self::Renew => Some(gated.follow_pointer(CI.1)),
            Self::Delete => None,
        }
    }

    /// Sets it off.
    pub async fn begin(self, gated: &Gated, run: usize) {
        match self {
            Self::Create => self.apply(gated).await,
            Self::Rotate | Self::Restart | Self::Renew => {
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
            Self::Rotate | Self::Restart | Self::Renew => {
                let fact = "answers the request";
                let order = run.to_string();
                let handled = |entry: &Value| entry["handledRotateRequest"] == order.as_str();
                gated.entry((CI.1, "default"), fact, handled).await;
                gated.ready(CI.0, CI.1).await;
                if self == Self::Restart {
                    workloads::rolled(gated).await;
                }
            }
            Self::Delete => {
                gated.gone(CI.0, CI.1).await;
                gated.gone("Secret", SECRET).await;
            }
        }
    }

    /// What the consumers of the token came to in this run.
    pub async fn workloads(self, gated: &Gated, run: usize) -> Value {
        match self {
            Self::Restart => workloads::state(gated, run).await,
            Self::Create | Self::Rotate | Self::Renew | Self::Delete => Value::Null,
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
