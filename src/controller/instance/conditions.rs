//! The status of an instance.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

use kube::core::object::HasStatus;

use super::Connects;
use super::connection::Connection;
use super::credential::{Reached, Source};
use super::rotation;
use crate::api::condition::{ConditionType, Finding, Reason, Truth};
use crate::api::instance::InstanceStatus;
use crate::controller::error::Error;
use crate::controller::kind::Pass;
use crate::controller::outcome::Stop;
use crate::controller::status::{self, TokensLive, conditions, mend, troubled};
use crate::iam::client::Line;

/// So much of a credential's life is left when it is warned of.
const WARN_DAYS: i64 = 7;

/// The status after a look that came through.
pub(super) fn connected<K: Connects>(
    pass: &Pass<K>,
    connection: &Connection,
    now: Timestamp,
) -> InstanceStatus {
    let Connection { backend, reached } = connection;
    let (object, configs) = (&pass.object, &reached.configs);
    let expiring = reached
        .expires
        .filter(|_| !is_renewed(pass, reached))
        .and_then(|expires| expiring(reached.source, expires, now));
    let unused = object.is_closed().then(unused);
    let findings: Vec<Finding> = told(&pass.findings)
        .cloned()
        .chain(expiring)
        .chain(unused)
        .collect();
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
        credential_expiration_time: reached.expires.map(Time),
        credential: pass.status.credential.clone(),
        ..after(object, None, &findings, now)
    }
}

/// What a failure to keep our own token means.
pub(super) fn trouble(reason: Reason, message: &str) -> Vec<Finding> {
    told(&troubled(reason, message)).cloned().collect()
}

/// Whether we work on with a token of our own that we replace in time, whatever becomes of the credential in use.
fn is_renewed<K: Connects>(pass: &Pass<K>, reached: &Reached) -> bool {
    let is_rotated = pass.object.settings().credentials.rotation.is_some();
    let mut findings = pass.findings.iter();
    let has_failed = findings.any(|it| match it.kind {
        ConditionType::TokenIssued => it.truth == Truth::False,
        ConditionType::Stalled | ConditionType::Reconciling => it.truth == Truth::True,
        _ => it.reason == Reason::ObserveOnly,
    });
    let is_own = match reached.source {
        Source::Own => true,
        Source::Given => {
            rotation::id(pass).is_some() && !reached.is_own_refused && reached.former.is_none()
        }
    };
    is_rotated && is_own && !has_failed
}

/// What keeping our own token came to, as far as it is not about whether the backend can be worked with.
fn told(findings: &[Finding]) -> impl Iterator<Item = &Finding> {
    let is_told = |finding: &&Finding| match finding.kind {
        ConditionType::Ready => false,
        ConditionType::Synced => finding.reason == Reason::ObserveOnly,
        _ => true,
    };
    findings.iter().filter(is_told)
}

/// It works, and yet whoever refers to it is refused.
fn unused() -> Finding {
    let message = "everything is as declared, but no namespace may use it yet: name some in spec.allowedNamespaces";
    Finding::new(ConditionType::Ready, true, Reason::Synced, message)
}

fn expiring(source: Source, expires: Timestamp, now: Timestamp) -> Option<Finding> {
    let days = expires.duration_since(now).as_hours() / 24;
    let message = match source {
        Source::Given => format!(
            "the operator's own credential expires at {expires:.0}: put a new one into the Secret that spec.credentials names"
        ),
        Source::Own => format!(
            "the operator lives on the token that it issued for itself, which expires at {expires:.0} and is not replaced: \
             put a credential that works into the Secret that spec.credentials names"
        ),
    };
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
    let mut old = HasStatus::status(object).cloned().unwrap_or_default();
    if object.settings().credentials.rotation.is_none() {
        let issued = ConditionType::TokenIssued.as_str();
        old.conditions.retain(|condition| condition.type_ != issued);
    }
    let generation = object.meta().generation;
    let mut findings = findings.to_vec();
    // An instance that is down is not ready, whatever it was before.
    if let Some(Stop::Failed(error)) = stop {
        let message = failure(&object.settings().url, error);
        findings.extend(troubled(error.reason(), &message));
        let ready = Finding::new(ConditionType::Ready, false, error.reason(), message);
        findings.push(ready);
    }
    let pass = status::Pass {
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
