//! Log lines to Logtail (Better Stack) over HTTPS.
//!
//! Its HTTP source takes a JSON array of objects with `dt` and `message`, with the source's token as
//! bearer, and answers 202. A thread of its own sends; whoever logs only appends to a bounded queue.
//! While Logtail is away the queue fills; past its bound the newest lines are dropped and counted.

use std::{
    collections::VecDeque,
    io,
    sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use prometheus::{IntCounter, IntGauge};
use serde_json::{Map, Value};
use tokio::sync::Notify;
use url::Url;

use crate::{
    config::LogConfig,
    telemetry::metrics::Metrics,
    tls::{self, TlsError},
};

/// What the queue holds, in bytes of log lines.
const QUEUE: usize = 4 * 1024 * 1024;
/// One call carries at most so many lines and bytes.
const BATCH_LINES: usize = 500;
const BATCH_BYTES: usize = 512 * 1024;
/// How long a line waits for company.
const LINGER: Duration = Duration::from_millis(500);
/// One call may take so long.
const DEADLINE: Duration = Duration::from_secs(10);
/// Between failed calls, doubling.
const RETRY: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(30));
/// What a stop waits for the queue to empty.
const LAST_CALL: Duration = Duration::from_secs(3);

struct Counters {
    sent: IntCounter,
    dropped: IntCounter,
    failed: IntCounter,
    queued: IntGauge,
    unwritten: IntCounter,
}

#[expect(clippy::expect_used, reason = "constant declarations")]
static COUNTERS: LazyLock<Counters> = LazyLock::new(|| Counters {
    sent: IntCounter::new("gigsy_log_lines_sent_total", "Log lines that the log service took.")
        .expect("valid"),
    dropped: IntCounter::new(
        "gigsy_log_lines_dropped_total",
        "Log lines that never reached the log service.",
    )
    .expect("valid"),
    failed: IntCounter::new("gigsy_log_calls_failed_total", "Calls of the log service that failed.")
        .expect("valid"),
    queued: IntGauge::new("gigsy_log_queue_bytes", "Log lines that wait for the log service.")
        .expect("valid"),
    unwritten: IntCounter::new(
        "gigsy_log_lines_unwritten_total",
        "Log lines that came faster than they could be written; neither printed nor sent.",
    )
    .expect("valid"),
});

pub(super) fn register(metrics: &Metrics) {
    metrics.register(COUNTERS.sent.clone());
    metrics.register(COUNTERS.dropped.clone());
    metrics.register(COUNTERS.failed.clone());
    metrics.register(COUNTERS.queued.clone());
    metrics.register(COUNTERS.unwritten.clone());
}

/// A line was lost before it came here.
pub(super) fn unwritten() {
    COUNTERS.unwritten.inc();
}

#[derive(Default)]
struct Queue {
    lines: VecDeque<Vec<u8>>,
    bytes: usize,
    closed: bool,
}

#[derive(Default)]
struct Shared {
    queue: Mutex<Queue>,
    filled: Notify,
}

impl Shared {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, line: Vec<u8>) {
        let mut queue = self.queue();
        if queue.bytes + line.len() > QUEUE {
            COUNTERS.dropped.inc();
            return;
        }
        queue.bytes += line.len();
        queue.lines.push_back(line);
        COUNTERS.queued.set(i64::try_from(queue.bytes).unwrap_or(i64::MAX));
        drop(queue);
        self.filled.notify_one();
    }

    /// The next lines; they count against the queue's bound until [`Shared::forget`].
    fn batch(&self) -> Vec<Vec<u8>> {
        let queue = self.queue();
        let mut bytes = 0;
        queue
            .lines
            .iter()
            .take(BATCH_LINES)
            .take_while(|line| {
                bytes += line.len();
                bytes <= BATCH_BYTES.max(line.len())
            })
            .cloned()
            .collect()
    }

    fn forget(&self, count: usize) {
        let mut queue = self.queue();
        for _ in 0..count {
            let Some(line) = queue.lines.pop_front() else { break };
            queue.bytes -= line.len();
        }
        COUNTERS.queued.set(i64::try_from(queue.bytes).unwrap_or(i64::MAX));
    }
}

/// Where a formatter writes: a line ends up in the queue.
pub(super) struct Logtail {
    shared: Arc<Shared>,
    line: Vec<u8>,
}

