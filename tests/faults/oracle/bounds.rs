//! I8: what has come to rest holds and does no more than it did before anything happened.

use std::fs;
use std::sync::Arc;

use kube::api::ListParams;

use crate::bench::{Bench, Operator};
use crate::witness::KINDS;

/// What a process holds and does.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Load {
    /// Objects that wait for their turn at an instance.
    pub waiting: u64,
    /// Sockets and files that are open.
    pub open: usize,
    /// Memory in use, in MiB.
    pub memory: u64,
    /// Passes over objects, so far or in a while.
    pub passes: u64,
}

/// One for each kind that is watched, and the connections that lie idle after requests at the same time.
const OPEN: usize = 160;

/// In MiB, for a program that is compiled for tests.
const MEMORY: u64 = 96;

/// So many objects take one MiB at most.
const OBJECTS_A_MIB: u64 = 32;

/// Passes over each object while nothing happens, and over instances.
const PASSES: u64 = 3;

impl Load {
    /// Whatever is more than it may be at rest, where there are so many objects.
    pub(super) fn excesses(&self, objects: u64) -> Vec<String> {
        let most = [
            ("objects wait", self.waiting, 0),
            ("sockets and files are open", self.open as u64, OPEN as u64),
            (
                "MiB of memory",
                self.memory,
                MEMORY + objects / OBJECTS_A_MIB,
            ),
            ("passes at rest", self.passes, PASSES * (objects + 4)),
        ];
        let excesses = most.into_iter().filter(|(_, found, most)| found > most);
        excesses
            .map(|(what, found, most)| format!("I8: {found} {what}, more than {most}"))
            .collect()
    }
}

impl Bench {
    /// Whatever an operator holds or does at rest that it did not before.
    pub(super) async fn excesses(&self) -> Vec<String> {
        let mut objects = 0;
        for kind in KINDS {
            let all = self.api(kind).list(&ListParams::default()).await.unwrap();
            objects += all.items.len() as u64;
        }
        let before = self.loads().await;
        self.renewals(1).await;
        let mut excesses = Vec::new();
        for (operator, mut load) in self.loads().await {
            let mut known = before.iter();
            let known = known.find(|(other, _)| Arc::ptr_eq(other, &operator));
            let passes = known.map_or(load.passes, |(_, before)| before.passes);
            load.passes = load.passes.saturating_sub(passes);
            excesses.extend(load.excesses(objects));
        }
        excesses
    }

    /// What each operator holds that runs.
    async fn loads(&self) -> Vec<(Arc<Operator>, Load)> {
        let mut loads = Vec::new();
        for operator in self.operators() {
            if let Some(load) = load_of(&operator).await {
                loads.push((operator, load));
            }
        }
        loads
    }
}

async fn load_of(operator: &Operator) -> Option<Load> {
    let (_, metrics) = operator.get("/metrics").await?;
    let process = format!("/proc/{}", operator.process.id());
    let status = fs::read_to_string(format!("{process}/status")).ok()?;
    let resident = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = resident.trim().trim_end_matches(" kB").parse().ok()?;
    Some(Load {
        // There is none while no object has ever waited.
        waiting: sum(&metrics, "kestra_iam_objects_waiting").unwrap_or(0),
        open: fs::read_dir(format!("{process}/fd")).ok()?.count(),
        memory: kibibytes / 1024,
        passes: sum(&metrics, "kestra_iam_reconciles_total")?,
    })
}

/// The sum of all series of a metric, if there are any.
fn sum(metrics: &str, name: &str) -> Option<u64> {
    let series = metrics.lines().filter_map(|line| line.strip_prefix(name));
    let values = series.filter_map(|line| line.rsplit_once(' '));
    let numbers: Vec<u64> = values.filter_map(|(_, value)| value.parse().ok()).collect();
    (!numbers.is_empty()).then(|| numbers.iter().sum())
}
