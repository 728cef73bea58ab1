//! The process: the real binary and the parts it is made of, against a real Kubernetes.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod deadline;
mod election;
mod flags;
mod iam_server;
mod lease;
mod logs;
mod probes;
mod proxy;
mod reference;
mod replica;
mod shutdown;
