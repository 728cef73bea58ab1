//! The election against a real API server, candidates in this process so that they can be asked at any instant.

use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use kestra_iam_operator::clock::Clock;
use kestra_iam_operator::ops::cluster::{Cluster, Options};
use kestra_iam_operator::ops::lease::{Candidate, Leadership, Loss, State, Timing, elect};
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::json;
use std::path::Path;
use testbed::{ControlPlane, wait_for};

use crate::proxy::Wire;
use crate::replica::{holder, leases};

const NAME: &str = "kestra-iam-operator";

fn timing() -> Timing {
    let millis = Duration::from_millis;
    Timing::new(millis(4_000), millis(3_000), millis(500), millis(200)).unwrap()
}

async fn candidate(kubeconfig: &Path, namespace: &str, identity: &str) -> Leadership {
    let options = Options {
        kubeconfig: Some(kubeconfig.to_owned()),
        connect_timeout: Duration::from_secs(5),
        request_timeout: Duration::from_secs(30),
    };
    let cluster = Cluster::new(&options).await.unwrap();
    let who = Candidate {
        identity: identity.to_owned(),
        lease: NAME.to_owned(),
    };
    elect(
        Api::namespaced(cluster.client, namespace),
        who,
        timing(),
        Clock::system(),
    )
}

/// Two candidates of one namespace, the first of which leads.
struct Pair {
    leader: Leadership,
    standby: Leadership,
    leases: Api<Lease>,
}

impl Pair {
    async fn start(control: &ControlPlane, way: &Path) -> Self {
        let namespace = control.namespace("lease").await.unwrap();
        let leader = candidate(way, &namespace, "first").await;
        leader.acquired().await.unwrap();
        let standby = candidate(&control.kubeconfig(), &namespace, "second").await;
        let knows = async || {
            matches!(
                standby.state(),
                State::Standby {
                    holder: Some(_),
                    ..
                }
            )
            .then_some(())
        };
        wait_for("the second candidate to see the first", knows)
            .await
            .unwrap();
        Self {
            leader,
            standby,
            leases: leases(control, &namespace).await,
        }
    }

    /// Waits for a fact, and at every look finds at most one leader.
    async fn until<T>(&self, what: &str, mut fact: impl AsyncFnMut(&Self) -> Option<T>) -> T {
        let look = async || {
            assert!(
                !(self.leader.is_held() && self.standby.is_held()),
                "two leaders before {what}"
            );
            fact(self).await
        };
        wait_for(what, look).await.unwrap()
    }

    async fn standby_leads(&self) {
        self.until("the second to lead", async |pair| {
            pair.standby.is_held().then_some(())
        })
        .await;
        assert!(!self.leader.is_held());
    }

    async fn edit(&self, spec: serde_json::Value) {
        let patch = Patch::Merge(json!({"spec": spec}));
        self.leases
            .patch(NAME, &PatchParams::default(), &patch)
            .await
            .unwrap();
    }

    async fn version(&self) -> Option<String> {
        self.leases
            .get_opt(NAME)
            .await
            .unwrap()?
            .metadata
            .resource_version
    }

    /// Waits until the leader has renewed that often.
    async fn renewals(&self, count: usize) {
        for _ in 0..count {
            let before = self.version().await;
            self.until("a renewal", async |pair| {
                (pair.version().await != before).then_some(())
            })
            .await;
        }
    }
}

#[tokio::test]
async fn of_two_candidates_one_leads_and_the_other_knows_who() {
    let control = ControlPlane::shared().await;
    let pair = Pair::start(control, &control.kubeconfig()).await;
    pair.renewals(12).await;
    assert!(pair.leader.is_held());
    assert!(pair.leader.guard().is_ok() && pair.standby.guard().is_err());
    let standby = State::Standby {
        holder: Some("first".to_owned()),
        trouble: None,
    };
    assert_eq!(pair.standby.state(), standby);
    assert_eq!(holder(&pair.leases).await.as_deref(), Some("first"));
}

#[tokio::test]
async fn a_released_lease_is_taken_over_before_it_would_have_expired() {
    let control = ControlPlane::shared().await;
    let pair = Pair::start(control, &control.kubeconfig()).await;
    pair.leader.release().await;
    assert!(pair.leader.guard().is_err());
    let released = pair.leases.get(NAME).await.unwrap().spec.unwrap();
    pair.standby_leads().await;
    let taken = pair.leases.get(NAME).await.unwrap().spec.unwrap();
    let waited = taken
        .acquire_time
        .unwrap()
        .0
        .duration_since(released.renew_time.unwrap().0);
    assert!(waited.as_millis() < 4_000, "{waited}");
    assert_eq!(taken.lease_transitions, Some(1));
}

