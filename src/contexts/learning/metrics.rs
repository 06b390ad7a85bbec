//! What Prometheus is told of learning.

use prometheus::{IntCounterVec, Opts};

use crate::telemetry::metrics::Metrics;

/// The counters of one process. Cheap to clone.
#[derive(Clone)]
pub struct LearningMetrics {
    pub(super) documents: IntCounterVec,
    pub(super) live_answers: IntCounterVec,
}

impl LearningMetrics {
    /// Registers them.
    pub fn new(metrics: &Metrics) -> Self {
        let made = Self::unregistered();
        Self {
            documents: metrics.register(made.documents),
            live_answers: metrics.register(made.live_answers),
        }
    }

    /// For commands and tests, which nobody scrapes.
    #[expect(clippy::expect_used, reason = "constant names, at start only")]
    pub fn unregistered() -> Self {
        let documents = Opts::new(
            "gigsy_certificate_documents_total",
            "Certificates as documents, by what came of making one: made, no_font, failed.",
        );
        let live_answers = Opts::new(
            "gigsy_live_quiz_answers_total",
            "Answers in live quizzes, by what came of them: kept, duplicate, refused, unavailable.",
        );
        let live_answers = IntCounterVec::new(live_answers, &["outcome"]).expect("valid names");
        for outcome in ["kept", "duplicate", "refused", "unavailable"] {
            live_answers.with_label_values(&[outcome]);
        }
        Self { documents: IntCounterVec::new(documents, &["outcome"]).expect("valid names"), live_answers }
    }
}
