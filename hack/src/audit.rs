//! What was asked of an API server, by whom: its audit log, to count requests.

use std::fs::File;
use std::io::{BufRead, BufReader, Seek, SeekFrom};
use std::path::PathBuf;

use anyhow::{Context, Result};
use serde::Deserialize;

use crate::log;

/// The audit log of one API server. A request is in it before its answer is sent.
#[derive(Clone, Debug)]
pub struct AuditLog(PathBuf);

/// A place in the log: what came later is counted apart.
#[derive(Clone, Copy, Debug, Default)]
pub struct Mark(u64);

/// One answered request.
#[derive(Clone, Debug)]
pub struct Request {
    /// Who asked, e.g. `system:serviceaccount:<namespace>:<name>`.
    pub user: String,
    /// As the client names itself; empty if it does not.
    pub user_agent: String,
    /// `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`, `deletecollection`.
    pub verb: String,
    /// Path and query.
    pub path: String,
    /// The plural, with its subresource if any: `secrets`, `pods/log`; empty for paths that name none.
    pub resource: String,
    /// Empty for cluster-scoped objects.
    pub namespace: String,
    /// Empty where a request names none, as creates do.
    pub name: String,
    /// The HTTP status of the answer.
    pub code: u16,
}

impl Request {
    /// Whether it asked for a change, granted or not.
    #[must_use]
    pub fn is_write(&self) -> bool {
        !matches!(self.verb.as_str(), "get" | "list" | "watch")
    }
}

impl AuditLog {
    pub(crate) const fn new(file: PathBuf) -> Self {
        Self(file)
    }

    /// The present end of the log.
    pub fn mark(&self) -> Result<Mark> {
        Ok(Mark(self.open()?.seek(SeekFrom::End(0))?))
    }

    /// All requests that were answered after `mark`; from the start on with [`Mark::default`].
    pub fn since(&self, mark: Mark) -> Result<Vec<Request>> {
        let mut file = self.open()?;
        file.seek(SeekFrom::Start(mark.0))?;
        let mut requests = Vec::new();
        for line in BufReader::new(file).split(b'\n') {
            let line = line?;
            // The last line may be half written.
            if let Ok(event) = serde_json::from_slice::<Event>(&line) {
                requests.push(event.into());
            }
        }
        Ok(requests)
    }

    /// The whole log as it is written.
    #[must_use]
    pub fn text(&self) -> String {
        log::read(&self.0)
    }

    fn open(&self) -> Result<File> {
        File::open(&self.0).with_context(|| format!("no audit log at {}", self.0.display()))
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event {
    user: User,
    #[serde(default)]
    user_agent: String,
    verb: String,
    #[serde(rename = "requestURI")]
    path: String,
    #[serde(default)]
    object_ref: Object,
    #[serde(default)]
    response_status: Status,
}

#[derive(Deserialize)]
struct User {
    username: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Object {
    resource: String,
    subresource: String,
    namespace: String,
    name: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Status {
    code: u16,
}

impl From<Event> for Request {
    fn from(event: Event) -> Self {
        let object = event.object_ref;
        let resource = match object.subresource.as_str() {
            "" => object.resource,
            subresource => format!("{}/{subresource}", object.resource),
        };
        Self {
            user: event.user.username,
            user_agent: event.user_agent,
            verb: event.verb,
            path: event.path,
            resource,
            namespace: object.namespace,
            name: object.name,
            code: event.response_status.code,
        }
    }
}