impl io::Write for Logtail {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        for &byte in bytes {
            if byte == b'\n' {
                let line = std::mem::take(&mut self.line);
                if let Some(line) = reshape(&line) {
                    self.shared.push(line);
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

/// The sending thread. Dropped, it sends what is queued for [`LAST_CALL`] at most.
pub(super) struct Shipper {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Shipper {
    fn drop(&mut self) {
        self.shared.queue().closed = true;
        self.shared.filled.notify_one();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Starts the sending thread.
pub(super) fn start(config: &LogConfig, token: &str) -> Result<(Shipper, Logtail), TlsError> {
    let shared = Arc::new(Shared::default());
    let source = Source {
        http: tls::http_client(DEADLINE)?,
        url: config.logtail_url.clone(),
        token: token.to_owned(),
    };
    let theirs = shared.clone();
    let thread = std::thread::Builder::new()
        .name("gigsy-logs".into())
        .spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            // Without a runtime nothing is sent, and the queue's bound keeps that harmless.
            if let Ok(runtime) = runtime {
                runtime.block_on(ship(&theirs, &source));
            }
        })
        .ok();
    Ok((Shipper { shared: shared.clone(), thread }, Logtail { shared, line: Vec::new() }))
}

struct Source {
    http: reqwest::Client,
    url: Url,
    token: String,
}

/// What became of a call.
enum Sent {
    Taken,
    /// It will never be taken as it is.
    Refused,
    Later,
}

impl Source {
    async fn send(&self, lines: &[Vec<u8>]) -> Sent {
        let mut body = Vec::with_capacity(lines.iter().map(|line| line.len() + 1).sum::<usize>() + 1);
        body.push(b'[');
        for (place, line) in lines.iter().enumerate() {
            if place > 0 {
                body.push(b',');
            }
            body.extend_from_slice(line);
        }
        body.push(b']');
        let request = self.http.post(self.url.clone()).bearer_auth(&self.token);
        match request.header("content-type", "application/json").body(body).send().await {
            Ok(answer) if answer.status().is_success() => Sent::Taken,
            // A wrong token may be put right; a body that is refused stays refused.
            Ok(answer) if matches!(answer.status().as_u16(), 400 | 413 | 422) => Sent::Refused,
            _ => Sent::Later,
        }
    }
}

async fn ship(shared: &Shared, source: &Source) {
    let mut wait = RETRY.0;
    let mut last_call: Option<Instant> = None;
    loop {
        let (empty, closed) = {
            let queue = shared.queue();
            (queue.lines.is_empty(), queue.closed)
        };
        if closed && last_call.is_none() {
            last_call = Some(Instant::now() + LAST_CALL);
        }
        let over = last_call.is_some_and(|end| Instant::now() >= end);
        if closed && (empty || over) {
            COUNTERS.dropped.inc_by(shared.queue().lines.len() as u64);
            return;
        }
        if empty {
            shared.filled.notified().await;
            continue;
        }
        if !closed {
            tokio::time::sleep(LINGER).await;
        }
        let lines = shared.batch();
        let sending = source.send(&lines);
        let sent = match last_call {
            None => sending.await,
            Some(end) => tokio::time::timeout_at(end.into(), sending).await.unwrap_or(Sent::Later),
        };
        match sent {
            Sent::Taken => {
                shared.forget(lines.len());
                COUNTERS.sent.inc_by(lines.len() as u64);
                wait = RETRY.0;
            }
            Sent::Refused => {
                shared.forget(lines.len());
                COUNTERS.dropped.inc_by(lines.len() as u64);
                COUNTERS.failed.inc();
            }
            Sent::Later => {
                COUNTERS.failed.inc();
                // A stop ends the wait; `filled` also wakes for lines, which then wait their turn.
                let until = Instant::now() + wait;
                while Instant::now() < until && (last_call.is_some() || !shared.queue().closed) {
                    let _ = tokio::time::timeout_at(until.into(), shared.filled.notified()).await;
                    if last_call.is_some_and(|end| Instant::now() >= end) {
                        break;
                    }
                }
                wait = (wait * 2).min(RETRY.1);
            }
        }
    }
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
        let shared = Arc::new(Shared::default());
        let mut logtail = Logtail { shared: shared.clone(), line: Vec::new() };
        let text = "x".repeat(1000);
        for n in 0..6000 {
            writeln!(logtail, r#"{{"msg":"{text}","level":30,"time":1,"n":{n}}}"#).unwrap();
        }
        assert!(shared.queue().bytes <= QUEUE);
        let first: Value = serde_json::from_slice(&shared.batch()[0]).unwrap();
        assert_eq!(first["n"], 0);
        let count = shared.batch().len();
        shared.forget(count);
        let next: Value = serde_json::from_slice(&shared.batch()[0]).unwrap();
        assert_eq!(next["n"], count);
    }
}
