//! Prometheus metrics, by methods that take only values of closed sets.

mod described;
mod expiry;
mod labels;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Metric, Registry};

pub use described::{ALL, Described, Label};
use expiry::Expiries;
pub use labels::{Answer, Kind, Outcome};
use labels::{Instance, OfBuild, OfError, OfInstance, OfKind, OfLine, OfPass, OfRequest, OfToken};

/// The process's metrics. Clones share them.
#[derive(Clone)]
pub struct Metrics(Arc<Inner>);

struct Inner {
    reconciles: Family<OfPass, Counter>,
    durations: Durations,
    errors: Family<OfError, Counter>,
    issued: Family<OfToken, Counter>,
    rotated: Family<OfToken, Counter>,
    revoked: Family<OfToken, Counter>,
    requests: Family<OfRequest, Counter>,
    waiting: Family<OfLine, Gauge>,
    owed: Gauge,
    braked: Family<OfInstance, Gauge>,
    withheld: Gauge,
    leader: Gauge,
    expiries: Expiries,
    registry: Registry,
}

type Durations = Family<OfKind, Histogram, fn() -> Histogram>;

/// From a pass that finds nothing to do to one that waits for a slow backend: 1 ms to 33 s.
fn durations() -> Durations {
    Family::new_with_constructor(|| Histogram::new(exponential_buckets(0.001, 2.0, 16)))
}

impl Metrics {
    /// All metrics at zero; `version` is that of the build.
    #[must_use]
    pub fn new(version: &'static str) -> Self {
        let mut registry = Registry::default();
        let expiries = Expiries::default();
        registry.register_collector(Box::new(expiries.clone()));
        let build = Info::new(OfBuild { version });
        registry.register(described::BUILD.name, described::BUILD.help, build);
        Self(Arc::new(Inner {
            reconciles: register(&mut registry, described::RECONCILES, Family::default()),
            durations: register(&mut registry, described::RECONCILE_DURATION, durations()),
            errors: register(&mut registry, described::ERRORS, Family::default()),
            issued: register(&mut registry, described::TOKENS_ISSUED, Family::default()),
            rotated: register(&mut registry, described::TOKENS_ROTATED, Family::default()),
            revoked: register(&mut registry, described::TOKENS_REVOKED, Family::default()),
            requests: register(
                &mut registry,
                described::BACKEND_REQUESTS,
                Family::default(),
            ),
            waiting: register(&mut registry, described::OBJECTS_WAITING, Family::default()),
            owed: register(&mut registry, described::REVOCATIONS_OWED, Gauge::default()),
            braked: register(
                &mut registry,
                described::DELETIONS_BRAKED,
                Family::default(),
            ),
            withheld: register(&mut registry, described::CHANGES_WITHHELD, Gauge::default()),
            leader: register(&mut registry, described::LEADER, Gauge::default()),
            expiries,
            registry,
        }))
    }

    /// A pass over an object ended.
    pub fn reconciled(&self, kind: Kind, outcome: Outcome, took: Duration) {
        self.0
            .reconciles
            .get_or_create(&OfPass { kind, outcome })
            .inc();
        self.0
            .durations
            .get_or_create(&OfKind { kind })
            .observe(took.as_secs_f64());
    }

    /// A pass over an object failed.
    pub fn failed(&self, kind: Kind, reason: impl Into<&'static str>) {
        let reason = reason.into();
        self.0.errors.get_or_create(&OfError { kind, reason }).inc();
    }

    /// A token was created at the backend.
    pub fn issued(&self, instance: &str, reason: impl Into<&'static str>) {
        self.0
            .issued
            .get_or_create(&of_token(instance, reason))
            .inc();
    }

    /// A token was published in place of an older one.
    pub fn rotated(&self, instance: &str, reason: impl Into<&'static str>) {
        self.0
            .rotated
            .get_or_create(&of_token(instance, reason))
            .inc();
    }

    /// A token was deleted at the backend.
    pub fn revoked(&self, instance: &str, reason: impl Into<&'static str>) {
        self.0
            .revoked
            .get_or_create(&of_token(instance, reason))
            .inc();
    }

    /// A backend answered so many requests like this, or did not.
    pub fn answered(&self, instance: &str, answer: Answer, times: u64) {
        let labels = OfRequest {
            instance: Instance::from(instance),
            answer,
        };
        self.0.requests.get_or_create(&labels).inc_by(times);
    }

    /// When the first published token of this object expires; `None` when none of them does, or the
    /// object is gone.
    pub fn expires(&self, object: &str, soonest: Option<Timestamp>) {
        self.0.expiries.set(object, soonest);
    }

