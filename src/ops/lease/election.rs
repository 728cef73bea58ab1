//! Who leads, decided from what was read and when. Pure: no client, no clock, no randomness.
//!
//! The rule that makes two leaders impossible is client-go's: no clock of another machine is believed. A candidate
//! takes over when the record has not *changed* for the lease duration since it *received* it; a leader acts until the
//! renew deadline, which is shorter, since it *sent* the renewal that succeeded. Every write names the version that it
//! replaces, so that of two writers one is refused.
//!
//! Stricter than client-go where someone edits or deletes the Lease by hand: a Lease that is not there is created
//! without a holder and then waited for like any other, since its former holder may be acting; so is a holder that was
//! cleared by anything but a release, and our own name where we did not write it.

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::Lease;
use std::time::Duration;
use tokio::time::Instant;

use super::record::{self, Candidate};
use super::timing::Timing;

/// What the driver does next.
#[derive(Debug, PartialEq)]
pub(super) enum Step {
    /// Nothing before this instant.
    Wait(Instant),
    /// Read the Lease; the answer goes to [`Election::saw`] or [`Election::failed`].
    Read,
    /// Create this Lease, or replace it where it has a version; the answer goes to [`Election::wrote`],
    /// [`Election::refused`] or [`Election::failed`].
    Write(Box<Lease>),
    /// Leadership is lost and never comes back to this process.
    Stop(Loss),
}

/// Why a leader no longer leads.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Loss {
    /// The API server did not answer a renewal in time.
    #[error("no renewal succeeded before the renew deadline")]
    Deadline,
    /// Someone else is the holder.
    #[error("{0} holds it now")]
    Taken(String),
    /// The task that renews has ended.
    #[error("the renewals have stopped")]
    Stopped,
}

/// Where a candidate stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// Someone else leads, or nobody yet.
    Standby,
    /// Leads; `renewed` is the sending of the last renewal that succeeded.
    Leading {
        /// When that renewal was sent.
        renewed: Instant,
    },
    /// Led before.
    Lost(Loss),
}

/// One candidate's view of the election.
#[derive(Debug)]
pub(super) struct Election {
    candidate: Candidate,
    timing: Timing,
    standing: Standing,
    seen: Option<Sighting>,
    due: Instant,
    /// What was seen last is the basis of the next write; otherwise it must be read first.
    current: bool,
    /// The stamp of our last write, to know our own take-over again when its answer was lost.
    bid: Option<Timestamp>,
}

#[derive(Debug)]
struct Sighting {
    lease: Option<Lease>,
    /// Our clock when this version was received first.
    since: Instant,
}

impl Election {
    /// A candidate that has seen nothing yet.
    #[must_use]
    pub(super) const fn new(candidate: Candidate, timing: Timing, now: Instant) -> Self {
        let standing = Standing::Standby;
        Self {
            candidate,
            timing,
            standing,
            seen: None,
            due: now,
            current: false,
            bid: None,
        }
    }

    /// Where the candidate stands; a leader past its deadline still says `Leading` until [`Self::next`] is asked.
    #[must_use]
    pub(super) const fn standing(&self) -> &Standing {
        &self.standing
    }

    /// Who holds the Lease, as it was seen last.
    #[must_use]
    pub(super) fn holder(&self) -> Option<&str> {
        self.seen.as_ref()?.lease.as_ref().and_then(record::holder)
    }

    /// The Lease as it was seen last, if we hold it.
    #[must_use]
    pub(super) fn held(&self) -> Option<&Lease> {
        let lease = self.seen.as_ref()?.lease.as_ref()?;
        (record::holder(lease) == Some(self.candidate.identity.as_str())).then_some(lease)
    }

    /// The end of what the last renewal allows; `None` for who does not lead.
    #[must_use]
    pub(super) fn deadline(&self) -> Option<Instant> {
        match self.standing {
            Standing::Leading { renewed } => Some(renewed + self.timing.renew_deadline()),
            Standing::Standby | Standing::Lost(_) => None,
        }
    }

