//! What a token's spec asks for and cannot have here. The token is kept alive without it: none dies of a slip of the pen.

use super::Restarts;
use crate::api::condition::Reason;
use crate::api::token::TokenSpec;
use crate::controller::backend::Backend;
use crate::controller::outcome::Blocked;
use crate::controller::settings::Settings;
use crate::plan::token::{self, Policy};

/// How a token is to live, as far as this operator can bring it about.
#[must_use]
pub fn policy(settings: &Settings, backend: &Backend, spec: &TokenSpec) -> Policy {
    let policy = Policy::new(spec, backend.granularity);
    match settings.restarts {
        Restarts::Allowed => policy,
        Restarts::Off => Policy {
            restart: Vec::new(),
            ..policy
        },
    }
}

/// Refuses what cannot be brought about, after the token was kept alive without it. `entry` is empty for an `ApiToken`.
pub fn check_feasible(settings: &Settings, entry: &str, spec: &TokenSpec) -> Result<(), Blocked> {
    let named = |message: String| {
        if entry.is_empty() {
            message
        } else {
            format!("token {entry}: {message}")
        }
    };
    token::check_windows(&spec.rotation)
        .map_err(|invalid| Blocked::refused(Reason::Invalid, named(invalid.to_string())))?;
    if settings.restarts == Restarts::Allowed || spec.restart.is_empty() {
        return Ok(());
    }
    let message = "restart: this operator rolls no workloads: have its administrator set --restart-consumers, or remove \
                   the field and mount the Secret as a volume";
    Err(Blocked::refused(
        Reason::NotAllowed,
        named(message.to_owned()),
    ))
}
