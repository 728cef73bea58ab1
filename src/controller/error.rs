//! What can go wrong in a pass, and what to do about it.

use std::time::Duration;

use crate::api::condition::Reason;
use crate::iam::client;
use crate::ops::lease::NotLeading;

/// Why a pass could not be finished. "Not yet" and "not allowed" are no errors: see `outcome::Blocked`.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The API server refused a request or did not answer.
    #[error("Kubernetes: cannot {operation}: {}", words(source))]
    Kubernetes {
        /// What was being done.
        operation: &'static str,
        /// What it answered.
        #[source]
        source: Box<kube::Error>,
    },
    /// The API server did not answer in time; a change may or may not have happened.
    #[error("Kubernetes: no answer in time to {operation}")]
    Silence {
        /// What was being done.
        operation: &'static str,
    },
    /// The backend refused a request or did not answer.
    #[error("backend: {0}")]
    Backend(#[from] client::Error),
    /// The server that answers is not the one that the instance was connected to.
    #[error("another backend than before answers at the instance's spec.url")]
    AnotherBackend,
    /// The backend issued a token that nobody can use. It is revoked.
    #[error(
        "the backend issued a token whose value {how}; it was revoked and never published. Find out what stands between \
         the operator and the backend"
    )]
    Useless {
        /// What is the matter with its value.
        how: &'static str,
    },
    /// The Secret was another one at each try to write a token into it; the token is left to the history.
    #[error(
        "Kubernetes: the Secret changes all the time, so that no token could be written into it"
    )]
    Contended,
    /// The operator only tells what it would do; nothing was sent.
    #[error("would {step}")]
    Withheld {
        /// What it would do.
        step: String,
    },
    /// This process does not lead at this instant; nothing was sent.
    #[error(transparent)]
    NotLeading(#[from] NotLeading),
    /// Something of ours cannot be written as JSON.
    #[error("cannot write {what}: {source}")]
    Json {
        /// What was to be written.
        what: &'static str,
        /// Why not.
        #[source]
        source: serde_json::Error,
    },
}

impl Error {
    /// The word for conditions, Events and metrics.
    #[must_use]
    pub const fn reason(&self) -> Reason {
        match self {
            Self::Backend(error) => backend_reason(error),
            Self::AnotherBackend => Reason::InstanceChanged,
            Self::Useless { .. } => Reason::BackendProtocol,
            Self::Contended => Reason::SecretTampered,
            Self::Withheld { .. } => Reason::ObserveOnly,
            Self::Kubernetes { .. } if self.is_refusal() => Reason::KubernetesRefused,
            Self::Kubernetes { .. }
            | Self::Silence { .. }
            | Self::NotLeading(_)
            | Self::Json { .. } => Reason::KubernetesUnavailable,
        }
    }

    /// Whether the object changed under us, or is there although it was not: the next look shows it as it is.
    #[must_use]
    pub fn is_conflict(&self) -> bool {
        self.status()
            .is_some_and(|status| status.is_conflict() || status.is_already_exists())
    }

    /// Whether this process lacks the right to it.
    #[must_use]
    pub fn is_denied(&self) -> bool {
        self.status().is_some_and(kube::core::Status::is_forbidden)
    }

    /// Whether the thing that was asked for is not there.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        self.status().is_some_and(kube::core::Status::is_not_found)
    }

    /// Whether what was sent cannot be so.
    #[must_use]
    pub fn is_invalid(&self) -> bool {
        self.status().is_some_and(|status| status.code == 422)
    }

    /// Whether a change was sent whose effect is not known.
    #[must_use]
    pub fn outcome_unknown(&self) -> bool {
        match self {
            Self::Silence { .. } => true,
            Self::Kubernetes { .. } => self.status().is_none_or(|status| status.code >= 500),
            Self::Backend(error) => error.outcome_unknown(),
            Self::AnotherBackend
            | Self::Useless { .. }
            | Self::Contended
            | Self::Withheld { .. }
            | Self::NotLeading(_)
            | Self::Json { .. } => false,
        }
    }

    /// When to try again after so many failures in a row (the first is 1); `spread` in 0..1 keeps objects apart.
    #[must_use]
    pub fn retry_after(&self, failures: u32, spread: f64) -> Duration {
        if self.is_conflict() && failures < 3 {
            return Duration::from_millis(100);
        }
        let asked = match self {
            Self::Backend(error) => error.retry_after().unwrap_or_default(),
            _ => Duration::ZERO,
        };
        backoff(failures, spread).max(asked)
    }

    /// The same without what the API server said in words: it may quote the Secret that it was sent.
    #[must_use]
    pub fn without_quotes(self) -> Self {
        match self {
            Self::Kubernetes { operation, source } => Self::Kubernetes {
                operation,
                source: Box::new(wordless(*source)),
            },
            other => other,
        }
    }

    /// Whether the API server will not have it as long as nobody changes a right, a quota or an admission webhook.
    const fn is_refusal(&self) -> bool {
        matches!(self.status(), Some(status) if matches!(status.code, 400 | 403 | 413 | 422))
    }

    const fn status(&self) -> Option<&kube::core::Status> {
        match self {
            Self::Kubernetes { source, .. } => match &**source {
                kube::Error::Api(status) => Some(status),
                _ => None,
            },
            _ => None,
        }
    }
}

