//! What is said of windows that cannot be kept to.

use crate::api::condition::Reason;
use crate::api::token::Rotation;
use crate::controller::outcome::Blocked;
use crate::plan::token;

/// Refuses windows that cannot be kept to, after the token was kept alive without them: no token dies of a slip of the
/// pen. `entry` is empty for an `ApiToken`.
pub fn check_windows(entry: &str, rotation: &Rotation) -> Result<(), Blocked> {
    token::check_windows(rotation).map_err(|invalid| {
        let message = if entry.is_empty() {
            invalid.to_string()
        } else {
            format!("token {entry}: {invalid}")
        };
        Blocked::refused(Reason::Invalid, message)
    })
}
