//! The events of watches, one by one.

use http_body_util::BodyExt;
use hyper::body::{Bytes, Incoming};
use serde::Deserialize;

use super::body::{Gone, Tap};
use super::rule::{Condition, Rules, Turn, fits};

/// An event of a watch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The path that is watched.
    pub path: String,
    /// `ADDED`, `MODIFIED`, `DELETED`, `BOOKMARK`, `ERROR`.
    pub kind: String,
    /// `namespace/name`, or the name alone.
    pub object: String,
}

/// What becomes of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It arrives.
    Deliver,
    /// It does not, and the next one does.
    Drop,
    /// It waits with all that follow until the rule is lifted.
    Hold,
    /// Neither it nor anything after it arrives, and the connection stays open.
    Silence,
    /// The watch ends in order before it.
    End,
    /// An `ERROR` event that says 410 comes in its place, and the watch ends.
    Gone,
}

/// Which events a rule means; all of them, unless it is narrowed down.
#[derive(Clone, Debug)]
pub struct EventsOf {
    path: String,
    kind: String,
    object: String,
    turn: Turn,
}

impl EventsOf {
    /// The events of watches on these paths, where `*` stands for any characters.
    #[must_use]
    pub fn watch(path: &str) -> Self {
        Self {
            path: path.to_owned(),
            kind: "*".to_owned(),
            object: "*".to_owned(),
            turn: Turn::ALL,
        }
    }

    /// Of those, `ADDED`, `MODIFIED`, `DELETED`, `BOOKMARK` or `ERROR` alone.
    #[must_use]
    pub fn kind(mut self, kind: &str) -> Self {
        kind.clone_into(&mut self.kind);
        self
    }

    /// Of those, the ones about this `namespace/name`, where `*` stands for any characters.
    #[must_use]
    pub fn object(mut self, pattern: &str) -> Self {
        pattern.clone_into(&mut self.object);
        self
    }

    /// Of those, this one alone; the first that comes is number 1.
    #[must_use]
    pub fn nth(mut self, number: usize) -> Self {
        self.turn = Turn::nth(number);
        self
    }

    /// Of those, the next so many alone.
    #[must_use]
    pub fn times(mut self, count: usize) -> Self {
        self.turn = self.turn.times(count);
        self
    }
}

impl Condition for EventsOf {
    type Subject = Event;

    fn fits(&self, event: &Event) -> bool {
        fits(&self.path, &event.path)
            && fits(&self.kind, &event.kind)
            && fits(&self.object, &event.object)
    }

    fn turn(&self) -> Turn {
        self.turn
    }
}

#[derive(Deserialize)]
struct Line {
    r#type: String,
    #[serde(default)]
    object: Object,
}

#[derive(Default, Deserialize)]
struct Object {
    #[serde(default)]
    metadata: Metadata,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Metadata {
    namespace: Option<String>,
    name: Option<String>,
}

fn parse(path: &str, line: &[u8]) -> Option<Event> {
    let line: Line = serde_json::from_slice(line).ok()?;
    let Metadata { namespace, name } = line.object.metadata;
    let name = name.unwrap_or_default();
    Some(Event {
        path: path.to_owned(),
        kind: line.r#type,
        object: namespace.map_or_else(|| name.clone(), |namespace| format!("{namespace}/{name}")),
    })
}

/// What the API server sends where a watch goes back too far.
const TOO_OLD: &str = concat!(
    r#"{"type":"ERROR","object":{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","#,
    r#""message":"too old resource version: injected","reason":"Expired","code":410}}"#,
    "\n"
);

/// Passes a watch on, event by event.
pub(super) async fn relay(
    rules: &Rules<EventsOf, Fate>,
    path: &str,
    mut from: Incoming,
    to: &Tap,
) -> Result<(), Gone> {
    let mut lines = Lines::default();
    loop {
        let frame = tokio::select! {
            frame = from.frame() => frame,
            () = to.closed() => return Err(Gone),
        };
        let Some(frame) = frame else {
            return Ok(());
        };
        let data = match frame {
            Ok(frame) => frame.into_data().unwrap_or_default(),
            Err(error) => {
                to.fail(error.into()).await;
                return Err(Gone);
            }
        };
        for line in lines.add(&data) {
            if !deliver(rules, path, line, to).await? {
                return Ok(());
            }
        }
    }
}

/// Whether the watch goes on.
async fn deliver(
    rules: &Rules<EventsOf, Fate>,
    path: &str,
    line: Bytes,
    to: &Tap,
) -> Result<bool, Gone> {
    let decided = parse(path, &line).and_then(|event| rules.decide(&event));
    let Some((fate, rule)) = decided else {
        to.send(line).await?;
        return Ok(true);
    };
    if fate == Fate::Hold {
        tokio::select! {
            () = rule.hold() => {}
            () = to.closed() => return Err(Gone),
        }
    } else {
        rule.note_reached();
    }
    match fate {
        Fate::Deliver | Fate::Hold => to.send(line).await?,
        Fate::Drop => {}
        Fate::Silence => {
            to.closed().await;
            return Err(Gone);
        }
        Fate::End => return Ok(false),
        Fate::Gone => {
            to.send(Bytes::from_static(TOO_OLD.as_bytes())).await?;
            return Ok(false);
        }
    }
    Ok(true)
}

/// Cuts what comes into lines, each with its end.
#[derive(Default)]
struct Lines(Vec<u8>);

impl Lines {
    fn add(&mut self, data: &[u8]) -> Vec<Bytes> {
        self.0.extend_from_slice(data);
        let mut whole = Vec::new();
        while let Some(end) = self.0.iter().position(|&byte| byte == b'\n') {
            let rest = self.0.split_off(end + 1);
            whole.push(Bytes::from(std::mem::replace(&mut self.0, rest)));
        }
        whole
    }
}
