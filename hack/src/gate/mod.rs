//! A proxy in front of a server under test: it writes down what passes, and does to it what networks and servers do.
//!
//! ```no_run
//! # async fn example(server: &testbed::IamServer, operator: &testbed::Process) -> anyhow::Result<()> {
//! use testbed::gate::{Gate, Verdict, When};
//!
//! let gate = Gate::to(server.url())?; // the operator is given gate.url()
//! // The third token that is asked for is made, and nobody hears of it.
//! let third = gate.rule(When::method("POST").path("*/api-tokens").nth(3), Verdict::Lose);
//! third.reached(1).await?;
//! // The next change stops before the server sees it; there the operator dies.
//! let stop = gate.rule(When::write().times(1), Verdict::HoldBefore);
//! stop.reached(1).await?;
//! operator.kill().await?;
//! stop.lift();
//! println!("{:?}", gate.requests());
//! # Ok(())
//! # }
//! ```
//!
//! - [`Gate::to`] stands in front of a plain HTTP server, [`Gate::to_api_server`] in front of a control plane's API
//!   server, with TLS on both sides; [`Gate::kubeconfig`] gives the way through it to whoever a kubeconfig names.
//! - [`Gate::rule`] and [`Gate::decide`] say what becomes of requests, [`Gate::events`] what becomes of the events of
//!   watches. The newest rule that has something to say decides. A [`Rule`] tells how far it got, and lifts what it did.
//! - [`Gate::requests`] is the record, without bodies: no secret lies about.
//!
//! A gate works on a thread of its own, so it serves several tests; its connections are cut when it is dropped.

mod body;
mod connection;
mod events;
mod forward;
mod record;
mod rule;
mod stream;
mod verdict;

use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::watch;

pub use self::events::{Event, EventsOf, Fate};
pub use self::record::Request;
pub use self::rule::{Rule, When};
pub use self::verdict::{Answer, Verdict};

use self::record::Record;
use self::rule::Rules;
use self::stream::{Acceptor, Target};
use crate::ControlPlane;
use crate::scratch::Scratch;

/// A proxy in front of one server.
#[derive(Debug)]
pub struct Gate {
    inner: Arc<Inner>,
    url: String,
    scratch: Scratch,
    // Ends all its connections when dropped.
    runtime: Option<Runtime>,
}

/// What its connections share.
#[derive(Debug)]
struct Inner {
    target: Target,
    acceptor: Acceptor,
    record: Record,
    requests: Rules<When, Verdict>,
    events: Rules<EventsOf, Fate>,
    reset: watch::Sender<()>,
}

impl Gate {
    /// A gate in front of the plain HTTP server at `url`, open to everything.
    pub fn to(url: &str) -> Result<Self> {
        let address = url.strip_prefix("http://").context("not a http URL")?;
        Self::start("http", Target::plain(address), Acceptor::Plain)
    }

    /// A gate in front of a control plane's API server, open to everything: [`Gate::kubeconfig`] leads through it.
    pub fn to_api_server(plane: &ControlPlane) -> Result<Self> {
        let address = plane.url().strip_prefix("https://");
        let address = address.context("not a https URL")?;
        let target = Target::tls(address, &plane.ca())?;
        let acceptor = Acceptor::tls(&plane.ca(), &plane.key())?;
        Self::start("https", target, acceptor)
    }

    fn start(scheme: &str, target: Target, acceptor: Acceptor) -> Result<Self> {
        let mut runtime = tokio::runtime::Builder::new_multi_thread();
        let runtime = runtime.worker_threads(1).enable_all().build()?;
        let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
        listener.set_nonblocking(true)?;
        let url = format!("{scheme}://{}", listener.local_addr()?);
        let inner = Arc::new(Inner {
            target,
            acceptor,
            record: Record::default(),
            requests: Rules::default(),
            events: Rules::default(),
            reset: watch::Sender::new(()),
        });
        let shared = Arc::clone(&inner);
        let accept = async move {
            let listener = TcpListener::from_std(listener)?;
            connection::accept(listener, shared).await
        };
        runtime.spawn(accept);
        Ok(Self {
            inner,
            url,
            scratch: Scratch::new("gate")?,
            runtime: Some(runtime),
        })
    }

    /// Its own address, in place of the server's.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// A kubeconfig of the same user as `original`, by way of this gate. Its users need a token: certificates of
    /// clients end here.
    pub fn kubeconfig(&self, original: &Path) -> Result<PathBuf> {
        let text = std::fs::read_to_string(original)?;
        let name = original.file_name().context("not a file")?;
        let file = self.scratch.path().join(name);
        let scheme = if self.url.starts_with("https") {
            "https"
        } else {
            "http"
        };
        let server = format!("{scheme}://{}", self.inner.target.address());
        std::fs::write(&file, text.replace(&server, &self.url))?;
        Ok(file)
    }

    /// From now on `verdict` is what becomes of requests that `when` means.
    pub fn rule(&self, when: When, verdict: Verdict) -> Rule {
        self.inner.requests.add(when, verdict)
    }

    /// From now on `judge` decides of every request for which it gives a verdict.
    pub fn decide(
        &self,
        judge: impl Fn(&Request) -> Option<Verdict> + Send + Sync + 'static,
    ) -> Rule {
        self.inner.requests.judge(judge)
    }

    /// From now on `fate` is what becomes of the events of watches that `of` means.
    pub fn events(&self, of: EventsOf, fate: Fate) -> Rule {
        self.inner.events.add(of, fate)
    }

    /// Lifts all rules: everything passes, and what was held goes on.
    pub fn open(&self) {
        self.inner.requests.lift_all();
        self.inner.events.lift_all();
    }

    /// Resets every connection that is open now, watches too.
    pub fn reset(&self) {
        self.inner.reset.send_replace(());
    }

    /// Every request so far, in the order of arrival.
    #[must_use]
    pub fn requests(&self) -> Vec<Request> {
        self.inner.record.all()
    }

    /// How many of the requests so far are meant.
    #[must_use]
    pub fn count_of(&self, is_meant: impl Fn(&Request) -> bool) -> usize {
        self.inner.record.count_of(is_meant)
    }

    /// How many requests came so far: those after this place are `requests()[mark..]`.
    #[must_use]
    pub fn mark(&self) -> usize {
        self.inner.record.count()
    }

    /// How many requests, watches apart, have no answer yet.
    #[must_use]
    pub fn under_way(&self) -> usize {
        self.inner.record.under_way_now()
    }

    /// The most requests, watches apart, that were under way at the same time.
    #[must_use]
    pub fn most(&self) -> usize {
        self.inner.record.most()
    }

    /// Waits until a request of this kind has been answered that came after `mark`.
    pub async fn answered(
        &self,
        what: &str,
        mark: usize,
        is_meant: impl Fn(&Request) -> bool,
    ) -> Result<Request> {
        let look = async || {
            let requests = self.inner.record.all().into_iter().skip(mark);
            requests
                .filter(|request| request.status.is_some())
                .find(&is_meant)
        };
        crate::wait_for(what, look).await
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// Waits for ever, as whoever never gets an answer.
fn never<T>() -> impl Future<Output = T> {
    std::future::pending()
}
