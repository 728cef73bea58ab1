//! The embedded IAM server as a process.

use std::ffi::OsStr;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::process::Process;
use crate::scratch::Scratch;

/// A running `kestra-iam-operator server` with data of its own and a fresh superadmin.
///
/// It ends when dropped, and with the process that started it.
#[derive(Debug)]
pub struct IamServer {
    process: Process,
    command: ServerCommand,
    url: String,
    admin_token: String,
}

#[derive(Debug)]
struct ServerCommand {
    binary: PathBuf,
    args: Vec<Box<OsStr>>,
    scratch: Scratch,
}

impl IamServer {
    /// Starts the server on a free port; `args` are further flags, such as `--compat 2.x` or those of a
    /// [`DrivenClock`](crate::DrivenClock).
    pub async fn start(binary: &Path, args: &[impl AsRef<OsStr>]) -> Result<Self> {
        Self::start_on(Ipv4Addr::LOCALHOST.into(), binary, args).await
    }

    /// The same on another address of this machine.
    pub async fn start_on(
        address: IpAddr,
        binary: &Path,
        args: &[impl AsRef<OsStr>],
    ) -> Result<Self> {
        let command = ServerCommand {
            binary: binary.to_owned(),
            args: args.iter().map(|arg| arg.as_ref().into()).collect(),
            scratch: Scratch::new("iam-server")?,
        };
        let process = command.start(&SocketAddr::new(address, 0).to_string())?;
        let url = process.url().await?;
        let admin_token = std::fs::read_to_string(command.token_file())
            .context("the server left no token of its superadmin")?;
        Ok(Self {
            process,
            command,
            url,
            admin_token: admin_token.trim().to_owned(),
        })
    }

    /// `http://127.0.0.1:PORT`, the same after a restart; `https` if flags asked for TLS.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// A token of the superadmin.
    #[must_use]
    pub fn admin_token(&self) -> &str {
        &self.admin_token
    }

    /// The running program.
    #[must_use]
    pub fn process(&self) -> &Process {
        &self.process
    }

    /// Where the server keeps its data.
    #[must_use]
    pub fn data(&self) -> PathBuf {
        self.command.data()
    }

    /// Starts the server again on the same data and port; killed first (`kill -9`) if it still runs.
    pub async fn restart(&mut self) -> Result<()> {
        if self.process.exit()?.is_none() {
            self.process.kill().await?;
        }
        let (_, address) = self
            .url
            .split_once("://")
            .context("no address to listen on")?;
        self.process = self.command.start(address)?;
        self.process.url().await?;
        Ok(())
    }
}

impl ServerCommand {
    fn start(&self, address: &str) -> Result<Process> {
        let mut command = Command::new(&self.binary);
        command.args(["server", "--listen", address]);
        command.arg("--data").arg(self.data());
        command.arg("--admin-token-file").arg(self.token_file());
        command.args(&self.args);
        Process::start("iam-server", &command, &self.scratch.file("log"))
    }

    fn data(&self) -> PathBuf {
        self.scratch.file("data")
    }

    fn token_file(&self) -> PathBuf {
        self.scratch.file("admin-token")
    }
}
