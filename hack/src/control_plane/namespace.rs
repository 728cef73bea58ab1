//! A namespace of one test.

use std::fmt;
use std::ops::Deref;

use anyhow::Result;
use k8s_openapi::api::core::v1::Namespace as Resource;
use kube::api::{Api, PostParams};

use super::ControlPlane;
use crate::random::hex;

/// A namespace that no other test knows. It is left as it is: the control plane goes as a whole.
///
/// A drop during a panic prints the ends of the control plane's logs.
#[derive(Debug)]
pub struct Namespace<'a> {
    control: &'a ControlPlane,
    name: String,
}

impl<'a> Namespace<'a> {
    pub(super) async fn create(control: &'a ControlPlane, prefix: &str) -> Result<Self> {
        let name = format!("{prefix}-{}", hex(4)?);
        let mut namespace = Resource::default();
        namespace.metadata.name = Some(name.clone());
        let all: Api<Resource> = Api::all(control.client().await?);
        all.create(&PostParams::default(), &namespace).await?;
        Ok(Self { control, name })
    }
}

impl Deref for Namespace<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.name
    }
}

impl fmt::Display for Namespace<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self)
    }
}

impl Drop for Namespace<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.control.tails());
        }
    }
}
