//! The status of an entry: what it says is read back in the next pass, and what is written there before it is relied
//! on.

use jiff::{RoundMode, Timestamp, TimestampRound, Unit};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::TokenHolder;
use super::round::Round;
use crate::api::token_status::{RetiredToken, TokenStatus};
use crate::controller::outcome::Stop;
use crate::iam::model::TokenId;
use crate::plan::token::{
    Current, End, Integrity, Plan, Recorded, Retired, Sighting, overlap, pending, schedule,
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
        condemned: status.compromised_generation,
    }
}

impl<K: TokenHolder> Round<'_, K> {
    /// Writes down that the Secret was seen as it is, and that its history is known from now on.
    pub(super) async fn accept(&mut self, integrity: Integrity, plan: &Plan) -> Result<(), Stop> {
        let now = whole(self.now());
        let seen = &mut self.sight.seen;
        seen.recorded = Some(Recorded::accepted(seen, integrity, now));
        seen.sighting = Sighting::Recorded;
        self.note(plan);
        self.pass.checkpoint().await?;
        Ok(())
    }

    /// Has the status say what is known. An entry whose Secret is gone keeps what was said of it.
    pub(super) fn note(&mut self, plan: &Plan) {
        let Some(recorded) = Recorded::noted(&self.sight.seen) else {
            return;
        };
        let old = K::token(&self.pass.status, self.entry.name);
        let old = old.cloned().unwrap_or_default();
        let mut status = TokenStatus {
            generation: recorded.generation,
            secret_name: recorded.secret_name.clone(),
            secret_resource_version: recorded.resource_version.clone(),
            history_since: recorded.history_since.map(time),
            handled_rotate_request: recorded.rotate.clone(),
            handled_compromised: recorded.compromised.clone(),
            compromised_generation: recorded.condemned,
            ..old.clone()
        };
        if self.sight.seen.is_accepted() {
            let retired = pending(&self.sight.seen).into_iter();
            status.retired = retired
                .map(|retired| self.retired(&recorded, retired, &old, plan))
                .collect();
            if let Some(current) = self.sight.seen.current() {
                self.describe(current, &old, plan, &mut status);
            }
        }
        K::set_token(&mut self.pass.status, self.entry.name, status);
    }

    fn describe(
        &self,
        current: &Current,
        old: &TokenStatus,
        plan: &Plan,
        status: &mut TokenStatus,
    ) {
        let (policy, seed) = (&self.entry.policy, &self.sight.seen.seed);
        let expires = self.told_expiry(current, old, plan);
        let due = schedule(policy, current, expires, seed, self.now()).due;
        status.id = Some(current.id.0.clone());
        status.prefix.clone_from(&current.prefix);
        status.issued_time = Some(time(current.issued));
        status.published_time = Some(time(self.sight.published.unwrap_or(current.published)));
        status.expiration_time = expires.map(time);
        status.next_rotation_time = due.map(time);
    }

    /// An expiry that moves with each use is written down when the schedule that was told has run out, not before.
    fn told_expiry(&self, current: &Current, old: &TokenStatus, plan: &Plan) -> Option<Timestamp> {
        let is_same = old.id.as_deref() == Some(current.id.as_str());
        let told = old.expiration_time.as_ref().filter(|_| is_same);
        let told = told.map_or(current.expires.map(whole), |time| Some(time.0));
        let (policy, seed) = (&self.entry.policy, &self.sight.seen.seed);
        let was_due = schedule(policy, current, told, seed, current.issued).due;
        let is_due = plan.schedule.and_then(|schedule| schedule.due);
        if is_due > was_due && was_due < Some(self.now()) {
            self.sight.seen.expires()
        } else {
            told
        }
    }

    fn retired(
        &self,
        recorded: &Recorded,
        retired: &Retired,
        old: &TokenStatus,
        plan: &Plan,
    ) -> RetiredToken {
        let since = recorded.retired_since(&retired.id);
        let end = (retired.end == End::Overlap)
            .then(|| overlap(&self.entry.policy, &self.sight.seen, retired).latest);
        // Times of use change the status only together with the warning.
        let in_use = plan
            .in_use
            .as_ref()
            .filter(|in_use| in_use.id == retired.id);
        let told = old.retired.iter().find(|old| old.id == retired.id.0);
        let told = told.and_then(|old| old.last_used_time.clone());
        RetiredToken {
            id: retired.id.0.clone(),
            generation: retired.generation,
            retired_time: since.map(time),
            revoke_after_time: end.map(time),
            expiration_time: retired.expires.map(time),
            last_used_time: in_use.and_then(|in_use| told.or_else(|| Some(time(in_use.last_used)))),
        }
    }
}

/// As the API server keeps it: whole seconds, rounded up, so that nothing is taken for older than it is.
pub(super) fn time(instant: Timestamp) -> Time {
    Time(whole(instant))
}

/// Whole seconds, rounded up.
pub(super) fn whole(instant: Timestamp) -> Timestamp {
    let up = TimestampRound::new()
        .smallest(Unit::Second)
        .mode(RoundMode::Ceil);
    instant.round(up).unwrap_or(instant)
}
