//! The status of an entry: what it says is read back in the next pass, and what is written there before it is relied
//! on.

use jiff::{RoundMode, SignedDuration, Timestamp, TimestampRound, Unit};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use sha2::{Digest, Sha256};

use super::sight::Sight;
use super::{Entry, TokenHolder};
use crate::api::token_status::{RetiredToken, TokenStatus};
use crate::controller::backend::Backend;
use crate::controller::kind::Pass;
use crate::controller::outcome::Stop;
use crate::iam::model::TokenId;
use crate::plan::token::{
    Current, Plan, Policy, Recorded, Retired, SecretSeen, Sighting, pending, schedule,
};

/// What the decision needs of a status.
pub(super) fn read(status: &TokenStatus) -> Recorded {
    let retired = status.retired.iter().filter_map(|retired| {
        let since = retired.retired_time.as_ref()?.0;
        Some((TokenId(retired.id.clone()), since))
    });
    Recorded {
        generation: status.generation,
        secret_name: status.secret_name.clone(),
        resource_version: status.secret_resource_version.clone(),
        history_since: status.history_since.as_ref().map(|time| time.0),
        retired: retired.collect(),
        rotate: status.handled_rotate_request.clone(),
        compromised: status.handled_compromised.clone(),
    }
}

/// Has the status say what is known. An entry whose Secret is gone keeps what was said of it.
pub(super) fn note<K: TokenHolder>(
    pass: &mut Pass<K>,
    entry: &Entry<'_>,
    sight: &Sight,
    plan: &Plan,
) {
    let old = K::token(&pass.status, entry.name)
        .cloned()
        .unwrap_or_default();
    let Some(recorded) = &sight.seen.recorded else {
        return;
    };
    let mut status = TokenStatus {
        generation: recorded.generation,
        secret_name: recorded.secret_name.clone(),
        secret_resource_version: recorded.resource_version.clone(),
        history_since: recorded.history_since.map(time),
        handled_rotate_request: recorded.rotate.clone(),
        handled_compromised: recorded.compromised.clone(),
        ..old.clone()
    };
    if let Some(current) = sight.seen.current().filter(|_| sight.seen.is_accepted()) {
        describe(&mut status, &old, current, sight, plan, &entry.policy);
        let retired = pending(&sight.seen).into_iter();
        status.retired = retired
            .map(|r| retired_token(r, recorded, &old, plan, &entry.policy))
            .collect();
    }
    K::set_token(&mut pass.status, entry.name, status);
}

fn describe(
    status: &mut TokenStatus,
    old: &TokenStatus,
    current: &Current,
    sight: &Sight,
    plan: &Plan,
    policy: &Policy,
) {
    // An expiry that moves with each use is written down when the recorded schedule has run out, not before.
    let same = old.id.as_deref() == Some(current.id.as_str());
    let moved = old
        .expiration_time
        .as_ref()
        .filter(|told| same && Some(told.0) != current.expires.map(whole));
    let recorded = moved.map_or(current.expires, |told| Some(told.0));
    let was_due = schedule(policy, current, recorded, &sight.seen.seed).due;
    let is_over = plan
        .schedule
        .is_some_and(|now| now.due > was_due && was_due < Some(plan.now));
    let expires = if is_over {
        sight.seen.expires()
    } else {
        recorded
    };
    status.id = Some(current.id.0.clone());
    status.prefix.clone_from(&current.prefix);
    status.issued_time = Some(time(current.issued));
    status.published_time = Some(time(sight.published.unwrap_or(current.published)));
    status.expiration_time = expires.map(time);
    status.next_rotation_time = schedule(policy, current, expires, &sight.seen.seed)
        .due
        .map(time);
}

