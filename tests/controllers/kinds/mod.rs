//! Accounts, groups, roles and bindings.

mod braked;
mod made;
mod owed;
mod removed;
mod repaired;
mod shared;
mod suspended;
