//! A wire that can be cut: forwards TCP until it is frozen, and then carries nothing and closes nothing.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use testbed::{ControlPlane, Scratch};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};

/// A way to the API server of one's own.
pub(crate) struct Wire {
    frozen: Arc<AtomicBool>,
    kubeconfig: PathBuf,
    _scratch: Scratch,
}

impl Wire {
    pub(crate) async fn to(control: &ControlPlane) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let own = listener.local_addr().unwrap();
        let server: SocketAddr = control
            .url()
            .trim_start_matches("https://")
            .parse()
            .unwrap();
        let frozen = Arc::new(AtomicBool::new(false));
        tokio::spawn(accept(listener, server, frozen.clone()));
        let scratch = Scratch::new("wire").unwrap();
        let kubeconfig = scratch.file("kubeconfig");
        let original = std::fs::read_to_string(control.kubeconfig()).unwrap();
        std::fs::write(
            &kubeconfig,
            original.replace(control.url(), &format!("https://{own}")),
        )
        .unwrap();
        Self {
            frozen,
            kubeconfig,
            _scratch: scratch,
        }
    }

    /// The API server by way of this wire.
    pub(crate) fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// From here on nothing gets through, in either direction.
    pub(crate) fn freeze(&self) {
        self.frozen.store(true, Ordering::SeqCst);
    }
}

async fn accept(listener: TcpListener, server: SocketAddr, frozen: Arc<AtomicBool>) {
    loop {
        let (client, _) = listener.accept().await.unwrap();
        let server = TcpStream::connect(server).await.unwrap();
        let ((from_client, to_client), (from_server, to_server)) =
            (client.into_split(), server.into_split());
        tokio::spawn(carry(from_client, to_server, frozen.clone()));
        tokio::spawn(carry(from_server, to_client, frozen.clone()));
    }
}

async fn carry(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, frozen: Arc<AtomicBool>) {
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(size @ 1..) = from.read(&mut buffer).await {
        if frozen.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        if to.write_all(&buffer[..size]).await.is_err() {
            return;
        }
    }
}
