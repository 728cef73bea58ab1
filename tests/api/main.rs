//! The custom resources: their schemas, the files made from them, and a real API server with them.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod cluster;
mod consumers;
mod examples;
mod fuzzed;
mod generated;
mod kubectl;
mod objects;
mod reading;
mod schema;
mod status;
mod tables;
