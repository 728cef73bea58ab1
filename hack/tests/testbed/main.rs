//! The harness itself, on the real thing.

mod control_plane;
