//! A control plane, an IAM server and an operator, all of them real.

use std::net::{IpAddr, UdpSocket};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use serde_json::Value;
use testbed::{ControlPlane, DrivenClock, IamServer, Process, Scratch};
use tokio::sync::OnceCell;

/// Where the operator's own things are.
pub const HOME: &str = "operator";

/// Flags of an operator that holds the fourth deletion within minutes.
pub const BRAKE: [&str; 2] = ["--deletion-brake", "3"];

/// The binary under test.
pub fn binary() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_kestra-iam-operator"))
}

/// A control plane, an IAM server and an operator.
pub struct World {
    pub plane: ControlPlane,
    pub server: IamServer,
    pub operator: Process,
    /// Moves the clocks of server and operator.
    pub clock: DrivenClock,
    /// Where the operators' logs are.
    scratch: Scratch,
}

impl World {
    /// One for all tests that break nothing of it.
    pub async fn shared() -> Arc<Self> {
        static SHARED: OnceCell<Arc<World>> = OnceCell::const_new();
        let hosts = format!("localhost,{}", own_address());
        let flags = ["--namespaced-instances", "--instance-hosts", &hosts];
        let world = SHARED.get_or_init(async || Arc::new(Self::start(&flags, &[]).await));
        Arc::clone(world.await)
    }

    /// A second cluster, whose operator may be killed by whoever has the turn.
    pub async fn private() -> Arc<Self> {
        static PRIVATE: OnceCell<Arc<World>> = OnceCell::const_new();
        let start = async || Arc::new(Self::start_as("private", &[], &[]).await);
        Arc::clone(PRIVATE.get_or_init(start).await)
    }

    /// A third cluster, whose operator holds the fourth deletion within minutes.
    pub async fn braked() -> Arc<Self> {
        static BRAKED: OnceCell<Arc<World>> = OnceCell::const_new();
        let start = async || Arc::new(Self::start_as("braked", &BRAKE, &[]).await);
        Arc::clone(BRAKED.get_or_init(start).await)
    }

    /// One of the test's own, with more flags of operator and server.
    pub async fn start(operator: &[&str], server: &[&str]) -> Self {
        Self::start_as("test", operator, server).await
    }

    async fn start_as(cluster: &str, operator: &[&str], server: &[&str]) -> Self {
        let plane = ControlPlane::start().await.unwrap();
        let scratch = Scratch::new("controllers").unwrap();
        let clock = DrivenClock::new().unwrap();
        let mut flags: Vec<String> = server.iter().map(|&flag| flag.to_owned()).collect();
        flags.extend(clock.args().map(|arg| arg.display().to_string()));
        let server = IamServer::start(binary(), &flags).await.unwrap();
        let crds = Command::new(binary()).arg("crds").output().unwrap();
        plane
            .install(&String::from_utf8(crds.stdout).unwrap())
            .await
            .unwrap();
        plane
            .kubectl(&["create", "namespace", HOME], "")
            .await
            .unwrap();
        let flags = [&["--cluster-id", cluster], operator].concat();
        let operator = run(&plane, &scratch, &clock, "operator", &flags);
        Self {
            plane,
            server,
            operator,
            clock,
            scratch,
        }
    }

    /// One more operator beside the first, or in its place.
    pub fn another_operator(&self, name: &str, flags: &[&str]) -> Process {
        run(&self.plane, &self.scratch, &self.clock, name, flags)
    }

    /// Applies a manifest.
    pub async fn apply(&self, manifest: &Value) {
        self.kubectl(&["apply", "-f", "-"], &manifest.to_string())
            .await;
    }

    pub async fn kubectl(&self, args: &[&str], stdin: &str) -> String {
        self.plane
            .kubectl(args, stdin)
            .await
            .unwrap_or_else(|error| panic!("{args:?}: {error:#}"))
    }
}

fn run(
    plane: &ControlPlane,
    scratch: &Scratch,
    clock: &DrivenClock,
    name: &str,
    flags: &[&str],
) -> Process {
    let mut command = Command::new(binary());
    command
        .arg("run")
        .arg("--kubeconfig")
        .arg(plane.kubeconfig());
    command.args([
        "--namespace",
        HOME,
        "--listen",
        "127.0.0.1:0",
        "--log-level",
        "debug",
    ]);
    if !flags.contains(&"--leader-elect=true") {
        command.arg("--leader-elect=false");
    }
    if !flags.contains(&"--recheck-interval") {
        // So long that no test passes by it: whatever waits has to be woken.
        command.args(["--recheck-interval", "1h"]);
    }
    command.args(clock.args()).args(flags);
    Process::start(name, &command, &scratch.file(&format!("{name}.log"))).unwrap()
}

/// An address of this machine that is not a loopback one. Nothing is sent to find it.
pub fn own_address() -> IpAddr {
    let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
    let way_out = socket.connect("203.0.113.1:9");
    way_out.expect("these tests need an address besides loopback");
    socket.local_addr().unwrap().ip()
}
