//! What has to hold for any input at all. Each function is a fuzz target, and an ordinary property test of `tests/api`.

use std::fmt::Debug;

use kestra_iam_operator::api::Duration;
use kestra_iam_operator::api::pattern::Pattern;
use kestra_iam_operator::cli;
use kestra_iam_operator::iam::wire;
use kestra_iam_operator::plan::mark::{Mark, Object, TokenMark, strip, token_name};
use kestra_iam_operator::plan::template::render;
use kestra_iam_operator::plan::token::History;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Bodies of the backend, and what our annotations hold: read without a panic, and what was read is written and read the
/// same again.
pub fn decoders(data: &[u8]) {
    body::<wire::Page<wire::TenantMember>>(data);
    body::<wire::Page<wire::Group>>(data);
    body::<wire::Page<wire::RoleSummary>>(data);
    body::<wire::Page<wire::Binding>>(data);
    body::<wire::Page<wire::ApiToken>>(data);
    body::<wire::ServiceAccount>(data);
    body::<wire::Role>(data);
    body::<wire::TenantAccess>(data);
    body::<wire::Me>(data);
    body::<wire::Configs>(data);
    body::<wire::JsonError>(data);
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    if let Some(history) = History::parse(text) {
        let again = history.to_annotation().ok();
        let again = again.and_then(|text| History::parse(&text));
        assert_eq!(again.as_ref(), Some(&history));
    }
    if let Some(mark) = Mark::parse(text) {
        assert_eq!(Mark::parse(&mark.to_string()).as_ref(), Some(&mark));
    }
}

fn body<T: DeserializeOwned + Serialize + Debug>(data: &[u8]) {
    let Ok(read) = serde_json::from_slice::<T>(data) else {
        return;
    };
    let written = serde_json::to_value(&read).unwrap();
    let again: T = serde_json::from_value(written.clone()).unwrap();
    assert_eq!(serde_json::to_value(again).unwrap(), written);
}

/// Durations of manifests and flags: read without a panic, within their limits, and printed so that they are read again.
pub fn durations(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    if let Ok(duration) = text.parse::<Duration>() {
        assert!(duration <= Duration::MAX);
        assert_eq!(duration.to_string().parse(), Ok(duration));
    }
    if let Ok(duration) = cli::duration::parse(text) {
        assert!(!duration.is_zero());
        assert!(duration.as_secs() <= 365 * 24 * 3600);
    }
}

/// Names of tokens fit the backend, marks survive any description, and patterns mean what they say.
pub fn names(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let mut parts = text.splitn(4, '\n');
    let mut part = || parts.next().unwrap_or_default();
    let (owner, entry, namespace, rest) = (part(), part(), part(), part());
    let mark = mark(&word(namespace), &word(owner), &word(entry), text.len());
    let name = token_name(owner, &mark);
    assert!((1..=63).contains(&name.len()), "{name}");
    let is_word = |part: &str| {
        let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        !part.is_empty() && part.bytes().all(is_plain)
    };
    assert!(name.split('-').all(is_word), "{name}");
    let described = mark.append_to(Some(rest));
    assert_eq!(Mark::parse(&described).as_ref(), Some(&mark));
    assert_eq!(strip(&described), rest.trim_end());
    let fits = Pattern(owner.to_owned()).fits(namespace, entry);
    let pattern: Vec<char> = owner.replace("{{namespace}}", namespace).chars().collect();
    let name: Vec<char> = entry.chars().collect();
    assert_eq!(fits, matches(&pattern, &name), "{owner:?} and {entry:?}");
}

/// As Kubernetes has names: of its characters alone, and not empty.
fn word(text: &str) -> String {
    let fits = |c: &char| c.is_ascii_lowercase() || c.is_ascii_digit() || *c == '-';
    let word: String = text.chars().filter(fits).take(253).collect();
    if word.is_empty() {
        "x".to_owned()
    } else {
        word
    }
}

fn mark(namespace: &str, name: &str, entry: &str, generation: usize) -> Mark {
    Mark {
        cluster: "0a1b2c3d".to_owned(),
        object: Object {
            kind: "ServiceAccount".to_owned(),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            uid: "u-1".to_owned(),
        },
        token: Some(TokenMark {
            entry: entry.to_owned(),
            generation: i64::try_from(generation).unwrap_or(i64::MAX),
        }),
        adopted: false,
    }
}

/// What a pattern means, cell by cell.
fn matches(pattern: &[char], name: &[char]) -> bool {
    let mut fits = vec![false; name.len() + 1];
    fits[0] = true;
    for &wanted in pattern {
        let mut before = fits[0];
        fits[0] = fits[0] && wanted == '*';
        for (place, &there) in name.iter().enumerate() {
            let next = match wanted {
                '*' => fits[place + 1] || fits[place],
                _ => before && wanted == there,
            };
            before = std::mem::replace(&mut fits[place + 1], next);
        }
    }
    fits[name.len()]
}

/// What stands for each variable of a template.
fn variable(name: &str) -> Option<&'static str> {
    match name {
        "token" => Some("s3cret {{ url }}"),
        "url" => Some("https://kestra"),
        _ => None,
    }
}

/// The template of a Secret: what names no variable stays as it is, and each variable is put in once.
pub fn template(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    assert_eq!(render(text, |_| None), text);
    let rendered = render(text, variable);
    assert!(text.contains("token") || rendered.contains("s3cret") == text.contains("s3cret"));
    // The same in pieces of which it is known what each becomes.
    let (mut template, mut expected) = (String::new(), String::new());
    for piece in text.split('\n') {
        match piece.len() % 3 {
            0 => {
                template.push_str("{{ token }}");
                expected.push_str("s3cret {{ url }}");
            }
            1 => {
                template.push_str("{{url}}");
                expected.push_str("https://kestra");
            }
            _ => {
                let plain = piece.replace(['{', '}'], "");
                template.push_str(&plain);
                expected.push_str(&plain);
            }
        }
    }
    assert_eq!(render(&template, variable), expected);
}
