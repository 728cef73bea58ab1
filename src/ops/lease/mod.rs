//! One leader among the replicas, by a Lease.
//!
//! [`elect`] starts a candidate; the [`Leadership`] that it gives out answers, at any instant and without a request,
//! whether this process may change anything. Losing the Lease is final: the process is expected to end.

mod driver;
mod election;
mod record;
#[cfg(test)]
mod simulation;
mod timing;

use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

pub use driver::elect;
pub use election::Loss;
pub use record::Candidate;
pub use timing::{BadTiming, Timing};

/// Where this process stands in the election.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// Does not lead.
    Standby {
        /// Who does, as far as known.
        holder: Option<String>,
        /// Why the Lease could not be read or written, if that failed last.
        trouble: Option<String>,
    },
    /// Leads on a renewal sent at `renewed`.
    Leading {
        /// When the last renewal that succeeded was sent.
        renewed: Instant,
        /// Wall time at which the Lease was acquired.
        acquired: Timestamp,
        /// Why the Lease could not be renewed, if that failed last.
        trouble: Option<String>,
    },
    /// Leads without an election.
    Alone {
        /// Wall time at which the process started to lead.
        acquired: Timestamp,
    },
    /// Led before, and never will again.
    Lost(Loss),
    /// Gave the Lease up, having stopped all work.
    Released,
}

/// A mutation was refused because this process does not lead at this instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this process does not lead: nothing may be changed")]
pub struct NotLeading;

/// Whether this process leads. Clones look at the same election.
#[derive(Clone, Debug)]
pub struct Leadership {
    state: watch::Receiver<State>,
    deadline: Duration,
    release: CancellationToken,
}

impl Leadership {
    /// Leads from now on without any election: for one replica, and for tests.
    #[must_use]
    pub fn alone(acquired: Timestamp) -> Self {
        let (_, state) = watch::channel(State::Alone { acquired });
        Self {
            state,
            deadline: Duration::ZERO,
            release: CancellationToken::new(),
        }
    }

    /// Whether this process leads at this instant: its last renewal that succeeded was sent less than the renew
    /// deadline ago.
    #[must_use]
    pub fn is_held(&self) -> bool {
        let led = match &*self.state.borrow() {
            State::Leading { renewed, .. } => Instant::now() < *renewed + self.deadline,
            State::Alone { .. } => true,
            State::Standby { .. } | State::Lost(_) | State::Released => false,
        };
        led && !self.release.is_cancelled()
    }

    /// To be called right before every request that changes something.
    ///
    /// # Errors
    /// [`NotLeading`] when the request must not be sent.
    pub fn guard(&self) -> Result<(), NotLeading> {
        if self.is_held() {
            Ok(())
        } else {
            Err(NotLeading)
        }
    }

    /// Wall time of the acquisition, if this process leads or led until a moment ago.
    #[must_use]
    pub fn acquired_at(&self) -> Option<Timestamp> {
        match &*self.state.borrow() {
            State::Leading { acquired, .. } | State::Alone { acquired } => Some(*acquired),
            State::Standby { .. } | State::Lost(_) | State::Released => None,
        }
    }

    /// Where this process stands.
    #[must_use]
    pub fn state(&self) -> State {
        self.state.borrow().clone()
    }

    /// Waits until the state is another than the one seen last by this clone; false when it never changes again.
    pub async fn changed(&mut self) -> bool {
        self.state.changed().await.is_ok()
    }

    /// Waits until this process leads.
    ///
    /// # Errors
    /// [`Loss::Stopped`] when it never will, because the candidate was told to give up.
    pub async fn acquired(&self) -> Result<(), Loss> {
        let leads = |state: &State| matches!(state, State::Leading { .. } | State::Alone { .. });
        self.reaches(leads).await
    }

    /// Waits until leadership is lost, which says why; for ever if it is released instead, or was never at stake.
    pub async fn lost(&self) -> Loss {
        let loss = |state: &State| matches!(state, State::Lost(_));
        let _stopped = self.reaches(loss).await;
        match self.state() {
            State::Lost(loss) => loss,
            State::Alone { .. } | State::Released => std::future::pending().await,
            State::Standby { .. } | State::Leading { .. } => Loss::Stopped,
        }
    }

    /// Gives the Lease up for others to take at once, and waits until that is done or has failed. From the call on
    /// every [`Self::guard`] refuses. Only to be called when nothing that changes anything is under way any more.
    pub async fn release(&self) {
        self.release.cancel();
        let over = |state: &State| !matches!(state, State::Standby { .. } | State::Leading { .. });
        let _ended = self.reaches(over).await;
    }

    async fn reaches(&self, wanted: impl FnMut(&State) -> bool) -> Result<(), Loss> {
        let mut state = self.state.clone();
        state
            .wait_for(wanted)
            .await
            .map(drop)
            .map_err(|_closed| Loss::Stopped)
    }
}
