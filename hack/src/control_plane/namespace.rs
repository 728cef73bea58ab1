//! A namespace of one test.

use std::fmt;
use std::ops::Deref;

use anyhow::Result;
use k8s_openapi::api::core::v1::Namespace as Resource;
use kube::api::{Api, PostParams};

use super::ControlPlane;
use crate::random::hex;

/// A namespace that no other test knows. It is left as it is: the control plane goes as a whole.
#[derive(Clone, Debug)]
pub struct Namespace(String);

impl Namespace {
    pub(super) async fn create(control: &ControlPlane, prefix: &str) -> Result<Self> {
        let name = format!("{prefix}-{}", hex(4)?);
        let mut namespace = Resource::default();
        namespace.metadata.name = Some(name.clone());
        let all: Api<Resource> = Api::all(control.client().await?);
        all.create(&PostParams::default(), &namespace).await?;
        Ok(Self(name))
    }
}

impl Deref for Namespace {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
