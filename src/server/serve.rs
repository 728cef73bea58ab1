//! From flags to a listening server, and down again in order.

use std::convert::Infallible;
use std::io::Write;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum_server::Handle;
use axum_server::tls_rustls::RustlsConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;

use super::app::{App, Settings};
use super::bootstrap::{self, AdminError};
use super::lock::{LockError, lock};
use super::options::ServerArgs;
use super::store::OpenError;

/// Uses of tokens are written down twice within the ten seconds that are promised.
const FLUSH_EVERY: Duration = Duration::from_secs(5);
/// The superadmin's token, if no file is named.
const ADMIN_TOKEN: &str = "KESTRA_IAM_ADMIN_TOKEN";

/// The server could not start, or ended by a failure.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// Nothing can listen there.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// The certificate or its key cannot be used.
    #[error("cannot use the certificate: {0}")]
    Tls(String),
    /// The data directory is not this server's own.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The database cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The superadmin's token cannot be used.
    #[error(transparent)]
    Admin(#[from] AdminError),
    /// The listener failed.
    #[error("the listener failed: {0}")]
    Serve(#[from] std::io::Error),
}

/// How the server speaks to its clients' connections.
#[derive(Clone, Debug)]
pub struct Transport {
    /// Without it, plain HTTP.
    tls: Option<RustlsConfig>,
    header_timeout: Duration,
    shutdown_timeout: Duration,
}

impl Default for Transport {
    /// Plain HTTP with the timeouts that the flags default to.
    fn default() -> Self {
        Self {
            tls: None,
            header_timeout: Duration::from_secs(10),
            shutdown_timeout: Duration::from_secs(10),
        }
    }
}

impl Transport {
    /// TLS with the certificate chain and the key in these PEM files.
    pub fn with_tls(mut self, cert: &Path, key: &Path) -> Result<Self, RunError> {
        let failed = |error: &dyn std::error::Error| RunError::Tls(error.to_string());
        let chain: Result<Vec<_>, _> = CertificateDer::pem_file_iter(cert)
            .map_err(|error| failed(&error))?
            .collect();
        let chain = chain.map_err(|error| failed(&error))?;
        let key = PrivateKeyDer::from_pem_file(key).map_err(|error| failed(&error))?;
        let provider = Arc::new(aws_lc_rs::default_provider());
        let mut config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| failed(&error))?
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .map_err(|error| failed(&error))?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        self.tls = Some(RustlsConfig::from_config(Arc::new(config)));
        Ok(self)
    }

    /// How long a client may take to send the head of a request.
    #[must_use]
    pub const fn header_timeout(mut self, timeout: Duration) -> Self {
        self.header_timeout = timeout;
        self
    }

    /// How long requests under way may take to end once the server is told to stop.
    #[must_use]
    pub const fn shutdown_timeout(mut self, timeout: Duration) -> Self {
        self.shutdown_timeout = timeout;
        self
    }

    const fn scheme(&self) -> &'static str {
        match self.tls {
            Some(_) => "https",
            None => "http",
        }
    }
}

/// Runs the server that the flags describe until `stop`. Once it listens, a line `listening on <url>` stands on
/// standard output.
pub async fn run(args: ServerArgs, stop: CancellationToken) -> Result<(), RunError> {
    let mut transport = Transport::default()
        .header_timeout(args.header_timeout)
        .shutdown_timeout(args.shutdown_timeout);
    if let (Some(cert), Some(key)) = (&args.tls_cert, &args.tls_key) {
        transport = transport.with_tls(cert, key)?;
    }
    let _own = lock(&args.data)?;
    let app = open(&args).await?;
    let listener = TcpListener::bind(args.listen).map_err(|source| RunError::Listen {
        address: args.listen,
        source,
    })?;
    announce(transport.scheme(), listener.local_addr()?)?;
    serve(app, listener, transport, stop).await
}

async fn open(args: &ServerArgs) -> Result<App, RunError> {
    let settings = Settings {
        compat: args.compat,
        max_body: args.max_body,
        body_timeout: args.body_timeout,
    };
    let clock = args
        .clock_offset_file
        .clone()
        .map_or_else(Clock::system, Clock::offset_by);
    let app = App::open(&args.data, settings, clock).await?;
    let token = match (&args.admin_token_file, std::env::var(ADMIN_TOKEN)) {
        (Some(file), _) => Some(bootstrap::token_in(file)?),
        (None, Ok(value)) => Some(bootstrap::checked(value)?),
        (None, Err(_)) => None,
    };
    if let Some(token) = token {
        app.ensure_admin(&token, &args.tenant_admin_access).await?;
    }
    Ok(app)
}

/// On standard output, where whoever started the process finds the port that was free.
fn announce(scheme: &str, address: SocketAddr) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "listening on {scheme}://{address}")?;
    out.flush()
}

/// Serves on this listener until `stop`, then lets requests under way end and writes down the uses of tokens.
pub async fn serve(
    app: App,
    listener: TcpListener,
    transport: Transport,
    stop: CancellationToken,
) -> Result<(), RunError> {
    let handle = Handle::new();
    let ended = tokio::select! {
        ended = accept(&app, listener, &transport, handle.clone()) => ended,
        never = drain_once_told(handle, &transport, stop) => match never {},
        never = flush_now_and_then(&app) => match never {},
    };
    if let Err(error) = app.flush_usage().await {
        tracing::error!(%error, "uses of tokens could not be written down");
    }
    Ok(ended?)
}

/// HTTP/1 only: its head and body timeouts are what slow clients meet.
async fn accept(
    app: &App,
    listener: TcpListener,
    transport: &Transport,
    handle: Handle<SocketAddr>,
) -> std::io::Result<()> {
    let service = app
        .router()
        .into_make_service_with_connect_info::<SocketAddr>();
    let patience = transport.header_timeout;
    if let Some(tls) = &transport.tls {
        let mut server = axum_server::from_tcp_rustls(listener, tls.clone())?
            .http1_only()
            .handle(handle);
        server.http_builder().http1().header_read_timeout(patience);
        return server.serve(service).await;
    }
    let mut server = axum_server::from_tcp(listener)?.http1_only().handle(handle);
    server.http_builder().http1().header_read_timeout(patience);
    server.serve(service).await
}

async fn drain_once_told(
    handle: Handle<SocketAddr>,
    transport: &Transport,
    stop: CancellationToken,
) -> Infallible {
    stop.cancelled().await;
    handle.graceful_shutdown(Some(transport.shutdown_timeout));
    std::future::pending().await
}

async fn flush_now_and_then(app: &App) -> Infallible {
    loop {
        tokio::time::sleep(FLUSH_EVERY).await;
        if let Err(error) = app.flush_usage().await {
            tracing::warn!(%error, "uses of tokens could not be written down; trying again");
        }
    }
}
