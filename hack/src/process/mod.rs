//! A program under test as a child process that cannot outlive the process that started it.

mod guard;

use std::fmt;
use std::path::Path;
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

use self::guard::{Recipe, Running};
use crate::log;
use crate::wait::wait_for;

/// What our programs print, before their URL, once they answer.
const LISTENING: &str = "listening on ";

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// It left with this code, 128 at most.
    Code(i32),
    /// This signal ended it.
    Signal(i32),
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "exit code {code}"),
            Self::Signal(signal) => write!(f, "signal {signal}"),
        }
    }
}

/// A running program, its output in a log file.
///
/// Killed when dropped, and by its guard when the process that started it ends in whatever way, `kill -9` included.
/// A drop during a panic prints the tail of the log. Needs no async runtime to stay alive.
#[derive(Debug)]
pub struct Process {
    recipe: Recipe,
    running: Mutex<Running>,
}

impl Process {
    /// Starts `command` under the name that messages use, with standard output and error appended to `log`.
    ///
    /// Program, arguments, working directory and changes to the environment are taken from `command`; not
    /// `env_clear`, nor what it says about standard streams.
    pub fn start(name: &str, command: &Command, log: &Path) -> Result<Self> {
        let recipe = Recipe::new(name, command, log);
        let running = Mutex::new(recipe.run()?);
        Ok(Self { recipe, running })
    }

    /// The program's process id.
    #[must_use]
    pub fn id(&self) -> Pid {
        self.running().pid
    }

    /// All output so far, that of earlier runs into the same file included.
    #[must_use]
    pub fn log(&self) -> String {
        log::read(&self.recipe.log)
    }

    /// The last lines of the log under a heading, for messages.
    #[must_use]
    pub fn tail(&self) -> String {
        log::tail(&self.recipe.name, &self.recipe.log)
    }

    /// How the program ended, if it has.
    pub fn exit(&self) -> Result<Option<Exit>> {
        self.running().exit()
    }

    /// Waits until `look` finds something; fails when the program ends before that, or at the deadline.
    pub async fn wait_for<T>(
        &self,
        what: &str,
        mut look: impl AsyncFnMut() -> Option<T>,
    ) -> Result<T> {
        let name = &self.recipe.name;
        let found = wait_for(what, async || match self.exit() {
            Ok(None) => look().await.map(Ok),
            Ok(Some(exit)) => Some(Err(anyhow::anyhow!("{name} ended ({exit}) before {what}"))),
            Err(error) => Some(Err(error)),
        });
        found.await.flatten().with_context(|| self.tail())
    }

    /// Waits for a line of this run's output that contains `text`, and returns the line.
    pub async fn wait_for_line(&self, text: &str) -> Result<String> {
        let what = format!("a line with `{text}` from {}", self.recipe.name);
        let line = async || {
            let log = self.log();
            let this_run = log.get(self.running().log_start..)?;
            let mut whole_lines = this_run.split_inclusive('\n').filter(|l| l.ends_with('\n'));
            let line = whole_lines.find(|line| line.contains(text))?;
            Some(line.trim_end().to_owned())
        };
        self.wait_for(&what, line).await
    }

    /// Waits until it says where it listens, and gives that URL.
    pub async fn url(&self) -> Result<String> {
        let line = self.wait_for_line(LISTENING).await?;
        let (_, url) = line.split_once(LISTENING).context("no URL in the line")?;
        Ok(url.trim().to_owned())
    }

    /// Waits until a GET of `url` answers with success.
    pub async fn wait_for_http(&self, url: &str) -> Result<()> {
        let client = reqwest::Client::builder().no_proxy().build()?;
        let answered = async || {
            let response = client.get(url).send().await.ok()?;
            response.status().is_success().then_some(())
        };
        self.wait_for(&format!("success from {url}"), answered)
            .await
    }

    /// Waits until the program has ended.
    pub async fn wait(&self) -> Result<Exit> {
        let what = format!("the end of {}", self.recipe.name);
        let exit = wait_for(&what, async || self.exit().transpose()).await;
        exit.flatten().with_context(|| self.tail())
    }

    /// Kills the program as `kill -9` does, and waits until it is gone.
    pub async fn kill(&self) -> Result<Exit> {
        self.signal(Signal::KILL)?;
        self.wait().await
    }

    /// Asks the program to end (`SIGTERM`), and waits until it has.
    pub async fn terminate(&self) -> Result<Exit> {
        self.signal(Signal::TERM)?;
        self.wait().await
    }

    /// Freezes the program (`SIGSTOP`).
    pub fn pause(&self) -> Result<()> {
        self.signal(Signal::STOP)
    }

    /// Lets a frozen program go on (`SIGCONT`).
    pub fn resume(&self) -> Result<()> {
        self.signal(Signal::CONT)
    }

    /// Kills the program if it still runs, and starts it anew: same arguments, environment and log.
    pub async fn restart(&self) -> Result<()> {
        if self.exit()?.is_none() {
            self.kill().await?;
        }
        *self.running() = self.recipe.run()?;
        Ok(())
    }

    fn running(&self) -> MutexGuard<'_, Running> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        let name = &self.recipe.name;
        if let Some(exit) = self.exit()? {
            bail!("{name} has ended already: {exit}\n{}", self.tail());
        }
        kill_process(self.id(), signal).with_context(|| format!("can't signal {name}"))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.tail());
        }
    }
}
