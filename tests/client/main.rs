//! The client, over real HTTP: against the embedded server for what the API promises, and against a server of canned
//! bytes for what no server should do.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod canned;
mod clock;
mod config;
mod embedded;
mod faults;
mod lists;
mod membership;
mod proxy;
mod secrecy;
mod tls;
