//! The replicas of the operator, kept alive as a Deployment keeps its pods.

use std::path::Path;
use std::sync::Arc;

use testbed::Exit;

use super::act::{Kill, Replica};
use crate::bench::{Bench, Operator};

/// Nobody is there to agree to what is deleted.
const DELETES_MUCH: &str = "--deletion-brake=1000";

/// Two replicas, of which the second is wanted at times.
pub struct Fleet {
    replicas: [Arc<Operator>; 2],
    is_scaled: bool,
    /// How many were ended on purpose.
    pub kills: usize,
    /// How many ended by themselves, as those do that lost the Lease.
    pub losses: usize,
    /// Ends that no replica should come to.
    pub bad_ends: Vec<String>,
}

impl Fleet {
    /// Starts the first; the second is there to be started.
    pub async fn start(bench: &Bench, kubeconfig: &Path) -> Self {
        let first = bench.run("first", kubeconfig, &[DELETES_MUCH]).await;
        first.leads().await;
        let second = bench.run("second", kubeconfig, &[DELETES_MUCH]).await;
        second.process.kill().await.unwrap();
        Self {
            replicas: [first, second],
            is_scaled: false,
            kills: 0,
            losses: 0,
            bad_ends: Vec::new(),
        }
    }

    /// Starts again what has ended and is wanted.
    pub async fn keep(&mut self) {
        for place in 0..=usize::from(self.is_scaled) {
            let Some(exit) = self.replicas[place].process.exit().unwrap() else {
                continue;
            };
            match exit {
                Exit::Code(1) => self.losses += 1,
                other => self.bad_ends.push(format!("a replica ended: {other}")),
            }
            self.replicas[place].process.restart().await.unwrap();
        }
    }

    /// Has one stand still, if it runs.
    pub fn freeze(&self, replica: Replica) {
        let _ = self.replicas[place(replica)].process.pause();
    }

    /// Has it go on, if it runs.
    pub fn thaw(&self, replica: Replica) {
        let _ = self.replicas[place(replica)].process.resume();
    }

    /// Ends one and starts it again.
    pub async fn kill(&mut self, replica: Replica, kill: Kill) {
        let place = place(replica);
        self.end(place, kill).await;
        self.replicas[place].process.restart().await.unwrap();
    }

    /// Starts the second, or ends it.
    pub async fn scale(&mut self, is_scaled: bool) {
        self.is_scaled = is_scaled;
        if is_scaled {
            self.replicas[1].process.restart().await.unwrap();
        } else {
            self.end(1, Kill::Soft).await;
        }
    }

    async fn end(&mut self, place: usize, kill: Kill) {
        let process = &self.replicas[place].process;
        if process.exit().unwrap().is_some() {
            return;
        }
        self.kills += 1;
        // Whoever stands still hears no signal.
        let _ = process.resume();
        let exit = match kill {
            Kill::Hard => process.kill().await,
            Kill::Soft => process.terminate().await,
        };
        let is_good = match &exit {
            // Lost the Lease at the same time.
            Ok(Exit::Code(0 | 1)) => true,
            Ok(Exit::Signal(_)) => kill == Kill::Hard,
            Ok(Exit::Code(_)) => false,
            // It was quicker by itself.
            Err(_) => process.exit().unwrap().is_some(),
        };
        if !is_good {
            self.bad_ends
                .push(format!("a replica ended after {kill:?}: {exit:?}"));
        }
    }

    /// What the logs tell of panics: where, and the words that follow.
    pub fn panics(&self) -> Vec<String> {
        let logs = self.replicas.iter().map(|replica| replica.process.log());
        logs.flat_map(|log| panics_in(&log)).collect()
    }
}

fn place(replica: Replica) -> usize {
    match replica {
        Replica::First => 0,
        Replica::Second => 1,
    }
}

fn panics_in(log: &str) -> Vec<String> {
    let lines: Vec<&str> = log.lines().collect();
    let windows = lines.windows(2);
    let panics = windows.filter(|lines| lines[0].contains("panicked at"));
    panics.map(|lines| lines.join(" ")).collect()
}