fn retired_token(
    retired: &Retired,
    recorded: &Recorded,
    old: &TokenStatus,
    plan: &Plan,
    policy: &Policy,
) -> RetiredToken {
    let known = recorded
        .retired
        .iter()
        .find(|(id, _)| *id == retired.id)
        .map(|(_, since)| *since);
    let since = known
        .or(recorded.history_since)
        .unwrap_or(retired.retired)
        .max(retired.retired);
    let end = since
        .checked_add(policy.overlap.max)
        .unwrap_or(Timestamp::MAX);
    let end = retired.expires.map_or(end, |expires| end.min(expires));
    // Times of use change the status only together with the warning.
    let said = old.retired.iter().find(|old| old.id == retired.id.0);
    let said = said.and_then(|old| old.last_used_time.clone());
    let in_use = plan
        .in_use
        .as_ref()
        .filter(|in_use| in_use.id == retired.id);
    RetiredToken {
        id: retired.id.0.clone(),
        generation: retired.generation,
        retired_time: Some(time(since)),
        revoke_after_time: Some(time(end)),
        expiration_time: retired.expires.map(time),
        last_used_time: in_use.and_then(|in_use| said.or_else(|| Some(time(in_use.last_used)))),
    }
}

/// Writes down that the Secret was seen as it is, and that its history is known from now on.
pub(super) async fn accept<K: TokenHolder>(
    pass: &mut Pass<K>,
    backend: &Backend,
    entry: &Entry<'_>,
    sight: &mut Sight,
    intact: bool,
) -> Result<(), Stop> {
    let now = whole(backend.client.backend_now());
    let SecretSeen::Ours {
        resource_version,
        history,
        ..
    } = &sight.seen.secret
    else {
        return Ok(());
    };
    let mut recorded = sight.seen.recorded.take().unwrap_or_default();
    recorded.history_since = Some(now);
    recorded.retired.clear();
    if intact {
        let generation = history
            .as_ref()
            .map_or(0, |history| history.current.generation);
        recorded.generation = recorded.generation.max(generation);
        recorded.secret_name = Some(entry.dressing.name.to_owned());
        recorded.resource_version = Some(resource_version.clone());
        recorded.rotate = history.as_ref().and_then(|history| history.rotate.clone());
        recorded.compromised = history
            .as_ref()
            .and_then(|history| history.compromised.clone());
    }
    sight.seen.recorded = Some(recorded);
    sight.seen.sighting = Sighting::Recorded;
    let plan = crate::plan::token::plan(
        &entry.policy,
        &sight.seen,
        pass.context.settings.issue_pace,
        now,
    );
    note(pass, entry, sight, &plan);
    pass.checkpoint().await?;
    Ok(())
}

/// The first instant after `since` at which an identity has its turn, if each has one in every interval.
pub(super) fn turn(seed: &str, since: Timestamp, interval: SignedDuration) -> Timestamp {
    let digest = Sha256::digest(seed);
    let interval = interval.as_secs().max(1);
    let hash = i64::from(u32::from_be_bytes([
        digest[0], digest[1], digest[2], digest[3],
    ]));
    let (since, offset) = (since.as_second(), hash % interval);
    let next = since - (since - offset).rem_euclid(interval) + interval;
    Timestamp::from_second(next).unwrap_or(Timestamp::MAX)
}

/// As the API server keeps it: whole seconds, rounded up, so that nothing is taken for older than it is.
pub(super) fn time(instant: Timestamp) -> Time {
    Time(whole(instant))
}

pub(super) fn whole(instant: Timestamp) -> Timestamp {
    let up = TimestampRound::new()
        .smallest(Unit::Second)
        .mode(RoundMode::Ceil);
    instant.round(up).unwrap_or(instant)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn each_identity_has_one_turn_in_every_interval(
            seed in "[a-z/]{1,20}", since in 0i64..4_000_000_000, interval in 1i64..100_000,
        ) {
            let interval = SignedDuration::from_secs(interval);
            let since = Timestamp::from_second(since).unwrap();
            let next = turn(&seed, since, interval);
            prop_assert!(next > since && next.duration_since(since) <= interval);
            prop_assert_eq!(turn(&seed, next, interval).duration_since(next), interval);
        }
    }
}
