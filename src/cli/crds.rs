//! `kestra-iam-operator crds`: the custom resources' definitions.

use std::io::{self, Write};

use anyhow::Context;

use crate::api;

/// Prints the definitions as one YAML stream, for `kubectl apply --server-side -f -`.
pub fn print() -> anyhow::Result<()> {
    let yaml = api::to_yaml(&api::crds()).context("writing YAML")?;
    io::stdout()
        .write_all(yaml.as_bytes())
        .context("writing to stdout")
}
