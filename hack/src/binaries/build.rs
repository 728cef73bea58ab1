//! Builds the programs from Go modules: one that behaves by the name it is called by, and a link for each name.

use std::os::unix::fs::symlink;
use std::path::Path;

use anyhow::{Context, Result};

use super::{Finder, KUBERNETES, PROGRAMS, run};
use crate::log::say;

/// All that the build depends on, for the name under which the cache keeps its outcome.
pub(super) const SOURCES: &str = concat!(
    include_str!("../../kubernetes/go.mod"),
    include_str!("../../kubernetes/go.sum"),
    include_str!("../../kubernetes/main.go"),
);

const MODULE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/kubernetes");
const PROGRAM: &str = "kubernetes";

pub(super) fn build(finder: &Finder, folder: &Path) -> Result<()> {
    say(&format!(
        "building Kubernetes {KUBERNETES} from Go modules, once: about five minutes on two cores, seconds where Go's \
         caches are warm; the first time it also downloads some 300 MB of sources"
    ));
    let version = format!("-s -w -X k8s.io/component-base/version.gitVersion=v{KUBERNETES}");
    let mut go = finder.command("go");
    go.current_dir(MODULE).env("CGO_ENABLED", "0");
    // Modules are named as they are linked, so that one sees it move.
    go.args([
        "build",
        "-v",
        "-trimpath",
        "-buildvcs=false",
        "-ldflags",
        &version,
    ]);
    go.arg("-o").arg(folder.join(PROGRAM)).arg(".");
    run(&mut go, "go build")?;
    for name in PROGRAMS {
        symlink(PROGRAM, folder.join(name)).with_context(|| format!("can't link {name}"))?;
    }
    say("Kubernetes is built");
    Ok(())
}
