//! URLs: where an instance is, and where a call goes.

use reqwest::Url;

use super::config::wrong;
use super::{Breach, Call, Client, Error};

/// Where an instance is, checked so that a path can be put behind it.
pub(super) fn base(text: &str) -> Result<Url, Error> {
    let bad = |problem| Err(wrong("url", problem));
    if !text.bytes().all(|b| b.is_ascii_graphic()) {
        return bad("holds a space, a line break or a character outside ASCII: remove it");
    }
    let Ok(url) = Url::parse(text) else {
        return bad("is no URL: write it like https://kestra.example.com");
    };
    if !matches!(url.scheme(), "http" | "https") || !text.contains("://") || !url.has_host() {
        return bad("has no scheme: start it with https:// or http://");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return bad("holds a user or a password: put them into the credential");
    }
    if url.query().is_some() || url.fragment().is_some() {
        return bad("has a query or a fragment: end it before the ? or #");
    }
    let path = url.path().trim_end_matches('/');
    if path.ends_with("/api/v1") || path.ends_with("/ui") {
        return bad("ends in /api/v1 or /ui: leave that out");
    }
    Ok(url)
}

/// Kestra's own rule for the id of a tenant.
pub(super) fn tenant(id: &str) -> Result<String, Error> {
    let word = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let fits = id.bytes().next().is_some_and(word)
        && id.bytes().all(|b| word(b) || b == b'-' || b == b'_')
        && id.len() <= 250;
    if fits {
        return Ok(id.to_owned());
    }
    let rule = "is no tenant id: small letters, digits, - and _, with a letter or digit first";
    Err(wrong("tenant", rule))
}

impl Client {
    /// The URL of a call: the template's places filled with the tenant and the ids, each as one segment.
    pub(super) fn url(&self, call: Call, ids: &[&str]) -> Result<Url, Error> {
        let mut ids = ids.iter().copied();
        let fill = |part| match part {
            "{tenant}" => Some(self.tenant()),
            place if is_place(place) => ids.next().filter(|id| is_segment(id)),
            fixed => Some(fixed),
        };
        let segments: Option<Vec<&str>> = call.path.split('/').skip(1).map(fill).collect();
        segments
            .and_then(|segments| append(self.base(), &segments))
            .ok_or(Error::Protocol {
                call,
                breach: Breach::Unsendable,
            })
    }
}

fn append(base: &Url, segments: &[&str]) -> Option<Url> {
    let mut url = base.clone();
    url.path_segments_mut()
        .ok()?
        .pop_if_empty()
        .extend(segments);
    Some(url)
}

fn is_place(part: &str) -> bool {
    part.starts_with('{')
}

/// Whether an id stands for one segment of a path once it is percent-encoded: dots would lead elsewhere, and URL
/// parsers drop control characters without a word.
fn is_segment(id: &str) -> bool {
    !id.is_empty() && id != "." && id != ".." && !id.chars().any(char::is_control)
}
