//! Decisions as data: from what was declared and observed, and `now`, to steps and the next instant at which the
//! answer may change. Pure and synchronous: no client, no clock, no randomness.

pub mod brake;
pub mod claim;
pub mod grant;
pub mod guardrail;
pub mod mark;
pub mod role;
pub mod standing;
pub mod template;
pub mod token;
pub mod urgency;
