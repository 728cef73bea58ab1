//! Where the programs are looked for, and what is said when they can't be had.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::thread;

use testbed::{Finder, Scratch};

const NAMES: [&str; 4] = [
    "etcd",
    "kube-apiserver",
    "kube-controller-manager",
    "kubectl",
];

/// Stands in for Go, whose build takes minutes: notes that it was called, and leaves something at `-o`.
const GO: &str = r#"#!/bin/sh
echo built >>"$(dirname "$0")/calls"
sleep 0.3
while [ "$1" != -o ]; do shift; done
echo program >"$2"
"#;

/// Delivers something else than what the Kubernetes project published.
const CURL: &str = r#"#!/bin/sh
while [ "$1" != --output ]; do shift; done
echo forged >"$2"
"#;

struct Machine {
    scratch: Scratch,
    finder: Finder,
}

impl Machine {
    /// A machine with these tools, and those that the tools use.
    fn with(tools: &[(&str, &str)]) -> Self {
        let scratch = Scratch::new("machine").unwrap();
        let path = scratch.file("bin");
        fs::create_dir(&path).unwrap();
        for (name, script) in tools {
            let file = path.join(name);
            fs::write(&file, script).unwrap();
            fs::set_permissions(file, fs::Permissions::from_mode(0o755)).unwrap();
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
    let mut machine = Machine::with(&[("go", GO)]);
    let assets = machine.assets(&NAMES);
    machine.finder.assets = Some(assets.clone());
    assert_eq!(machine.finder.find().unwrap().folder(), assets);
    assert_eq!(machine.calls_of_go(), 0);
}

#[test]
fn a_folder_without_the_controller_manager_is_set_aside() {
    let mut machine = Machine::with(&[("go", GO)]);
    machine.finder.assets = Some(machine.assets(&["etcd", "kube-apiserver", "kubectl"]));
    let found = machine.finder.find().unwrap();
    assert!(found.folder().starts_with(&machine.finder.cache));
    assert_complete(found.folder());
}

#[test]
fn many_that_look_at_once_build_once() {
    let machine = Machine::with(&[("go", GO)]);
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

#[test]
fn what_differs_from_its_checksum_is_not_used() {
    let machine = Machine::with(&[("curl", CURL)]);
    let error = machine.finder.find().unwrap_err().to_string();
    assert!(
        error.contains("envtest-v1.36.2-linux-amd64.tar.gz has the checksum"),
        "{error}"
    );
}

#[test]
fn a_machine_without_tools_is_told_what_to_install() {
    let machine = Machine::with(&[]);
    let error = machine.finder.find().unwrap_err().to_string();
    assert!(error.contains("curl is not installed"), "{error}");
    assert!(error.contains("go is not installed"), "{error}");
    assert!(error.contains("install Go 1.26 or later"), "{error}");
    assert!(error.contains("set KUBEBUILDER_ASSETS"), "{error}");
}

#[test]
fn a_failed_build_leaves_nothing_that_looks_whole() {
    let machine = Machine::with(&[("go", "#!/bin/sh\nexit 1\n")]);
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
