//! `make cluster`, and that nothing outlives the process that started it.

use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::{Signal, kill_process};
use testbed::{Exit, Process, Scratch, wait_for};

struct Cluster {
    process: Process,
    folder: PathBuf,
    _log: Scratch,
}

impl Cluster {
    async fn start() -> Self {
        let log = Scratch::new("cluster").unwrap();
        let command = Command::new(env!("CARGO_BIN_EXE_testbed-cluster"));
        let process = Process::start("cluster", &command, &log.file("log")).unwrap();
        let line = process.wait_for_line("export KUBECONFIG=").await.unwrap();
        let kubeconfig = PathBuf::from(line.trim_start_matches("export KUBECONFIG="));
        let folder = kubeconfig.parent().unwrap().to_owned();
        assert_eq!(
            programs_of(&folder),
            ["etcd", "kube-apiserver", "kube-controller-manager"]
        );
        Self {
            process,
            folder,
            _log: log,
        }
    }

    async fn assert_nothing_is_left(&self) {
        let gone = || programs_of(&self.folder).is_empty() && !self.folder.exists();
        wait_for("the end of all programs and files", async || {
            gone().then_some(())
        })
        .await
        .unwrap();
    }
}

/// The programs that run with a file of `folder` as an argument, but for the shells around them.
pub(crate) fn programs_of(folder: &Path) -> Vec<String> {
    let folder = folder.to_str().unwrap();
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let commands = processes.filter_map(|p| std::fs::read_to_string(p.path().join("cmdline")).ok());
    let mut names: Vec<_> = commands
        .filter(|command| command.contains(folder))
        .filter_map(|command| {
            Some(
                Path::new(command.split('\0').next()?)
                    .file_name()?
                    .to_str()?
                    .to_owned(),
            )
        })
        .filter(|name| name != "sh")
        .collect();
    names.sort();
    names
}

#[tokio::test]
async fn a_killed_parent_leaves_neither_programs_nor_files() {
    let cluster = Cluster::start().await;
    assert_eq!(cluster.process.kill().await.unwrap(), Exit::Signal(9));
    cluster.assert_nothing_is_left().await;
}

#[tokio::test]
async fn ctrl_c_ends_in_order() {
    let cluster = Cluster::start().await;
    kill_process(cluster.process.id(), Signal::INT).unwrap();
    assert_eq!(cluster.process.wait().await.unwrap(), Exit::Code(0));
    assert!(programs_of(&cluster.folder).is_empty());
    assert!(!cluster.folder.exists());
}

#[tokio::test]
async fn a_control_plane_that_breaks_ends_the_command_with_its_log() {
    let cluster = Cluster::start().await;
    let etcd = id_of("etcd", &cluster.folder);
    kill_process(etcd, Signal::KILL).unwrap();
    assert_eq!(cluster.process.wait().await.unwrap(), Exit::Code(1));
    let log = cluster.process.log();
    assert!(
        log.contains("ended by itself") && log.contains("log of etcd"),
        "{log}"
    );
}

fn id_of(name: &str, folder: &Path) -> rustix::process::Pid {
    let folder = folder.to_str().unwrap();
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let of_folder = |id: &i32| {
        let command = std::fs::read_to_string(format!("/proc/{id}/cmdline")).unwrap_or_default();
        let program = command.split('\0').next().unwrap_or_default();
        program.ends_with(&format!("/{name}")) && command.contains(folder)
    };
    let mut ids = processes.filter_map(|p| p.file_name().to_str()?.parse().ok());
    rustix::process::Pid::from_raw(ids.find(of_folder).unwrap()).unwrap()
}
