//! The flags that say what is logged and how.

use crate::ops::telemetry::{self, Filter, Format};

/// Flags shared by the subcommands that keep running.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Logging")]
pub struct Logging {
    /// How log lines are written to stderr: `text` for people, `json` for one JSON object a line.
    #[arg(
        long,
        env = "KESTRA_IAM_LOG_FORMAT",
        value_name = "FORMAT",
        default_value = "text"
    )]
    pub log_format: Format,

    /// What is logged: off, error, warn, info, debug or trace for the operator itself (libraries stay at warn), or
    /// directives `target=level` separated by commas, such as `debug,kube_runtime=debug`.
    #[arg(
        long,
        env = "KESTRA_IAM_LOG_LEVEL",
        value_name = "LEVEL",
        default_value = "info"
    )]
    pub log_level: Filter,
}

impl Logging {
    /// Starts logging for the whole process.
    pub fn install(&self) -> anyhow::Result<()> {
        Ok(telemetry::install(self.log_format, &self.log_level)?)
    }
}
