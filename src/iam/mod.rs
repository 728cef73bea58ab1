//! The IAM backend: its nouns ([`model`]), its HTTP bodies ([`wire`], shared by client and server) and its [`client`].

pub mod client;
pub mod model;
pub mod wire;
