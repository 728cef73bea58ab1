//! `docs/faults.md` tells of every row, and of tests that there are.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// All source files of the tests.
fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The words of a text that begin like this and go on like a name.
fn names(text: &str, start: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let named = words.filter(|word| word.starts_with(start));
    named.map(str::to_owned).collect()
}

/// The names of all test functions of rows.
fn tests() -> BTreeSet<String> {
    let mut files = Vec::new();
    sources(&Path::new(ROOT).join("tests/faults"), &mut files);
    let texts = files.iter().map(|file| fs::read_to_string(file).unwrap());
    let lines: Vec<String> = texts
        .flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>())
        .collect();
    let heads = lines
        .iter()
        .filter_map(|line| line.trim().strip_prefix("async fn "));
    heads.flat_map(|head| names(head, "fault_")).collect()
}

fn page() -> String {
    fs::read_to_string(Path::new(ROOT).join("docs/faults.md")).unwrap()
}

#[test]
fn each_test_that_the_page_names_exists_and_each_that_exists_is_named() {
    let named = names(&page(), "fault_");
    assert!(!named.is_empty());
    assert_eq!(named, tests());
}

#[test]
fn each_row_of_the_matrix_is_on_the_page_once() {
    let page = page();
    let rows = page.lines().filter_map(|line| line.strip_prefix("| "));
    let rows = rows.filter_map(|row| row.split(" |").next());
    let rows: Vec<&str> = rows
        .filter(|row| row.starts_with(|c: char| c.is_ascii_digit()))
        .collect();
    let mut expected: Vec<String> = (1..=67).map(|row| row.to_string()).collect();
    expected.insert(32, "32b".to_owned());
    assert_eq!(rows, expected);
}
