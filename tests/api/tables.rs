//! Tables of good and bad objects, and what the API server says about them, word by word.

use std::fmt::Write;
use std::path::PathBuf;

use rstest::rstest;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::cluster::Cluster;

/// One file of `tables/`. A change is a merge patch; `<a*64>` in a text stands for 64 times `a`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    /// What all others are changes of.
    object: Value,
    /// What the API server takes.
    good: Vec<Value>,
    /// What it refuses.
    bad: Vec<Bad>,
    /// Changes of a stored object.
    #[serde(default)]
    changes: Vec<Change>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Bad {
    change: Value,
    says: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Change {
    before: Value,
    after: Value,
    says: String,
}

#[rstest]
#[tokio::test]
async fn the_api_server_says(#[files("tests/api/tables/*.yaml")] file: PathBuf) {
    let table = read(&file);
    let cluster = Cluster::new("table").await;
    let mut report = Report::default();
    for change in &table.good {
        let said = cluster.create_dry(&changed(&table.object, change)).await;
        report.compare(change, "", &said);
    }
    for Bad { change, says } in &table.bad {
        let said = cluster.create_dry(&changed(&table.object, change)).await;
        assert!(!says.is_empty(), "a bad object is refused: {change}");
        report.compare(change, says, &said);
    }
    for (
        number,
        Change {
            before,
            after,
            says,
        },
    ) in table.changes.iter().enumerate()
    {
        let mut object = changed(&table.object, before);
        object["metadata"]["name"] = json!(format!("changed-{number}"));
        let stored = cluster.create(&object).await;
        report.compare(after, says, &cluster.patch_dry(&stored, after).await);
    }
    assert!(report.0.is_empty(), "{}", report.0);
}

/// All differences of a table at once.
#[derive(Default)]
struct Report(String);

impl Report {
    fn compare(&mut self, change: &Value, should: &str, said: &str) {
        if should != said {
            writeln!(
                self.0,
                "{change}\n  should say: {should}\n  says:       {said}"
            )
            .unwrap();
        }
    }
}

fn read(file: &PathBuf) -> Table {
    let text = std::fs::read_to_string(file).unwrap();
    serde_saphyr::from_str(&expand(&text)).unwrap()
}

/// Writes out `<a*64>`.
fn expand(text: &str) -> String {
    let mut pieces = text.split('<');
    let start = pieces.next().unwrap_or_default().to_owned();
    pieces.fold(start, |text, piece| match repetition(piece) {
        Some((repeated, rest)) => text + &repeated + rest,
        None => text + "<" + piece,
    })
}

fn repetition(piece: &str) -> Option<(String, &str)> {
    let (inside, rest) = piece.split_once('>')?;
    let (letter, times) = inside.split_once('*')?;
    Some((letter.repeat(times.parse().ok()?), rest))
}

fn changed(object: &Value, change: &Value) -> Value {
    let mut object = object.clone();
    merge(&mut object, change);
    object
}

/// A merge patch (RFC 7386).
fn merge(target: &mut Value, patch: &Value) {
    let (Value::Object(members), Value::Object(changes)) = (&mut *target, patch) else {
        *target = patch.clone();
        return;
    };
    for (key, change) in changes {
        if change.is_null() {
            members.remove(key);
        } else {
            merge(members.entry(key).or_insert(json!({})), change);
        }
    }
}

#[test]
fn there_are_at_least_forty_bad_objects() {
    let files = std::fs::read_dir("tests/api/tables").unwrap();
    let bad: usize = files
        .map(|file| read(&file.unwrap().path()).bad.len())
        .sum();
    assert!(bad >= 40, "{bad}");
}
