//! Builds the programs from Go modules: one that behaves by the name it is called by, and a link for each name.

use std::io::{BufRead, BufReader};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result};

use super::{Finder, KUBERNETES, PROGRAMS, cannot_start, succeeded};

/// All that the build depends on, for the name under which the cache keeps its outcome.
pub(super) const SOURCES: &str = concat!(
    include_str!("../../kubernetes/go.mod"),
    include_str!("../../kubernetes/go.sum"),
    include_str!("../../kubernetes/main.go"),
);

const MODULE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/kubernetes");
const PROGRAM: &str = "kubernetes";

/// A line of progress after this many packages, of some two thousand.
const STEP: usize = 250;

pub(super) fn build(finder: &Finder, folder: &Path) -> Result<()> {
    (finder.tell)(&format!(
        "building Kubernetes {KUBERNETES} from Go modules, once: about five minutes on two idle cores, seconds where \
         Go's caches are warm; the very first time Go also downloads the sources"
    ));
    let version = format!("-s -w -X k8s.io/component-base/version.gitVersion=v{KUBERNETES}");
    let mut go = finder.command("go");
    go.current_dir(MODULE).env("CGO_ENABLED", "0");
    go.args(["build", "-v", "-trimpath", "-buildvcs=false"]);
    go.args(["-ldflags", &version, "-o"])
        .arg(folder.join(PROGRAM))
        .arg(".");
    run_telling(&mut go, finder.tell)?;
    for name in PROGRAMS {
        symlink(PROGRAM, folder.join(name)).with_context(|| format!("can't link {name}"))?;
    }
    (finder.tell)("Kubernetes is built");
    Ok(())
}

/// Go prints each package that it compiles: they are counted, and all else is passed on.
fn run_telling(go: &mut Command, tell: fn(&str)) -> Result<()> {
    let mut child = go
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| cannot_start(go, error))?;
    let output = child.stderr.take().context("go has no output")?;
    let mut packages = 0;
    for line in BufReader::new(output).lines() {
        let line = line?;
        if line.contains(' ') {
            tell(&line);
        } else {
            packages += 1;
            if packages % STEP == 0 {
                tell(&format!(
                    "{packages} packages compiled, of about two thousand"
                ));
            }
        }
    }
    succeeded(go, child.wait()?)
}
