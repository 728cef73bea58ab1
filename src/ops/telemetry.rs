//! Logs: what is written, how, and what never is.

use std::io::IsTerminal;
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

/// Says of each failed request what its caller logs anyway.
const TWICE: &str = "kube_client::client::builder";

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
            Ok(level) => format!("warn,{TWICE}=off,{OURS}={level}"),
            Err(_) => format!("warn,{OURS}=info,{text}"),
        };
        parse(&directives)?;
        Ok(Self(directives))
    }
}

fn parse(directives: &str) -> Result<EnvFilter, Error> {
    EnvFilter::builder()
        .parse(directives)
        .map_err(|error| Error::Filter(error.to_string()))
}

/// Sends the process's events to stderr; stdout is left to what a command prints.
///
/// # Errors
/// [`Error::Installed`] when called twice.
pub fn install(format: Format, filter: &Filter) -> Result<(), Error> {
    let colours = std::io::stderr().is_terminal();
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(colours);
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
    let wanted = parse(&filter.0)?;
    Ok(layer
        .with_filter(filter_fn(may_be_logged))
        .with_filter(wanted))
}

fn may_be_logged(event: &Metadata<'_>) -> bool {
    event.target() != NEVER
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use std::io;
    use std::sync::{Arc, Mutex};
    use tracing::{debug, error, info, trace, warn};

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// What is logged of the events of `run` under that filter.
    fn logged(filter: &str, run: impl FnOnce()) -> String {
        let written = Written::default();
        let writer = written.clone();
        let lines = tracing_subscriber::fmt::layer().with_writer(move || writer.clone());
        let filter = filter.parse().unwrap();
        let subscriber = tracing_subscriber::registry().with(limited(lines, &filter).unwrap());
        tracing::subscriber::with_default(subscriber, run);
        String::from_utf8(written.0.lock().unwrap().clone()).unwrap()
    }

    #[test]
    fn a_level_is_ours_and_libraries_stay_at_warn() {
        let log = logged("debug", || {
            debug!("one");
            trace!("two");
            info!(target: "sqlx", "three");
            warn!(target: "sqlx", "four");
        });
        assert!(log.contains("one") && log.contains("four"), "{log}");
        assert!(!log.contains("two") && !log.contains("three"), "{log}");
    }

    #[test]
    fn directives_are_added_to_what_is_usual() {
        let log = logged("kube_runtime=debug", || {
            info!("one");
            debug!(target: "kube_runtime::watcher", "two");
            info!(target: "sqlx", "three");
        });
        assert!(
            log.contains("one") && log.contains("two") && !log.contains("three"),
            "{log}"
        );
    }

    #[test]
    fn the_module_that_logs_bodies_is_never_heard() {
        let log = logged("trace,kube_client=trace,kube_client::client=trace", || {
            warn!(target: "kube_client::client", "{{\"data\": {{\"token\": \"dG9rZW4=\"}}}}");
            error!(target: "kube_client::client::builder", "failed");
        });
        assert!(log.contains("failed") && !log.contains("dG9rZW4="), "{log}");
    }

    #[rstest]
    #[case("loud=very")]
    #[case("=,=")]
    fn what_is_neither_level_nor_directives_is_refused(#[case] text: &str) {
        let message = text.parse::<Filter>().unwrap_err().to_string();
        assert!(message.starts_with("write off, error, warn"), "{message}");
    }
}
