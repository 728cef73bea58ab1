//! The controllers against a real control plane and a real IAM server, both over HTTP.

mod scene;
mod thread;
