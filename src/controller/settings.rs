//! How the controllers are to work: what the command line says.

use std::time::Duration;

use jiff::SignedDuration;

use super::authority::Mode;
use super::tokens::Restarts;
use crate::plan::mark::Cluster;

/// How the controllers are to work.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Whether what is decided is carried out.
    pub mode: Mode,
    /// The operator's own namespace, where the credentials of `ClusterInstance`s are.
    pub namespace: String,
    /// The one namespace whose objects are looked after; `None` = all.
    pub watch_namespace: Option<String>,
    /// What stands for this cluster in marks.
    pub cluster: Cluster,
    /// The API server's address: no `Instance` may point there.
    pub api_server: String,
    /// Hosts that a namespaced `Instance` may name; `None` = no `Instance` at all.
    pub instance_hosts: Option<Vec<String>>,
    /// Domains of labels and annotations that users may put on Secrets.
    pub secret_metadata_domains: Vec<String>,
    /// Whether workloads may be rolled.
    pub restarts: Restarts,
    /// How many objects of a kind are reconciled at once.
    pub concurrency: u16,
    /// How long one request to the API server may take.
    pub request_timeout: Duration,
    /// The smallest distance of tokens that are issued out of turn, once there were several.
    pub issue_pace: SignedDuration,
    /// How long a request of a former leader may be under way: lease duration + 2 × request timeout.
    pub settle: SignedDuration,
    /// How long a deleted object waits for a backend that does not answer, before a `Revocation` takes its place.
    pub hand_over_after: SignedDuration,
    /// How many objects of an instance may be deleted within minutes before nothing more is removed until somebody agrees; 0 =
    /// any number.
    pub deletion_brake: usize,
    /// How often something that waits for nothing that is watched is looked at.
    pub recheck: Duration,
}
