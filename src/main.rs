//! The `kestra-iam-operator` binary.

use std::process::ExitCode;

use clap::Parser;
use kestra_iam_operator::cli::Cli;

#[tokio::main]
async fn main() -> ExitCode {
    // Two TLS stacks share the process (Kubernetes and Kestra); an error only says that a provider is there already.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    match Cli::parse().execute().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {}", kestra_iam_operator::cli::one_line(&error));
            ExitCode::FAILURE
        }
    }
}
