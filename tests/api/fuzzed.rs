//! The fuzz targets of `hack/fuzz` as property tests: their seeds, as they are and with bytes changed, and any text.

#[path = "../../hack/fuzz/src/lib.rs"]
mod targets;

use std::path::Path;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

/// The inputs that a target starts from.
fn seeds(target: &str) -> Vec<Vec<u8>> {
    let all = Path::new(env!("CARGO_MANIFEST_DIR")).join("hack/fuzz/seeds");
    let files = std::fs::read_dir(all.join(target)).unwrap();
    let seeds: Vec<_> = files
        .map(|file| std::fs::read(file.unwrap().path()).unwrap())
        .collect();
    assert!(!seeds.is_empty());
    seeds
}

/// A seed with some bytes changed, put in or cut off; or any text.
fn inputs(target: &str) -> impl Strategy<Value = Vec<u8>> {
    let edit = (any::<Index>(), any::<u8>(), 0..4);
    let edited = (prop::sample::select(seeds(target)), vec(edit, 0..4));
    let edited = edited.prop_map(|(mut bytes, edits)| {
        for (place, byte, how) in edits {
            let place = place.index(bytes.len() + 1);
            match how {
                0 => bytes.insert(place, byte),
                1 => bytes.truncate(place.max(1)),
                2 => bytes.extend(bytes.clone().split_off(place)),
                _ if place < bytes.len() => bytes[place] = byte,
                _ => {}
            }
        }
        bytes
    });
    prop_oneof![3 => edited, 1 => any::<String>().prop_map(String::into_bytes)]
}

proptest! {
    #[test]
    fn decoders(input in inputs("decoders")) {
        targets::decoders(&input);
    }

    #[test]
    fn durations(input in inputs("durations")) {
        targets::durations(&input);
    }

    #[test]
    fn names(input in inputs("names")) {
        targets::names(&input);
    }

    #[test]
    fn template(input in inputs("template")) {
        targets::template(&input);
    }
}
