//! Fetches the programs that the Kubernetes project publishes.
//!
//! Nothing is used whose checksum is not pinned here. The envtest archive lacks the controller manager, which comes
//! from the release itself. Wherever something is out of reach or differs, the caller builds instead.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anyhow::{Result, bail};
use aws_lc_rs::digest::{Algorithm, SHA256, SHA512, digest};

use super::{Finder, run};
use crate::random::to_hex;

struct Download {
    address: &'static str,
    algorithm: &'static Algorithm,
    checksum: &'static str,
}

/// As `envtest-releases.yaml` of kubernetes-sigs/controller-tools names it.
const ENVTEST: Download = Download {
    address: "https://github.com/kubernetes-sigs/controller-tools/releases/download/envtest-v1.36.2/envtest-v1.36.2-linux-amd64.tar.gz",
    algorithm: &SHA512,
    checksum: "ea743186c8a799f5cf8faf16969f86189d003cb7d130e0ac4b58789f1e5748dcf30ebe91c837a10d5ac415383da3e10b9e64d65785c938c23e739781cfb76f08",
};

const CONTROLLER_MANAGER: Download = Download {
    address: "https://dl.k8s.io/v1.36.2/bin/linux/amd64/kube-controller-manager",
    algorithm: &SHA256,
    checksum: "6332e45474baf6362f50394d8f7c6002274db04d68fe51dbe2229ef5c0b21e3c",
};

pub(super) fn fetch(finder: &Finder, folder: &Path) -> Result<()> {
    if !cfg!(all(target_os = "linux", target_arch = "x86_64")) {
        bail!("their checksums are pinned for Linux on x86-64 alone");
    }
    let archive = folder.join("envtest.tar.gz");
    download(finder, &ENVTEST, &archive)?;
    unpack(finder, &archive, folder)?;
    fs::remove_file(archive)?;
    let manager = folder.join("kube-controller-manager");
    download(finder, &CONTROLLER_MANAGER, &manager)?;
    fs::set_permissions(manager, fs::Permissions::from_mode(0o755))?;
    Ok(())
}

/// One try, and three seconds to connect: most machines that can't reach the address would never do.
fn download(finder: &Finder, what: &Download, to: &Path) -> Result<()> {
    (finder.tell)(&format!("fetching {}", what.address));
    let mut curl = finder.command("curl");
    curl.args([
        "--fail",
        "--location",
        "--silent",
        "--show-error",
        "--proto",
        "=https",
    ]);
    curl.args([
        "--connect-timeout",
        "3",
        "--speed-limit",
        "50000",
        "--speed-time",
        "10",
    ]);
    curl.arg("--output").arg(to).arg(what.address);
    run(&mut curl)?;
    check(what, &fs::read(to)?)
}

fn check(what: &Download, content: &[u8]) -> Result<()> {
    let found = to_hex(digest(what.algorithm, content).as_ref());
    if found != what.checksum {
        bail!(
            "{} has the checksum {found} instead of {}",
            what.address,
            what.checksum
        );
    }
    Ok(())
}

fn unpack(finder: &Finder, archive: &Path, folder: &Path) -> Result<()> {
    let mut tar = finder.command("tar");
    tar.arg("-xzf").arg(archive).arg("-C").arg(folder);
    tar.args(["--strip-components=2", "controller-tools/envtest"]);
    run(&mut tar)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::KUBERNETES;

    #[test]
    fn the_version_is_the_one_that_a_build_gives() {
        for download in [&ENVTEST, &CONTROLLER_MANAGER] {
            assert!(
                download.address.contains(&format!("v{KUBERNETES}/")),
                "{}",
                download.address
            );
        }
    }
}
