//! Request bodies.

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::StatusCode;
use axum::response::IntoResponse;
use serde::de::DeserializeOwned;

use crate::server::app::App;
use crate::server::error::Error;

/// A body that has arrived in time and in size. It is parsed by the handler, after the caller was found to be allowed.
///
/// Routes without a body do not look at it: clients send `Content-Type: application/json` with nothing behind it.
pub(crate) struct Body(Bytes);

impl FromRequest<App> for Body {
    type Rejection = Error;

    async fn from_request(request: Request, app: &App) -> Result<Self, Error> {
        let reading = Bytes::from_request(request, app);
        let whole = tokio::time::timeout(app.settings().body_timeout, reading)
            .await
            .map_err(|_| Error::TooSlow)?;
        whole
            .map(Self)
            .map_err(|rejection| match rejection.into_response().status() {
                StatusCode::PAYLOAD_TOO_LARGE => Error::TooLarge,
                _ => Error::Malformed("the body broke off".to_owned()),
            })
    }
}

impl Body {
    /// The body as a JSON object, whatever its content type says. Unknown members are ignored; an error names the
    /// member and never repeats its value, which may be a password.
    pub(crate) fn parse<T: DeserializeOwned>(&self) -> Result<T, Error> {
        // Serde would take a list for an object without names.
        self.require_start(b'{', "a JSON object")?;
        self.read()
    }

    /// The body as a JSON list of objects.
    pub(crate) fn parse_list<T: DeserializeOwned>(&self) -> Result<Vec<T>, Error> {
        self.require_start(b'[', "a JSON list")?;
        self.read()
    }

    fn require_start(&self, start: u8, form: &str) -> Result<(), Error> {
        match self.0.iter().find(|byte| !byte.is_ascii_whitespace()) {
            Some(byte) if *byte == start => Ok(()),
            Some(_) => Err(Error::invalid("body", format!("must be {form}"))),
            None => Err(Error::invalid("body", format!("is missing: send {form}"))),
        }
    }

    fn read<T: DeserializeOwned>(&self) -> Result<T, Error> {
        let mut json = serde_json::Deserializer::from_slice(&self.0);
        let parsed =
            serde_path_to_error::deserialize(&mut json).map_err(|error| explain(&error))?;
        json.end()
            .map_err(|_| Error::invalid("body", "goes on after the JSON value"))?;
        Ok(parsed)
    }
}

fn explain(error: &serde_path_to_error::Error<serde_json::Error>) -> Error {
    let path = error.path().to_string();
    let cause = error.inner();
    let text = cause.to_string();
    if !cause.is_data() {
        return Error::invalid("body", "is not valid JSON");
    }
    // `missing field` is the one message of serde that tells a name and no value.
    let missing = text
        .strip_prefix("missing field `")
        .and_then(|rest| rest.split('`').next());
    match (missing, path.as_str()) {
        (Some(field), ".") => Error::invalid(field, "is required"),
        (Some(field), path) => Error::invalid(format!("{path}.{field}"), "is required"),
        (None, ".") => Error::invalid("body", "is not of the form that is expected here"),
        (None, path) => Error::invalid(path, "is not of the type that is expected here"),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::iam::wire::{ApiTokenRequest, BindingRequest, RoleRequest};

    fn message<T: DeserializeOwned>(body: &str) -> String {
        let parsed: Result<T, Error> = Body(Bytes::copy_from_slice(body.as_bytes())).parse();
        match parsed {
            Ok(_) => "fine".to_owned(),
            Err(error) => error.to_string(),
        }
    }

    #[rstest]
    #[case(r#"{"name":"ci","unknown":{"a":[1]},"description":null}"#, "fine")]
    #[case("", "body: is missing: send a JSON object")]
    #[case("{", "body: is not valid JSON")]
    #[case("{} {}", "body: goes on after the JSON value")]
    #[case("[]", "body: must be a JSON object")]
    #[case("null", "body: must be a JSON object")]
    #[case(" ", "body: is missing: send a JSON object")]
    #[case(r#"{"name":7}"#, "name: is not of the type that is expected here")]
    #[case(
        r#"{"extended":"secret"}"#,
        "extended: is not of the type that is expected here"
    )]
    fn what_is_wrong_with_a_body(#[case] body: &str, #[case] expected: &str) {
        assert_eq!(message::<ApiTokenRequest>(body), expected);
    }

    #[test]
    fn a_missing_member_is_named() {
        let body = r#"{"type":"USER","externalId":"x"}"#;
        assert_eq!(message::<BindingRequest>(body), "roleId: is required");
    }

    #[test]
    fn permissions_are_a_map() {
        let body = r#"{"name":"r","permissions":["FLOW"]}"#;
        assert_eq!(
            message::<RoleRequest>(body),
            "permissions: is not of the type that is expected here"
        );
    }

    #[test]
    fn depth_is_bounded() {
        let body = format!("{{\"name\":{}", "[".repeat(100_000));
        let message = message::<ApiTokenRequest>(&body);
        assert!(
            message == "body: is not valid JSON" || message.starts_with("name: "),
            "{message}"
        );
    }
}
