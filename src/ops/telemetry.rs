//! Logs: what is written, how, and what never is.

use std::str::FromStr;

use tracing::Metadata;
use tracing_subscriber::filter::{EnvFilter, LevelFilter, filter_fn};
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;

/// The target of our own events.
const OURS: &str = "kestra_iam_operator";

/// kube's request module logs the whole body of an answer that it cannot decode, at `warn`: for a Secret that is its
/// value. What went wrong reaches us as an error anyway.
const NEVER: &str = "kube_client::client";

/// How log lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// One line for people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Which events are logged; always valid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter(String);

/// Why a filter or the subscriber was refused.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Neither a level nor directives.
    #[error(
        "write off, error, warn, info, debug or trace, or directives such as `info,kube_runtime=debug` ({0})"
    )]
    Filter(String),
    /// Logging was started before.
    #[error("logging is set up already: {0}")]
    Installed(#[from] tracing_subscriber::util::TryInitError),
}

impl FromStr for Filter {
    type Err = Error;

    /// A level alone is ours, libraries stay at `warn`; directives are added to that.
    fn from_str(text: &str) -> Result<Self, Error> {
        let directives = match text.parse::<LevelFilter>() {
            Ok(level) => format!("warn,{OURS}={level}"),
            Err(_) => format!("warn,{OURS}=info,{text}"),
        };
        EnvFilter::builder()
            .parse(&directives)
            .map_err(|error| Error::Filter(error.to_string()))?;
        Ok(Self(directives))
    }
}

/// Sends the process's events to stderr; stdout is left to what a command prints.
///
/// # Errors
/// [`Error::Installed`] when called twice.
pub fn install(format: Format, filter: &Filter) -> Result<(), Error> {
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let lines = match format {
        Format::Text => lines.with_target(false).boxed(),
        Format::Json => lines.json().flatten_event(true).boxed(),
    };
    Ok(tracing_subscriber::registry()
        .with(limited(lines, filter)?)
        .try_init()?)
}

fn limited<S>(layer: impl Layer<S> + Send + Sync, filter: &Filter) -> Result<impl Layer<S>, Error>
where
    S: tracing::Subscriber + for<'a> LookupSpan<'a>,
{
    let wanted = EnvFilter::builder()
        .parse(&filter.0)
        .map_err(|error| Error::Filter(error.to_string()))?;
    Ok(layer
        .with_filter(filter_fn(may_be_logged))
        .with_filter(wanted))
}

fn may_be_logged(event: &Metadata<'_>) -> bool {
    event.target() != NEVER
}
