//! Decisions as pure functions over data: no database, no clock, no randomness of their own.

pub(crate) mod access;
pub(crate) mod filter;
pub(crate) mod managed;
pub(crate) mod max_age;
pub(crate) mod names;
pub(crate) mod rights;
pub(crate) mod token;
pub(crate) mod words;
