//! What a Lease says, and the Leases that we write.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::api::ObjectMeta;

use super::timing::{LONGEST, Timing};

/// The seconds that a released Lease holds. Someone who clears the holder by hand leaves them as they were, and the
/// former holder may still be acting.
const RELEASED: i32 = 1;

/// Who is in the running, and for what.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// Unique among all processes that ever want this Lease.
    pub identity: String,
    /// The Lease's name.
    pub lease: String,
}

pub(super) fn holder(lease: &Lease) -> Option<&str> {
    let holder = lease.spec.as_ref()?.holder_identity.as_deref()?;
    (!holder.is_empty()).then_some(holder)
}

/// Given up by its holder, who had stopped acting.
pub(super) fn is_released(lease: &Lease) -> bool {
    let spec = lease.spec.as_ref();
    holder(lease).is_none() && spec.and_then(|s| s.lease_duration_seconds) == Some(RELEASED)
}

/// Written by the bid that was stamped `renewed`.
pub(super) fn is_bid(lease: &Lease, identity: &str, renewed: Option<Timestamp>) -> bool {
    let stamp = lease.spec.as_ref().and_then(|s| s.renew_time.as_ref());
    holder(lease) == Some(identity) && renewed.is_some() && stamp.map(|t| t.0) == renewed
}

/// The same object in the same version.
pub(super) fn same(one: Option<&Lease>, other: Option<&Lease>) -> bool {
    let version = |lease: &Lease| {
        let meta = &lease.metadata;
        (meta.uid.clone(), meta.resource_version.clone())
    };
    one.map(version) == other.map(version)
}

/// The longer of our own lease duration and the one in the record: replicas of two releases may differ in it.
pub(super) fn wait(lease: &Lease, timing: &Timing) -> Duration {
    let seconds = lease.spec.as_ref().and_then(|s| s.lease_duration_seconds);
    let theirs = Duration::from_secs(seconds.and_then(|s| u64::try_from(s).ok()).unwrap_or(0));
    timing.lease_duration().max(theirs.min(LONGEST))
}

/// A stamp in the resolution that a Lease keeps.
pub(super) fn stamp(wall: Timestamp) -> Timestamp {
    Timestamp::from_microsecond(wall.as_microsecond()).unwrap_or(wall)
}

/// The Lease that makes the candidate its holder: `basis` with its version kept, or a new one.
pub(super) fn bid(
    candidate: &Candidate,
    basis: Option<&Lease>,
    timing: &Timing,
    at: Timestamp,
) -> Lease {
    let old = basis.and_then(|l| l.spec.clone()).unwrap_or_default();
    let stays = basis.and_then(holder) == Some(candidate.identity.as_str());
    let spec = LeaseSpec {
        holder_identity: Some(candidate.identity.clone()),
        lease_duration_seconds: Some(seconds(timing)),
        acquire_time: if stays {
            old.acquire_time.clone()
        } else {
            Some(MicroTime(at))
        },
        renew_time: Some(MicroTime(at)),
        lease_transitions: Some(transitions(&old, old.acquire_time.is_some() && !stays)),
        ..old
    };
    let metadata = basis.map_or_else(|| named(&candidate.lease), |l| l.metadata.clone());
    Lease {
        metadata,
        spec: Some(spec),
    }
}

/// A Lease without a holder, for all to wait for.
pub(super) fn vacant(candidate: &Candidate, timing: &Timing) -> Lease {
    let spec = LeaseSpec {
        lease_duration_seconds: Some(seconds(timing)),
        ..LeaseSpec::default()
    };
    Lease {
        metadata: named(&candidate.lease),
        spec: Some(spec),
    }
}

/// The Lease that says that its holder has stopped acting; anyone may take it at once.
pub(super) fn release(held: &Lease, at: Timestamp) -> Lease {
    let old = held.spec.clone().unwrap_or_default();
    let spec = LeaseSpec {
        holder_identity: Some(String::new()),
        lease_duration_seconds: Some(RELEASED),
        renew_time: Some(MicroTime(at)),
        ..old
    };
    Lease {
        metadata: held.metadata.clone(),
        spec: Some(spec),
    }
}

fn transitions(old: &LeaseSpec, changes_hands: bool) -> i32 {
    let before = old.lease_transitions.unwrap_or(0);
    if changes_hands {
        before.saturating_add(1)
    } else {
        before
    }
}

fn seconds(timing: &Timing) -> i32 {
    i32::try_from(timing.lease_duration().as_millis().div_ceil(1000)).unwrap_or(i32::MAX)
}

fn named(name: &str) -> ObjectMeta {
    ObjectMeta {
        name: Some(name.to_owned()),
        ..ObjectMeta::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(identity: &str) -> Candidate {
        Candidate {
            identity: identity.to_owned(),
            lease: "operator".to_owned(),
        }
    }

    fn timing() -> Timing {
        let millis = Duration::from_millis;
        Timing::new(millis(2_500), millis(2_000), millis(1_000), millis(200)).unwrap()
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn a_renewal_keeps_the_acquisition_and_what_others_put_there() {
        let mut first = bid(&candidate("a"), None, &timing(), at(1));
        first.metadata.labels = Some([("team".to_owned(), "x".to_owned())].into());
        let renewed = bid(&candidate("a"), Some(&first), &timing(), at(2));
        let spec = renewed.spec.unwrap();
        assert_eq!(renewed.metadata, first.metadata);
        assert_eq!(spec.acquire_time, Some(MicroTime(at(1))));
        assert_eq!(spec.renew_time, Some(MicroTime(at(2))));
        assert_eq!(spec.lease_transitions, Some(0));
        assert_eq!(spec.lease_duration_seconds, Some(3));
    }

    #[test]
    fn a_take_over_counts_as_a_transition() {
        let first = bid(&candidate("a"), None, &timing(), at(1));
        let second = bid(
            &candidate("b"),
            Some(&release(&first, at(2))),
            &timing(),
            at(3),
        )
        .spec
        .unwrap();
        assert_eq!(second.lease_transitions, Some(1));
        assert_eq!(second.acquire_time, Some(MicroTime(at(3))));
    }

    #[test]
    fn the_first_holder_is_no_transition() {
        let first = bid(
            &candidate("a"),
            Some(&vacant(&candidate("b"), &timing())),
            &timing(),
            at(1),
        );
        assert_eq!(first.spec.unwrap().lease_transitions, Some(0));
    }

    #[test]
    fn a_record_s_duration_is_believed_within_bounds() {
        let mut lease = vacant(&candidate("a"), &timing());
        for (seconds, wait_for) in [
            (Some(-5), 2_500),
            (None, 2_500),
            (Some(60), 60_000),
            (Some(i32::MAX), 600_000),
        ] {
            lease.spec.as_mut().unwrap().lease_duration_seconds = seconds;
            assert_eq!(wait(&lease, &timing()), Duration::from_millis(wait_for));
        }
    }
}
