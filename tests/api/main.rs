//! The custom resources on a real API server.

mod cluster;
mod tables;
