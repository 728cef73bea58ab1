//! Tables of good and bad objects, and what the API server says about them, word by word.

use std::fmt::Write;
use std::path::PathBuf;

use kube::api::DynamicObject;
use rstest::rstest;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::cluster::Cluster;
use crate::objects::{changed, expand};

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
        let good = changed(&table.object, change);
        report.compare(change, "", &cluster.create_dry(&good).await);
    }
    for Bad { change, says } in &table.bad {
        let bad = changed(&table.object, change);
        assert!(!says.is_empty(), "a bad object is refused: {change}");
        report.compare(change, says, &cluster.create_dry(&bad).await);
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
    /// `should` is empty for what the API server is to take.
    fn compare(&mut self, change: &Value, should: &str, answer: &Result<DynamicObject, String>) {
        let said = answer.as_ref().err().map_or("", String::as_str);
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

/// The good objects of all tables.
pub(crate) fn good() -> Vec<Value> {
    let objects = all().into_iter().flat_map(|Table { object, good, .. }| {
        good.into_iter()
            .map(move |change| changed(&object, &change))
    });
    objects.collect()
}

/// All that the API server says in the tables.
pub(crate) fn refusals() -> Vec<String> {
    let refusals = all().into_iter().flat_map(|Table { bad, changes, .. }| {
        let of_bad = bad.into_iter().map(|Bad { says, .. }| says);
        of_bad
            .chain(changes.into_iter().map(|Change { says, .. }| says))
            .collect::<Vec<_>>()
    });
    refusals.collect()
}

fn all() -> Vec<Table> {
    let files = std::fs::read_dir("tests/api/tables").unwrap();
    files.map(|file| read(&file.unwrap().path())).collect()
}

#[test]
fn there_are_at_least_forty_bad_objects() {
    let bad: usize = all().iter().map(|table| table.bad.len()).sum();
    assert!(bad >= 40, "{bad}");
}
