//! The command line of the real binary: help for newcomers, and errors that say what to write instead.

use std::net::TcpListener;
use std::process::{Command, Output};

use clap::{Arg, CommandFactory};
use kestra_iam_operator::cli::Cli;
use rstest::rstest;

fn operator(args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kestra-iam-operator"));
    command.args(args).env("COLUMNS", "120").output().unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Every subcommand with its flags, those of clap itself and hidden ones apart.
fn flags() -> Vec<(String, Vec<Arg>)> {
    let mut cli = Cli::command();
    cli.build();
    let own =
        |arg: &&Arg| !["help", "version"].contains(&arg.get_id().as_str()) && !arg.is_hide_set();
    let of = |sub: &clap::Command| {
        (
            sub.get_name().to_owned(),
            sub.get_arguments().filter(own).cloned().collect(),
        )
    };
    cli.get_subcommands()
        .filter(|sub| sub.get_name() != "help")
        .map(of)
        .collect()
}

#[test]
fn help_shows_each_flag_with_its_variable_and_its_default() {
    for (subcommand, flags) in flags() {
        let output = operator(&[&subcommand, "--help"]);
        assert!(output.status.success());
        let help = String::from_utf8(output.stdout).unwrap();
        for flag in flags {
            let name = format!("--{}", flag.get_long().unwrap());
            assert!(help.contains(&name), "{subcommand} {name}");
            assert!(flag.get_help().is_some(), "{name} has no help");
            let variable = flag
                .get_env()
                .unwrap_or_else(|| panic!("{name} has no variable"))
                .to_str()
                .unwrap();
            assert!(variable.starts_with("KESTRA_IAM_"), "{variable}");
            assert!(
                help.contains(&format!("[env: {variable}")),
                "{subcommand} {name}"
            );
            let shown = flag.get_action().takes_values();
            for value in flag.get_default_values().iter().filter(|_| shown) {
                assert!(
                    help.contains(&format!("[default: {}", value.to_str().unwrap())),
                    "{subcommand} {name}"
                );
            }
        }
    }
}

#[test]
fn each_flag_that_takes_a_value_says_what_kind_and_what_holds_without_it() {
    for flag in flags().into_iter().flat_map(|(_, flags)| flags) {
        let name = flag.get_long().unwrap().to_owned();
        if !flag.get_action().takes_values() {
            continue;
        }
        let kind = flag.get_value_names().unwrap()[0].to_string();
        assert_ne!(
            kind,
            name.to_uppercase().replace('-', "_"),
            "--{name} repeats itself"
        );
        if kind == "DURATION" {
            let default = flag.get_default_values()[0].to_str().unwrap();
            assert!(
                default.ends_with(['s', 'm', 'h']),
                "--{name} has no unit: {default}"
            );
        }
    }
}

#[rstest]
#[case(&["--lease-duration", "15"], "--lease-duration", "such as 1h30m, 45s")]
#[case(&["--lease-duration", "99999999999999999999h"], "--lease-duration", "such as 1h30m, 45s")]
#[case(&["--lease-duration", "1s"], "--lease-duration", "choose from 2s to 10m")]
#[case(&["--renew-deadline", "20s"], "--renew-deadline", "must be shorter than --lease-duration")]
#[case(&["--renew-interval", "9s"], "--renew-interval", "must be shorter than --renew-deadline")]
#[case(&["--retry-period", "1ms"], "--retry-period", "choose 50ms or more")]
#[case(&["--request-timeout", "0s"], "--request-timeout", "longer than zero")]
#[case(&["--listen", "localhost"], "--listen", "write ADDRESS:PORT")]
#[case(&["--log-level", "info,=,"], "--log-level", "write off, error, warn, info, debug or trace")]
#[case(&["--log-format", "xml"], "--log-format", "text, json")]
#[case(&["--concurrency", "0"], "--concurrency", "1..=1000")]
#[case(&["--deletion-brake", "-1"], "--deletion-brake", "0..=1000")]
#[case(&["--namespace", "Kestra"], "--namespace", "lower-case letters")]
#[case(&["--cluster-id", "a b"], "--cluster-id", "letters, digits")]
#[case(&["--namespaced-instances"], "--instance-hosts", "required")]
#[case(&["--instance-hosts", "https://a.example"], "--instance-hosts", "no scheme")]
#[case(&["--secret-metadata-domains", "kubernetes.io"], "--secret-metadata-domains", "leave it out")]
#[case(&["--leader-elect=perhaps"], "--leader-elect", "true")]
#[case(&["--kubeconfig", "/nowhere/at/all"], "--kubeconfig", "/nowhere/at/all")]
fn a_bad_flag_is_named_with_the_mend(
    #[case] flags: &[&str],
    #[case] name: &str,
    #[case] mend: &str,
) {
    let args = [&["run", "--listen=127.0.0.1:0"], flags].concat();
    let output = operator(if name == "--listen" {
        &["run", "--listen", "localhost"]
    } else {
        &args
    });
    let error = said(&output);
    assert_ne!(output.status.code(), Some(0), "{error}");
    assert!(error.contains(name) && error.contains(mend), "{error}");
}

#[test]
fn a_variable_is_checked_like_its_flag() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kestra-iam-operator"));
    let output = command
        .arg("run")
        .env("KESTRA_IAM_RENEW_INTERVAL", "soon")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(
        said(&output).contains("--renew-interval"),
        "{}",
        said(&output)
    );
}

#[test]
fn an_address_in_use_is_told_in_one_line() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let kubeconfig = std::env::temp_dir().join(format!("kubeconfig-{}", std::process::id()));
    std::fs::write(&kubeconfig, KUBECONFIG).unwrap();
    let output = operator(&[
        "run",
        "--listen",
        &address,
        "--kubeconfig",
        kubeconfig.to_str().unwrap(),
    ]);
    std::fs::remove_file(kubeconfig).unwrap();
    assert_eq!(output.status.code(), Some(1));
    let error = said(&output);
    assert_eq!(error.lines().count(), 1, "{error}");
    assert!(
        error.starts_with(&format!(
            "error: --listen {address}: Address already in use"
        )),
        "{error}"
    );
}

const KUBECONFIG: &str = r#"{"apiVersion": "v1", "kind": "Config", "current-context": "x",
    "clusters": [{"name": "x", "cluster": {"server": "http://127.0.0.1:1"}}],
    "contexts": [{"name": "x", "context": {"cluster": "x", "user": "x"}}], "users": [{"name": "x", "user": {}}]}"#;

#[test]
fn crds_prints_what_can_be_applied() {
    let output = operator(&["crds"]);
    assert!(output.status.success());
    let yaml = String::from_utf8(output.stdout).unwrap();
    let definitions = kestra_iam_operator::api::crds();
    assert_eq!(
        yaml.matches("kind: CustomResourceDefinition").count(),
        definitions.len()
    );
}
