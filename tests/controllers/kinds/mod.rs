//! Accounts, groups, roles and bindings.

mod made;
mod owed;
mod removed;
mod repaired;
mod shared;
mod suspended;