    /// What is to be done now. `wall` only stamps the record, for people to read.
    pub(super) fn next(&mut self, now: Instant, wall: Timestamp) -> Step {
        let deadline = self.deadline();
        if deadline.is_some_and(|end| now >= end) {
            self.standing = Standing::Lost(Loss::Deadline);
        }
        if let Standing::Lost(loss) = &self.standing {
            return Step::Stop(loss.clone());
        }
        if now < self.due {
            return Step::Wait(deadline.map_or(self.due, |end| end.min(self.due)));
        }
        if !self.current {
            return Step::Read;
        }
        Step::Write(Box::new(self.write(wall)))
    }

    fn write(&mut self, wall: Timestamp) -> Lease {
        let stamp = record::stamp(wall);
        self.bid = Some(stamp);
        match (
            &self.standing,
            self.seen.as_ref().and_then(|s| s.lease.as_ref()),
        ) {
            (Standing::Standby, None) => record::vacant(&self.candidate, &self.timing),
            (_, basis) => record::bid(&self.candidate, basis, &self.timing, stamp),
        }
    }

    /// The Lease was read: `received` when the answer was there, `pause` before the next look.
    pub(super) fn saw(&mut self, lease: Option<Lease>, received: Instant, pause: Duration) {
        self.note(lease, received);
        match (&self.standing, self.holder()) {
            (Standing::Leading { .. }, Some(other)) if other != self.candidate.identity => {
                self.standing = Standing::Lost(Loss::Taken(other.to_owned()));
            }
            (Standing::Leading { .. }, _) => self.write_at(received),
            _ => self.stand(received, pause),
        }
    }

    fn stand(&mut self, now: Instant, pause: Duration) {
        match self.free_from() {
            Some(free) if now < free => self.read_at(free.min(now + pause)),
            Some(_) => self.write_at(now),
            None => self.read_at(now + pause),
        }
    }

    /// When what was seen may be written over, as long as nothing of it changes.
    fn free_from(&self) -> Option<Instant> {
        let Sighting { lease, since } = self.seen.as_ref()?;
        let Some(lease) = lease else {
            return Some(*since);
        };
        let ours = record::is_bid(lease, &self.candidate.identity, self.bid);
        if ours || record::is_released(lease) {
            return Some(*since);
        }
        Some(*since + record::wait(lease, &self.timing))
    }

    /// A write was accepted and the Lease is now this; `sent` before the request left us.
    pub(super) fn wrote(
        &mut self,
        lease: Lease,
        sent: Instant,
        received: Instant,
        pause: Duration,
    ) {
        self.note(Some(lease), received);
        if self.held().is_some() {
            self.standing = Standing::Leading { renewed: sent };
            self.write_at(sent + self.timing.renew_interval());
        } else {
            self.stand(received, pause);
        }
    }

    /// A write was refused because the Lease is not in the version that it named: nothing happened.
    pub(super) fn refused(&mut self, received: Instant, pause: Duration) {
        let leads = matches!(self.standing, Standing::Leading { .. });
        self.read_at(if leads { received } else { received + pause });
    }

    /// A request failed or was not answered in time: a write may have happened or may yet happen.
    pub(super) fn failed(&mut self, sent: Instant, now: Instant, pause: Duration) {
        self.read_at(now.max(sent + pause));
    }

    fn note(&mut self, lease: Option<Lease>, received: Instant) {
        let known = self
            .seen
            .as_ref()
            .is_some_and(|seen| record::same(seen.lease.as_ref(), lease.as_ref()));
        if !known {
            self.seen = Some(Sighting {
                lease,
                since: received,
            });
        }
    }

    const fn write_at(&mut self, due: Instant) {
        (self.due, self.current) = (due, true);
    }

