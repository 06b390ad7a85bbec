//! What is measured.

use prometheus::{IntCounter, IntCounterVec, Opts};

use crate::telemetry::metrics::Metrics;

/// The context's metrics. Cheap to clone.
#[derive(Clone)]
pub struct CareerMetrics {
    /// Steps of bookings, by step.
    pub steps: IntCounterVec,
    /// Bookings that came too late for their time.
    pub conflicts: IntCounter,
    /// Invitations that were mailed, by what they want.
    pub invitations: IntCounterVec,
    /// Files of projects, by what became of them.
    pub artifacts: IntCounterVec,
    /// Times that were offered to the waiting list.
    pub offers: IntCounter,
}

impl CareerMetrics {
    /// Registers them.
    pub fn new(metrics: &Metrics) -> Self {
        let made = Self::unregistered();
        metrics.register(made.steps.clone());
        metrics.register(made.conflicts.clone());
        metrics.register(made.invitations.clone());
        metrics.register(made.offers.clone());
        metrics.register(made.artifacts.clone());
        made
    }

    /// For commands, which nobody scrapes.
    #[expect(clippy::expect_used, reason = "constant names; the first test would find a bad one")]
    pub fn unregistered() -> Self {
        let counter = |name: &str, help: &str| IntCounter::new(name, help).expect("a metric");
        let by = |name: &str, help: &str, label: &str| {
            IntCounterVec::new(Opts::new(name, help), &[label]).expect("a metric")
        };
        Self {
            steps: by("gigsy_booking_steps_total", "Steps of bookings", "step"),
            conflicts: counter("gigsy_booking_conflicts_total", "Bookings that came too late for their time"),
            invitations: by("gigsy_calendar_mails_total", "Calendar invitations that were mailed", "method"),
            artifacts: by(
                "gigsy_artifacts_total",
                "Files of portfolio projects, by what became of them",
                "result",
            ),
            offers: counter("gigsy_waitlist_offers_total", "Times that were offered to the waiting list"),
        }
    }
}
