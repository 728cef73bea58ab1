//! The controllers against a real control plane and a real IAM server, both over HTTP.

mod backend;
mod kinds;
mod scene;
mod thread;
