//! The parts of an error: which call, and what was wrong with its answer.

use std::fmt;

/// A call as errors, logs and metrics name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Call {
    /// The HTTP method.
    pub method: &'static str,
    /// The path's template, such as `/api/v1/{tenant}/groups/{id}`.
    pub path: &'static str,
}

impl Call {
    /// Whether the call can change anything at the backend.
    #[must_use]
    pub fn changes(&self) -> bool {
        self.method != "GET"
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.path)
    }
}

/// How a backend is out of order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Outage {
    /// The host name has no address.
    #[error("the host name cannot be resolved")]
    Dns,
    /// Nobody listens there, or the way there is closed or too slow.
    #[error("cannot connect")]
    Connect,
    /// No trust: the reason is in the word.
    #[error("TLS: {0}")]
    Tls(TlsProblem),
    /// Sent, but the answer was not complete in time.
    #[error("no complete answer in time")]
    Timeout,
    /// Sent, but the connection broke before the answer was complete.
    #[error("the connection broke before the answer was complete")]
    Broken,
    /// Not sent: the budget of requests under way or per second was used up for the whole time limit.
    #[error("the instance's budget of requests is used up")]
    Busy,
    /// A status of the server's own failure.
    #[error("the server failed ({0})")]
    Status(u16),
}

impl Outage {
    /// The class in one word, for metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Dns => "dns",
            Self::Connect => "connect",
            Self::Tls(_) => "tls",
            Self::Timeout => "timeout",
            Self::Broken => "broken",
            Self::Busy => "busy",
            Self::Status(_) => "status",
        }
    }

    /// Whether it is certain that the server never saw the request.
    pub(super) const fn before_sending(self) -> bool {
        matches!(self, Self::Dns | Self::Connect | Self::Tls(_) | Self::Busy)
    }
}

/// Why a TLS connection was not made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TlsProblem {
    /// Past its end.
    #[error("the certificate has expired")]
    Expired,
    /// Before its start.
    #[error("the certificate is not valid yet")]
    NotYetValid,
    /// Another name.
    #[error("the certificate is for another host")]
    OtherHost,
    /// Not signed by anyone we trust.
    #[error("the certificate's issuer is unknown: give its CA")]
    UnknownIssuer,
    /// Anything else about the certificate.
    #[error("the certificate is not valid")]
    Certificate,
    /// Not about the certificate, a plain HTTP server for example.
    #[error("the handshake failed")]
    Handshake,
}

/// What is wrong with an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Breach {
    /// 3xx: redirects are not followed, since they would carry the credential elsewhere.
    #[error("answered with a redirect ({0}), which is not followed: give the final URL")]
    Redirect(u16),
    /// A status that this API does not use.
    #[error("answered with status {0}, which this API does not use")]
    Status(u16),
    /// A body over the limit.
    #[error("the answer is larger than 1 MiB")]
    TooLarge,
    /// Something else than JSON, HTML for example.
    #[error("the answer is not JSON: is this the URL of a Kestra API?")]
    NotJson,
    /// JSON of another shape.
    #[error("the answer is not of the shape that the API promises")]
    Shape,
    /// Ours, not the server's: an id that no path can carry, or a value that JSON cannot.
    #[error("not sent: an id is empty or names another path, or a value is no JSON")]
    Unsendable,
}

/// Why a list is not whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Flaw {
    /// Items went away while it was read, and offsets moved under us.
    #[error("the list shrank while it was read")]
    Shrank,
    /// Ended early.
    #[error("the list ended before its own total")]
    Short,
    /// A page brought nothing new.
    #[error("the list repeats itself")]
    Loop,
    /// More pages than anyone has.
    #[error("the list does not end")]
    Endless,
}
