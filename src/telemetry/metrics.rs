//! The Prometheus registry that `/metrics` prints.
//!
//! A module that measures something registers its collectors here at start.

use std::sync::{Arc, OnceLock};

use futures_util::future::BoxFuture;
use prometheus::{Encoder, Registry, TextEncoder, core::Collector};

/// What is looked at only when somebody reads the metrics.
pub trait Probe: Send + Sync {
    /// Sets the gauges. Bounded in time; what cannot be told is said by a gauge.
    fn look(&self) -> BoxFuture<'_, ()>;
}

/// The process's metrics. Cheap to clone.
#[derive(Clone, Default)]
pub struct Metrics {
    registry: Registry,
    probe: Arc<OnceLock<Arc<dyn Probe>>>,
}

impl Metrics {
    /// An empty registry.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a collector and hands it back, so that a metric is declared and registered in one
    /// expression.
    ///
    /// # Panics
    /// When two collectors share a name: a mistake in the code, found by the first test.
    #[expect(clippy::expect_used, reason = "documented panic, at start only")]
    pub fn register<C: Collector + Clone + 'static>(&self, collector: C) -> C {
        self.registry.register(Box::new(collector.clone())).expect("two metrics share a name");
        collector
    }

    /// As [`Metrics::register`], for a collector that cannot be cloned.
    ///
    /// # Panics
    /// As [`Metrics::register`].
    #[expect(clippy::expect_used, reason = "documented panic, at start only")]
    pub fn register_boxed(&self, collector: Box<dyn Collector>) {
        self.registry.register(collector).expect("two metrics share a name");
    }

    /// Has `probe` look before each [`Metrics::scrape`]. The first one stays.
    pub fn ask_first(&self, probe: Arc<dyn Probe>) {
        let _ = self.probe.set(probe);
    }

    /// What [`Metrics::render`] gives, after the probe has looked.
    pub async fn scrape(&self) -> Vec<u8> {
        if let Some(probe) = self.probe.get() {
            probe.look().await;
        }
        self.render()
    }

    /// The text exposition format, version 0.0.4.
    pub fn render(&self) -> Vec<u8> {
        let mut text = Vec::new();
        // Writing into a Vec cannot fail; a bad family would be an empty page, not a panic.
        let _ = TextEncoder::new().encode(&self.registry.gather(), &mut text);
        text
    }
}
