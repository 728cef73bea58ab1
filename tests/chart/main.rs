//! The chart: what Helm makes of it, what the API server says to it, and the operator under the rights that it gives.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod installed;
mod rendered;

use std::path::Path;
use std::process::{Command, Output};

/// The chart.
const CHART: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/charts/kestra-iam-operator");

/// The binary under test.
fn binary() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_kestra-iam-operator"))
}

/// Runs Helm.
fn helm(args: &[&str]) -> Output {
    Command::new(testbed::helm().unwrap())
        .args(args)
        .output()
        .unwrap()
}

/// What the chart renders to with these values.
fn render(values: &[&str]) -> Result<String, String> {
    let mut args = vec![
        "template",
        "kestra-iam-operator",
        CHART,
        "--namespace",
        "iam",
        "--include-crds",
        // Helm takes its own version of Kubernetes otherwise, which is told at link time.
        "--kube-version",
        testbed::KUBERNETES,
    ];
    args.extend(values.iter().flat_map(|value| ["--set-json", value]));
    let Output {
        status,
        stdout,
        stderr,
    } = helm(&args);
    let text = |bytes| String::from_utf8(bytes).unwrap();
    if status.success() {
        Ok(text(stdout))
    } else {
        Err(text(stderr))
    }
}
