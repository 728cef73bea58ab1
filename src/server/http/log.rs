//! A line in the log for each request, at debug: never a query, a header or a body.

use std::sync::Arc;

use axum::extract::{MatchedPath, Request};
use axum::middleware::Next;
use axum::response::Response;
use tokio::time::Instant;

use super::trail::{Trail, harmless};

/// Tells of each request once it is answered.
pub(crate) async fn tell(request: Request, next: Next) -> Response {
    let (begun, method, path) = (Instant::now(), request.method().clone(), path_of(&request));
    let response = next.run(request).await;
    let trail = response.extensions().get::<Arc<Trail>>();
    tracing::debug!(
        %method,
        path,
        status = response.status().as_u16(),
        took = ?begun.elapsed(),
        principal = trail.and_then(|trail| trail.actor_name()),
        "answered"
    );
    response
}

/// The route's template; of a path without a route the words that are short enough to be no secret that went astray.
fn path_of(request: &Request) -> String {
    if let Some(route) = request.extensions().get::<MatchedPath>() {
        return route.as_str().to_owned();
    }
    let words = request.uri().path().split('/');
    words.map(harmless).collect::<Vec<_>>().join("/")
}
