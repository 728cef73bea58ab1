//! What official clients were seen to demand of a server: each numbered point of that list has its test here, `p01` to
//! `p53`.

mod access;
mod accounts;
mod answers;
mod bindings;
mod groups;
mod requests;
mod roles;
mod tokens;
mod users;
