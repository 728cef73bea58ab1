//! The embedded IAM server: the IAM part of Kestra's HTTP API over one SQLite file.
//!
//! A real IAM, not a mock: every call is authenticated and authorised, tokens expire, changes are audited. It knows
//! nothing of Kubernetes. `rules` decides as pure functions, `store` is SQL, `http` is what all routes share, and each
//! file in `routes` is one family of endpoints.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use kestra_iam_operator::{clock::Clock, iam::model::TokenValue, server};
//!
//! let app = server::App::open("data".as_ref(), server::Settings::default(), Clock::system()).await?;
//! app.ensure_admin(&TokenValue::new("a value of 27 characters or more".into()), &["main".into()]).await?;
//! let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
//! let stop = tokio_util::sync::CancellationToken::new();
//! server::serve(app, listener, server::Transport::default(), stop).await?;
//! # Ok(())
//! # }
//! ```

mod app;
mod bootstrap;
mod error;
mod http;
mod lock;
mod options;
mod password;
mod routes;
mod rules;
mod serve;
mod store;
mod usage;

pub use app::{App, Settings};
pub use bootstrap::AdminError;
pub use error::Error;
pub use lock::LockError;
pub use options::{Compat, ServerArgs};
pub use serve::{RunError, Transport, run, serve};
pub use store::OpenError;
