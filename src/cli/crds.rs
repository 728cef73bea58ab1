//! `kestra-iam-operator crds`.

use std::io::Write;

/// Prints the custom resource definitions, ready for `kubectl apply --server-side -f -`.
pub fn print() -> anyhow::Result<()> {
    let yaml = crate::api::to_yaml(&crate::api::crds())?;
    std::io::stdout().write_all(yaml.as_bytes())?;
    Ok(())
}
