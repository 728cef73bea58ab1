//! The election as `run` takes part in it, and what the probes and metrics tell of it.

use kube::Api;

use super::args::Election;
use crate::clock::Clock;
use crate::ops::cluster::Cluster;
use crate::ops::health::Component;
use crate::ops::lease::{Candidate, Leadership, State, Timing, elect};
use crate::ops::metrics::{Leads, Metrics};

/// Stands for election in the operator's namespace.
pub(super) fn start(
    flags: &Election,
    timing: Timing,
    cluster: &Cluster,
    namespace: &str,
    clock: &Clock,
) -> Leadership {
    let api = Api::namespaced(cluster.client.clone(), namespace);
    let candidate = Candidate {
        identity: identity(flags),
        lease: flags.lease_name.clone(),
    };
    elect(api, candidate, timing, clock.clone())
}

/// The replica's name and a random suffix: two processes of one name must never take each other's Lease for theirs.
fn identity(flags: &Election) -> String {
    let name = flags
        .lease_identity
        .clone()
        .or_else(host)
        .unwrap_or_else(|| "replica".to_owned());
    format!("{name}_{}", uuid::Uuid::new_v4())
}

fn host() -> Option<String> {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").ok()?;
    Some(name.trim().to_owned()).filter(|name| !name.is_empty())
}

/// Mirrors the election into probes and metrics for as long as it goes on.
pub(super) async fn report(mut leadership: Leadership, part: Component, metrics: Metrics) {
    loop {
        let state = leadership.state();
        metrics.leads(leads(&state));
        tell(&part, &state);
        if !leadership.changed().await {
            // The last word stays.
            return std::future::pending().await;
        }
    }
}

const fn leads(state: &State) -> Leads {
    match state {
        State::Leading { .. } | State::Alone { .. } => Leads::Yes,
        State::Standby { .. } | State::Lost(_) | State::Released => Leads::No,
    }
}

/// Who stands by is ready: another replica does the work. Who leads is not while the API server cannot be reached.
fn tell(part: &Component, state: &State) {
    match state {
        State::Leading {
            trouble: Some(trouble),
            ..
        } => part.waiting_for(format!("a renewal of the Lease: {trouble}")),
        State::Leading { trouble: None, .. } => part.ready("leads"),
        State::Alone { .. } => part.ready("acts without an election"),
        State::Standby {
            trouble: Some(trouble),
            ..
        } => part.waiting_for(format!("the Lease: {trouble}")),
        State::Standby {
            holder: Some(holder),
            ..
        } => part.ready(format!("stands by: {holder} leads")),
        State::Standby { .. } => part.ready("stands by: nobody holds the Lease yet"),
        State::Lost(loss) => part.waiting_for(format!("its end: the Lease is lost ({loss})")),
        State::Released => part.waiting_for("its end: the Lease is released"),
    }
}
