//! The reference pages say what the code says: written anew by `make generate`, compared otherwise.

use std::fmt::Write;
use std::path::Path;

use clap::{Arg, Command, CommandFactory};
use kestra_iam_operator::cli::Cli;
use kestra_iam_operator::ops::metrics::{ALL, Label};

fn check(page: &str, expected: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("docs/reference")
        .join(page);
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, expected).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    similar_asserts::assert_eq!(
        found,
        expected,
        "docs/reference/{page} is stale: run `make generate`"
    );
}

#[test]
fn the_page_of_the_metrics_is_current() {
    let mut page = String::from(
        "# Metrics\n\nServed under `/metrics` of the address that `--listen` names, in the OpenMetrics text format. \
         The number of series is bounded: labels\nhave values of closed sets or the names of instances, never those of \
         accounts or tokens.\n\n| Metric | Type | Meaning | Labels |\n|---|---|---|---|\n",
    );
    for metric in ALL {
        let labels = metric
            .labels
            .iter()
            .map(|label| format!("`{}`", label.name))
            .collect::<Vec<_>>()
            .join(", ");
        writeln!(
            page,
            "| `{}` | {} | {} | {labels} |",
            metric.queried(),
            metric.kind,
            metric.help
        )
        .unwrap();
    }
    page.push_str("\n| Label | Meaning | Values |\n|---|---|---|\n");
    for label in labels() {
        let values = label
            .values
            .iter()
            .map(|value| format!("`{value}`"))
            .collect::<Vec<_>>()
            .join(", ");
        writeln!(page, "| `{}` | {} | {values} |", label.name, label.of).unwrap();
    }
    check("metrics.md", &page);
}

/// Each label once, in the order of the metrics.
fn labels() -> Vec<Label> {
    let mut labels: Vec<Label> = Vec::new();
    for label in ALL.iter().flat_map(|metric| metric.labels) {
        if !labels.iter().any(|known| known.name == label.name) {
            labels.push(*label);
        }
    }
    labels
}

#[test]
fn the_page_of_the_flags_is_current() {
    let mut cli = Cli::command();
    cli.build();
    let mut page = String::from(
        "# Flags\n\nEvery flag can be given by its environment variable instead; the flag wins. Durations are whole \
         numbers with the units `h`, `m`, `s`, `ms`,\nlargest first: `1h30m`, `45s`, `250ms`.\n",
    );
    for subcommand in cli.get_subcommands().filter(|sub| sub.get_name() != "help") {
        describe(&mut page, subcommand);
    }
    check("flags.md", &page);
}

fn describe(page: &mut String, subcommand: &Command) {
    let about = subcommand.get_about().unwrap();
    writeln!(
        page,
        "\n## kestra-iam-operator {}\n\n{about}.",
        subcommand.get_name()
    )
    .unwrap();
    let mut heading = None;
    for flag in subcommand
        .get_arguments()
        .filter(|flag| flag.get_env().is_some() && !flag.is_hide_set())
    {
        if heading != flag.get_help_heading() {
            heading = flag.get_help_heading();
            writeln!(
                page,
                "\n### {}\n\n| Flag | Variable | Default | Meaning |\n|---|---|---|---|",
                heading.unwrap()
            )
            .unwrap();
        }
        row(page, flag);
    }
}

fn row(page: &mut String, flag: &Arg) {
    let variable = flag.get_env().unwrap().to_str().unwrap();
    let default: Vec<_> = flag
        .get_default_values()
        .iter()
        .map(|value| format!("`{}`", value.to_str().unwrap()))
        .collect();
    let meaning = flag
        .get_long_help()
        .or(flag.get_help())
        .unwrap()
        .to_string()
        .replace("\n\n", ". ")
        .replace('|', "\\|");
    let value = flag
        .get_value_names()
        .filter(|_| flag.get_action().takes_values())
        .map(|names| format!(" {}", names[0]));
    let (name, value) = (flag.get_long().unwrap(), value.unwrap_or_default());
    let (default, values) = (default.join(", "), values(flag));
    writeln!(
        page,
        "| `--{name}{value}` | `{variable}` | {default} | {meaning}{values} |"
    )
    .unwrap();
}

/// The values of a flag that takes one of a few.
fn values(flag: &Arg) -> String {
    let values = flag.get_possible_values();
    if values.is_empty() || !flag.get_action().takes_values() {
        return String::new();
    }
    let values: Vec<_> = values
        .iter()
        .map(|value| format!("`{}`", value.get_name()))
        .collect();
    format!(". One of {}", values.join(", "))
}
