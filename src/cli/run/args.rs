//! The flags of `run`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use jiff::SignedDuration;

use crate::cli::logging::Logging;
use crate::cli::{address, duration, words};
use crate::clock::Clock;
use crate::controller::{Cluster, Mode, Restarts, Settings};
use crate::ops::cluster;
use crate::ops::lease::{BadTiming, Timing};

/// Flags of `run`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// How the cluster is reached.
    #[command(flatten)]
    pub kubernetes: Kubernetes,
    /// What the operator may touch.
    #[command(flatten)]
    pub scope: Scope,
    /// How much, how often.
    #[command(flatten)]
    pub pace: Pace,
    /// Who of several replicas acts.
    #[command(flatten)]
    pub election: Election,
    /// The process itself.
    #[command(flatten)]
    pub process: Process,
    /// What is logged and how.
    #[command(flatten)]
    pub log: Logging,
}

/// How the cluster is reached.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Kubernetes")]
pub struct Kubernetes {
    /// The kubeconfig to use; its current context counts. Default: $KUBECONFIG or ~/.kube/config where there is one,
    /// otherwise the service account of the pod.
    #[arg(long, env = "KESTRA_IAM_KUBECONFIG", value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,

    /// The operator's own namespace, which holds the credentials of every `ClusterInstance` and the Lease. Default: the
    /// namespace of the pod, or of the kubeconfig's context.
    #[arg(long, env = "KESTRA_IAM_NAMESPACE", value_name = "NAME", value_parser = words::name)]
    pub namespace: Option<String>,

    /// Look after the objects of this one namespace only. Default: all namespaces.
    #[arg(long, env = "KESTRA_IAM_WATCH_NAMESPACE", value_name = "NAME", value_parser = words::name)]
    pub watch_namespace: Option<String>,

    /// How long a connection to the API server may take to come about.
    #[arg(
        long, env = "KESTRA_IAM_CONNECT_TIMEOUT", value_name = "DURATION", default_value = "5s",
        value_parser = duration::parse
    )]
    pub connect_timeout: Duration,

    /// How long a request to the API server may take, repetitions included; watches have no end.
    #[arg(
        long, env = "KESTRA_IAM_REQUEST_TIMEOUT", value_name = "DURATION", default_value = "30s",
        value_parser = duration::parse
    )]
    pub request_timeout: Duration,
}

/// What the operator may touch.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Scope")]
pub struct Scope {
    /// What stands for this cluster in the marks that the operator leaves at the backend. Two clusters on one backend
    /// must differ in it. Default: the uid of the namespace kube-system.
    #[arg(long, env = "KESTRA_IAM_CLUSTER_ID", value_name = "ID", value_parser = words::cluster_id)]
    pub cluster_id: Option<String>,

    /// Ids that this cluster had before, separated by commas: what carries their marks counts as this cluster's own.
    #[arg(
        long, env = "KESTRA_IAM_FORMER_CLUSTER_IDS", value_name = "ID,…", value_delimiter = ',',
        value_parser = words::cluster_id
    )]
    pub former_cluster_ids: Vec<String>,

    /// Let namespaces have an Instance of their own. The operator then calls URLs that the users of a namespace chose,
    /// on the hosts of --instance-hosts only.
    #[arg(
        long,
        env = "KESTRA_IAM_NAMESPACED_INSTANCES",
        requires = "instance_hosts"
    )]
    pub namespaced_instances: bool,

    /// The hosts that the URL of an Instance may name, separated by commas, such as kestra.example.com.
    #[arg(
        long, env = "KESTRA_IAM_INSTANCE_HOSTS", value_name = "HOST,…", value_delimiter = ',',
        value_parser = words::host
    )]
    pub instance_hosts: Vec<String>,

    /// Tell by conditions and Events what would be done, and change nothing: neither at a backend nor in the cluster, where
    /// only statuses and Events are written, and the Lease. Instead of an operator that acts, and not beside it.
    #[arg(long, env = "KESTRA_IAM_OBSERVE_ONLY")]
    pub observe_only: bool,

    /// Roll the workloads that spec.restart of a token names, after each of its rotations. The operator then needs the
    /// rights to patch these workloads, and to list pods.
    #[arg(long, env = "KESTRA_IAM_RESTART_CONSUMERS")]
    pub restart_consumers: bool,

    /// Domains of the labels and annotations that users may put on the Secrets of their tokens, separated by commas;
    /// empty = none.
    #[arg(
        long, env = "KESTRA_IAM_SECRET_METADATA_DOMAINS", value_name = "DOMAIN,…", value_delimiter = ',',
        default_value = "reloader.stakater.com", value_parser = words::metadata_domain
    )]
    pub secret_metadata_domains: Vec<String>,
}

