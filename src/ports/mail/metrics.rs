//! What Prometheus is told of mail.

use prometheus::{IntCounterVec, IntGaugeVec, Opts};

use crate::telemetry::metrics::Metrics;

/// The counters of one process. Cheap to clone.
#[derive(Clone)]
pub struct MailMetrics {
    pub(super) attempts: IntCounterVec,
    pub(super) rows: IntGaugeVec,
}

impl MailMetrics {
    /// Registers them.
    #[expect(clippy::expect_used, reason = "constant names, at start only")]
    pub fn new(metrics: &Metrics) -> Self {
        let attempts = Opts::new("gigsy_mail_attempts_total", "Attempts to hand a mail over, by outcome.");
        let rows = Opts::new("gigsy_mails", "Mails in the queue, by state.");
        let this = Self {
            attempts: metrics.register(IntCounterVec::new(attempts, &["outcome"]).expect("valid names")),
            rows: metrics.register(IntGaugeVec::new(rows, &["state"]).expect("valid names")),
        };
        for outcome in ["sent", "retry", "dead"] {
            this.attempts.with_label_values(&[outcome]);
        }
        this
    }
}
