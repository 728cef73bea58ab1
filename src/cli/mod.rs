//! The command line: flags, environment and what each subcommand starts.

pub mod address;
pub mod crds;
pub mod duration;
pub mod logging;
pub mod run;
pub mod server;
pub mod words;

use clap::{Parser, Subcommand};

/// Kestra's service accounts, groups, roles and API tokens as Kubernetes resources.
///
/// Every flag can be given by the environment variable that its help names; the flag wins.
#[derive(Debug, Parser)]
#[command(
    name = "kestra-iam-operator",
    version,
    propagate_version = true,
    max_term_width = 120
)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the operator: keep Kestra's IAM equal to the custom resources of a cluster.
    Run(Box<run::Args>),
    /// Print the definitions of the custom resources as YAML, to be applied before `run` starts.
    ///
    /// kestra-iam-operator crds | kubectl apply --server-side -f -
    Crds,
    /// Run the embedded IAM server: Kestra's IAM API without a licence.
    Server(Box<server::Args>),
}

impl Cli {
    /// Does what the command line asks for; returns once that is done or stopped.
    pub async fn execute(self) -> anyhow::Result<()> {
        match self.command {
            Command::Run(args) => run::run(*args).await,
            Command::Crds => crds::print(),
            Command::Server(args) => server::run(*args).await,
        }
    }
}

/// The error with its causes in one line, whatever line breaks they hold. Many an error tells its cause itself: that is
/// told once.
#[must_use]
pub fn one_line(error: &anyhow::Error) -> String {
    let mut told = String::new();
    for cause in error.chain() {
        let text = cause.to_string();
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        if told.is_empty() {
            told = text;
        } else if !told.contains(&text) {
            told = format!("{told}: {text}");
        }
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn an_error_and_its_causes_take_one_line() {
        let error = anyhow::anyhow!("cause\n  with a break").context("outer");
        assert_eq!(one_line(&error), "outer: cause with a break");
    }

    #[test]
    fn a_cause_that_an_error_tells_itself_is_told_once() {
        let address = ([127, 0, 0, 1], 80).into();
        let source = std::io::Error::other("in use");
        let error = crate::server::RunError::Listen { address, source };
        let expected = "cannot listen on 127.0.0.1:80: in use";
        assert_eq!(one_line(&error.into()), expected);
    }
}
