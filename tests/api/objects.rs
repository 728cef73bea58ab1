//! Objects as changes of others.

use serde_json::{Value, json};

/// Writes out `<a*64>`, which stands for 64 times `a`.
pub(crate) fn expand(text: &str) -> String {
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

/// `object` after a merge patch.
pub(crate) fn changed(object: &Value, change: &Value) -> Value {
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
