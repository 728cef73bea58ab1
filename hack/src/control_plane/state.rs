//! The state of a whole cluster, kept and brought back as from a backup of etcd.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use super::{ControlPlane, start};

impl ControlPlane {
    /// Keeps the state of the cluster as it is now. The API server is away meanwhile.
    pub async fn keep_state(&self) -> Result<()> {
        self.stop().await?;
        copy(&self.state(), &self.kept_state())?;
        self.go_on().await
    }

    /// Brings back the state that was kept: what happened since has never been, and resource versions are used again.
    /// Controllers that lived through it know better than the cluster; those of Kubernetes are started anew.
    pub async fn restore_state(&self) -> Result<()> {
        self.stop().await?;
        fs::remove_dir_all(self.state())?;
        copy(&self.kept_state(), &self.state())?;
        self.go_on().await?;
        self.manager.restart().await?;
        start::await_controllers(&self.manager, &self.files).await
    }

    /// Has etcd forget all versions but the present ones, and starts the API server anew: watches that go back further
    /// are refused.
    pub async fn forget_history(&self) -> Result<()> {
        let key = BASE64_STANDARD.encode([0]);
        let found = self.ask_etcd("range", &json!({"key": key})).await?;
        let revision = &found["header"]["revision"];
        let compaction = json!({"revision": revision, "physical": true});
        self.ask_etcd("compaction", &compaction).await?;
        self.api_server.restart().await?;
        start::await_api_server(&self.etcd, &self.api_server, &self.files, &self.url).await
    }

    async fn ask_etcd(&self, what: &str, body: &Value) -> Result<Value> {
        let client = reqwest::Client::builder().no_proxy().build()?;
        let url = format!("{}/v3/kv/{what}", self.etcd_url);
        let answer = client.post(url).json(body).send().await?;
        Ok(answer.error_for_status()?.json().await?)
    }

    async fn stop(&self) -> Result<()> {
        for process in [&self.api_server, &self.etcd] {
            process.kill().await?;
        }
        Ok(())
    }

    async fn go_on(&self) -> Result<()> {
        for process in [&self.etcd, &self.api_server] {
            process.restart().await?;
        }
        start::await_api_server(&self.etcd, &self.api_server, &self.files, &self.url).await
    }

    fn state(&self) -> PathBuf {
        self.files.scratch.file("etcd")
    }

    fn kept_state(&self) -> PathBuf {
        self.files.scratch.file("etcd.kept")
    }
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), &target)
                .with_context(|| format!("can't copy {}", entry.path().display()))?;
        }
    }
    Ok(())
}