#[tokio::test]
async fn a_leader_whose_api_server_does_not_answer_steps_down_before_another_leads() {
    let control = ControlPlane::shared().await;
    let wire = Wire::to(control).await;
    let pair = Pair::start(control, wire.kubeconfig()).await;
    wire.freeze();
    pair.until("the first to be refused", async |pair| {
        pair.leader.guard().err()
    })
    .await;
    assert!(!pair.standby.is_held());
    assert_eq!(pair.leader.lost().await, Loss::Deadline);
    pair.standby_leads().await;
}

#[tokio::test]
async fn a_lease_deleted_by_hand_is_put_back_by_its_leader() {
    let control = ControlPlane::shared().await;
    let pair = Pair::start(control, &control.kubeconfig()).await;
    pair.leases
        .delete(NAME, &DeleteParams::default())
        .await
        .unwrap();
    pair.until("the Lease to be back", async |pair| {
        holder(&pair.leases).await.filter(|h| h == "first")
    })
    .await;
    pair.renewals(12).await;
    assert!(pair.leader.is_held());
}

#[tokio::test]
async fn a_lease_deleted_without_a_leader_is_not_taken_at_once() {
    let control = ControlPlane::shared().await;
    let wire = Wire::to(control).await;
    let pair = Pair::start(control, wire.kubeconfig()).await;
    wire.freeze();
    pair.leases
        .delete(NAME, &DeleteParams::default())
        .await
        .unwrap();
    pair.until("a Lease without a holder", async |pair| {
        pair.leases
            .get_opt(NAME)
            .await
            .unwrap()
            .filter(|lease| lease.spec.as_ref().unwrap().holder_identity.is_none())
    })
    .await;
    pair.standby_leads().await;
}

#[tokio::test]
async fn a_leader_that_finds_another_holder_has_lost() {
    let control = ControlPlane::shared().await;
    let pair = Pair::start(control, &control.kubeconfig()).await;
    pair.edit(json!({"holderIdentity": "somebody"})).await;
    assert_eq!(pair.leader.lost().await, Loss::Taken("somebody".to_owned()));
    assert!(pair.leader.guard().is_err());
    pair.standby_leads().await;
}

#[tokio::test]
async fn a_holder_cleared_by_hand_is_not_taken_for_a_release() {
    let control = ControlPlane::shared().await;
    let pair = Pair::start(control, &control.kubeconfig()).await;
    pair.edit(json!({"holderIdentity": ""})).await;
    pair.until("the first to hold it again", async |pair| {
        holder(&pair.leases).await.filter(|h| h == "first")
    })
    .await;
    pair.renewals(12).await;
    assert!(pair.leader.is_held());
}

#[tokio::test]
async fn a_standby_whose_name_is_written_by_hand_does_not_lead_beside_the_leader() {
    let control = ControlPlane::shared().await;
    let pair = Pair::start(control, &control.kubeconfig()).await;
    pair.edit(json!({"holderIdentity": "second"})).await;
    pair.standby_leads().await;
    assert_eq!(pair.leader.lost().await, Loss::Taken("second".to_owned()));
}

#[tokio::test]
async fn a_lease_that_cannot_be_had_says_why() {
    let control = ControlPlane::shared().await;
    let mut nowhere = candidate(&control.kubeconfig(), "no-such-namespace", "lonely").await;
    let told = async || match nowhere.state() {
        State::Standby { trouble, .. } => trouble.filter(|why| why.contains("no-such-namespace")),
        _ => None,
    };
    let why = wait_for("the missing namespace to be told", told)
        .await
        .unwrap();
    assert!(why.contains("create the namespace") && why.contains("--namespace"));
    assert!(!nowhere.is_held());
    // What is told anew is logged: nothing is, however often it is tried.
    let first = nowhere.state();
    for _ in 0..8 {
        assert!(nowhere.changed().await);
        assert_eq!(nowhere.state(), first);
    }
}

#[tokio::test]
async fn without_an_election_one_leads_until_it_gives_up() {
    let alone = Leadership::alone(jiff::Timestamp::UNIX_EPOCH);
    alone.acquired().await.unwrap();
    assert!(alone.is_held());
    assert_eq!(alone.acquired_at(), Some(jiff::Timestamp::UNIX_EPOCH));
    alone.release().await;
    assert!(!alone.is_held());
}
