//! The files that are made from the types: `crds/` and `docs/reference/kinds/`. They are written by `make generate`, which sets
//! `UPDATE`; without it these tests fail where a file is stale.

mod page;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use kestra_iam_operator::api::{crds, to_yaml};

const UPDATE: &str = "UPDATE";

#[test]
fn the_definitions_are_fresh() {
    let files = crds().into_iter().map(|crd| {
        let name = format!("{}.yaml", crd.spec.names.plural);
        let yaml = to_yaml(&[crd]).unwrap();
        (
            name,
            format!("# Written by `make generate` from src/api.\n{yaml}"),
        )
    });
    holds("crds", &files.collect());
}

#[test]
fn the_reference_pages_are_fresh() {
    let pages = crds().into_iter().map(|crd| {
        let name = format!("{}.md", crd.spec.names.singular.clone().unwrap());
        (name, page::of(&crd))
    });
    holds("docs/reference/kinds", &pages.collect());
}

#[test]
fn the_program_prints_the_definitions() {
    let program = env!("CARGO_BIN_EXE_kestra-iam-operator");
    let output = Command::new(program).arg("crds").output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let printed = String::from_utf8(output.stdout).unwrap();
    let kinds: Vec<&str> = printed
        .lines()
        .filter_map(|line| line.strip_prefix("    kind: "))
        .collect();
    let all = crds().into_iter().map(|crd| crd.spec.names.kind);
    assert_eq!(kinds, all.collect::<Vec<_>>());
    assert_eq!(printed, to_yaml(&crds()).unwrap());
}

/// Pages that are made from the program's flags and metrics, by the tests of the process.
const OF_THE_PROCESS: [&str; 2] = ["flags.md", "metrics.md"];

/// The folder holds these files and no others.
fn holds(folder: &str, files: &BTreeMap<String, String>) {
    let folder = Path::new(folder);
    if std::env::var_os(UPDATE).is_some() {
        write(folder, files);
    }
    let found = read(folder);
    let names = |files: &BTreeMap<String, String>| files.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&found), names(files), "run `make generate`");
    for (name, content) in files {
        let file = folder.join(name);
        assert!(
            &found[name] == content,
            "{} is stale: run `make generate`",
            file.display()
        );
    }
}

fn write(folder: &Path, files: &BTreeMap<String, String>) {
    for stale in read(folder).keys() {
        fs::remove_file(folder.join(stale)).unwrap();
    }
    fs::create_dir_all(folder).unwrap();
    for (name, content) in files {
        fs::write(folder.join(name), content).unwrap();
    }
}

fn read(folder: &Path) -> BTreeMap<String, String> {
    let entries = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .map(Result::unwrap);
    let named = entries.map(|entry| {
        let content = fs::read_to_string(entry.path()).unwrap();
        (entry.file_name().into_string().unwrap(), content)
    });
    named
        .filter(|(name, _)| !OF_THE_PROCESS.contains(&name.as_str()))
        .collect()
}
