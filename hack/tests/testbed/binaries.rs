//! Where the programs are looked for, and what is said when they can't be had.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::thread;

use testbed::{Finder, Scratch};

const NAMES: [&str; 4] = [
    "etcd",
    "kube-apiserver",
    "kube-controller-manager",
    "kubectl",
];

/// Scripts in place of tools. They are in the tree, since a script that a test has just written can't always be started:
/// another thread that forks meanwhile holds it open.
const STAND_INS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/stand-ins");

struct Machine {
    scratch: Scratch,
    finder: Finder,
}

impl Machine {
    /// A machine on which these names are these stand-ins, with what they use themselves.
    fn with(tools: &[(&str, &str)]) -> Self {
        let scratch = Scratch::new("machine").unwrap();
        let path = scratch.file("bin");
        fs::create_dir(&path).unwrap();
        for (name, stand_in) in tools {
            symlink(Path::new(STAND_INS).join(stand_in), path.join(name)).unwrap();
        }
        for name in ["sleep", "dirname"] {
            symlink(on_path(name), path.join(name)).unwrap();
        }
        let finder = Finder {
            assets: None,
            cache: scratch.file("cache"),
            path: path.into(),
            tell: |_| {},
        };
        Self { scratch, finder }
    }

    fn calls_of_go(&self) -> usize {
        let calls = fs::read_to_string(self.scratch.file("bin/calls")).unwrap_or_default();
        calls.lines().count()
    }

    fn assets(&self, names: &[&str]) -> PathBuf {
        let folder = self.scratch.file("assets");
        fs::create_dir(&folder).unwrap();
        for name in names {
            fs::write(folder.join(name), "").unwrap();
        }
        folder
    }
}

fn on_path(name: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap();
    std::env::split_paths(&path)
        .map(|folder| folder.join(name))
        .find(|file| file.exists())
        .unwrap()
}

fn assert_complete(folder: &Path) {
    for name in NAMES {
        assert!(folder.join(name).is_file(), "{name}");
    }
}

#[test]
fn a_complete_folder_of_the_user_comes_first() {
    let mut machine = Machine::with(&[("go", "go")]);
    let assets = machine.assets(&NAMES);
    machine.finder.assets = Some(assets.clone());
    assert_eq!(machine.finder.find().unwrap().folder(), assets);
    assert_eq!(machine.calls_of_go(), 0);
}

#[test]
fn a_folder_without_the_controller_manager_is_set_aside() {
    let mut machine = Machine::with(&[("go", "go")]);
    machine.finder.assets = Some(machine.assets(&["etcd", "kube-apiserver", "kubectl"]));
    let found = machine.finder.find().unwrap();
    assert!(found.folder().starts_with(&machine.finder.cache));
    assert_complete(found.folder());
}

#[test]
fn many_that_look_at_once_build_once() {
    let machine = Machine::with(&[("go", "go")]);
    let found: Vec<_> = thread::scope(|scope| {
        let lookers: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| machine.finder.find().unwrap()))
            .collect();
        lookers
            .into_iter()
            .map(|looker| looker.join().unwrap())
            .collect()
    });
    for binaries in found {
        assert_complete(binaries.folder());
    }
    assert_eq!(machine.calls_of_go(), 1);
}

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
#[test]
fn what_differs_from_its_checksum_is_not_used() {
    let machine = Machine::with(&[("curl", "curl")]);
    let error = machine.finder.find().unwrap_err().to_string();
    assert!(
        error.contains("envtest-v1.36.2-linux-amd64.tar.gz has the checksum"),
        "{error}"
    );
}

#[test]
fn where_the_published_archive_is_out_of_reach_go_builds_at_once() {
    let machine = Machine::with(&[("curl", "curl-offline"), ("go", "go")]);
    let found = machine.finder.find().unwrap();
    assert_complete(found.folder());
    if cfg!(all(target_os = "linux", target_arch = "x86_64")) {
        let calls = fs::read_to_string(machine.scratch.file("bin/calls-of-curl")).unwrap();
        assert_eq!(calls.lines().count(), 1, "one try: {calls}");
        assert!(calls.contains("--connect-timeout 3 "), "{calls}");
    }
    assert_eq!(machine.calls_of_go(), 1);
}

#[test]
fn a_machine_without_tools_is_told_what_to_install() {
    let machine = Machine::with(&[]);
    let error = machine.finder.find().unwrap_err().to_string();
    if cfg!(all(target_os = "linux", target_arch = "x86_64")) {
        assert!(error.contains("curl is not installed"), "{error}");
    }
    assert!(error.contains("go is not installed"), "{error}");
    assert!(error.contains("install Go 1.26 or later"), "{error}");
    assert!(error.contains("set KUBEBUILDER_ASSETS"), "{error}");
}

#[test]
fn a_failed_build_leaves_nothing_that_looks_whole() {
    let machine = Machine::with(&[("go", "go-fails")]);
    let error = machine.finder.find().unwrap_err().to_string();
    assert!(error.contains("go failed (exit status: 1)"), "{error}");
    let kept = fs::read_dir(&machine.finder.cache).unwrap().flatten();
    let names: Vec<_> = kept.map(|entry| entry.file_name()).collect();
    assert!(
        names.iter().all(|name| name == "lock" || name == "staging"),
        "{names:?}"
    );
}

#[test]
fn the_module_pins_the_version_that_is_told() {
    let go_mod = include_str!("../../kubernetes/go.mod");
    let pin = format!("\tk8s.io/kubernetes v{}\n", testbed::KUBERNETES);
    assert!(go_mod.contains(&pin), "{pin}");
}
