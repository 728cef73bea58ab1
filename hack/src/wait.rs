//! Waiting for facts instead of sleeping.

use std::time::Duration;

use anyhow::{Result, bail};
use tokio::time::{Instant, sleep};

const PAUSE: Duration = Duration::from_millis(25);

/// Whether tests are asked by `FULL=1` to run at their full size.
#[must_use]
pub fn is_full() -> bool {
    std::env::var_os("FULL").is_some_and(|value| value == "1")
}

/// Generous: many tests share few cores, and at full size there are ten thousand of everything. Reached only by what will
/// never come.
fn deadline() -> Duration {
    Duration::from_mins(if is_full() { 20 } else { 2 })
}

/// Looks until `look` finds something, and returns it; at the deadline, two minutes or twenty at full size, fails with what
/// it waited for.
pub async fn wait_for<T>(what: &str, look: impl AsyncFnMut() -> Option<T>) -> Result<T> {
    wait_within(deadline(), what, look).await
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
