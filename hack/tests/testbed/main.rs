//! The harness itself, on the real thing.
//!
//! `cfg(test)` tells clippy that helpers in here may unwrap like the tests they belong to.

#[cfg(test)]
mod binaries;
#[cfg(test)]
mod clock;
#[cfg(test)]
mod cluster;
#[cfg(test)]
mod control_plane;
#[cfg(test)]
mod demo;
#[cfg(test)]
mod gate;
#[cfg(test)]
mod process;
