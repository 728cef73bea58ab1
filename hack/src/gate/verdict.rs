//! What becomes of a request.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Bytes;
use serde_json::Value;

/// What becomes of a request.
#[derive(Clone, Debug)]
pub enum Verdict {
    /// It passes.
    Pass,
    /// It passes after a while; not if whoever asked has gone by then.
    Delay(Duration),
    /// It waits until the rule is lifted, and passes then; not if whoever asked has gone by then.
    HoldBefore,
    /// It passes, and its answer waits until the rule is lifted.
    HoldAfter,
    /// It waits until the rule is lifted, and gets to the server even if whoever asked has gone: a late arrival.
    Late,
    /// The connection is reset before the server sees the request.
    Refuse,
    /// The server acts, and the connection is reset instead of an answer.
    Lose,
    /// This is the answer, and the server sees nothing.
    Answer(Answer),
    /// The server acts, and this is the answer.
    Replace(Answer),
    /// It passes with another JSON body.
    Ask(Edit),
    /// It passes, and the JSON body of its answer becomes another.
    Edit(Edit),
    /// It passes, and the connection ends after so many bytes of the answer's body.
    Cut(usize),
    /// It passes, and the body of its answer comes byte by byte with this pause between them.
    Drip(Duration),
    /// An answer begins whose head never ends: one byte of it after each pause. The server sees nothing.
    EndlessHead(Duration),
    /// The server sees nothing, and there is no answer.
    Never,
}

impl Verdict {
    /// The answer's JSON body becomes what `edit` makes of it.
    pub fn edit(edit: impl Fn(&mut Value) + Send + Sync + 'static) -> Self {
        Self::Edit(Edit(Arc::new(edit)))
    }

    /// The request's JSON body becomes what `edit` makes of it.
    pub fn ask(edit: impl Fn(&mut Value) + Send + Sync + 'static) -> Self {
        Self::Ask(Edit(Arc::new(edit)))
    }
}

/// A change of a JSON body.
#[derive(Clone)]
pub struct Edit(Arc<dyn Fn(&mut Value) + Send + Sync>);

impl Edit {
    /// The body as it becomes; unchanged if it is no JSON.
    pub(super) fn apply(&self, body: Bytes) -> Bytes {
        let Ok(mut json) = serde_json::from_slice(&body) else {
            return body;
        };
        (self.0)(&mut json);
        Bytes::from(json.to_string())
    }
}

impl fmt::Debug for Edit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Edit")
    }
}

/// An answer that the server did not give.
#[derive(Clone, Debug)]
pub struct Answer {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Bytes,
    pub(super) times: usize,
}

impl Answer {
    /// This status and no body.
    #[must_use]
    pub fn status(status: u16) -> Self {
        Self::with(status, "text/plain", "")
    }

    /// This status with a body of this media type.
    pub fn with(status: u16, media_type: &str, body: impl Into<Bytes>) -> Self {
        Self {
            status,
            headers: vec![("content-type".to_owned(), media_type.to_owned())],
            body: body.into(),
            times: 1,
        }
    }

    /// This status with a JSON body.
    #[must_use]
    pub fn json(status: u16, body: &Value) -> Self {
        Self::with(status, "application/json", body.to_string())
    }

    /// This status as the API server tells of it.
    #[must_use]
    pub fn kubernetes(status: u16, reason: &str) -> Self {
        let body = serde_json::json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": format!("injected: {reason}"), "reason": reason, "code": status,
        });
        Self::json(status, &body)
    }

    /// The same with one more header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The same with its body so many times in a row, sent piece by piece and without a length.
    #[must_use]
    pub fn repeated(mut self, times: usize) -> Self {
        self.times = times;
        self
    }
}
