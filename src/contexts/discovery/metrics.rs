//! What is measured.

use prometheus::{Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGaugeVec, Opts};

use crate::telemetry::metrics::Metrics;

/// The context's metrics. Cheap to clone.
#[derive(Clone)]
pub struct DiscoveryMetrics {
    /// Documents written to the indexes, by kind and outcome.
    pub indexed: IntCounterVec,
    /// From a change to both indexes.
    pub lag_seconds: Histogram,
    /// Documents that wait, by kind.
    pub waiting: IntGaugeVec,
    /// Searches and recommendations, by what was asked.
    pub seconds: HistogramVec,
    /// Answers that had to do without one of their sources.
    pub degraded: IntCounterVec,
    /// People who were told of a gig.
    pub matches: IntCounter,
    /// What people did with results.
    pub feedback: IntCounterVec,
}

impl DiscoveryMetrics {
    /// Registers them.
    pub fn new(metrics: &Metrics) -> Self {
        let made = Self::unregistered();
        metrics.register(made.indexed.clone());
        metrics.register(made.lag_seconds.clone());
        metrics.register(made.waiting.clone());
        metrics.register(made.seconds.clone());
        metrics.register(made.degraded.clone());
        metrics.register(made.matches.clone());
        metrics.register(made.feedback.clone());
        made
    }

    /// For commands, which nobody scrapes.
    #[expect(clippy::expect_used, reason = "constant names; the first test would find a bad one")]
    pub fn unregistered() -> Self {
        let by = |name: &str, help: &str, labels: &[&str]| {
            IntCounterVec::new(Opts::new(name, help), labels).expect("a metric")
        };
        let buckets = vec![0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0];
        let lag = HistogramOpts::new("gigsy_discovery_index_lag_seconds", "From a change to both indexes");
        let seconds = HistogramOpts::new("gigsy_discovery_seconds", "Searches and recommendations");
        Self {
            indexed: by(
                "gigsy_discovery_indexed_total",
                "Documents written to the indexes",
                &["kind", "outcome"],
            ),
            lag_seconds: Histogram::with_opts(
                lag.buckets(vec![0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 30.0, 300.0]),
            )
            .expect("a metric"),
            waiting: IntGaugeVec::new(
                Opts::new("gigsy_discovery_waiting", "Documents that wait to be indexed"),
                &["kind"],
            )
            .expect("a metric"),
            seconds: HistogramVec::new(seconds.buckets(buckets), &["what"]).expect("a metric"),
            degraded: by(
                "gigsy_discovery_degraded_total",
                "Answers without one of their sources",
                &["source"],
            ),
            matches: IntCounter::new("gigsy_discovery_matches_total", "People who were told of a gig")
                .expect("a metric"),
            feedback: by("gigsy_discovery_feedback_total", "What people did with results", &["deed"]),
        }
    }
}
