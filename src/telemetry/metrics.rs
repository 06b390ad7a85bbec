//! The Prometheus registry that `/metrics` prints.
//!
//! A module that measures something registers its collectors here at start.

use prometheus::{Encoder, Registry, TextEncoder, core::Collector};

/// The process's metrics. Cheap to clone.
#[derive(Clone, Default)]
pub struct Metrics {
    registry: Registry,
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

    /// The text exposition format, version 0.0.4.
    pub fn render(&self) -> Vec<u8> {
        let mut text = Vec::new();
        // Writing into a Vec cannot fail; a bad family would be an empty page, not a panic.
        let _ = TextEncoder::new().encode(&self.registry.gather(), &mut text);
        text
    }
}
