//! A process under test: signals, facts to wait for, an end with its log.

use std::process::Command;

use testbed::{Exit, Process, Scratch};

fn shell(scratch: &Scratch, script: &str) -> Process {
    let mut command = Command::new("sh");
    command.args(["-c", script]).env("ANSWER", "42");
    Process::start("script", &command, &scratch.file("log")).unwrap()
}

#[tokio::test]
async fn output_arguments_and_environment_arrive() {
    let scratch = Scratch::new("process").unwrap();
    let process = shell(&scratch, "echo \"the answer is $ANSWER\"; exec sleep 1000");
    let line = process.wait_for_line("answer").await.unwrap();
    assert_eq!(line, "the answer is 42");
    assert_eq!(process.exit().unwrap(), None);
}

#[tokio::test]
async fn an_early_end_fails_the_wait_with_status_and_log() {
    let scratch = Scratch::new("process").unwrap();
    let process = shell(&scratch, "echo bad flag >&2; exit 3");
    let error = process.wait_for_line("ready").await.unwrap_err();
    let told = format!("{error:?}");
    assert!(
        told.contains("script ended (exit code 3) before a line with `ready`"),
        "{told}"
    );
    assert!(told.contains("bad flag"), "{told}");
}

#[tokio::test]
async fn a_program_that_is_not_there_is_named() {
    let scratch = Scratch::new("process").unwrap();
    let command = Command::new("/nowhere/operator");
    let process = Process::start("operator", &command, &scratch.file("log")).unwrap();
    assert_eq!(process.wait().await.unwrap(), Exit::Code(127));
    assert!(
        process.tail().contains("/nowhere/operator"),
        "{}",
        process.tail()
    );
}

#[tokio::test]
async fn sigterm_is_handled_by_the_program() {
    let scratch = Scratch::new("process").unwrap();
    let script = "trap 'echo bye; exit 7' TERM; echo ready; while :; do sleep 0.01; done";
    let process = shell(&scratch, script);
    process.wait_for_line("ready").await.unwrap();
    assert_eq!(process.terminate().await.unwrap(), Exit::Code(7));
    assert!(process.log().ends_with("bye\n"), "{}", process.log());
}

#[tokio::test]
async fn a_frozen_program_does_nothing_until_it_may_go_on() {
    let scratch = Scratch::new("process").unwrap();
    let process = shell(&scratch, "echo ready; exec sleep 1000");
    process.wait_for_line("ready").await.unwrap();
    process.pause().unwrap();
    let state = || std::fs::read_to_string(format!("/proc/{}/stat", process.id())).unwrap();
    process
        .wait_for("a frozen process", async || {
            state().contains(") T ").then_some(())
        })
        .await
        .unwrap();
    process.resume().unwrap();
    process
        .wait_for("a process that goes on", async || {
            state().contains(") S ").then_some(())
        })
        .await
        .unwrap();
}

#[tokio::test]
async fn kill_ends_even_a_frozen_program_and_nobody_can_signal_it_after() {
    let scratch = Scratch::new("process").unwrap();
    let process = shell(&scratch, "exec sleep 1000");
    process.pause().unwrap();
    assert_eq!(process.kill().await.unwrap(), Exit::Signal(9));
    let error = process.pause().unwrap_err().to_string();
    assert!(error.contains("ended already: signal 9"), "{error}");
}

#[tokio::test]
async fn a_restart_waits_for_its_own_lines_and_keeps_the_old_ones() {
    let scratch = Scratch::new("process").unwrap();
    let process = shell(&scratch, "echo \"ready $$\"; exec sleep 1000");
    let first = process.wait_for_line("ready").await.unwrap();
    process.restart().await.unwrap();
    let second = process.wait_for_line("ready").await.unwrap();
    assert_eq!(second, format!("ready {}", process.id()));
    assert_eq!(process.log(), format!("{first}\n{second}\n"));
}

#[tokio::test]
async fn a_dropped_process_is_gone_and_so_is_its_folder() {
    let scratch = Scratch::new("process").unwrap();
    let process = shell(&scratch, "exec sleep 1000");
    let (proc, folder) = (format!("/proc/{}", process.id()), scratch.path().to_owned());
    assert!(std::path::Path::new(&proc).exists());
    drop(process);
    assert!(!std::path::Path::new(&proc).exists());
    drop(scratch);
    assert!(!folder.exists());
}
