//! The fault matrix: each row against a real control plane, the real server and the real operator under the chart's
//! rights, with a consumer beside it and one oracle at its end. `docs/faults.md` lists the rows.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod access;
mod answers;
mod backup;
mod bench;
mod clocks;
mod cluster;
mod consumer;
mod credential;
mod definitions;
mod denied;
mod departed;
mod documented;
mod drift;
mod end_state;
mod gated;
mod killed;
mod many;
mod oracle;
mod outages;
mod refused;
mod replicas;
mod restored;
mod scale;
mod scarce;
mod secrets;
mod seen;
mod soak;
mod sweep;
mod tables;
mod uninstalled;
mod watches;
mod witness;
