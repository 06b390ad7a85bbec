//! What is measured.

use prometheus::{Histogram, HistogramOpts, IntCounter, IntCounterVec, Opts};

use crate::telemetry::metrics::Metrics;

/// The context's metrics. Cheap to clone.
#[derive(Clone)]
pub struct GameMetrics {
    /// Points awarded, by rule.
    pub points: IntCounterVec,
    /// Badges awarded, by badge.
    pub badges: IntCounterVec,
    /// League groups that were closed.
    pub leagues: IntCounter,
    /// Entries of the ledger that boards took in.
    pub entries: IntCounter,
    /// Writes of boards' copies, by what came of them.
    pub copies: IntCounterVec,
    /// Answers of boards, by what they are from.
    pub answers: IntCounterVec,
    /// How long making a board from the ledger took.
    pub rebuild_seconds: Histogram,
}

impl GameMetrics {
    /// Registers them.
    pub fn new(metrics: &Metrics) -> Self {
        let made = Self::unregistered();
        metrics.register(made.points.clone());
        metrics.register(made.badges.clone());
        metrics.register(made.leagues.clone());
        metrics.register(made.entries.clone());
        metrics.register(made.copies.clone());
        metrics.register(made.answers.clone());
        metrics.register(made.rebuild_seconds.clone());
        made
    }

    /// For commands, which nobody scrapes.
    #[expect(clippy::expect_used, reason = "constant names; the first test would find a bad one")]
    pub fn unregistered() -> Self {
        let counter = |name: &str, help: &str| IntCounter::new(name, help).expect("a metric");
        let by = |name: &str, help: &str, label: &str| {
            IntCounterVec::new(Opts::new(name, help), &[label]).expect("a metric")
        };
        let rebuild =
            HistogramOpts::new("gigsy_leaderboard_rebuild_seconds", "Making a leaderboard from the ledger")
                .buckets(vec![0.005, 0.02, 0.1, 0.5, 2.0, 10.0, 60.0]);
        Self {
            points: by("gigsy_xp_points_total", "Points awarded", "rule"),
            badges: by("gigsy_badges_awarded_total", "Badges awarded", "badge"),
            leagues: counter("gigsy_league_groups_closed_total", "League groups closed"),
            entries: counter("gigsy_leaderboard_entries_total", "Ledger entries that leaderboards took in"),
            copies: by(
                "gigsy_leaderboard_copies_total",
                "Writes of the leaderboards' copies: changes written, made anew, found lost, failed",
                "outcome",
            ),
            answers: by(
                "gigsy_leaderboard_answers_total",
                "Answers of leaderboards: from memory, from what was before a crash, from the copy",
                "from",
            ),
            rebuild_seconds: Histogram::with_opts(rebuild).expect("a metric"),
        }
    }
}
