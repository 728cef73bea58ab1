//! The status of an instance.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

use super::Connects;
use super::connection::Connection;
use crate::api::condition::{ConditionType, Finding, Reason};
use crate::api::instance::InstanceStatus;
use crate::controller::outcome::Stop;
use crate::controller::status::{Pass, TokensLive, conditions, mend};
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
    let findings: Vec<Finding> = credential_expires
        .and_then(|expires| expiring(expires, now))
        .into_iter()
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
        credential_expiration_time: credential_expires.map(Time),
        ..after(object, None, &findings, now)
    }
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
    findings.extend(stop.and_then(|stop| match stop {
        Stop::Failed(error) => {
            let message = format!("{error}; {}", mend(error.reason()));
            Some(Finding::new(
                ConditionType::Ready,
                false,
                error.reason(),
                message,
            ))
        }
        Stop::Blocked(_) | Stop::Down(_) => None,
    }));
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
