//! The files of `examples/`.

use std::fs;

use serde_json::Value;

/// Text of each object in the examples, comments included, and the file that it is in.
pub(crate) fn all() -> Vec<(String, String)> {
    let files = fs::read_dir("examples")
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = files
        .filter(|path| path.extension().is_some_and(|e| e == "yaml"))
        .collect();
    files.sort();
    let texts = files.into_iter().flat_map(|path| {
        let name = path.display().to_string();
        let text = fs::read_to_string(path).unwrap();
        let documents: Vec<_> = text
            .split("\n---\n")
            .map(|text| text.trim().to_owned())
            .collect();
        documents.into_iter().map(move |text| (name.clone(), text))
    });
    texts.collect()
}

/// The example that shows most of a kind.
pub(crate) fn of_kind(kind: &str) -> String {
    let texts = all().into_iter().map(|(_, text)| text);
    let of_kind = texts.filter(|text| parse(text)["kind"] == kind);
    of_kind
        .max_by_key(String::len)
        .unwrap_or_else(|| panic!("no example of a {kind}"))
}

pub(crate) fn parse(text: &str) -> Value {
    serde_saphyr::from_str(text).unwrap()
}
