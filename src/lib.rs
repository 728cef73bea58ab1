//! Kestra's service accounts, groups, roles, bindings and API tokens as Kubernetes resources.

pub mod api;
pub mod cli;
pub mod clock;
pub mod controller;
pub mod iam;
pub mod ops;
pub mod plan;
pub mod server;
