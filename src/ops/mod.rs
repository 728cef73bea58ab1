//! What every long-running process needs, whatever it does: probes, metrics, a Lease, signals, logs.
//!
//! Nothing here knows of Kestra or of the custom resources.

pub mod cluster;
mod deadline;
pub mod health;
pub mod lease;
pub mod metrics;
pub mod probes;
pub mod shutdown;
pub mod telemetry;
