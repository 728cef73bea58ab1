//! The files that the programs of a control plane read, and where they write.

use std::fs;
use std::path::PathBuf;

use anyhow::{Result, anyhow};
use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::encoding::Pkcs8V1Der;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::json;

use crate::random::hex;
use crate::scratch::Scratch;

/// The folder of one control plane, with what it needs to start.
#[derive(Debug)]
pub(super) struct Files {
    pub(super) scratch: Scratch,
    pub(super) admin_token: String,
    pub(super) manager_token: String,
}

impl Files {
    pub(super) fn write() -> Result<Self> {
        let files = Self {
            scratch: Scratch::new("control-plane")?,
            admin_token: hex(20)?,
            manager_token: hex(20)?,
        };
        fs::write(files.tokens(), files.token_table())?;
        fs::write(files.account_key(), new_key()?)?;
        fs::write(files.audit_policy(), audit_policy())?;
        Ok(files)
    }

    fn token_table(&self) -> String {
        let Self {
            admin_token,
            manager_token,
            ..
        } = self;
        let manager = "system:kube-controller-manager";
        format!("{admin_token},admin,admin,system:masters\n{manager_token},{manager},{manager}\n")
    }

    pub(super) fn tokens(&self) -> PathBuf {
        self.scratch.file("tokens.csv")
    }

    /// Signs the tokens of Kubernetes service accounts, and checks them.
    pub(super) fn account_key(&self) -> PathBuf {
        self.scratch.file("service-accounts.pem")
    }

    pub(super) fn audit_policy(&self) -> PathBuf {
        self.scratch.file("audit-policy.json")
    }

    pub(super) fn audit_log(&self) -> PathBuf {
        self.scratch.file("audit.log")
    }

    /// The API server writes its certificate here.
    pub(super) fn certificates(&self) -> PathBuf {
        self.scratch.file("certificates")
    }

    /// Leaf and authority in one file.
    pub(super) fn ca(&self) -> PathBuf {
        self.certificates().join("apiserver.crt")
    }

    /// The key of that leaf.
    pub(super) fn key(&self) -> PathBuf {
        self.certificates().join("apiserver.key")
    }

    pub(super) fn admin_kubeconfig(&self) -> PathBuf {
        self.scratch.file("kubeconfig")
    }

    pub(super) fn manager_kubeconfig(&self) -> PathBuf {
        self.scratch.file("controller-manager.kubeconfig")
    }
}

/// Who did what to which object, of all requests but the API server's own.
fn audit_policy() -> String {
    json!({
        "apiVersion": "audit.k8s.io/v1",
        "kind": "Policy",
        "omitStages": ["RequestReceived", "ResponseStarted"],
        "rules": [{"level": "None", "users": ["system:apiserver"]}, {"level": "Metadata"}],
    })
    .to_string()
}

fn new_key() -> Result<String> {
    let failed = |_| anyhow!("can't make a key for service accounts");
    let pair = KeyPair::generate(KeySize::Rsa2048).map_err(failed)?;
    let der: Pkcs8V1Der<'_> = pair.as_der().map_err(failed)?;
    let body = BASE64_STANDARD.encode(der.as_ref());
    Ok(format!(
        "-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----\n"
    ))
}
