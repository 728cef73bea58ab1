//! The client against the embedded server, in both of its modes.

mod accounts;
mod bindings;
mod groups;
mod me;
mod roles;
mod server;
mod tokens;
