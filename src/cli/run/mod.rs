//! `kestra-iam-operator run`: the operator as a process, from its start to its orderly end.

mod args;
mod election;

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use tokio::time::{sleep, timeout};
use tracing::{info, warn};

use crate::clock::Clock;
use crate::controller::{self, Cluster, Parts, Settings};
use crate::ops::cluster::{self, explain};
use crate::ops::health::Health;
use crate::ops::lease::{Leadership, Timing};
use crate::ops::metrics::Metrics;
use crate::ops::probes::Probes;
use crate::ops::shutdown::Shutdown;

pub use args::Args;

/// How long giving up the Lease may take.
const RELEASE: Duration = Duration::from_secs(2);

/// Runs the operator until it is told to stop.
///
/// # Errors
/// When it cannot start, when it loses the Lease, and when a second signal cuts its end short.
pub async fn run(args: Args) -> anyhow::Result<()> {
    args.log.install()?;
    let shutdown = Shutdown::on_signals().context("listening for signals")?;
    let abort = shutdown.abort().clone();
    let operator = Operator::new(args, shutdown).await?;
    tokio::select! {
        biased;
        () = abort.cancelled() => bail!("ended at once by a second signal; the Lease is left to expire"),
        outcome = operator.run() => outcome,
    }
}

/// What the process is made of.
struct Operator {
    args: Args,
    timing: Timing,
    cluster: cluster::Cluster,
    clock: Clock,
    health: Health,
    metrics: Metrics,
    probes: Probes,
    shutdown: Shutdown,
}

impl Operator {
    /// Checks all that can be checked without a request, then listens.
    async fn new(args: Args, shutdown: Shutdown) -> anyhow::Result<Self> {
        let timing = args.election.timing()?;
        let cluster = cluster::Cluster::new(&args.cluster()).await?;
        let clock = args.clock();
        let health = Health::default();
        let metrics = Metrics::new(env!("CARGO_PKG_VERSION"));
        let listen = args.process.listen;
        let probes = Probes::start(listen, health.clone(), metrics.clone())
            .with_context(|| format!("--listen {listen}"))?;
        announce(&args, &probes);
        Ok(Self {
            args,
            timing,
            cluster,
            clock,
            health,
            metrics,
            probes,
            shutdown,
        })
    }

    async fn run(self) -> anyhow::Result<()> {
        let stop = self.shutdown.stop().clone();
        if stop
            .run_until_cancelled(self.reach_api_server())
            .await
            .is_some()
        {
            let leadership = self.elect();
            self.lead(&leadership).await?;
            self.health.stopping();
            self.close(&leadership).await;
        }
        self.probes.stop().await;
        info!("Ended in order");
        Ok(())
    }

    /// Waits for the API server, however long it takes: nothing can be done without it, and a restart would not help.
    async fn reach_api_server(&self) {
        let part = self.health.register("API server");
        let url = &self.cluster.url;
        part.waiting_for(format!("an answer from {url}"));
        let mut told = String::new();
        loop {
            match self.cluster.version().await {
                Ok(version) => return info!("Kubernetes {version} answers at {url}"),
                Err(error) => {
                    let why = explain(&error);
                    part.waiting_for(format!("an answer from {url}: {why}"));
                    if why != told {
                        warn!("No answer from the API server at {url}: {why}");
                        told = why;
                    }
                }
            }
            sleep(self.timing.pause(rand::random())).await;
        }
    }

    fn elect(&self) -> Leadership {
        let leadership = if self.args.election.leader_elect {
            election::start(
                &self.args.election,
                self.timing,
                &self.cluster,
                self.namespace(),
                &self.clock,
            )
        } else {
            Leadership::alone(self.clock.now())
        };
        let part = self.health.register("leadership");
        tokio::spawn(election::report(
            leadership.clone(),
            part,
            self.metrics.clone(),
        ));
        leadership
    }

    /// Acts while it leads, until told to stop.
    async fn lead(&self, leadership: &Leadership) -> anyhow::Result<()> {
        tokio::select! {
            biased;
            () = self.shutdown.stop().cancelled() => Ok(()),
            loss = leadership.lost() => bail!("the Lease {} is lost: {loss}", self.args.election.lease_name),
            failure = self.act(leadership) => failure,
        }
    }

    /// Starts the controllers once this process leads; they go on until told to stop. One that dies ends the process:
    /// nobody would do its work, and the next process can.
    async fn act(&self, leadership: &Leadership) -> anyhow::Result<()> {
        if leadership.acquired().await.is_err() {
            // The loss is told by whoever waits for it.
            return std::future::pending().await;
        }
        if self.args.scope.observe_only {
            info!("Only observes: tells what it would do, and changes nothing");
        }
        let health = self.health.register("controllers");
        health.beats_within(self.args.process.liveness_timeout);
        health.waiting_for("the uid of namespace kube-system");
        let tasks = controller::start(Parts {
            client: self.cluster.client.clone(),
            settings: self.settings().await?,
            clock: self.clock.clone(),
            leadership: leadership.clone(),
            metrics: self.metrics.clone(),
            health: Arc::new(health),
            stop: self.shutdown.stop().clone(),
            work: self.shutdown.work().clone(),
        });
        let died = tasks.died().await;
        bail!("{died}; the Lease is left to expire")
    }

    async fn settings(&self) -> anyhow::Result<Settings> {
        let scope = &self.args.scope;
        let id = match &scope.cluster_id {
            Some(id) => id.clone(),
            None => self
                .cluster
                .id()
                .await
                .context("reading namespace kube-system for its uid; or set --cluster-id")?,
        };
        Ok(self.args.settings(
            Cluster {
                id,
                former: scope.former_cluster_ids.clone(),
            },
            self.namespace(),
            &self.cluster.url,
        ))
    }

    /// Work ends first, so that whoever leads next finds nothing under way; work that does not end keeps the Lease
    /// from being released, and the next leader waits for it to expire.
    async fn close(&self, leadership: &Leadership) {
        if let Err(unfinished) = self
            .shutdown
            .drain(self.args.process.shutdown_timeout)
            .await
        {
            return warn!("{unfinished}: cut off, and the Lease is left to expire");
        }
        if timeout(RELEASE, leadership.release()).await.is_err() {
            warn!("The Lease could not be released in {RELEASE:?}: it is left to expire");
        }
    }

    /// The operator's own namespace.
    fn namespace(&self) -> &str {
        self.args
            .kubernetes
            .namespace
            .as_deref()
            .unwrap_or(&self.cluster.namespace)
    }
}

/// Tells where the probes are; on stdout where only the process knows the port.
fn announce(args: &Args, probes: &Probes) {
    let address = probes.address();
    info!("Serves /livez, /readyz and /metrics on {address}");
    if args.process.listen.port() == 0 {
        println!("listening on http://{address}");
    }
}
