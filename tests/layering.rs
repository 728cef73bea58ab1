//! Which module may know which, and which may know which crates.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};

/// The modules of the library, and what each may use besides itself. `cli` ties them together.
const MODULES: [(&str, &[&str]); 8] = [
    ("api", &[]),
    ("clock", &[]),
    ("iam", &["clock"]),
    ("ops", &["clock"]),
    (
        "plan",
        &["api", "iam::client::Subject", "iam::model", "iam::wire"],
    ),
    ("server", &["clock", "iam::model", "iam::wire"]),
    ("controller", &["api", "clock", "iam", "ops", "plan"]),
    (
        "cli",
        &["api", "clock", "controller", "iam", "ops", "server"],
    ),
];

/// Crates that a module does without: `plan` is pure, `server` knows nothing of Kubernetes, and so on.
const CRATES: [(&str, &[&str]); 8] = [
    ("api", &["axum", "rand", "reqwest", "sqlx", "tokio"]),
    ("clock", &["axum", "kube", "reqwest", "sqlx"]),
    ("iam", &["axum", "kube", "k8s_openapi", "sqlx"]),
    (
        "plan",
        &[
            "axum", "kube", "rand", "reqwest", "sqlx", "tokio", "tracing",
        ],
    ),
    ("server", &["kube", "k8s_openapi", "reqwest"]),
    ("ops", &["reqwest", "sqlx"]),
    ("controller", &["axum", "clap", "sqlx"]),
    ("cli", &["axum", "reqwest", "sqlx"]),
];

/// The places that may speak to the API server: `ops` makes the client and holds the Lease, `cli` puts the two together.
const CLIENTS: [&str; 5] = [
    "src/controller/",
    "src/ops/cluster.rs",
    "src/ops/deadline.rs",
    "src/ops/lease/",
    "src/cli/run/election.rs",
];

#[test]
fn modules_know_only_what_is_below_them() {
    let mut strangers = Vec::new();
    for (module, allowed) in MODULES {
        for (file, text) in sources(module) {
            let used = paths_after("crate::", &text);
            let strange = used
                .into_iter()
                .filter(|path| !within(path, module, allowed));
            strangers.extend(strange.map(|path| format!("{file}: crate::{path}")));
        }
    }
    assert_eq!(strangers, Vec::<String>::new());
}

#[test]
fn modules_do_without_the_crates_of_others() {
    let mut strangers = Vec::new();
    for (module, foreign) in CRATES {
        for (file, text) in sources(module) {
            let mentioned = foreign.iter().filter(|name| mentions(&text, name));
            strangers.extend(mentioned.map(|name| format!("{file}: {name}")));
        }
    }
    assert_eq!(strangers, Vec::<String>::new());
}

#[test]
fn the_api_server_is_spoken_to_where_it_belongs() {
    let mut strangers = Vec::new();
    for (module, _) in MODULES {
        for (file, text) in sources(module) {
            let used = paths_after("kube::", &text);
            let speaks = used
                .iter()
                .any(|path| ["client", "Client", "api", "Api"].contains(&first_word(path)));
            let may = CLIENTS.iter().any(|place| file.starts_with(place));
            strangers.extend((speaks && !may).then_some(file));
        }
    }
    assert_eq!(strangers, Vec::<String>::new());
}

/// More than one could leave a module without its name.
#[test]
fn no_path_climbs_more_than_one_step() {
    let mut climbers = Vec::new();
    for (module, _) in MODULES {
        for (file, text) in sources(module) {
            climbers.extend(text.contains("super::super").then_some(file));
        }
    }
    assert_eq!(climbers, Vec::<String>::new());
}

#[test]
fn every_module_has_its_place() {
    let library = fs::read_to_string("src/lib.rs").unwrap();
    let lines = library
        .lines()
        .filter_map(|line| line.strip_prefix("pub mod "));
    for module in lines.map(|line| line.trim_end_matches(';')) {
        assert!(MODULES.iter().any(|(name, _)| *name == module), "{module}");
    }
}

#[test]
fn the_reader_of_paths_reads_them() {
    let text = "use crate::{api::Role, plan};\nfn f() { crate::iam::model::f(); other_crate::g() }";
    assert_eq!(
        paths_after("crate::", text),
        ["api::Role", "plan", "iam::model::f"]
    );
    assert!(within("iam::model::f", "plan", &["iam::model"]));
    assert!(!within("iam::client", "plan", &["iam::model"]));
    assert!(!within("iam", "plan", &["iam::model"]));
    assert!(mentions("use kube::Client;", "kube"));
    assert!(!mentions("let mykube::x", "kube"));
}

/// The files of a module without lines of comments.
fn sources(module: &str) -> Vec<(String, String)> {
    let mut files = Vec::new();
    collect(Path::new("src").join(module), &mut files);
    files.push(Path::new("src").join(module).with_extension("rs"));
    let existing = files.into_iter().filter(|file| file.is_file());
    let sources = existing.map(|file| {
        let text = fs::read_to_string(&file).unwrap();
        let code = text
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"));
        (
            file.display().to_string(),
            code.collect::<Vec<_>>().join("\n"),
        )
    });
    sources.collect()
}

fn collect(folder: PathBuf, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// The paths that follow `root`; each of a group in braces by itself.
fn paths_after(root: &str, text: &str) -> Vec<String> {
    let starts = text
        .match_indices(root)
        .filter(|(at, _)| starts_word(text, *at));
    let paths = starts.flat_map(|(at, _)| {
        let rest = &text[at + root.len()..];
        match rest.strip_prefix('{') {
            Some(group) => group
                .split_once('}')
                .map_or(group, |(group, _)| group)
                .split(',')
                .collect(),
            None => vec![rest],
        }
    });
    paths
        .map(|path| first_path(path.trim()))
        .filter(|path| !path.is_empty())
        .collect()
}

fn first_path(text: &str) -> String {
    text.chars()
        .take_while(|c| c.is_alphanumeric() || matches!(c, '_' | ':'))
        .collect()
}

fn first_word(path: &str) -> &str {
    path.split(':').next().unwrap()
}

fn starts_word(text: &str, at: usize) -> bool {
    !text[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_')
}

fn mentions(text: &str, name: &str) -> bool {
    text.match_indices(&format!("{name}::"))
        .any(|(at, _)| starts_word(text, at))
}

fn within(path: &str, module: &str, allowed: &[&str]) -> bool {
    let below = |root: &str| path == root || path.starts_with(&format!("{root}::"));
    below(module) || allowed.iter().any(|root| below(root))
}
