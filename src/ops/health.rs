//! Who is waiting for what: the source of `/readyz` and `/livez`.
//!
//! Each part of the process registers under a name and says whether it is ready or what it waits for. Readiness and
//! liveness are kept apart on purpose: a part that waits for an API server that is down is not ready, yet a restart
//! would not help it. Only a part that stopped giving signs of life is a reason to restart.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// The parts of this process and how they are. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Health(Arc<Mutex<Board>>);

#[derive(Debug, Default)]
struct Board {
    parts: Vec<Part>,
    registered: u64,
    stopping: bool,
}

#[derive(Debug)]
struct Part {
    id: u64,
    name: String,
    readiness: Readiness,
    pulse: Option<Pulse>,
}

#[derive(Debug)]
enum Readiness {
    Ready(String),
    Waiting(String),
}

/// The last sign of life, and how long the next may take.
#[derive(Debug)]
struct Pulse {
    last: Instant,
    within: Duration,
}

/// The answer to a probe: good or not, and a line for each part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Whether the probe succeeds.
    pub good: bool,
    headline: &'static str,
    lines: Vec<(String, String)>,
}

impl Health {
    /// Adds a part, which waits for its start; dropping what is returned takes it away.
    #[must_use]
    pub fn register(&self, name: impl Into<String>) -> Component {
        let mut board = self.board();
        board.registered += 1;
        let id = board.registered;
        let readiness = Readiness::Waiting("its start".to_owned());
        board.parts.push(Part {
            id,
            name: name.into(),
            readiness,
            pulse: None,
        });
        Component {
            health: self.clone(),
            id,
        }
    }

    /// From here on the process is not ready, whatever its parts say.
    pub fn stopping(&self) {
        self.board().stopping = true;
    }

    /// Whether every part is ready.
    #[must_use]
    pub fn readiness(&self) -> Report {
        let board = self.board();
        let waits = |part: &Part| matches!(part.readiness, Readiness::Waiting(_));
        let good = !board.stopping && !board.parts.iter().any(waits);
        let headline = match (board.stopping, good) {
            (true, _) => "not ready: shutting down",
            (false, true) => "ready",
            (false, false) => "not ready",
        };
        let lines = board
            .parts
            .iter()
            .map(|part| (part.name.clone(), part.readiness.to_string()))
            .collect();
        Report {
            good,
            headline,
            lines,
        }
    }

    /// Whether every part that promised signs of life gave one in time.
    #[must_use]
    pub fn liveness(&self, now: Instant) -> Report {
        let board = self.board();
        let pulses = || {
            board
                .parts
                .iter()
                .filter_map(|part| Some((part, part.pulse.as_ref()?)))
        };
        let good = pulses().all(|(_, pulse)| pulse.beats(now));
        let headline = if good { "alive" } else { "stuck" };
        let lines = pulses()
            .map(|(part, pulse)| (part.name.clone(), pulse.describe(now)))
            .collect();
        Report {
            good,
            headline,
            lines,
        }
    }

    fn board(&self) -> MutexGuard<'_, Board> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pulse {
    fn beats(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.last) <= self.within
    }

    fn describe(&self, now: Instant) -> String {
        let ago = now.saturating_duration_since(self.last).as_secs();
        let late = if self.beats(now) {
            ""
        } else {
            ", which is too long ago"
        };
        format!(
            "last sign of life {ago}s ago, one is due every {}s{late}",
            self.within.as_secs()
        )
    }
}

/// One part of the process; gone from the reports when dropped.
#[derive(Debug)]
pub struct Component {
    health: Health,
    id: u64,
}

impl Component {
    /// Not ready; `what` ends the sentence "waiting for …".
    pub fn waiting_for(&self, what: impl Into<String>) {
        let what = what.into();
        self.change(|part| part.readiness = Readiness::Waiting(what));
    }

    /// Ready; `how` says in what state, such as "stands by: pod-b leads".
    pub fn ready(&self, how: impl Into<String>) {
        let how = how.into();
        self.change(|part| part.readiness = Readiness::Ready(how));
    }

    /// Promises a sign of life at least that often, from now on.
    pub fn beats_within(&self, within: Duration) {
        self.change(|part| {
            part.pulse = Some(Pulse {
                last: Instant::now(),
                within,
            });
        });
    }

    /// A sign of life: something happened that happens only while the part works.
    pub fn beat(&self) {
        self.change(|part| {
            if let Some(pulse) = &mut part.pulse {
                pulse.last = Instant::now();
            }
        });
    }

    fn change(&self, change: impl FnOnce(&mut Part)) {
        if let Some(part) = self
            .health
            .board()
            .parts
            .iter_mut()
            .find(|part| part.id == self.id)
        {
            change(part);
        }
    }
}

impl Drop for Component {
    fn drop(&mut self) {
        self.health.board().parts.retain(|part| part.id != self.id);
    }
}

impl fmt::Display for Readiness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ready(how) => write!(f, "ready: {how}"),
            Self::Waiting(what) => write!(f, "waiting for {what}"),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.headline)?;
        let width = self
            .lines
            .iter()
            .map(|(name, _)| name.chars().count())
            .max()
            .unwrap_or(0);
        self.lines
            .iter()
            .try_for_each(|(name, line)| writeln!(f, "  {name:width$}  {line}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_ready_once_all_its_parts_are() {
        let health = Health::default();
        let server = health.register("API server");
        let lease = health.register("lease");
        server.ready("answers");
        let report = health.readiness();
        assert!(!report.good);
        assert_eq!(
            report.to_string(),
            "not ready\n  API server  ready: answers\n  lease       waiting for its start\n"
        );
        lease.ready("stands by: b leads");
        assert!(health.readiness().good);
        lease.waiting_for("the API server");
        assert!(!health.readiness().good);
    }

    #[test]
    fn a_part_that_is_dropped_holds_nobody_up() {
        let health = Health::default();
        drop(health.register("first list"));
        assert_eq!(health.readiness().to_string(), "ready\n");
    }

    #[test]
    fn a_process_that_stops_is_not_ready() {
        let health = Health::default();
        let part = health.register("lease");
        part.ready("leads");
        health.stopping();
        assert!(!health.readiness().good);
        assert!(
            health
                .readiness()
                .to_string()
                .starts_with("not ready: shutting down\n")
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_process_is_alive_while_the_signs_of_life_that_were_promised_come() {
        let health = Health::default();
        let quiet = health.register("lease");
        let watch = health.register("watch");
        quiet.waiting_for("an API server that is down");
        watch.beats_within(Duration::from_mins(5));
        tokio::time::advance(Duration::from_mins(5)).await;
        assert!(health.liveness(Instant::now()).good);
        tokio::time::advance(Duration::from_secs(1)).await;
        let report = health.liveness(Instant::now());
        assert!(!report.good);
        assert_eq!(
            report.to_string(),
            "stuck\n  watch  last sign of life 301s ago, one is due every 300s, which is too long ago\n"
        );
        watch.beat();
        assert!(health.liveness(Instant::now()).good);
    }
}
