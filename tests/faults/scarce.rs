//! Little to live on: nowhere to write to, a full disk, little memory, little CPU.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use kestra_iam_operator::iam::client::AccountSpec;
use rustix::process::{Pid, Resource, Rlimit, prlimit};
use serde_json::{Value, json};
use testbed::{Exit, Process, Scratch};
use tokio::time::sleep;

use crate::bench::{Bench, binary, brisk};
use crate::gated::Gated;
use crate::outages::LASTING;
use crate::scale::scaled;

const CI: (&str, &str) = ("ServiceAccount", "ci");
const SECRET: &str = "ci-default";

/// Runs a program that is ended by the first byte that it writes to any file; what it says goes through a pipe.
const NO_FILES: &str = r#"exec > >(exec cat) 2>&1; ulimit -f 0; exec "$0" "$@""#;

/// Runs a program whose writes fail, as on a full disk, once its files are limited: it is not ended by a signal.
const FULL_DISK: &str = "#!/bin/bash\ntrap '' XFSZ; exec > >(exec cat) 2>&1; exec BINARY \"$@\"\n";

/// What a program may use of memory, in kibibytes.
const LITTLE_MEMORY: u64 = 64 * 1024;

/// This program with no folder to write to and no right to.
fn confined(program: &Path) -> Command {
    let mut command = Command::new("bash");
    command.args(["-c", NO_FILES]).arg(program);
    for folder in ["TMPDIR", "HOME"] {
        command.env(folder, "/nonexistent");
    }
    command.current_dir("/");
    command
}

#[tokio::test]
async fn fault_63_nowhere_to_write() {
    let scratch = Scratch::new("nowhere").unwrap();
    let file = scratch.file("written");
    let mut writes = confined(Path::new("sh"));
    writes.args(["-c", r#"echo x > "$0""#]).arg(&file);
    assert!(!writes.status().unwrap().success(), "it may not write");
    assert_eq!(fs::read(&file).unwrap(), b"", "and did not");

    let bench = Bench::builder().prepare().await;
    bench.connect(bench.server.url(), json!({})).await;
    let command = confined(binary());
    let operator = bench.run_by(command, "first", &bench.kubeconfig, &[]).await;
    operator.leads().await;
    bench.account("ci").await;
    let consumer = bench.consume(SECRET).await;
    let old = bench.value(SECRET).await;
    bench.order(CI.0, CI.1, "rotate-requested-at", "1").await;
    bench.other_value(SECRET, &old).await;
    bench.rest().await;
    assert_eq!(operator.process.terminate().await.unwrap(), Exit::Code(0));
    operator.restart().await;
    consumer.calls(20).await;
    bench.judge().await;
}

/// A way to run the binary under test whose disk may become full.
fn on_a_small_disk(scratch: &Scratch) -> PathBuf {
    let program = scratch.file("server");
    let text = FULL_DISK.replace("BINARY", &binary().display().to_string());
    fs::write(&program, text).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o700)).unwrap();
    program
}

/// How large a program's files may become, in bytes.
fn limit(program: Pid, bytes: Option<u64>) {
    let limit = Rlimit {
        current: bytes,
        maximum: None,
    };
    prlimit(Some(program), Resource::Fsize, limit).unwrap();
}

/// An account at the backend, made by hand.
async fn make(bench: &Bench, name: &str) -> bool {
    let account = AccountSpec {
        name: name.to_owned(),
        description: None,
        groups: Vec::new(),
    };
    bench.backend.create_account(&account).await.is_ok()
}

#[tokio::test]
async fn fault_63_iam_server_on_a_full_disk() {
    let scratch = Scratch::new("disk").unwrap();
    let program = on_a_small_disk(&scratch);
    let mut bench = Bench::builder().server_program(program).start().await;
    bench.account("ci").await;
    let consumer = bench.consume(SECRET).await;
    bench.rest().await;
    let old = bench.value(SECRET).await;
    assert!(make(&bench, "before").await);
    limit(bench.server.process().id(), Some(0));
    assert!(!make(&bench, "during").await, "nothing can be stored");
    bench.order(CI.0, CI.1, "rotate-requested-at", "1").await;
    let spec = json!({"tokens": [brisk("default")]});
    bench.apply(CI.0, "late", spec).await;
    bench.complaint(CI.0, "late", "BackendUnavailable").await;
    // What is there is still read: whoever has a token goes on.
    consumer.calls(20).await;
    assert_eq!(bench.value(SECRET).await, old);
    let said = bench.server.process().log();
    assert!(said.contains("database"), "it says why");

    // There is room again.
    limit(bench.server.process().id(), None);
    bench.ready(CI.0, "late").await;
    let new = bench.other_value(SECRET, &old).await;
    bench.rest().await;
    assert!(make(&bench, "after").await);
    // What it acknowledged is there, and nothing of what it refused.
    bench.server.restart().await.unwrap();
    assert!(bench.works(&new).await);
    for (name, is_there) in [("before", true), ("during", false), ("after", true)] {
        let found = bench.backend.find_account(name).await.unwrap();
        assert_eq!(found.is_some(), is_there, "{name}");
    }
    consumer.calls(20).await;
    assert_eq!(consumer.tally().excused, 0);
    bench.judge().await;
}

/// The most memory that a program ever used, in kibibytes.
fn most_memory(program: Pid) -> u64 {
    let path = format!("/proc/{}/status", program.as_raw_nonzero());
    let status = fs::read_to_string(path).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let size = line.unwrap().trim().trim_end_matches(" kB");
    size.parse().unwrap()
}

/// Lets a program run for 5 ms in each 100, for ever: a twentieth of a CPU.
async fn starve(program: &Process) {
    loop {
        program.pause().unwrap();
        sleep(Duration::from_millis(95)).await;
        program.resume().unwrap();
        sleep(Duration::from_millis(5)).await;
    }
}

/// Makes so many accounts, and has the token of each replaced.
async fn work(bench: &Bench, count: usize) {
    let names: Vec<String> = (0..count).map(|n| format!("ci-{n}")).collect();
    for name in &names {
        let spec = json!({"tokens": [brisk("default")]});
        bench.apply(CI.0, name, spec).await;
    }
    for name in &names {
        bench.ready(CI.0, name).await;
        bench.order(CI.0, name, "rotate-requested-at", "1").await;
    }
    for name in &names {
        let done = |entry: &Value| entry["handledRotateRequest"] == "1";
        bench.entry((name, "default"), "is rotated", done).await;
    }
    bench.consume("ci-0-default").await.calls(20).await;
}

#[tokio::test]
async fn fault_63_little_cpu() {
    let bench = Gated::with(&LASTING, json!({})).await;
    let operator = bench.operator();
    tokio::select! {
        () = work(&bench, scaled(4, 40)) => {}
        () = starve(&operator.process) => {}
    }
    operator.process.resume().unwrap();
    bench.judge().await;
}

#[tokio::test]
async fn fault_63_little_memory() {
    let budget = json!({"budget": {"requestsPerSecond": 1000, "inFlight": 64}});
    let bench = Gated::with(&LASTING, budget).await;
    let count = scaled(60, 1000);
    work(&bench, count).await;
    bench.judge().await;
    let most = most_memory(bench.operator().process.id());
    println!("{count} accounts: {most} KiB at most");
    assert!(most < LITTLE_MEMORY, "{most} KiB");
}
