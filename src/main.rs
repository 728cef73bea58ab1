//! The `kestra-iam-operator` binary.

use clap::Parser;
use kestra_iam_operator::cli::Cli;

#[tokio::main]
async fn main() {
    // Two TLS stacks share the process (Kubernetes and Kestra); an error only says that a provider is there already.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let code = match Cli::parse().execute().await {
        Ok(()) => 0,
        Err(error) => {
            eprintln!("error: {}", kestra_iam_operator::cli::one_line(&error));
            1
        }
    };
    // What had to end in order has. A process that lost its Lease has passes under way, which would panic while the
    // runtime is taken apart under them.
    std::process::exit(code)
}
