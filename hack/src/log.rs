//! Log files of the programs under test, and words for whoever waits.

use std::io::Write;
use std::path::Path;

const TAIL_LINES: usize = 30;

/// What the file holds; nothing if it is not there yet.
pub(crate) fn read(file: &Path) -> String {
    let bytes = std::fs::read(file).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The last lines under a heading.
pub(crate) fn tail(name: &str, file: &Path) -> String {
    let log = read(file);
    let lines: Vec<_> = log.lines().collect();
    let last = &lines[lines.len().saturating_sub(TAIL_LINES)..];
    let heading = format!("--- log of {name}, last {} lines", last.len());
    format!("{heading}\n{}\n---", last.join("\n"))
}

/// Tells the person who waits, even where a test's output is captured.
pub(crate) fn say(message: &str) {
    let line = format!("testbed: {message}\n");
    let _ = std::io::stderr().write_all(line.as_bytes());
}
