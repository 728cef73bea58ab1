//! Waiting for facts instead of sleeping.

use std::time::Duration;

use anyhow::{Result, bail};
use tokio::time::{Instant, sleep};

/// Generous: many tests share few cores. Reached only by what will never come.
const DEADLINE: Duration = Duration::from_mins(2);
const PAUSE: Duration = Duration::from_millis(25);

/// Looks until `look` finds something, and returns it; at the deadline, two minutes, fails with what it waited for.
pub async fn wait_for<T>(what: &str, look: impl AsyncFnMut() -> Option<T>) -> Result<T> {
    wait_within(DEADLINE, what, look).await
}

/// The same with another deadline, for what takes minutes by itself.
pub async fn wait_within<T>(
    deadline: Duration,
    what: &str,
    mut look: impl AsyncFnMut() -> Option<T>,
) -> Result<T> {
    let start = Instant::now();
    loop {
        if let Some(found) = look().await {
            return Ok(found);
        }
        if start.elapsed() > deadline {
            bail!("waited {deadline:?} in vain for {what}");
        }
        sleep(PAUSE).await;
    }
}
