//! The end of a process, in order.

use std::io;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Told by the first SIGTERM or SIGINT to stop, by the second to end at once. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Shutdown {
    stop: CancellationToken,
    abort: CancellationToken,
    work: TaskTracker,
}

/// Work was under way that did not end in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} tasks did not end in time")]
pub struct Unfinished(pub usize);

impl Shutdown {
    /// Listens for the signals from here on, in a task of its own.
    ///
    /// # Errors
    /// When the handlers cannot be installed.
    pub fn on_signals() -> io::Result<Self> {
        let shutdown = Self::default();
        let (terminate, interrupt) = (
            signal(SignalKind::terminate())?,
            signal(SignalKind::interrupt())?,
        );
        tokio::spawn(shutdown.clone().listen(terminate, interrupt));
        Ok(shutdown)
    }

    async fn listen(self, mut terminate: Signal, mut interrupt: Signal) {
        loop {
            let name = tokio::select! {
                _ = terminate.recv() => "SIGTERM",
                _ = interrupt.recv() => "SIGINT",
            };
            if self.stop.is_cancelled() {
                return self.abort.cancel();
            }
            tracing::info!(
                "Got {name}: work under way ends, a second signal ends the process at once"
            );
            self.stop.cancel();
        }
    }

    /// Cancelled once nothing new may be begun.
    #[must_use]
    pub const fn stop(&self) -> &CancellationToken {
        &self.stop
    }

    /// Cancelled once the process is to end whatever is under way.
    #[must_use]
    pub const fn abort(&self) -> &CancellationToken {
        &self.abort
    }

    /// Tasks that are spawned here are waited for.
    #[must_use]
    pub const fn work(&self) -> &TaskTracker {
        &self.work
    }

    /// Says that nothing new may be begun and waits for all work to end.
    ///
    /// # Errors
    /// [`Unfinished`] when some of it is still under way after `within`.
    pub async fn drain(&self, within: Duration) -> Result<(), Unfinished> {
        self.stop.cancel();
        self.work.close();
        let ended = timeout(within, self.work.wait()).await;
        ended.map_err(|_elapsed| Unfinished(self.work.len()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn draining_waits_for_work_that_ends_when_told_to() {
        let shutdown = Shutdown::default();
        let stop = shutdown.stop().clone();
        let task = shutdown.work().spawn(async move {
            stop.cancelled().await;
            tokio::time::sleep(Duration::from_secs(3)).await;
        });
        assert_eq!(shutdown.drain(Duration::from_secs(5)).await, Ok(()));
        assert!(task.is_finished());
    }

    #[tokio::test(start_paused = true)]
    async fn draining_has_a_bound() {
        let shutdown = Shutdown::default();
        let _stuck = shutdown.work().spawn(std::future::pending::<()>());
        assert_eq!(
            shutdown.drain(Duration::from_secs(5)).await,
            Err(Unfinished(1))
        );
    }
}
