//! Carries out what the election decides: reads and writes the Lease.

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::Lease;
use kube::Api;
use kube::api::PostParams;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use super::election::{Election, Loss, Standing, Step};
use super::record::{self, Candidate};
use super::timing::Timing;
use super::{Leadership, State};
use crate::clock::Clock;
use crate::ops::cluster::explain;

/// Starts a candidate for the Lease of that name in `api`'s namespace, in a task of its own.
#[must_use]
pub fn elect(api: Api<Lease>, candidate: Candidate, timing: Timing, clock: Clock) -> Leadership {
    let (state, seen) = watch::channel(State::Standby {
        holder: None,
        trouble: Some("it has not been read yet".to_owned()),
    });
    let release = CancellationToken::new();
    let election = Election::new(candidate.clone(), timing, Instant::now());
    let driver = Driver {
        api,
        candidate,
        timing,
        clock,
        election,
        state,
        uncreated: None,
        release: release.clone(),
    };
    tokio::spawn(driver.run());
    Leadership {
        state: seen,
        deadline: timing.renew_deadline(),
        release,
    }
}

struct Driver {
    api: Api<Lease>,
    candidate: Candidate,
    timing: Timing,
    clock: Clock,
    election: Election,
    state: watch::Sender<State>,
    /// Why the Lease, which is not there, could not be created.
    uncreated: Option<String>,
    release: CancellationToken,
}

/// How a request to the API server ended.
enum Answer<T> {
    Done(T),
    /// Refused for the version that it named; nothing happened.
    Refused(String),
    /// Not answered, or with an error; it may have happened.
    Failed(String),
}

impl Driver {
    async fn run(mut self) {
        match self.campaign().await {
            Some(loss) => self.lose(loss),
            None => self.give_up().await,
        }
    }

    /// Until leadership is lost, or `None` when told to give up. A write is never cut off: it might take effect.
    async fn campaign(&mut self) -> Option<Loss> {
        let release = self.release.clone();
        while !release.is_cancelled() {
            match self.election.next(Instant::now(), self.clock.now()) {
                Step::Wait(until) => drop(release.run_until_cancelled(sleep_until(until)).await),
                Step::Read => drop(release.run_until_cancelled(self.read()).await),
                Step::Write(lease) => self.write(*lease).await,
                Step::Stop(loss) => return Some(loss),
            }
        }
        None
    }

    async fn read(&mut self) {
        let sent = Instant::now();
        let answer = self.in_time(self.api.get_opt(&self.candidate.lease)).await;
        let (now, pause) = (Instant::now(), self.pause());
        match answer {
            Answer::Done(lease) => {
                if lease.is_some() {
                    self.uncreated = None;
                }
                self.election.saw(lease, now, pause);
                // A Lease that is still not there does not end the trouble of creating it.
                self.publish(self.uncreated.clone());
            }
            Answer::Refused(why) | Answer::Failed(why) => {
                self.election.failed(sent, now, pause);
                self.publish(Some(why));
            }
        }
    }

    async fn write(&mut self, lease: Lease) {
        let sent = Instant::now();
        let answer = self.in_time(self.store(&lease)).await;
        let (now, pause) = (Instant::now(), self.pause());
        match answer {
            Answer::Done(lease) => {
                self.uncreated = None;
                self.election.wrote(lease, sent, now, pause);
                self.publish(None);
            }
            Answer::Refused(why) => {
                debug!(
                    "The Lease {} changed meanwhile: {why}",
                    self.candidate.lease
                );
                self.election.refused(now, pause);
            }
            Answer::Failed(why) => {
                if lease.metadata.resource_version.is_none() {
                    self.uncreated = Some(why.clone());
                }
                self.election.failed(sent, now, pause);
                self.publish(Some(why));
            }
        }
    }

    async fn store(&self, lease: &Lease) -> kube::Result<Lease> {
        let params = PostParams::default();
        if lease.metadata.resource_version.is_some() {
            self.api
                .replace(&self.candidate.lease, &params, lease)
                .await
        } else {
            self.api.create(&params, lease).await
        }
    }

