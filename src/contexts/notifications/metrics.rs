//! What Prometheus is told of notifications.

use prometheus::{IntCounter, IntCounterVec, Opts};

use crate::telemetry::metrics::Metrics;

/// The counters of one process. Cheap to clone.
#[derive(Clone)]
pub struct NotificationMetrics {
    pub(super) told: IntCounterVec,
    pub(super) pushed: IntCounter,
    pub(super) mailings: IntCounterVec,
    pub(super) pushes: IntCounterVec,
}

impl NotificationMetrics {
    /// Registers them.
    #[expect(clippy::expect_used, reason = "constant names, at start only")]
    pub fn new(metrics: &Metrics) -> Self {
        let vec = |name: &str, help: &str, label: &str| {
            metrics.register(IntCounterVec::new(Opts::new(name, help), &[label]).expect("valid names"))
        };
        Self {
            told: vec("gigsy_notifications_total", "Events that somebody was told of, by kind.", "kind"),
            pushed: metrics.register(
                IntCounter::new(
                    "gigsy_notifications_pushed_total",
                    "Publications that were pushed to connected people.",
                )
                .expect("valid names"),
            ),
            pushes: vec(
                "gigsy_web_pushes_total",
                "Pushes to browsers that were due, by what came of them.",
                "outcome",
            ),
            mailings: vec(
                "gigsy_mailings_total",
                "Mails of notifications that were due, by what came of them.",
                "outcome",
            ),
        }
    }
}
