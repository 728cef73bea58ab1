//! A folder for the files of one run, removed with the run.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};

use anyhow::{Context, Result};

use crate::random::hex;

/// Set it to keep the folders, to look at logs and data afterwards.
pub const KEEP: &str = "TESTBED_KEEP";

/// Waits for the end of its input, then removes the folder; again while a program that is being killed still writes.
const JANITOR: &str = r#"
read -r _
for attempt in 1 2 3 4 5 6 7 8 9 10; do
    rm -rf "$1" && test ! -e "$1" && exit
    sleep 0.1
done
"#;

/// A private temporary folder. Removed when dropped, and when the process ends in whatever way.
#[derive(Debug)]
pub struct Scratch {
    path: PathBuf,
    janitor: Option<(Child, Option<ChildStdin>)>,
}

impl Scratch {
    /// A new folder, named after its purpose.
    pub fn new(purpose: &str) -> Result<Self> {
        let name = format!("kestra-iam-testbed-{purpose}-{}", hex(6)?);
        let path = std::env::temp_dir().join(name);
        let mut builder = DirBuilder::new();
        builder
            .mode(0o700)
            .create(&path)
            .with_context(|| format!("can't create {}", path.display()))?;
        let janitor = match std::env::var_os(KEEP) {
            Some(_) => None,
            None => Some(start_janitor(&path)?),
        };
        Ok(Self { path, janitor })
    }

    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A file in the folder.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }
}

fn start_janitor(path: &Path) -> Result<(Child, Option<ChildStdin>)> {
    let mut command = Command::new("sh");
    command.args(["-c", JANITOR, "janitor"]).arg(path);
    command.process_group(0).stdin(Stdio::piped());
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut janitor = command
        .spawn()
        .context("can't start sh to remove temporary files")?;
    let lifeline = janitor.stdin.take();
    Ok((janitor, lifeline))
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Some((janitor, lifeline)) = &mut self.janitor {
            drop(lifeline.take());
            let _ = janitor.wait();
        }
    }
}
