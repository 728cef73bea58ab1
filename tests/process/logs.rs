//! What the real binary logs.

use testbed::Exit;

use crate::replica::{Replica, control};

async fn log_of(format: &str, level: &str) -> String {
    let control = control().await;
    let namespace = control.namespace("logs").await.unwrap();
    let flags = [
        format!("--log-format={format}"),
        format!("--log-level={level}"),
    ];
    let replica = Replica::start(
        &control.kubeconfig(),
        &namespace,
        "only",
        &flags.each_ref().map(String::as_str),
    )
    .await;
    replica.leads().await;
    assert_eq!(replica.process.terminate().await.unwrap(), Exit::Code(0));
    replica.process.log()
}

#[tokio::test]
async fn json_logs_are_one_object_a_line() {
    let log = log_of("json", "info").await;
    let (told, logged): (Vec<_>, Vec<_>) = log
        .lines()
        .partition(|line| line.starts_with("listening on"));
    assert_eq!(told.len(), 1);
    let read = |line: &&str| {
        serde_json::from_str::<serde_json::Value>(line)
            .unwrap_or_else(|error| panic!("{error}: {line}"))
    };
    let lines: Vec<_> = logged.iter().map(read).collect();
    let acquired = lines
        .iter()
        .find(|line| line["message"].as_str().unwrap().starts_with("Leads"));
    assert!(
        acquired.unwrap()["identity"]
            .as_str()
            .unwrap()
            .starts_with("only_")
    );
    assert!(
        lines
            .iter()
            .all(|line| line["level"].is_string() && line["timestamp"].is_string())
    );
}

#[tokio::test]
async fn libraries_are_quiet_unless_asked() {
    let quiet = log_of("text", "debug").await;
    assert!(!quiet.contains("requesting"), "{quiet}");
    let asked = log_of("text", "info,kube_client::client::builder=debug").await;
    assert!(asked.contains("requesting"), "{asked}");
}

#[tokio::test]
async fn the_operator_is_silent_when_told_to_be() {
    let log = log_of("text", "off").await;
    let beside: Vec<_> = log
        .lines()
        .filter(|line| !line.starts_with("listening on"))
        .collect();
    assert!(
        beside.iter().all(|line| !line.contains(" INFO ")),
        "{beside:?}"
    );
}