/// How much, how often.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Pace")]
pub struct Pace {
    /// How many objects of each kind are worked on at once, for each instance; the most urgent go first.
    #[arg(
        long, env = "KESTRA_IAM_CONCURRENCY", value_name = "COUNT", default_value = "16",
        value_parser = clap::value_parser!(u16).range(1..=1000)
    )]
    pub concurrency: u16,

    /// The least time between two tokens issued for the same entry, once there were several in a row.
    #[arg(
        long, env = "KESTRA_IAM_MIN_ISSUE_INTERVAL", value_name = "DURATION", default_value = "1m",
        value_parser = duration::parse
    )]
    pub min_issue_interval: Duration,

    /// How long a deleted object waits for a backend that does not answer. Then it goes, and a Revocation in the
    /// operator's namespace stands for what is still to be removed. In a namespace that is being deleted nothing waits.
    #[arg(
        long, env = "KESTRA_IAM_HAND_OVER_AFTER", value_name = "DURATION", default_value = "5m",
        value_parser = duration::parse
    )]
    pub hand_over_after: Duration,

    /// How many objects of one instance may be deleted within five minutes. Of more than that nothing is removed at the
    /// backend until somebody agrees by an annotation on the instance; 0 = there is no such brake.
    #[arg(
        long, env = "KESTRA_IAM_DELETION_BRAKE", value_name = "COUNT", default_value = "20", allow_negative_numbers = true,
        value_parser = clap::value_parser!(u16).range(0..=1000)
    )]
    pub deletion_brake: u16,

    /// How often an object is looked at that waits for something nobody announces, such as a name at the backend.
    #[arg(
        long, env = "KESTRA_IAM_RECHECK_INTERVAL", value_name = "DURATION", default_value = "5m",
        value_parser = duration::parse
    )]
    pub recheck_interval: Duration,
}

/// Who of several replicas acts.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Leader election")]
pub struct Election {
    /// Act only while holding the Lease, so that of several replicas one acts. `--leader-elect=false` is for a single
    /// process that nothing else runs beside.
    #[arg(
        long, env = "KESTRA_IAM_LEADER_ELECT", value_name = "BOOL", default_value_t = true,
        default_missing_value = "true", num_args = 0..=1, require_equals = true, action = clap::ArgAction::Set
    )]
    pub leader_elect: bool,

    /// The name of the Lease in the operator's own namespace.
    #[arg(
        long, env = "KESTRA_IAM_LEASE_NAME", value_name = "NAME", default_value = "kestra-iam-operator",
        value_parser = words::name
    )]
    pub lease_name: String,

    /// How this replica is called in the Lease; a random suffix tells processes apart. Default: the host's name, which
    /// is the pod's.
    #[arg(long, env = "KESTRA_IAM_LEASE_IDENTITY", value_name = "NAME", value_parser = words::identity)]
    pub lease_identity: Option<String>,

    /// How long another replica waits after the last sign of the leader before it takes over: 2s to 10m.
    #[arg(
        long, env = "KESTRA_IAM_LEASE_DURATION", value_name = "DURATION", default_value = "15s",
        value_parser = duration::parse
    )]
    pub lease_duration: Duration,

    /// How long the leader acts on one renewal; then it ends. Shorter than --lease-duration, and the larger the ratio
    /// the more the clocks of two nodes may run apart.
    #[arg(
        long, env = "KESTRA_IAM_RENEW_DEADLINE", value_name = "DURATION", default_value = "10s",
        value_parser = duration::parse
    )]
    pub renew_deadline: Duration,

    /// How often the leader renews.
    #[arg(
        long, env = "KESTRA_IAM_RENEW_INTERVAL", value_name = "DURATION", default_value = "5s",
        value_parser = duration::parse
    )]
    pub renew_interval: Duration,

    /// How often a replica that stands by looks, and how soon a failed renewal is repeated.
    #[arg(
        long, env = "KESTRA_IAM_RETRY_PERIOD", value_name = "DURATION", default_value = "2s",
        value_parser = duration::parse
    )]
    pub retry_period: Duration,
}

