//! The controllers against a real control plane and a real IAM server, both over HTTP.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod adoption;
mod authority;
mod backend;
mod costs;
mod crashes;
mod events;
mod faults;
mod gate;
mod guardrails;
mod instances;
mod kinds;
mod leading;
mod metrics;
mod observed;
mod references;
mod rotation;
mod scene;
mod shown;
mod successors;
mod thread;
mod tokens;
mod world;