    const fn read_at(&mut self, due: Instant) {
        (self.due, self.current) = (due, false);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::api::coordination::v1::LeaseSpec;
    use kube::api::ObjectMeta;

    const PAUSE: Duration = Duration::from_secs(2);
    const WALL: Timestamp = Timestamp::UNIX_EPOCH;

    fn seconds(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    fn candidate() -> (Election, Instant) {
        let timing = Timing::new(seconds(15), seconds(10), seconds(5), PAUSE).unwrap();
        let who = Candidate {
            identity: "me".to_owned(),
            lease: "operator".to_owned(),
        };
        let start = Instant::now();
        (Election::new(who, timing, start), start)
    }

    fn lease(holder: &str, version: u32) -> Lease {
        Lease {
            metadata: ObjectMeta {
                resource_version: Some(version.to_string()),
                ..ObjectMeta::default()
            },
            spec: Some(LeaseSpec {
                holder_identity: Some(holder.to_owned()),
                lease_duration_seconds: Some(15),
                ..LeaseSpec::default()
            }),
        }
    }

    fn released(version: u32) -> Lease {
        record::release(&lease("other", version), WALL)
    }

    /// A leader whose renewal was sent at `start`.
    fn leader() -> (Election, Instant) {
        let (mut election, start) = candidate();
        election.saw(Some(released(1)), start, PAUSE);
        let won = written(&mut election, start);
        election.wrote(versioned(won, 2), start, start, PAUSE);
        (election, start)
    }

    fn written(election: &mut Election, now: Instant) -> Lease {
        match election.next(now, WALL) {
            Step::Write(lease) => *lease,
            other => panic!("a write was expected, not {other:?}"),
        }
    }

    fn versioned(mut lease: Lease, version: u32) -> Lease {
        lease.metadata.resource_version = Some(version.to_string());
        lease
    }

    #[test]
    fn a_candidate_reads_first() {
        let (mut election, start) = candidate();
        assert_eq!(election.next(start, WALL), Step::Read);
    }

    #[test]
    fn a_missing_lease_is_created_for_nobody_and_waited_for() {
        let (mut election, start) = candidate();
        election.saw(None, start, PAUSE);
        let created = written(&mut election, start);
        assert_eq!(
            (
                record::holder(&created),
                created.metadata.resource_version.clone()
            ),
            (None, None)
        );
        election.wrote(versioned(created.clone(), 1), start, start, PAUSE);
        assert_eq!(election.next(start, WALL), Step::Wait(start + PAUSE));
        election.saw(Some(versioned(created, 1)), start + seconds(15), PAUSE);
        let bid = written(&mut election, start + seconds(15));
        assert_eq!(record::holder(&bid), Some("me"));
    }

    #[test]
    fn a_record_that_stands_still_is_taken_over_in_the_version_seen() {
        let (mut election, start) = candidate();
        election.saw(Some(lease("other", 1)), start, PAUSE);
        assert_eq!(election.next(start, WALL), Step::Wait(start + PAUSE));
        election.saw(Some(lease("other", 1)), start + seconds(14), PAUSE);
        assert_eq!(
            election.next(start + seconds(14), WALL),
            Step::Wait(start + seconds(15))
        );
        election.saw(Some(lease("other", 1)), start + seconds(15), PAUSE);
        let bid = written(&mut election, start + seconds(15));
        assert_eq!(bid.metadata.resource_version.as_deref(), Some("1"));
    }

    #[test]
    fn any_change_of_the_record_starts_the_wait_again() {
        let (mut election, start) = candidate();
        election.saw(Some(lease("other", 1)), start, PAUSE);
        election.saw(Some(lease("other", 2)), start + seconds(14), PAUSE);
        election.saw(Some(lease("other", 2)), start + seconds(28), PAUSE);
        assert_eq!(
            election.next(start + seconds(28), WALL),
            Step::Wait(start + seconds(29))
        );
    }

    #[test]
    fn a_longer_lease_in_the_record_is_believed() {
        let (mut election, start) = candidate();
        let mut long = lease("other", 1);
        long.spec.as_mut().unwrap().lease_duration_seconds = Some(60);
        election.saw(Some(long.clone()), start, PAUSE);
        election.saw(Some(long), start + seconds(59), PAUSE);
        assert_eq!(
            election.next(start + seconds(59), WALL),
            Step::Wait(start + seconds(60))
        );
    }

    #[test]
    fn a_released_lease_is_taken_at_once_but_a_cleared_holder_is_not() {
        let (mut election, start) = candidate();
        election.saw(Some(lease("", 1)), start, PAUSE);
        assert_eq!(election.next(start, WALL), Step::Wait(start + PAUSE));
        election.saw(Some(released(2)), start, PAUSE);
        assert_eq!(record::holder(&written(&mut election, start)), Some("me"));
    }

    #[test]
    fn a_take_over_whose_answer_was_lost_is_known_again() {
        let (mut election, start) = candidate();
        election.saw(Some(released(1)), start, PAUSE);
        let bid = written(&mut election, start);
        election.failed(start, start + seconds(1), PAUSE);
        assert_eq!(
            election.next(start + seconds(1), WALL),
            Step::Wait(start + PAUSE)
        );
        election.saw(Some(versioned(bid, 2)), start + PAUSE, PAUSE);
        let renewal = written(&mut election, start + PAUSE);
        assert_eq!(renewal.metadata.resource_version.as_deref(), Some("2"));
    }

    #[test]
    fn our_name_written_by_someone_else_is_not_believed() {
        let (mut election, start) = candidate();
        election.saw(Some(lease("me", 1)), start, PAUSE);
        assert_eq!(election.next(start, WALL), Step::Wait(start + PAUSE));
    }

    #[test]
    fn a_leader_renews_without_reading_and_counts_from_the_sending() {
        let (mut election, start) = leader();
        assert_eq!(election.next(start, WALL), Step::Wait(start + seconds(5)));
        let sent = start + seconds(5);
        let renewal = written(&mut election, sent);
        election.wrote(versioned(renewal, 3), sent, sent + seconds(2), PAUSE);
        assert_eq!(election.deadline(), Some(sent + seconds(10)));
    }

    #[test]
    fn a_leader_stops_at_the_deadline() {
        let (mut election, start) = leader();
        election.failed(start + seconds(5), start + seconds(9), PAUSE);
        assert_eq!(election.next(start + seconds(9), WALL), Step::Read);
        assert_eq!(
            election.next(start + seconds(10), WALL),
            Step::Stop(Loss::Deadline)
        );
    }

    #[test]
    fn a_leader_that_sees_another_holder_stops_at_once() {
        let (mut election, start) = leader();
        election.refused(start + seconds(5), PAUSE);
        assert_eq!(election.next(start + seconds(5), WALL), Step::Read);
        election.saw(Some(lease("other", 3)), start + seconds(5), PAUSE);
        let lost = Step::Stop(Loss::Taken("other".to_owned()));
        assert_eq!(election.next(start + seconds(5), WALL), lost);
    }

    #[test]
    fn a_leader_puts_a_deleted_or_cleared_lease_back() {
        for seen in [None, Some(lease("", 3))] {
            let (mut election, start) = leader();
            election.saw(seen, start + seconds(5), PAUSE);
            assert_eq!(
                record::holder(&written(&mut election, start + seconds(5))),
                Some("me")
            );
        }
    }

    #[test]
    fn a_loss_is_final() {
        let (mut election, start) = leader();
        election.saw(Some(lease("other", 3)), start, PAUSE);
        election.saw(Some(released(4)), start, PAUSE);
        assert!(matches!(election.next(start, WALL), Step::Stop(_)));
        assert_eq!(election.deadline(), None);
    }
}
