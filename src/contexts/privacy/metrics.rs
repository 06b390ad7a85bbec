//! What is measured.

use prometheus::{IntCounterVec, Opts};

use crate::telemetry::metrics::Metrics;

/// The context's metrics. Cheap to clone.
#[derive(Clone)]
pub struct PrivacyMetrics {
    /// Answers to erasures, by context and by whether it is done.
    pub receipts: IntCounterVec,
    /// Archives, by what became of them.
    pub exports: IntCounterVec,
}

impl PrivacyMetrics {
    /// Registers them.
    pub fn new(metrics: &Metrics) -> Self {
        let made = Self::unregistered();
        metrics.register(made.receipts.clone());
        metrics.register(made.exports.clone());
        made
    }

    /// For tests.
    #[expect(clippy::expect_used, reason = "constant names; the first test would find a bad one")]
    pub fn unregistered() -> Self {
        let by = |name: &str, help: &str, labels: &[&str]| {
            IntCounterVec::new(Opts::new(name, help), labels).expect("a metric")
        };
        Self {
            receipts: by("gigsy_erasure_receipts_total", "Answers to erasures", &["context", "state"]),
            exports: by("gigsy_exports_total", "Archives of personal data", &["state"]),
        }
    }
}
