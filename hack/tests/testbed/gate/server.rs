//! A small server that says what it was asked.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use http_body_util::BodyExt;
use hyper::body::{Body, Bytes, Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::broadcast;

/// It ends with the test's runtime.
pub struct Server {
    pub url: String,
    shared: Arc<Shared>,
}

struct Shared {
    asked: Mutex<Vec<String>>,
    connections: AtomicUsize,
    lines: broadcast::Sender<String>,
}

impl Server {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let shared = Arc::new(Shared {
            asked: Mutex::default(),
            connections: AtomicUsize::new(0),
            lines: broadcast::Sender::new(100),
        });
        tokio::spawn(accept(listener, Arc::clone(&shared)));
        Self { url, shared }
    }

    /// What it was asked, as `METHOD path`.
    pub fn asked(&self) -> Vec<String> {
        self.shared.asked.lock().unwrap().clone()
    }

    /// How many connections were made to it.
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }

    /// How many watch.
    pub fn watchers(&self) -> usize {
        self.shared.lines.receiver_count()
    }

    /// Tells all that watch.
    pub fn tell(&self, line: &str) {
        self.shared.lines.send(format!("{line}\n")).unwrap();
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        shared.connections.fetch_add(1, Ordering::SeqCst);
        let shared = Arc::clone(&shared);
        let service = service_fn(move |request| {
            let shared = Arc::clone(&shared);
            async move { Ok::<_, Infallible>(answer(&shared, request).await) }
        });
        let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
        tokio::spawn(connection);
    }
}

async fn answer(shared: &Shared, request: Request<Incoming>) -> Response<Lines> {
    let asked = format!("{} {}", request.method(), request.uri());
    shared.asked.lock().unwrap().push(asked.clone());
    let path = request.uri().path().to_owned();
    if path == "/watch" {
        return Response::new(Lines::Told(Box::pin(told(shared.lines.subscribe()))));
    }
    let body = request.into_body().collect().await.unwrap().to_bytes();
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    let text = json!({"asked": asked, "body": body}).to_string();
    let mut response = Response::new(Lines::Once(Some(Bytes::from(text))));
    if path == "/close" {
        let close = "close".parse().unwrap();
        response.headers_mut().insert("connection", close);
    }
    if path == "/teapot" {
        *response.status_mut() = hyper::StatusCode::IM_A_TEAPOT;
    }
    response
}

type Next = Pin<Box<dyn Future<Output = (Bytes, broadcast::Receiver<String>)> + Send>>;

async fn told(mut lines: broadcast::Receiver<String>) -> (Bytes, broadcast::Receiver<String>) {
    match lines.recv().await {
        Ok(line) => (Bytes::from(line), lines),
        Err(_) => std::future::pending().await,
    }
}

/// One text, or lines without end.
enum Lines {
    Once(Option<Bytes>),
    Told(Next),
}

impl Body for Lines {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match &mut *self {
            Self::Once(text) => Poll::Ready(text.take().map(|text| Ok(Frame::data(text)))),
            Self::Told(next) => {
                let (line, lines) = std::task::ready!(next.as_mut().poll(cx));
                *next = Box::pin(told(lines));
                Poll::Ready(Some(Ok(Frame::data(line))))
            }
        }
    }
}
