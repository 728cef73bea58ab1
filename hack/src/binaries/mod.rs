//! The programs of Kubernetes: where they are, or how they come to be.

mod build;
mod published;

use std::ffi::OsString;
use std::fs::{self, File, TryLockError};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};

use anyhow::{Context, Result, anyhow, bail};

use crate::log::say;
use crate::random::to_hex;

/// The version of Kubernetes, the one that `hack/kubernetes/go.mod` pins.
pub const KUBERNETES: &str = "1.36.2";

/// The folder that setup-envtest and kubebuilder name in this variable is looked at first.
pub const ASSETS: &str = "KUBEBUILDER_ASSETS";

/// Where the programs are kept; by default in the user's cache folder.
pub const CACHE: &str = "KESTRA_IAM_TESTBED_CACHE";

const PROGRAMS: [&str; 4] = [
    "etcd",
    "kube-apiserver",
    "kube-controller-manager",
    "kubectl",
];

const INSTALL: &str = "\
Any one of these mends it:
- install Go 1.26 or later (https://go.dev/dl), and run this again: the programs are built once, in about five minutes
- install curl and tar, and run this again where github.com and dl.k8s.io can be reached (Linux on x86-64)
- set KUBEBUILDER_ASSETS to a folder with etcd, kube-apiserver, kube-controller-manager and kubectl";

/// A folder that holds etcd, kube-apiserver, kube-controller-manager and kubectl.
#[derive(Clone, Debug)]
pub struct Binaries(PathBuf);

impl Binaries {
    /// Finds the programs as the environment says. Downloads or builds them if need be, which blocks for minutes the
    /// first time; processes that look at once wait for one of them to do it.
    pub fn find() -> Result<Self> {
        Finder::from_env().find()
    }

    /// The folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.0
    }

    /// One program of the folder.
    #[must_use]
    pub fn program(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn in_folder(folder: &Path) -> Result<Self, Vec<&'static str>> {
        let lacking = |name: &&str| !folder.join(name).is_file();
        let missing: Vec<_> = PROGRAMS.into_iter().filter(lacking).collect();
        if missing.is_empty() {
            Ok(Self(folder.to_owned()))
        } else {
            Err(missing)
        }
    }
}

/// What the search for the programs depends on.
#[derive(Clone, Debug)]
pub struct Finder {
    /// A folder that has all programs, if it is complete.
    pub assets: Option<PathBuf>,
    /// Where what was downloaded or built is kept.
    pub cache: PathBuf,
    /// Where curl, tar and go are looked for, in the form of `PATH`.
    pub path: OsString,
    /// Told what takes long, and which source is passed over and why.
    pub tell: fn(&str),
}

impl Finder {
    /// Looks where the environment says.
    #[must_use]
    pub fn from_env() -> Self {
        Self {
            assets: std::env::var_os(ASSETS).map(PathBuf::from),
            cache: cache_folder(),
            path: std::env::var_os("PATH").unwrap_or_default(),
            tell: say,
        }
    }

    /// The given folder; else the cache; else the published archives; else a build.
    pub fn find(&self) -> Result<Binaries> {
        if let Some(found) = self.given() {
            return Ok(found);
        }
        let kept = self.cache.join(cache_key());
        if let Ok(found) = Binaries::in_folder(&kept) {
            return Ok(found);
        }
        let _lock = self.lock()?;
        Binaries::in_folder(&kept).or_else(|_| self.obtain(&kept))
    }

    fn given(&self) -> Option<Binaries> {
        let folder = self.assets.as_deref()?;
        let tell = |missing: &Vec<_>| {
            let missing = missing.join(", ");
            (self.tell)(&format!(
                "{ASSETS} is set aside: {} lacks {missing}",
                folder.display()
            ));
        };
        Binaries::in_folder(folder).inspect_err(tell).ok()
    }

    /// Held by whoever downloads or builds. The system releases it with the process.
    pub(crate) fn lock(&self) -> Result<File> {
        let cannot = || format!("can't use the cache {}; set {CACHE}", self.cache.display());
        fs::create_dir_all(&self.cache).with_context(cannot)?;
        let lock = File::create(self.cache.join("lock")).with_context(cannot)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                (self.tell)("another process is fetching or building Kubernetes; waiting for it");
                lock.lock().with_context(cannot)?;
            }
            Err(TryLockError::Error(error)) => return Err(error).with_context(cannot),
        }
        Ok(lock)
    }

    fn obtain(&self, kept: &Path) -> Result<Binaries> {
        let download = match self.keep(published::fetch, kept) {
            Ok(found) => return Ok(found),
            Err(reason) => reason,
        };
        (self.tell)(&format!("no published binaries: {download:#}"));
        let build = match self.keep(build::build, kept) {
            Ok(found) => return Ok(found),
            Err(reason) => reason,
        };
        bail!(
            "Kubernetes {KUBERNETES} is neither here nor to be had\n\
             - published binaries: {download:#}\n- build: {build:#}\n{INSTALL}"
        )
    }

    /// Keeps what `source` brings: whole or not at all, whoever looks meanwhile.
    fn keep(&self, source: Source, kept: &Path) -> Result<Binaries> {
        let staging = self.cache.join("staging");
        remove_folder(&staging)?;
        fs::create_dir(&staging)?;
        source(self, &staging)?;
        Binaries::in_folder(&staging)
            .map_err(|missing| anyhow!("it lacks {}", missing.join(", ")))?;
        remove_folder(kept)?;
        fs::rename(&staging, kept)?;
        Ok(Binaries(kept.to_owned()))
    }

    pub(crate) fn command(&self, name: &str) -> Command {
        let mut command = Command::new(name);
        command.env("PATH", &self.path);
        command
    }
}

/// Brings the programs into a folder.
type Source = fn(&Finder, &Path) -> Result<()>;

fn remove_folder(folder: &Path) -> std::io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn run(command: &mut Command) -> Result<()> {
    let status = command
        .status()
        .map_err(|error| cannot_start(command, error))?;
    succeeded(command, status)
}

fn cannot_start(command: &Command, error: std::io::Error) -> anyhow::Error {
    let program = command.get_program().display();
    if error.kind() == ErrorKind::NotFound {
        anyhow!("{program} is not installed")
    } else {
        anyhow!(error).context(format!("can't start {program}"))
    }
}

pub(crate) fn succeeded(command: &Command, status: ExitStatus) -> Result<()> {
    if !status.success() {
        bail!("{} failed ({status})", command.get_program().display());
    }
    Ok(())
}

fn cache_folder() -> PathBuf {
    if let Some(folder) = std::env::var_os(CACHE) {
        return PathBuf::from(folder);
    }
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache"));
    let caches = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let caches = caches.or_else(home).unwrap_or_else(std::env::temp_dir);
    caches.join("kestra-iam-operator/kubernetes")
}

/// Changes with everything that the programs are made of.
fn cache_key() -> String {
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, build::SOURCES.as_bytes());
    format!("{KUBERNETES}-{}", to_hex(&hash.as_ref()[..6]))
}
