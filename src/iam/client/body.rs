//! Reading an answer's body: never more than 1 MiB of it, and as nothing but JSON.

use futures::StreamExt;
use reqwest::Response;
use serde::de::{DeserializeOwned, IgnoredAny};
use zeroize::Zeroizing;

use super::{Breach, Call, Error, Outage, transport};

/// More than any page of 200 items needs, and little enough to hold many at once.
pub(super) const LARGEST_BODY: usize = 1024 * 1024;

/// A whole body; wiped after use, since one kind of answer holds a token's value.
pub(super) type Body = Zeroizing<Vec<u8>>;

/// Why a body could not be read.
pub(super) enum Failure {
    Outage(Outage),
    TooLarge,
}

impl Failure {
    pub(super) fn of(self, call: Call) -> Error {
        match self {
            Self::Outage(outage) => Error::Unavailable { call, outage },
            Self::TooLarge => Error::Protocol {
                call,
                breach: Breach::TooLarge,
            },
        }
    }
}

/// Reads the body to its end, or gives the connection up once it is too large.
pub(super) async fn collect(response: Response) -> Result<Body, Failure> {
    let announced = response.content_length().unwrap_or(0);
    // What is announced only saves copies: what comes is what counts.
    let expected = usize::try_from(announced).map_or(LARGEST_BODY, |size| size.min(LARGEST_BODY));
    let mut body = Zeroizing::new(Vec::with_capacity(expected));
    let mut chunks = response.bytes_stream();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|error| Failure::Outage(transport::outage(&error)))?;
        if body.len() + chunk.len() > LARGEST_BODY {
            return Err(Failure::TooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// The body as `T`.
pub(super) fn parse<T: DeserializeOwned>(body: &Body) -> Result<T, Breach> {
    serde_json::from_slice(body).map_err(|error| {
        // The error's text quotes the body, so only its kind goes on.
        if error.is_data() {
            Breach::Shape
        } else {
            Breach::NotJson
        }
    })
}

/// Any JSON, or nothing.
pub(super) fn accept(body: &Body) -> Result<(), Breach> {
    if body.is_empty() {
        return Ok(());
    }
    parse::<IgnoredAny>(body).map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::iam::wire::{ApiToken, Page};

    fn read(text: &str) -> Result<Page<ApiToken>, Breach> {
        parse(&Zeroizing::new(text.as_bytes().to_vec()))
    }

    #[test]
    fn what_is_not_json_is_told_from_json_of_another_shape() {
        for text in ["", "<html></html>", "{", r#"{"results":[{"id":"#] {
            assert_eq!(read(text).unwrap_err(), Breach::NotJson, "{text:?}");
        }
        for text in [
            "null",
            "[]",
            "{}",
            r#"{"results":7}"#,
            r#"{"results":[{}]}"#,
        ] {
            assert_eq!(read(text).unwrap_err(), Breach::Shape, "{text:?}");
        }
    }

    #[test]
    fn deep_nesting_is_skipped_or_refused_without_a_stack() {
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        let unknown_member = read(&format!(r#"{{"results":[],"x":{deep}}}"#));
        assert!(unknown_member.unwrap().results.is_empty());
        let body = Zeroizing::new(deep.into_bytes());
        assert_eq!(parse::<serde_json::Value>(&body), Err(Breach::NotJson));
        assert_eq!(accept(&body), Ok(()));
    }

    #[test]
    fn a_success_without_an_answer_may_be_empty_but_no_page() {
        let accepts = |text: &str| accept(&Zeroizing::new(text.as_bytes().to_vec()));
        assert_eq!(accepts(""), Ok(()));
        assert_eq!(accepts(r#"{"id":"x"}"#), Ok(()));
        assert_eq!(accepts("<html>Sign in</html>"), Err(Breach::NotJson));
    }
}
