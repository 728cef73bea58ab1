//! How answers look: error bodies in Kestra's form, and the headers that every answer has.

use axum::Json;
use axum::extract::{Request, State};
use axum::http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_TYPE, DATE, HeaderName, HeaderValue, WWW_AUTHENTICATE,
};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimePrinter;
use serde_json::json;

use crate::iam::wire::Page;
use crate::server::app::App;
use crate::server::error::Explanation;

/// A page of a list, as it goes out.
pub(crate) fn page<T>(results: Vec<T>, total: i64) -> Json<Page<T>> {
    Json(Page {
        results,
        total: Some(total),
    })
}

/// Finishes each answer.
pub(crate) async fn finish(State(app): State<App>, request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    let response = next.run(request).await;
    let mut response = explain(response, &path);
    let refused = response.status() == StatusCode::UNAUTHORIZED;
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if refused {
        headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    insert(headers, DATE, http_date(app.now()));
    response
}

/// Gives every error a body, those included that no handler of ours saw: unknown routes and methods, panics.
fn explain(mut response: Response, path: &str) -> Response {
    let status = response.status();
    let explanation = response.extensions_mut().remove::<Explanation>();
    let is_error = status.is_client_error() || status.is_server_error();
    if !is_error || is_json(response.headers()) {
        return response;
    }
    let explanation = explanation.unwrap_or_else(|| Explanation {
        message: status.canonical_reason().unwrap_or("Error").to_owned(),
        field: None,
    });
    let mut error = json!({"message": explanation.message});
    if let Some(field) = explanation.field {
        error["path"] = field.into();
    }
    let body = json!({
        "message": explanation.message,
        "_links": {"self": {"href": path, "templated": false}},
        "_embedded": {"errors": [error]},
    });
    let mut explained = (status, Json(body)).into_response();
    *explained.extensions_mut() = std::mem::take(response.extensions_mut());
    let allowed = response.headers_mut().remove(ALLOW);
    insert(explained.headers_mut(), ALLOW, allowed);
    explained
}

fn is_json(headers: &HeaderMap) -> bool {
    headers
        .get(CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"application/json"))
}

/// The server's own clock is what expiries are judged by, so it is what `Date` tells.
fn http_date(now: Timestamp) -> Option<HeaderValue> {
    let text = DateTimePrinter::new()
        .timestamp_to_rfc9110_string(&now)
        .ok()?;
    HeaderValue::from_str(&text).ok()
}

fn insert(headers: &mut HeaderMap, name: HeaderName, value: Option<HeaderValue>) {
    if let Some(value) = value {
        headers.insert(name, value);
    }
}