    /// No request outlives the attempt's time, nor the deadline of a leader.
    async fn in_time<T>(&self, request: impl Future<Output = kube::Result<T>>) -> Answer<T> {
        let left = self
            .election
            .deadline()
            .map(|end| end.saturating_duration_since(Instant::now()));
        let limit = self
            .timing
            .attempt()
            .min(left.unwrap_or(self.timing.attempt()));
        match timeout(limit, request).await {
            Ok(Ok(value)) => Answer::Done(value),
            Ok(Err(kube::Error::Api(status)))
                if status.is_conflict() || status.is_already_exists() =>
            {
                Answer::Refused(status.message)
            }
            Ok(Err(error)) => Answer::Failed(trouble(&error)),
            Err(_elapsed) => Answer::Failed(format!("no answer within {limit:?}")),
        }
    }

    fn pause(&self) -> std::time::Duration {
        self.timing.pause(rand::random())
    }
}

/// What went wrong, with the mend where the namespace is missing.
fn trouble(error: &kube::Error) -> String {
    let why = explain(error);
    let details = match error {
        kube::Error::Api(status) => status.details.as_ref(),
        _ => None,
    };
    if details.is_some_and(|details| details.kind == "namespaces") {
        format!("{why}: create the namespace, or name another one with --namespace")
    } else {
        why
    }
}

/// What the others in this process get to know.
impl Driver {
    fn publish(&self, trouble: Option<String>) {
        let before = self.state.borrow().clone();
        let lease = &self.candidate.lease;
        let state = match (self.election.standing(), before) {
            (Standing::Leading { renewed }, State::Leading { acquired, .. }) => {
                if let Some(trouble) = &trouble {
                    warn!("The Lease {lease} could not be renewed: {trouble}");
                }
                State::Leading {
                    renewed: *renewed,
                    acquired,
                    trouble,
                }
            }
            (Standing::Leading { renewed }, _) => {
                info!(
                    identity = self.candidate.identity,
                    "Leads: acquired the Lease {lease}"
                );
                State::Leading {
                    renewed: *renewed,
                    acquired: self.clock.now(),
                    trouble: None,
                }
            }
            (Standing::Standby, before) => {
                let state = State::Standby {
                    holder: self.election.holder().map(str::to_owned),
                    trouble,
                };
                if state != before {
                    self.tell(&state);
                }
                state
            }
            (Standing::Lost(loss), _) => State::Lost(loss.clone()),
        };
        self.state.send_replace(state);
    }

    fn tell(&self, state: &State) {
        let lease = &self.candidate.lease;
        match state {
            State::Standby {
                trouble: Some(trouble),
                ..
            } => warn!("The Lease {lease} can't be had: {trouble}"),
            State::Standby {
                holder: Some(holder),
                ..
            } => info!("Stands by: {holder} holds the Lease {lease}"),
            _ => info!("Stands by until the Lease {lease} is known to be free"),
        }
    }

    fn lose(&self, loss: Loss) {
        warn!("Lost the Lease {}: {loss}", self.candidate.lease);
        self.state.send_replace(State::Lost(loss));
    }
}

/// Giving up.
impl Driver {
    /// Nobody acts from here on; a Lease that is still ours is released so that nobody has to wait for it.
    async fn give_up(self) {
        let led = matches!(self.election.standing(), Standing::Leading { .. });
        if led && let Err(why) = self.release_lease().await {
            warn!(
                "The Lease {} is left to expire: {why}",
                self.candidate.lease
            );
        }
        self.state.send_replace(State::Released);
    }

    /// Two tries: a renewal without an answer may have changed the version meanwhile.
    async fn release_lease(&self) -> Result<(), String> {
        let mut held = self.election.held().cloned();
        for _ in 0..2 {
            let Some(lease) = held else { return Ok(()) };
            match self
                .in_time(self.store(&record::release(&lease, self.stamp())))
                .await
            {
                Answer::Done(_) => return Ok(()),
                Answer::Refused(_) => held = self.read_held().await?,
                Answer::Failed(why) => return Err(why),
            }
        }
        Err("it keeps changing".to_owned())
    }

    async fn read_held(&self) -> Result<Option<Lease>, String> {
        match self.in_time(self.api.get_opt(&self.candidate.lease)).await {
            Answer::Done(lease) => {
                Ok(lease.filter(|l| record::holder(l) == Some(self.candidate.identity.as_str())))
            }
            Answer::Refused(why) | Answer::Failed(why) => Err(why),
        }
    }

    fn stamp(&self) -> Timestamp {
        record::stamp(self.clock.now())
    }
}
