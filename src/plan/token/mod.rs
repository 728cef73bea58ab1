//! The token of one entry: what to look at, what to do about it, and when to look again.
//!
//! ```text
//! look ─► (the caller looks) ─► plan ─► (the caller takes the step) ─► look …
//! ```
//!
//! Order that cannot go wrong: issue → check → publish → (consumers restart) → revoke, never the reverse.

mod consumers;
mod contest;
mod due;
mod history;
mod look;
mod naming;
mod observed;
mod pace;
mod policy;
mod previous;
mod recorded;
mod retire;
mod rights;
mod rules;
mod schedule;
#[cfg(test)]
mod tests;
mod window;

pub use consumers::{Consumer, Pod, Rollout, rollout};
pub use contest::{Contest, Held, contest};
pub use due::{Cause, Urgency};
pub use history::{Current, End, History, Previous, Retired};
pub use look::{Look, look, turn};
pub use naming::{Naming, Successor};
pub use observed::{
    Activity, Check, Dress, Listed, Observed, Requests, SecretSeen, Settling, Sighting,
};
pub use pace::Pace;
pub use policy::{Lifetime, Policy, Renewal};
pub use previous::kept;
pub use recorded::Recorded;
pub use retire::{overlap, pending};
pub use rights::{Right, rights};
pub use rules::{Hold, InUse, Integrity, Issue, Plan, Step, plan};
pub use schedule::{Fit, Schedule, schedule};
pub use window::{InvalidWindow, Window, check_windows};
