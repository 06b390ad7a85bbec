//! What Prometheus is told of learning.

use prometheus::{IntCounterVec, Opts};

use crate::telemetry::metrics::Metrics;

/// The counters of one process. Cheap to clone.
#[derive(Clone)]
pub struct LearningMetrics {
    pub(super) documents: IntCounterVec,
}

impl LearningMetrics {
    /// Registers them.
    pub fn new(metrics: &Metrics) -> Self {
        let made = Self::unregistered();
        Self { documents: metrics.register(made.documents) }
    }

    /// For commands and tests, which nobody scrapes.
    #[expect(clippy::expect_used, reason = "constant names, at start only")]
    pub fn unregistered() -> Self {
        let documents = Opts::new(
            "gigsy_certificate_documents_total",
            "Certificates as documents, by what came of making one: made, no_font, failed.",
        );
        Self { documents: IntCounterVec::new(documents, &["outcome"]).expect("valid names") }
    }
}
