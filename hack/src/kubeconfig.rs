//! Files for kubectl and every other client of the API server.

use std::path::Path;

use anyhow::{Context, Result};
use kube::Config;
use kube::config::{KubeConfigOptions, Kubeconfig};
use serde_json::json;

/// JSON, which is YAML too.
pub(crate) fn write(file: &Path, url: &str, ca: &Path, token: &str) -> Result<()> {
    let content = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "testbed",
        "clusters": [{"name": "testbed", "cluster": {"server": url, "certificate-authority": ca}}],
        "users": [{"name": "testbed", "user": {"token": token}}],
        "contexts": [{"name": "testbed", "context": {"cluster": "testbed", "user": "testbed"}}],
    });
    let text = serde_json::to_string_pretty(&content)?;
    std::fs::write(file, text).with_context(|| format!("can't write {}", file.display()))
}

/// A client for what the file names, alive as long as the runtime it is made in.
///
/// It repeats nothing by itself, so that a test sees each answer.
pub async fn client(kubeconfig: &Path) -> Result<kube::Client> {
    let file = Kubeconfig::read_from(kubeconfig)?;
    let options = KubeConfigOptions::default();
    let mut config = Config::from_custom_kubeconfig(file, &options).await?;
    config.default_retry = false;
    Ok(kube::Client::try_from(config)?)
}
