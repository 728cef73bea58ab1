//! The way on from the gate to the server.

use anyhow::Result;
use http::request::Parts;
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::sync::Mutex;

use super::stream::Target;

/// A connection to the server, made when it is needed and again when it has gone.
#[derive(Default)]
pub(super) struct Way(Mutex<Option<SendRequest<Full<Bytes>>>>);

impl Way {
    pub(super) async fn send(
        &self,
        target: &Target,
        head: &Parts,
        body: Bytes,
    ) -> Result<Response<Incoming>> {
        let mut kept = self.0.lock().await;
        let mut request = again(head, body);
        if let Some(mut sender) = kept.take()
            && sender.ready().await.is_ok()
        {
            match sender.try_send_request(request).await {
                Ok(response) => {
                    *kept = Some(sender);
                    return Ok(response);
                }
                // The server closed the connection before anything was sent.
                Err(mut error) => match error.take_message() {
                    Some(unsent) => request = unsent,
                    None => return Err(error.into_error().into()),
                },
            }
        }
        let mut sender = connect(target).await?;
        let response = sender.send_request(request).await?;
        *kept = Some(sender);
        Ok(response)
    }
}

async fn connect(target: &Target) -> Result<SendRequest<Full<Bytes>>> {
    let stream = TokioIo::new(target.connect().await?);
    let (sender, connection) = handshake(stream).await?;
    tokio::spawn(connection);
    Ok(sender)
}

fn again(head: &Parts, body: Bytes) -> Request<Full<Bytes>> {
    let mut request = Request::new(Full::new(body));
    *request.method_mut() = head.method.clone();
    *request.uri_mut() = head.uri.clone();
    *request.headers_mut() = head.headers.clone();
    for name in [
        http::header::CONTENT_LENGTH,
        http::header::TRANSFER_ENCODING,
    ] {
        request.headers_mut().remove(name);
    }
    request
}
