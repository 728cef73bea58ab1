//! What all routes share: who calls, what they send, what is recorded, and how an answer looks.

pub(crate) mod answer;
pub(crate) mod body;
pub(crate) mod change;
pub(crate) mod credentials;
pub(crate) mod log;
pub(crate) mod path;
pub(crate) mod query;
pub(crate) mod session;
pub(crate) mod trail;
