//! Accounts, groups, roles and bindings.

mod made;
mod removed;
mod repaired;
mod shared;
mod suspended;
