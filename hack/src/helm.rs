//! Helm, for the tests of the chart: built once from Go modules, kept beside the programs of Kubernetes.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::binaries::{Finder, succeeded};
use crate::random::to_hex;

const MODULE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/helm");
const PACKAGE: &str = "helm.sh/helm/v3/cmd/helm";

/// All that the build depends on.
const SOURCES: &str = concat!(
    include_str!("../helm/go.mod"),
    include_str!("../helm/go.sum")
);

/// The path of the `helm` program. Builds it if it is not in the cache, which takes a minute or two; processes that
/// ask at once wait for one of them to do it.
pub fn helm() -> Result<PathBuf> {
    let finder = Finder::from_env();
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, SOURCES.as_bytes());
    let kept = finder
        .cache
        .join(format!("helm-{}", to_hex(&hash.as_ref()[..6])));
    if kept.is_file() {
        return Ok(kept);
    }
    let _lock = finder.lock()?;
    if kept.is_file() {
        return Ok(kept);
    }
    (finder.tell)("building Helm from Go modules, once: a minute or two");
    let staging = finder.cache.join("helm-staging");
    let mut go = finder.command("go");
    go.current_dir(MODULE).env("CGO_ENABLED", "0");
    go.args([
        "build",
        "-trimpath",
        "-buildvcs=false",
        "-ldflags",
        "-s -w",
        "-o",
    ]);
    let status = go.arg(&staging).arg(PACKAGE).status();
    succeeded(&go, status.context("can't start go")?)?;
    fs::rename(&staging, &kept)?;
    Ok(kept)
}
