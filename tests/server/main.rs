//! The embedded IAM server, by what it answers: the real router over a real database, with a clock that stands still
//! until it is moved.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod audit;
mod bootstrap;
mod compat;
mod errors;
mod granting;
mod lists;
mod points;
mod process;
mod routes;
mod server;
mod superadmins;
mod tokens;
mod users;