    /// So many objects of a kind wait for their turn at an instance.
    pub fn waits(&self, instance: &str, kind: Kind, waiting: usize) {
        let labels = OfLine {
            instance: Instance::from(instance),
            kind,
        };
        let waiting = i64::try_from(waiting).unwrap_or(i64::MAX);
        self.0.waiting.get_or_create(&labels).set(waiting);
    }

    /// So many deleted objects have left something that is still to be removed.
    pub fn owes(&self, revocations: usize) {
        let revocations = i64::try_from(revocations).unwrap_or(i64::MAX);
        self.0.owed.set(revocations);
    }

    /// So many deleted objects of this instance wait for somebody to acknowledge that they were deleted; `None` = the
    /// instance is gone.
    pub fn brakes(&self, instance: &str, objects: Option<usize>) {
        let labels = OfInstance {
            instance: Instance::from(instance),
        };
        match objects {
            Some(objects) => {
                let objects = i64::try_from(objects).unwrap_or(i64::MAX);
                self.0.braked.get_or_create(&labels).set(objects);
            }
            None => drop(self.0.braked.remove(&labels)),
        }
    }

    /// For so many objects something would be done.
    pub fn withholds(&self, objects: usize) {
        let objects = i64::try_from(objects).unwrap_or(i64::MAX);
        self.0.withheld.set(objects);
    }

    /// Whether this process leads.
    pub fn leads(&self, now: Leads) {
        self.0.leader.set(match now {
            Leads::Yes => 1,
            Leads::No => 0,
        });
    }

    /// All metrics in the `OpenMetrics` text format.
    ///
    /// # Errors
    /// None that is known; the formatter's signature has one.
    pub fn render(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        encode(&mut text, &self.0.registry)?;
        Ok(text)
    }
}

/// Whether a process leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leads {
    /// It does.
    Yes,
    /// It stands by.
    No,
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

fn register<M: Metric + Clone>(registry: &mut Registry, described: Described, metric: M) -> M {
    registry.register(described.name, described.help, metric.clone());
    metric
}

fn of_token(instance: &str, reason: impl Into<&'static str>) -> OfToken {
    OfToken {
        instance: Instance::from(instance),
        reason: reason.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every metric, with something in it.
    fn full() -> Metrics {
        let metrics = Metrics::new("1.2.3");
        metrics.reconciled(
            Kind::ServiceAccount,
            Outcome::Done,
            Duration::from_millis(3),
        );
        metrics.failed(Kind::Group, "Forbidden");
        metrics.issued("default", "SecretMissing");
        metrics.rotated("default", "NotDue");
        metrics.revoked("team-a/own", "Compromised");
        metrics.answered("default", Answer::Throttled, 1);
        metrics.waits("default", Kind::ServiceAccount, 3);
        metrics.expires("uid-1", Some(Timestamp::UNIX_EPOCH));
        metrics.brakes("default", Some(3));
        metrics.leads(Leads::Yes);
        metrics
    }

    #[test]
    fn each_metric_is_rendered_under_its_documented_name_kind_and_help() {
        let text = full().render().unwrap();
        for described in ALL {
            let (name, kind, help) = (described.name, described.kind, described.help);
            assert!(
                text.contains(&format!("# TYPE {name} {kind}\n")),
                "{name}:\n{text}"
            );
            assert!(
                text.contains(&format!("# HELP {name} {help}.\n")),
                "{name}:\n{text}"
            );
        }
        assert_eq!(text.matches("# TYPE ").count(), ALL.len());
    }

    #[test]
    fn each_series_has_the_documented_labels_and_no_others() {
        let text = full().render().unwrap();
        for described in ALL {
            let series = text.lines().find(|line| {
                line.starts_with(&described.queried())
                    || line.starts_with(&format!("{}_count", described.name))
            });
            let series = series.unwrap_or_else(|| panic!("{} in\n{text}", described.queried()));
            for label in described.labels {
                assert!(series.contains(&format!("{}=\"", label.name)), "{series}");
            }
            assert_eq!(
                series.matches("=\"").count(),
                described.labels.len(),
                "{series}"
            );
        }
    }

    #[test]
    fn the_soonest_expiry_is_that_of_all_objects_and_absent_without_any() {
        let metrics = Metrics::new("1.2.3");
        let name = described::SOONEST_EXPIRY.name;
        assert!(!metrics.render().unwrap().contains(name));
        let at = |second| Some(Timestamp::from_second(second).unwrap());
        metrics.expires("a", at(300));
        metrics.expires("b", at(100));
        metrics.expires("c", at(200));
        assert!(metrics.render().unwrap().contains(&format!("{name} 100\n")));
        metrics.expires("b", None);
        assert!(metrics.render().unwrap().contains(&format!("{name} 200\n")));
    }
}
