//! `make demo`, but for its story, which checks itself.

use std::path::PathBuf;
use std::process::Command;

use rustix::process::{Signal, kill_process};
use testbed::{Exit, Process, Scratch};

use crate::cluster::programs_of;

fn demo() -> Command {
    Command::new(env!("CARGO_BIN_EXE_testbed-demo"))
}

#[test]
fn a_wish_that_nobody_knows_is_refused_with_the_mend() {
    let output = demo().env("ONCE", "yes").output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(
        told.contains("ONCE=yes: write ONCE=1 to end after the checks"),
        "{told}"
    );
}

#[tokio::test]
async fn ctrl_c_before_the_end_is_no_success_and_leaves_nothing_behind() {
    let log = Scratch::new("demo").unwrap();
    let process = Process::start("demo", &demo(), &log.file("log")).unwrap();
    let line = process.wait_for_line("KUBECONFIG=").await.unwrap();
    let (_, kubeconfig) = line.split_once("KUBECONFIG=").unwrap();
    let folder = PathBuf::from(kubeconfig).parent().unwrap().to_owned();
    kill_process(process.id(), Signal::INT).unwrap();
    let exit = process.wait().await.unwrap();
    // 130, as shells have it: the harness reads it as they do.
    assert_eq!(exit, Exit::Signal(2));
    assert!(programs_of(&folder).is_empty());
    assert!(!folder.exists());
}
