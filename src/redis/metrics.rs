//! What `/metrics` tells of Redis.

use prometheus::{HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, Opts};

use crate::telemetry::metrics::Metrics;

pub(super) struct Counters {
    pub(super) up: IntGauge,
    pub(super) opened: IntCounter,
    pub(super) commands: IntCounterVec,
    pub(super) seconds: HistogramVec,
}

impl Counters {
    #[expect(clippy::expect_used, reason = "constant declarations")]
    pub(super) fn new(metrics: &Metrics) -> Self {
        let up = IntGauge::new("gigsy_redis_up", "1 while commands go to Redis, 0 while we go on without.");
        let opened = IntCounter::new("gigsy_redis_breaker_opened_total", "How often Redis was given up.");
        let commands = Opts::new(
            "gigsy_redis_commands_total",
            "Commands by what they are for: ok, error, timeout, skipped.",
        );
        let seconds = HistogramOpts::new("gigsy_redis_seconds", "Time to the answer of a command.")
            .buckets(vec![0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25]);
        Self {
            up: metrics.register(up.expect("valid metric")),
            opened: metrics.register(opened.expect("valid metric")),
            commands: metrics
                .register(IntCounterVec::new(commands, &["command", "outcome"]).expect("valid metric")),
            seconds: metrics.register(HistogramVec::new(seconds, &["command"]).expect("valid metric")),
        }
    }
}