/// What went wrong in words made for people: kube's own text holds the whole answer as Rust prints it.
fn words(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) => status.message.clone(),
        other => other.to_string(),
    }
}

fn wordless(error: kube::Error) -> kube::Error {
    let kube::Error::Api(mut status) = error else {
        return error;
    };
    let advice = if status.message.contains("exceeded quota") {
        ": a ResourceQuota leaves no room for one more Secret in this namespace. Raise it, or delete a Secret"
    } else {
        ""
    };
    status.message = format!("it answered {} {}{advice}", status.code, status.reason);
    status.details = None;
    kube::Error::Api(status)
}

/// Doubling from two seconds to two minutes, each half fixed and half spread.
fn backoff(failures: u32, spread: f64) -> Duration {
    let ceiling = Duration::from_secs(1 << failures.clamp(1, 7)).min(Duration::from_mins(2));
    ceiling / 2 + (ceiling / 2).mul_f64(spread.clamp(0.0, 1.0))
}

/// The word for a failure of the backend.
pub(super) const fn backend_reason(error: &client::Error) -> Reason {
    match error {
        client::Error::Unauthorized { .. } => Reason::Unauthorized,
        client::Error::Forbidden { .. } => Reason::Forbidden,
        client::Error::Throttled { .. }
        | client::Error::Unavailable {
            outage: client::Outage::Busy,
            ..
        } => Reason::BackendThrottled,
        client::Error::Unavailable { .. } => Reason::BackendUnavailable,
        client::Error::Conflict { .. } | client::Error::Ambiguous { .. } => Reason::NameConflict,
        client::Error::Config { .. } | client::Error::Invalid { .. } => Reason::Invalid,
        client::Error::Gone { .. }
        | client::Error::Protocol { .. }
        | client::Error::Incomplete { .. } => Reason::BackendProtocol,
    }
}

/// Names what was being done with the API server.
pub(super) trait During<T> {
    fn during(self, operation: &'static str) -> Result<T, Error>;
}

impl<T> During<T> for Result<T, kube::Error> {
    fn during(self, operation: &'static str) -> Result<T, Error> {
        self.map_err(|source| Error::Kubernetes {
            operation,
            source: Box::new(source),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retries_slow_down_to_two_minutes_and_stay_apart() {
        let error = Error::Silence { operation: "read" };
        assert_eq!(error.retry_after(1, 0.0), Duration::from_secs(1));
        assert_eq!(error.retry_after(1, 1.0), Duration::from_secs(2));
        assert_eq!(error.retry_after(50, 1.0), Duration::from_mins(2));
    }

    #[test]
    fn what_the_api_server_says_is_told_in_its_own_words() {
        let status = kube::core::Status::failure("secrets are full", "Forbidden").with_code(403);
        let source = Box::new(kube::Error::Api(Box::new(status)));
        let operation = "write";
        let error = Error::Kubernetes { operation, source };
        let said = "Kubernetes: cannot write: secrets are full";
        assert_eq!(error.to_string(), said);
        let said = "Kubernetes: cannot write: it answered 403 Forbidden";
        assert_eq!(error.without_quotes().to_string(), said);
    }

    #[test]
    fn what_was_answered_is_no_silence() {
        for error in [Error::Contended, Error::Useless { how: "is refused" }] {
            assert!(!error.outcome_unknown() && !error.is_conflict(), "{error}");
            assert!(!error.to_string().contains("no answer"), "{error}");
        }
    }

    #[test]
    fn a_quota_is_told_of_without_quoting_anything() {
        let said =
            "secrets \"hunter2\" is forbidden: exceeded quota: few, requested: count/secrets=1";
        let status = kube::core::Status::failure(said, "Forbidden").with_code(403);
        let source = Box::new(kube::Error::Api(Box::new(status)));
        let operation = "write";
        let said = Error::Kubernetes { operation, source }
            .without_quotes()
            .to_string();
        assert!(said.contains("Raise it, or delete a Secret"), "{said}");
        assert!(!said.contains("hunter2"), "{said}");
    }

    #[test]
    fn a_conflict_is_an_object_that_changed_or_that_somebody_made_meanwhile() {
        let refused = |reason: &str, code| {
            let status = kube::core::Status::failure("no", reason).with_code(code);
            Err::<(), _>(kube::Error::Api(status.boxed()))
                .during("write")
                .unwrap_err()
        };
        assert!(refused("Conflict", 409).is_conflict());
        assert!(refused("AlreadyExists", 409).is_conflict());
        assert!(!refused("Invalid", 422).is_conflict());
    }

    #[test]
    fn what_the_backend_asks_for_is_obeyed() {
        let call = client::Call {
            method: "GET",
            path: "/api/v1/me",
        };
        let retry_after = Some(Duration::from_mins(10));
        let error = Error::from(client::Error::Throttled {
            call,
            status: 429,
            retry_after,
        });
        assert_eq!(error.retry_after(1, 0.5), Duration::from_mins(10));
        assert_eq!(error.reason(), Reason::BackendThrottled);
    }
}
