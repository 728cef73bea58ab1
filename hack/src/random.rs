//! Randomness of the system for names, tokens and keys.

use anyhow::{Result, anyhow};
use std::fmt::Write;

/// `bytes` random bytes in hexadecimal.
pub(crate) fn hex(bytes: usize) -> Result<String> {
    let mut random = vec![0; bytes];
    aws_lc_rs::rand::fill(&mut random).map_err(|_| anyhow!("the system has no randomness"))?;
    Ok(to_hex(&random))
}

/// Lower-case hexadecimal.
pub(crate) fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
