//! What has to run for as long as the process does, and how it is noticed that it does not.

use std::future::Future;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use tokio::task::JoinHandle;
use tokio_util::task::TaskTracker;

/// The tasks under way, by name. Each of them goes on until the process is told to stop.
#[derive(Debug, Default)]
pub struct Tasks(Vec<(&'static str, JoinHandle<()>)>);

/// A task that ended though nobody told it to. Whatever it did is done by nobody any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the task for {name} {how}")]
pub struct Died {
    name: &'static str,
    how: &'static str,
}

impl Tasks {
    /// Starts a task whose end is waited for when the process stops.
    pub(super) fn spawn(
        &mut self,
        name: &'static str,
        work: &TaskTracker,
        run: impl Future<Output = ()> + Send + 'static,
    ) {
        self.0.push((name, work.spawn(run)));
    }

    /// Waits until a task ends, by a panic or by itself. They do so in order once the process is told to stop: whoever
    /// waits here has to know of that first.
    pub async fn died(self) -> Died {
        let ends = self.0.into_iter().map(|(name, task)| async move {
            // What a panic says may hold anything, and is on standard error already.
            let how = match task.await {
                Ok(()) => "ended by itself",
                Err(_) => "panicked",
            };
            Died { name, how }
        });
        let mut ends: FuturesUnordered<_> = ends.collect();
        match ends.next().await {
            Some(died) => died,
            None => std::future::pending().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn died(run: impl Future<Output = ()> + Send + 'static) -> Died {
        let (mut tasks, work) = (Tasks::default(), TaskTracker::new());
        tasks.spawn("Secrets", &work, std::future::pending());
        tasks.spawn("Groups", &work, run);
        tasks.died().await
    }

    #[tokio::test]
    async fn a_task_that_panics_is_told_at_once_and_without_what_it_said() {
        let told = died(async { panic!("of something secret") }).await;
        assert_eq!(told.to_string(), "the task for Groups panicked");
    }

    #[tokio::test]
    async fn a_task_that_ends_by_itself_is_told_too() {
        let told = died(async {}).await;
        assert_eq!(told.to_string(), "the task for Groups ended by itself");
    }
}
