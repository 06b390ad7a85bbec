//! What chat measures.

use prometheus::{IntCounter, IntCounterVec, IntGauge, Opts};

use crate::telemetry::metrics::Metrics;

/// Chat's collectors. Cheap to clone.
#[derive(Clone)]
pub struct ChatMetrics {
    /// Events of rooms' logs that this node published, by sort.
    pub events: IntCounterVec,
    /// Events that were recorded for other contexts.
    pub announced: IntCounter,
    /// Rooms whose news wait to be told.
    pub stirred: IntGauge,
    /// Messages that people reported.
    pub reports: IntCounter,
}

impl ChatMetrics {
    /// Registers the collectors.
    #[expect(clippy::expect_used, reason = "the names are literals, tested at the first start")]
    pub fn new(metrics: &Metrics) -> Self {
        let counter = |name, help| metrics.register(IntCounter::new(name, help).expect("valid names"));
        let events = Opts::new("gigsy_chat_events_total", "Events of rooms published by this node");
        let stirred = IntGauge::new("gigsy_chat_unannounced_rooms", "Rooms whose news wait to be told");
        Self {
            events: metrics.register(IntCounterVec::new(events, &["kind"]).expect("valid names")),
            announced: counter("gigsy_chat_announced_total", "Events recorded for other contexts"),
            stirred: metrics.register(stirred.expect("valid names")),
            reports: counter("gigsy_chat_reports_total", "Messages that people reported"),
        }
    }
}
