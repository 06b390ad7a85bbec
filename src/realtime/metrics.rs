//! What the real-time layer measures.

use prometheus::{IntCounter, IntCounterVec, IntGauge, Opts};

use super::{Disconnect, protocol::Format};
use crate::telemetry::metrics::Metrics;

/// The layer's collectors. Cheap to clone.
#[derive(Clone)]
pub struct RealtimeMetrics {
    /// Connections that are open, before `connect` too.
    pub connections: IntGauge,
    /// Upgrades, by the form of the protocol.
    pub upgrades: IntCounterVec,
    /// Subscriptions that are held.
    pub subscriptions: IntGauge,
    /// Bytes that wait in outbound queues.
    pub queue_bytes: IntGauge,
    /// Commands that came in, by method.
    pub commands: IntCounterVec,
    /// Frames that went out (queued by a shard and handed to the socket).
    pub frames_out: IntCounter,
    /// Their bytes.
    pub bytes_out: IntCounter,
    /// Publications given to the hub.
    pub publications: IntCounter,
    /// Connections the server closed, by code.
    pub closes: IntCounterVec,
    /// Subscriptions that asked to recover, by outcome.
    pub recoveries: IntCounterVec,
    /// Commands refused for coming too fast.
    pub throttled: IntCounter,
}

impl RealtimeMetrics {
    /// Registers the collectors.
    pub fn new(metrics: &Metrics) -> Self {
        let this = Self {
            connections: metrics.register(gauge("gigsy_realtime_connections", "Open connections")),
            upgrades: metrics.register(counters("gigsy_realtime_upgrades_total", "Upgrades", "format")),
            subscriptions: metrics.register(gauge("gigsy_realtime_subscriptions", "Held subscriptions")),
            queue_bytes: metrics.register(gauge("gigsy_realtime_queue_bytes", "Bytes in outbound queues")),
            commands: metrics.register(counters("gigsy_realtime_commands_total", "Commands", "method")),
            frames_out: metrics.register(counter("gigsy_realtime_frames_out_total", "Frames sent")),
            bytes_out: metrics.register(counter("gigsy_realtime_bytes_out_total", "Bytes sent")),
            publications: metrics.register(counter("gigsy_realtime_publications_total", "Publications")),
            closes: metrics.register(counters("gigsy_realtime_closes_total", "Closed by the server", "code")),
            recoveries: metrics.register(counters(
                "gigsy_realtime_recoveries_total",
                "Recoveries",
                "outcome",
            )),
            throttled: metrics.register(counter("gigsy_realtime_throttled_total", "Commands over the rate")),
        };
        // There from the first scrape on: what begins at its first count has no rate for that count.
        this.commands.with_label_values(&["connect"]);
        for why in
            [Disconnect::SHUTDOWN, Disconnect::SLOW, Disconnect::INSUFFICIENT_STATE, Disconnect::NO_PONG]
        {
            this.closes.with_label_values(&[&why.code.to_string()]);
        }
        for format in [Format::Json, Format::Protobuf] {
            this.upgrades.with_label_values(&[format.name()]);
        }
        for outcome in ["recovered", "lost"] {
            this.recoveries.with_label_values(&[outcome]);
        }
        this
    }
}

// The names above are constants that fit Prometheus's grammar, which is all that these can refuse.
#[expect(clippy::expect_used, reason = "constant names, exercised by every test")]
fn gauge(name: &str, help: &str) -> IntGauge {
    IntGauge::new(name, help).expect("a metric's name")
}

#[expect(clippy::expect_used, reason = "constant names, exercised by every test")]
fn counter(name: &str, help: &str) -> IntCounter {
    IntCounter::new(name, help).expect("a metric's name")
}

#[expect(clippy::expect_used, reason = "constant names, exercised by every test")]
fn counters(name: &str, help: &str, label: &str) -> IntCounterVec {
    IntCounterVec::new(Opts::new(name, help), &[label]).expect("a metric's name")
}
