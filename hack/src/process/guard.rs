//! The shell between us and a program, which kills the program when we are gone.
//!
//! A parent-death signal would do on Linux alone, needs unsafe code to set, and follows the *thread* that started the
//! child, which in a test ends long before the test binary. A pipe ends exactly when the process does.

use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result};
use rustix::process::Pid;

use super::Exit;
use crate::log;

const SCRIPT: &str = include_str!("guard.sh");

/// How to start a program, any number of times.
#[derive(Debug)]
pub(super) struct Recipe {
    pub(super) name: String,
    pub(super) log: PathBuf,
    guarded: Mutex<Command>,
}

/// A program that runs under its guard. Killed when dropped.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) pid: Pid,
    /// Where this run's output starts in the log.
    pub(super) log_start: usize,
    guard: Child,
    /// Its end tells the guard to kill the program.
    lifeline: Option<ChildStdin>,
}

impl Recipe {
    pub(super) fn new(name: &str, command: &Command, log: &Path) -> Self {
        Self {
            name: name.to_owned(),
            log: log.to_owned(),
            guarded: Mutex::new(guarded(command, log)),
        }
    }

    pub(super) fn run(&self) -> Result<Running> {
        let log_start = log::read(&self.log).len();
        let mut command = self.guarded.lock().unwrap_or_else(PoisonError::into_inner);
        let mut guard = command
            .spawn()
            .with_context(|| format!("can't start sh as the guard of {}", self.name))?;
        Ok(Running {
            pid: read_id(&mut guard)?,
            log_start,
            lifeline: guard.stdin.take(),
            guard,
        })
    }
}

/// The guard in a process group of its own: Ctrl-C reaches us alone, and we decide what it means.
fn guarded(command: &Command, log: &Path) -> Command {
    let mut guarded = Command::new("sh");
    guarded.args(["-c", SCRIPT, "guard"]).arg(log);
    guarded.arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => guarded.env(name, value),
            None => guarded.env_remove(name),
        };
    }
    if let Some(folder) = command.get_current_dir() {
        guarded.current_dir(folder);
    }
    guarded.process_group(0);
    guarded.stdin(Stdio::piped()).stdout(Stdio::piped());
    guarded.stderr(Stdio::null());
    guarded
}

/// The program's id is the one line that the guard prints.
fn read_id(guard: &mut Child) -> Result<Pid> {
    let output = guard.stdout.take().context("the guard has no output")?;
    let mut line = String::new();
    BufReader::new(output).read_line(&mut line)?;
    let id = line.trim().parse().ok().and_then(Pid::from_raw);
    id.with_context(|| format!("the guard printed {line:?} instead of a process id"))
}

impl Running {
    /// How the program ended, if it has: the guard leaves with its status, as a shell reports it.
    pub(super) fn exit(&mut self) -> Result<Option<Exit>> {
        let status = self.guard.try_wait()?;
        Ok(status.map(|status| match status.code() {
            Some(code) if code > 128 => Exit::Signal(code - 128),
            Some(code) => Exit::Code(code),
            None => Exit::Signal(9),
        }))
    }
}

impl Drop for Running {
    /// Cuts the lifeline and waits until the guard has seen the program's end: its ports and files are free then.
    fn drop(&mut self) {
        drop(self.lifeline.take());
        let _ = self.guard.wait();
    }
}
