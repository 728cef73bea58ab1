//! What the connections of the operator do wrong, as data and as rules of a gate.

use std::time::Duration;

use rand::RngExt;
use rand::rngs::StdRng;
use serde_json::Value;
use testbed::gate::{Answer, EventsOf, Fate, Gate, Rule, Verdict, When};

use super::shape::pick;

/// Which connection it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// To the IAM server.
    Backend,
    /// To the API server.
    Cluster,
}

/// Which requests of it are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meant {
    /// All.
    All,
    /// Those that could change something.
    Writes,
    /// Those about tokens, or about Secrets.
    Tokens,
    /// Those that change nothing.
    Reads,
}

/// What becomes of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Evil {
    /// They take so many milliseconds longer.
    Slow(u64),
    /// The connection is reset before the server acts.
    Refused,
    /// The server acts, and nobody hears of it.
    Lost,
    /// They wait in front of the server.
    Held,
    /// Their answers wait behind it.
    Unheard,
    /// They get to the server late, even if whoever asked has gone.
    Late,
    /// They are answered with a status that says so.
    Status(u16),
    /// They are answered with something that is no answer.
    Garbage,
    /// Their answers end early.
    Cut,
    /// All connections are reset.
    Reset,
    /// Watches are told that their place is gone.
    Gone,
    /// Watches fall silent, and stay open.
    Silent,
    /// Watches lag behind.
    Lagging,
    /// They get nowhere, and are never answered.
    Swallowed,
    /// Their answers come byte by byte.
    Dripping,
    /// Their answers have a head without an end.
    Endless,
    /// Lists at the backend do not show what is last in them.
    Stale,
}

/// One thing that goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trouble {
    side: Side,
    meant: Meant,
    evil: Evil,
    times: usize,
}

impl Trouble {
    /// Any.
    pub fn new(random: &mut StdRng) -> Self {
        let evils = [
            Evil::Slow(random.random_range(50..800)),
            Evil::Refused,
            Evil::Lost,
            Evil::Lost,
            Evil::Held,
            Evil::Unheard,
            Evil::Late,
            Evil::Status(pick(random, &[409, 429, 500, 502, 503, 504])),
            Evil::Status(pick(random, &[429, 500, 503])),
            Evil::Garbage,
            Evil::Cut,
            Evil::Reset,
            Evil::Gone,
            Evil::Silent,
            Evil::Lagging,
            Evil::Swallowed,
            Evil::Dripping,
            Evil::Endless,
            Evil::Stale,
        ];
        Self {
            side: pick(random, &[Side::Backend, Side::Backend, Side::Cluster]),
            meant: pick(
                random,
                &[Meant::All, Meant::Writes, Meant::Tokens, Meant::Reads],
            ),
            evil: pick(random, &evils),
            times: random.random_range(1..12),
        }
    }

    /// Whether it holds requests back that act later.
    pub fn holds(&self) -> bool {
        matches!(self.evil, Evil::Held | Evil::Unheard | Evil::Late)
    }

    /// Begins it at one of the gates.
    pub fn begin(&self, backend: &Gate, cluster: &Gate) -> Option<Rule> {
        let gate = match self.side {
            Side::Backend => backend,
            Side::Cluster => cluster,
        };
        let events = EventsOf::watch("*");
        match self.evil {
            Evil::Reset => {
                gate.reset();
                None
            }
            Evil::Gone => Some(cluster.events(events.times(self.times), Fate::Gone)),
            Evil::Silent => Some(cluster.events(events.times(self.times), Fate::Silence)),
            Evil::Lagging => Some(cluster.events(events, Fate::Hold)),
            Evil::Stale => {
                let lists = When::method("GET").times(self.times);
                Some(backend.rule(lists, Verdict::edit(hide_the_last)))
            }
            _ => Some(gate.rule(self.when().times(self.times), self.verdict())),
        }
    }

    /// Ends it.
    pub fn end(&self, rule: &Rule, cluster: &Gate) {
        rule.lift();
        if self.evil == Evil::Silent {
            // Nobody waits for the minutes after which a client gives up by itself.
            cluster.reset();
        }
    }

    fn when(&self) -> When {
        match (self.meant, self.side) {
            (Meant::All, _) => When::any(),
            (Meant::Writes, _) => When::write(),
            (Meant::Tokens, Side::Backend) => When::any().path("*/api-tokens*"),
            (Meant::Tokens, Side::Cluster) => When::any().path("*/secrets/*"),
            (Meant::Reads, _) => When::method("GET"),
        }
    }

    fn verdict(&self) -> Verdict {
        match self.evil {
            Evil::Slow(millis) => Verdict::Delay(Duration::from_millis(millis)),
            Evil::Refused
            | Evil::Reset
            | Evil::Gone
            | Evil::Silent
            | Evil::Lagging
            | Evil::Stale => Verdict::Refuse,
            Evil::Lost => Verdict::Lose,
            Evil::Held => Verdict::HoldBefore,
            Evil::Unheard => Verdict::HoldAfter,
            Evil::Late => Verdict::Late,
            Evil::Swallowed => Verdict::Never,
            Evil::Dripping => Verdict::Drip(Duration::from_millis(20)),
            Evil::Endless => Verdict::EndlessHead(Duration::from_millis(20)),
            Evil::Cut => Verdict::Cut(self.times * 7),
            Evil::Garbage => {
                Verdict::Answer(Answer::with(200, "text/html", "<html>Welcome</html>"))
            }
            Evil::Status(status) => Verdict::Answer(self.answer(status)),
        }
    }

    fn answer(&self, status: u16) -> Answer {
        match (self.side, status) {
            (Side::Cluster, 409) => Answer::kubernetes(409, "Conflict"),
            (Side::Cluster, 429) => Answer::kubernetes(429, "TooManyRequests"),
            (Side::Cluster, 504) => Answer::kubernetes(504, "Timeout"),
            (Side::Cluster, _) => Answer::kubernetes(status, "InternalError"),
            // The IAM server says 409 only if a name is taken.
            (Side::Backend, 409) => Answer::status(500),
            (Side::Backend, 429) => Answer::status(429).header("retry-after", "1"),
            (Side::Backend, _) => Answer::status(status),
        }
    }
}

/// A list without its last row, as of a backend that needs a while to show what is new.
fn hide_the_last(answer: &mut Value) {
    let rows = answer["results"].as_array_mut();
    if rows.is_some_and(|rows| rows.pop().is_some())
        && let Some(total) = answer["total"].as_u64()
    {
        answer["total"] = (total - 1).into();
    }
}
