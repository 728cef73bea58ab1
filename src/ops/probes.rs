//! `/livez`, `/readyz` and `/metrics` over HTTP.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum_server::Handle;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::health::{Health, Report};
use super::metrics::Metrics;

/// How long a client may take to send the head of a request.
const HEAD: Duration = Duration::from_secs(5);

/// How long answers under way may take once the process ends.
const GRACE: Duration = Duration::from_millis(500);

/// The server of the probes; it ends with [`Probes::stop`].
#[derive(Debug)]
pub struct Probes {
    address: SocketAddr,
    handle: Handle<SocketAddr>,
    server: JoinHandle<io::Result<()>>,
}

/// What the answers are made from.
#[derive(Clone, Debug)]
struct Sources {
    health: Health,
    metrics: Metrics,
}

impl Probes {
    /// Listens on `address` and serves in a task of its own; port 0 takes a free one.
    ///
    /// # Errors
    /// When the address cannot be bound.
    pub fn start(address: SocketAddr, health: Health, metrics: Metrics) -> io::Result<Self> {
        let listener = TcpListener::bind(address)?;
        let address = listener.local_addr()?;
        let handle = Handle::new();
        let mut server = axum_server::from_tcp(listener)?.handle(handle.clone());
        server.http_builder().http1().header_read_timeout(HEAD);
        let app = router(Sources { health, metrics }).into_make_service();
        Ok(Self {
            address,
            handle,
            server: tokio::spawn(server.serve(app)),
        })
    }

    /// Where the server listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops listening and waits for the answers under way, for half a second at most.
    pub async fn stop(self) {
        self.handle.graceful_shutdown(Some(GRACE));
        if let Ok(Err(error)) = self.server.await {
            tracing::warn!("The server of the probes ended with {error}");
        }
    }
}

fn router(sources: Sources) -> Router {
    Router::new()
        .route("/livez", get(livez))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .fallback(elsewhere)
        .with_state(sources)
}

async fn livez(State(sources): State<Sources>) -> Response {
    answer(&sources.health.liveness(Instant::now()))
}

async fn readyz(State(sources): State<Sources>) -> Response {
    answer(&sources.health.readiness())
}

async fn metrics(State(sources): State<Sources>) -> Response {
    const TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    match sources.metrics.render() {
        Ok(text) => ([(header::CONTENT_TYPE, TYPE)], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

async fn elsewhere() -> (StatusCode, &'static str) {
    (
        StatusCode::NOT_FOUND,
        "here are /livez, /readyz and /metrics\n",
    )
}

fn answer(report: &Report) -> Response {
    let status = if report.good {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (status, report.to_string()).into_response()
}
