//! Log lines to Logtail (Better Stack) over HTTPS.
//!
//! Its HTTP source takes a JSON array of objects with `dt` and `message`, with the source's token as
//! bearer, and answers 202. How they get there is [`shipping`]'s business.

use std::{io, sync::LazyLock};

use prometheus::{IntCounter, IntGauge};
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use serde_json::{Map, Value};

use crate::{
    config::LogConfig,
    telemetry::{
        metrics::Metrics,
        shipping::{self, Destination, Inlet, Shipper},
    },
    tls::TlsError,
};

struct Counters {
    shipped: shipping::Counters,
    unwritten: IntCounter,
}

#[expect(clippy::expect_used, reason = "constant declarations")]
static COUNTERS: LazyLock<Counters> = LazyLock::new(|| {
    let counter = |name: &str, help: &str| IntCounter::new(name, help).expect("valid");
    Counters {
        shipped: shipping::Counters {
            sent: counter("gigsy_log_lines_sent_total", "Log lines that the log service took."),
            dropped: counter(
                "gigsy_log_lines_dropped_total",
                "Log lines that never reached the log service.",
            ),
            failed: counter("gigsy_log_calls_failed_total", "Calls of the log service that failed."),
            queued: IntGauge::new("gigsy_log_queue_bytes", "Log lines that wait for the log service.")
                .expect("valid"),
        },
        unwritten: counter(
            "gigsy_log_lines_unwritten_total",
            "Log lines that came faster than they could be written; neither printed nor sent.",
        ),
    }
});

pub(super) fn register(metrics: &Metrics) {
    COUNTERS.shipped.register(metrics);
    metrics.register(COUNTERS.unwritten.clone());
}

/// A line was lost before it came here.
pub(super) fn unwritten() {
    COUNTERS.unwritten.inc();
}

/// Where a formatter writes: a line ends up in the queue.
pub(super) struct Logtail {
    inlet: Inlet,
    line: Vec<u8>,
}

impl Logtail {
    fn new() -> Self {
        Self { inlet: Inlet::new(&COUNTERS.shipped), line: Vec::new() }
    }
}

impl io::Write for Logtail {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        for &byte in bytes {
            if byte == b'\n' {
                let line = std::mem::take(&mut self.line);
                if let Some(line) = reshape(&line) {
                    self.inlet.push(line);
                }
            } else {
                self.line.push(byte);
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A line in Pino's shape as Logtail wants it: `dt` and `message` instead of `time` and `msg`, the level
/// by name.
fn reshape(line: &[u8]) -> Option<Vec<u8>> {
    let mut entry: Map<String, Value> = serde_json::from_slice(line).ok()?;
    let at =
        entry.remove("time").and_then(|time| time.as_i64()).and_then(chrono::DateTime::from_timestamp_millis);
    let at = at.unwrap_or_else(chrono::Utc::now);
    entry.insert("dt".into(), at.to_rfc3339_opts(chrono::SecondsFormat::Millis, true).into());
    if let Some(message) = entry.remove("msg") {
        entry.insert("message".into(), message);
    }
    let level = match entry.get("level").and_then(Value::as_u64) {
        Some(60..) => "fatal",
        Some(50..) => "error",
        Some(40..) => "warn",
        Some(30..) => "info",
        Some(20..) => "debug",
        _ => "trace",
    };
    entry.insert("level".into(), level.into());
    serde_json::to_vec(&entry).ok()
}

/// Starts the sending thread.
pub(super) fn start(config: &LogConfig, token: &str) -> Result<(Shipper, Logtail), TlsError> {
    let logtail = Logtail::new();
    let mut headers = HeaderMap::new();
    // A token with characters that no header takes is refused by the service like any wrong one.
    if let Ok(mut bearer) = HeaderValue::from_str(&format!("Bearer {token}")) {
        bearer.set_sensitive(true);
        headers.insert(AUTHORIZATION, bearer);
    }
    let url = config.logtail_url.clone();
    let destination = Destination { url, headers, before: "[".to_owned(), after: "]" };
    Ok((Shipper::start("gigsy-logs", &logtail.inlet, destination)?, logtail))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_line_is_reshaped() {
        let line = br#"{"msg":"hello","time":1795373426233,"level":40,"pid":7,"room":"a"}"#;
        let entry: Value = serde_json::from_slice(&reshape(line).unwrap()).unwrap();
        let dt = "2026-11-22T18:50:26.233Z";
        assert_eq!(
            entry,
            serde_json::json!({"message": "hello", "dt": dt, "level": "warn", "pid": 7, "room": "a"})
        );
    }

    #[test]
    fn the_queue_is_bounded_and_the_oldest_stay() {
        let mut logtail = Logtail::new();
        let text = "x".repeat(1000);
        for n in 0..6000 {
            writeln!(logtail, r#"{{"msg":"{text}","level":30,"time":1,"n":{n}}}"#).unwrap();
        }
        let (lines, bytes) = logtail.inlet.waiting();
        assert!(bytes <= shipping::QUEUE && lines < 6000, "{lines} lines, {bytes} bytes");
        let first: Value = serde_json::from_slice(&logtail.inlet.first().unwrap()).unwrap();
        assert_eq!(first["n"], 0);
    }
}
