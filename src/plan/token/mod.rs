//! The token of one entry: what to look at, what to do about it, and when to look again.
//!
//! ```text
//! glimpse ─► look ─► (the caller looks) ─► plan ─► steps, next instant
//! ```
//!
//! Order that cannot go wrong: issue → check → publish → revoke, never the reverse.

mod due;
mod history;
mod look;
mod observed;
mod policy;
mod retire;
mod rules;
mod schedule;

pub use due::{Cause, Urgency};
pub use history::{Current, End, History, Retired};
pub use look::{Look, look};
pub use observed::{
    Activity, Check, Dress, Listed, Observed, Recorded, Requests, SecretSeen, Settling, Sighting,
};
pub use policy::{Lifetime, Overlap, Policy, Renewal};
pub use retire::pending;
pub use rules::{Hold, InUse, Issue, Pace, Plan, Step, plan};
pub use schedule::{Schedule, schedule};
