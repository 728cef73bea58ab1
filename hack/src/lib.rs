//! A real Kubernetes control plane for tests and the demo, and processes under test that cannot outlive them.

pub mod audit;
mod binaries;
mod clock;
mod control_plane;
pub mod gate;
mod helm;
mod iam_server;
mod interrupt;
mod kubeconfig;
mod log;
mod process;
mod random;
mod scratch;
mod wait;

pub use binaries::{ASSETS, Binaries, CACHE, Finder, KUBERNETES};
pub use clock::DrivenClock;
pub use control_plane::{ControlPlane, Namespace};
pub use helm::helm;
pub use iam_server::IamServer;
pub use interrupt::interrupted;
pub use kubeconfig::client;
pub use process::{Exit, Process};
pub use scratch::{KEEP, Scratch};
pub use wait::{is_full, wait_for, wait_within};
