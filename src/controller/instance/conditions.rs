//! The status of an instance.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

use super::Connects;
use super::connection::Connection;
use crate::api::condition::{ConditionType, Finding, Reason};
use crate::api::instance::InstanceStatus;
use crate::controller::error::Error;
use crate::controller::outcome::Stop;
use crate::controller::status::{Pass, TokensLive, conditions, mend, troubled};
use crate::iam::client::Line;

/// So much of a credential's life is left when it is warned of.
const WARN_DAYS: i64 = 7;

/// The status after a look that came through.
pub(super) fn connected<K: Connects>(
    object: &K,
    connection: &Connection,
    now: Timestamp,
) -> InstanceStatus {
    let Connection {
        backend,
        configs,
        credential_expires,
    } = connection;
    let expiring = credential_expires.and_then(|expires| expiring(expires, now));
    let unused = object.is_closed().then(unused);
    let findings: Vec<Finding> = expiring.into_iter().chain(unused).collect();
    let line = match configs.line() {
        Line::V1 => Some("1.x".to_owned()),
        Line::V2 => Some("2.x".to_owned()),
        Line::Unknown => None,
    };
    InstanceStatus {
        version: configs.version.clone(),
        edition: configs.edition.clone(),
        protocol: line,
        uuid: configs.uuid.clone(),
        tenant: Some(backend.client.tenant().to_owned()),
        identity: Some(backend.identity.clone()),
        credential_expiration_time: credential_expires.map(Time),
        ..after(object, None, &findings, now)
    }
}

/// It works, and yet whoever refers to it is refused.
fn unused() -> Finding {
    let message = "everything is as declared, but no namespace may use it yet: name some in spec.allowedNamespaces";
    Finding::new(ConditionType::Ready, true, Reason::Synced, message)
}

fn expiring(expires: Timestamp, now: Timestamp) -> Option<Finding> {
    let days = expires.duration_since(now).as_hours() / 24;
    let message = format!(
        "the operator's own credential expires at {expires:.0}: put a new one into the Secret that spec.credentials names"
    );
    (days < WARN_DAYS)
        .then(|| Finding::new(ConditionType::Expiring, true, Reason::TokenExpired, message))
}

/// The status after one that did not: what was known of the backend stays.
pub(super) fn failed<K: Connects>(object: &K, stop: &Stop, now: Timestamp) -> InstanceStatus {
    after(object, Some(stop), &[], now)
}

/// What went wrong by its class, and what to do. The address is the spec's own word, so that it may be told here; on the
/// objects that wait it is not.
fn failure(url: &str, error: &Error) -> String {
    match error.reason() {
        Reason::BackendUnavailable => format!(
            "{url} cannot be worked with ({error}): check spec.url, and that the backend runs there; tried again by itself, at \
             least once a minute"
        ),
        reason => format!("{error}; {}", mend(reason)),
    }
}

fn after<K: Connects>(
    object: &K,
    stop: Option<&Stop>,
    findings: &[Finding],
    now: Timestamp,
) -> InstanceStatus {
    let old = object.status().cloned().unwrap_or_default();
    let generation = object.meta().generation;
    let mut findings = findings.to_vec();
    // An instance that is down is not ready, whatever it was before.
    if let Some(Stop::Failed(error)) = stop {
        let message = failure(&object.settings().url, error);
        findings.extend(troubled(error.reason(), &message));
        let ready = Finding::new(ConditionType::Ready, false, error.reason(), message);
        findings.push(ready);
    }
    let pass = Pass {
        generation,
        old: &old.conditions,
        old_generation: old.observed_generation,
        stop,
        findings: &findings,
        tokens_live: TokensLive::All,
    };
    let conditions: Vec<Condition> = conditions(&pass, now);
    InstanceStatus {
        observed_generation: generation,
        conditions,
        ..old
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::iam::client::{self, Call, Outage, TlsProblem};

    #[test]
    fn a_wrong_address_is_named_with_what_to_check() {
        for outage in [
            Outage::Dns,
            Outage::Connect,
            Outage::Tls(TlsProblem::UnknownIssuer),
            Outage::Status(502),
        ] {
            let call = Call {
                method: "GET",
                path: "/api/v1/configs",
            };
            let error = Error::from(client::Error::Unavailable { call, outage });
            let said = failure("https://kestra.test", &error);
            assert!(said.starts_with("https://kestra.test cannot"), "{said}");
            assert!(said.contains(&outage.to_string()), "{said}");
            assert!(said.contains("check spec.url"), "{said}");
            assert!(said.ends_with("at least once a minute"), "{said}");
        }
    }

    #[test]
    fn what_has_nothing_to_do_with_the_address_does_not_blame_it() {
        let operation = "read the instance's Secret";
        let said = failure("https://kestra.test", &Error::Silence { operation });
        assert!(!said.contains("kestra.test"), "{said}");
    }
}
