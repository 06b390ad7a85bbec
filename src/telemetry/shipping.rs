//! Entries to a service by HTTP: in batches, again and again until they are taken, never more than a
//! bound.
//!
//! A thread of its own sends; whoever has an entry only appends to a queue. While the service is away the
//! queue fills; past its bound the newest entries are dropped and counted.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use prometheus::{IntCounter, IntGauge};
use reqwest::header::HeaderMap;
use tokio::sync::Notify;
use url::Url;

use crate::{
    telemetry::metrics::Metrics,
    tls::{self, TlsError},
};

/// What the queue holds, in bytes of entries.
pub(super) const QUEUE: usize = 4 * 1024 * 1024;
/// One call carries at most so many entries and bytes.
const BATCH_ENTRIES: usize = 500;
const BATCH_BYTES: usize = 512 * 1024;
/// How long an entry waits for company.
const LINGER: Duration = Duration::from_millis(500);
/// One call may take so long.
const DEADLINE: Duration = Duration::from_secs(10);
/// Between failed calls, doubling.
const RETRY: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(30));
/// What a stop waits for the queue to empty.
const LAST_CALL: Duration = Duration::from_secs(3);

/// What becomes of entries.
pub(super) struct Counters {
    /// Taken by the service.
    pub sent: IntCounter,
    /// Never to reach it.
    pub dropped: IntCounter,
    /// Calls that failed.
    pub failed: IntCounter,
    /// Bytes that wait.
    pub queued: IntGauge,
}

impl Counters {
    pub fn register(&self, metrics: &Metrics) {
        metrics.register(self.sent.clone());
        metrics.register(self.dropped.clone());
        metrics.register(self.failed.clone());
        metrics.register(self.queued.clone());
    }
}

/// Where entries go, and as what: JSON, the entries joined by commas between `before` and `after`.
pub(super) struct Destination {
    pub url: Url,
    /// Besides the content type.
    pub headers: HeaderMap,
    pub before: String,
    pub after: &'static str,
}

#[derive(Default)]
struct Queue {
    entries: VecDeque<Vec<u8>>,
    bytes: usize,
    closed: bool,
}

struct Shared {
    queue: Mutex<Queue>,
    filled: Notify,
    counters: &'static Counters,
}

/// Where entries are put. Cheap to clone.
#[derive(Clone)]
pub(super) struct Inlet(Arc<Shared>);

impl Inlet {
    /// A queue; what is pushed waits for a [`Shipper`].
    pub fn new(counters: &'static Counters) -> Self {
        Self(Arc::new(Shared { queue: Mutex::default(), filled: Notify::new(), counters }))
    }

    /// Appends an entry, JSON without line breaks; past the bound it is dropped.
    pub fn push(&self, entry: Vec<u8>) {
        let shared = &*self.0;
        let mut queue = shared.queue();
        if queue.bytes + entry.len() > QUEUE {
            shared.counters.dropped.inc();
            return;
        }
        queue.bytes += entry.len();
        queue.entries.push_back(entry);
        shared.counters.queued.set(i64::try_from(queue.bytes).unwrap_or(i64::MAX));
        drop(queue);
        shared.filled.notify_one();
    }

    /// What waits: entries and their bytes.
    #[cfg(test)]
    pub fn waiting(&self) -> (usize, usize) {
        let queue = self.0.queue();
        (queue.entries.len(), queue.bytes)
    }

    #[cfg(test)]
    pub fn first(&self) -> Option<Vec<u8>> {
        self.0.queue().entries.front().cloned()
    }
}

impl Shared {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next entries; they count against the queue's bound until [`Shared::forget`].
    fn batch(&self) -> Vec<Vec<u8>> {
        let queue = self.queue();
        let mut bytes = 0;
        queue
            .entries
            .iter()
            .take(BATCH_ENTRIES)
            .take_while(|entry| {
                bytes += entry.len();
                bytes <= BATCH_BYTES.max(entry.len())
            })
            .cloned()
            .collect()
    }

    fn forget(&self, count: usize) {
        let mut queue = self.queue();
        for _ in 0..count {
            let Some(entry) = queue.entries.pop_front() else { break };
            queue.bytes -= entry.len();
        }
        self.counters.queued.set(i64::try_from(queue.bytes).unwrap_or(i64::MAX));
    }
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

impl Shipper {
    /// Starts to send what is put into `inlet`.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub fn start(name: &str, inlet: &Inlet, destination: Destination) -> Result<Self, TlsError> {
        let shared = inlet.0.clone();
        let http = tls::http_client(DEADLINE)?;
        let theirs = shared.clone();
        let thread = std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
                // Without a runtime nothing is sent, and the queue's bound keeps that harmless.
                if let Ok(runtime) = runtime {
                    runtime.block_on(ship(&theirs, &http, &destination));
                }
            })
            .ok();
        Ok(Self { shared, thread })
    }
}

/// What became of a call.
enum Sent {
    Taken,
    /// It will never be taken as it is.
    Refused,
    Later,
}

impl Destination {
    async fn send(&self, http: &reqwest::Client, entries: &[Vec<u8>]) -> Sent {
        let length = entries.iter().map(|entry| entry.len() + 1).sum::<usize>();
        let mut body = Vec::with_capacity(self.before.len() + length + self.after.len());
        body.extend_from_slice(self.before.as_bytes());
        body.extend_from_slice(&entries.join(&b','));
        body.extend_from_slice(self.after.as_bytes());
        let request = http.post(self.url.clone()).headers(self.headers.clone());
        match request.header("content-type", "application/json").body(body).send().await {
            Ok(answer) if answer.status().is_success() => Sent::Taken,
            // A wrong token may be put right; a body that is refused stays refused.
            Ok(answer) if matches!(answer.status().as_u16(), 400 | 413 | 422) => Sent::Refused,
            _ => Sent::Later,
        }
    }
}

async fn ship(shared: &Shared, http: &reqwest::Client, destination: &Destination) {
    let counters = shared.counters;
    let mut wait = RETRY.0;
    let mut last_call: Option<Instant> = None;
    loop {
        let (empty, closed) = {
            let queue = shared.queue();
            (queue.entries.is_empty(), queue.closed)
        };
        if closed && last_call.is_none() {
            last_call = Some(Instant::now() + LAST_CALL);
        }
        let over = last_call.is_some_and(|end| Instant::now() >= end);
        if closed && (empty || over) {
            counters.dropped.inc_by(shared.queue().entries.len() as u64);
            return;
        }
        if empty {
            shared.filled.notified().await;
            continue;
        }
        if !closed {
            tokio::time::sleep(LINGER).await;
        }
        let entries = shared.batch();
        let mut sending = std::pin::pin!(destination.send(http, &entries));
        let sent = loop {
            if let Some(end) = last_call {
                break tokio::time::timeout_at(end.into(), sending).await.unwrap_or(Sent::Later);
            }
            // A stop does not wait for a service that stalls.
            tokio::select! {
                sent = &mut sending => break sent,
                () = shared.filled.notified() => {
                    if shared.queue().closed {
                        last_call = Some(Instant::now() + LAST_CALL);
                    }
                }
            }
        };
        match sent {
            Sent::Taken => {
                shared.forget(entries.len());
                counters.sent.inc_by(entries.len() as u64);
                wait = RETRY.0;
            }
            Sent::Refused => {
                shared.forget(entries.len());
                counters.dropped.inc_by(entries.len() as u64);
                counters.failed.inc();
            }
            Sent::Later => {
                counters.failed.inc();
                // A stop ends the wait; `filled` also wakes for entries, which then wait their turn.
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
