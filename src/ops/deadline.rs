//! An end for every request to the API server.

use std::task::{Context, Poll};
use std::time::Duration;

use axum::http::{Request, Response};
use futures::future::BoxFuture;
use http_body_util::{BodyExt, Full};
use kube::client::{Body, DynBody};
use tokio::time::timeout;
use tower::{BoxError, Layer, Service};

type Answer = Response<Box<DynBody>>;

/// Gives every request this long, repetitions and the body of the answer included. Of a watch only the head counts.
#[derive(Clone, Copy, Debug)]
pub(super) struct DeadlineLayer(pub(super) Duration);

/// A client's service with an end for every request.
#[derive(Debug)]
pub(super) struct Deadline<S> {
    inner: S,
    limit: Duration,
}

/// The API server did not answer in time; what was asked for may have happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the API server did not answer within {0:?}")]
struct TimedOut(Duration);

impl<S> Layer<S> for DeadlineLayer {
    type Service = Deadline<S>;

    fn layer(&self, inner: S) -> Deadline<S> {
        Deadline {
            inner,
            limit: self.0,
        }
    }
}

impl<S> Service<Request<Body>> for Deadline<S>
where
    S: Service<Request<Body>, Response = Answer, Error = BoxError>,
    S::Future: Send + 'static,
{
    type Response = Answer;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Answer, BoxError>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let limit = self.limit;
        let endless = is_watch(&request);
        let answer = self.inner.call(request);
        let whole = async move {
            if endless {
                answer.await
            } else {
                collect(answer.await?).await
            }
        };
        Box::pin(async move {
            timeout(limit, whole)
                .await
                .unwrap_or_else(|_| Err(TimedOut(limit).into()))
        })
    }
}

async fn collect(answer: Answer) -> Result<Answer, BoxError> {
    let (head, body) = answer.into_parts();
    let whole = Full::new(body.collect().await?.to_bytes());
    Ok(Response::from_parts(
        head,
        Box::new(whole.map_err(BoxError::from)),
    ))
}

fn is_watch(request: &Request<Body>) -> bool {
    let query = request.uri().query().unwrap_or_default();
    query.split('&').any(|pair| pair == "watch=true")
}
