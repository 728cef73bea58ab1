//! The soonest expiry of all published tokens, found at each scrape.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;

use super::described::SOONEST_EXPIRY;

/// When the first token of each object expires, by the object's uid. Clones share the map.
#[derive(Clone, Debug, Default)]
pub(super) struct Expiries(Arc<Mutex<HashMap<Box<str>, Timestamp>>>);

impl Expiries {
    pub(super) fn set(&self, object: &str, soonest: Option<Timestamp>) {
        match soonest {
            Some(instant) => self.map().insert(object.into(), instant),
            None => self.map().remove(object),
        };
    }

    fn map(&self) -> MutexGuard<'_, HashMap<Box<str>, Timestamp>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Collector for Expiries {
    /// Writes nothing where nothing expires: a zero would say that a token died in 1970.
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> std::fmt::Result {
        let Some(soonest) = self.map().values().min().copied() else {
            return Ok(());
        };
        let help = format!("{}.", SOONEST_EXPIRY.help);
        let metric =
            encoder.encode_descriptor(SOONEST_EXPIRY.name, &help, None, MetricType::Gauge)?;
        ConstGauge::new(soonest.as_second()).encode(metric)
    }
}