/// The process itself.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Process")]
pub struct Process {
    /// Where /livez, /readyz and /metrics are served. With port 0 a free port is taken, and the line
    /// `listening on http://ADDRESS` on stdout names it.
    #[arg(
        long,
        env = "KESTRA_IAM_LISTEN",
        value_name = "ADDRESS",
        default_value = "0.0.0.0:8080",
        value_parser = address::parse
    )]
    pub listen: SocketAddr,

    /// How long the watches may be silent before /livez fails, so that a wedged process is restarted. A healthy watch
    /// is renewed every five minutes or so.
    #[arg(
        long, env = "KESTRA_IAM_LIVENESS_TIMEOUT", value_name = "DURATION", default_value = "15m",
        value_parser = duration::parse
    )]
    pub liveness_timeout: Duration,

    /// How long work under way may take to end after SIGTERM; three seconds more and the process is gone.
    #[arg(
        long, env = "KESTRA_IAM_SHUTDOWN_TIMEOUT", value_name = "DURATION", default_value = "6s",
        value_parser = duration::parse
    )]
    pub shutdown_timeout: Duration,

    /// For tests: moves the clock by the signed milliseconds in this file, which is read at every look.
    #[arg(
        long,
        env = "KESTRA_IAM_CLOCK_OFFSET_FILE",
        value_name = "FILE",
        hide = true
    )]
    pub clock_offset_file: Option<PathBuf>,
}

impl Args {
    /// How the cluster is reached.
    #[must_use]
    pub fn cluster(&self) -> cluster::Options {
        cluster::Options {
            kubeconfig: self.kubernetes.kubeconfig.clone(),
            connect_timeout: self.kubernetes.connect_timeout,
            request_timeout: self.kubernetes.request_timeout,
        }
    }

    /// The clock that the whole process reads.
    #[must_use]
    pub fn clock(&self) -> Clock {
        let driven = self.process.clock_offset_file.clone();
        driven.map_or_else(Clock::system, Clock::offset_by)
    }

    /// How long a request that a former leader sent may still take effect after the Lease changed hands.
    #[must_use]
    pub fn settle(&self) -> Duration {
        self.election.lease_duration + 2 * self.kubernetes.request_timeout
    }
}

impl Args {
    /// How the controllers are to work.
    #[must_use]
    pub fn settings(&self, cluster: Cluster, namespace: &str, api_server: &str) -> Settings {
        let Self {
            kubernetes,
            scope,
            pace,
            ..
        } = self;
        Settings {
            mode: if scope.observe_only {
                Mode::Observe
            } else {
                Mode::Act
            },
            namespace: namespace.to_owned(),
            watch_namespace: kubernetes.watch_namespace.clone(),
            cluster,
            api_server: api_server.to_owned(),
            instance_hosts: scope
                .namespaced_instances
                .then(|| scope.instance_hosts.clone()),
            secret_metadata_domains: named(&scope.secret_metadata_domains),
            restarts: if scope.restart_consumers {
                Restarts::Allowed
            } else {
                Restarts::Off
            },
            concurrency: pace.concurrency,
            request_timeout: kubernetes.request_timeout,
            issue_pace: signed(pace.min_issue_interval),
            settle: signed(self.settle()),
            hand_over_after: signed(pace.hand_over_after),
            deletion_brake: pace.deletion_brake.into(),
            recheck: pace.recheck_interval,
        }
    }
}

fn signed(duration: Duration) -> SignedDuration {
    SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX)
}

impl Election {
    /// The intervals of the election.
    ///
    /// # Errors
    /// When they cannot work together; the text names the flags.
    pub fn timing(&self) -> Result<Timing, BadTiming> {
        Timing::new(
            self.lease_duration,
            self.renew_deadline,
            self.renew_interval,
            self.retry_period,
        )
    }
}

/// The domains without the empty one, by which a flag says that there are none.
fn named(domains: &[String]) -> Vec<String> {
    let named = domains.iter().filter(|domain| !domain.is_empty());
    named.cloned().collect()
}
