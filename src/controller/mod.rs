//! The controllers: the only users of the Kubernetes client besides `ops`, which makes it and holds the Lease by it.
//!
//! Data flows one way: `watch` → observe → plan → apply → status. `pipeline` is the way that every object goes;
//! what differs between kinds is in a file of its own, with the same functions.

mod api_token;
mod authority;
mod backend;
mod brake;
mod context;
mod departure;
mod edits;
mod error;
mod grants;
mod group;
mod instance;
mod inventory;
mod kind;
mod memory;
mod named;
mod outcome;
mod patch;
mod pipeline;
mod quota;
mod referrers;
mod resolve;
mod revocation;
mod role;
mod role_binding;
mod secret_index;
mod service_account;
mod settings;
mod status;
mod tasks;
mod tokens;
mod turns;
mod urgency;
mod watch;

pub use crate::plan::mark::Cluster;
pub use authority::Mode;
pub use error::Error;
pub use settings::Settings;
pub use tasks::{Died, Tasks};
pub use tokens::Restarts;
pub use watch::{Parts, start};
