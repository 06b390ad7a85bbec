//! Words between nodes.
//!
//! What a bus carries must not be lost; a word may be. It tells the other nodes that something is new
//! (a room's log grew, a cached row changed, somebody types), and whoever hears it looks at the store,
//! which is the truth. So a word is never queued while the bus is away and never makes its sender
//! wait. What makes up for lost words is the *gap*: after each connection to the bus, its own or
//! another node's, every node is told to look again.

use std::{
    collections::HashMap,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, OnceLock, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use bytes::Bytes;
use prometheus::{IntCounter, IntCounterVec, Opts};
use tokio::sync::{Notify, mpsc};
use uuid::Uuid;

use crate::telemetry::{log, metrics::Metrics};

/// The longest body of a word, in bytes. A NATS server takes 1 MiB by default.
pub const MAX_BODY: usize = 256 * 1024;
/// Words that may wait for the client to take them; it takes them at once while it is connected.
const OUTBOX: usize = 8 * 1024;
/// Gaps come in bursts (every node reconnects to a server that was restarted): handlers run at most
/// so often.
const GAPS_APART: Duration = Duration::from_millis(250);

type Handler = Arc<dyn Fn(Bytes) + Send + Sync>;
type GapHandler = Arc<dyn Fn() + Send + Sync>;

/// Best-effort word between nodes: lost while the bus is away, never queued, never blocking. A hint;
/// the truth is in a store. Cheap to clone.
#[derive(Clone)]
pub struct Signals {
    inner: Arc<Inner>,
}

struct Inner {
    node: Uuid,
    out: Option<mpsc::Sender<Word>>,
    handlers: RwLock<HashMap<&'static str, Vec<Handler>>>,
    gap_handlers: RwLock<Vec<GapHandler>>,
    gap: Notify,
    /// The bus is not connected now.
    away: AtomicBool,
    /// Words were thrown away: the others have a gap.
    overflowed: AtomicBool,
    metrics: OnceLock<SignalMetrics>,
}

/// A word on its way out.
#[derive(Clone, Debug)]
pub(super) struct Word {
    pub topic: &'static str,
    pub body: Bytes,
}

impl Signals {
    /// No other nodes: nothing is sent, nothing comes.
    pub fn alone() -> Self {
        Self::with(None)
    }

    fn with(out: Option<mpsc::Sender<Word>>) -> Self {
        Self {
            inner: Arc::new(Inner {
                node: Uuid::new_v4(),
                out,
                handlers: RwLock::default(),
                gap_handlers: RwLock::default(),
                gap: Notify::new(),
                away: AtomicBool::new(false),
                overflowed: AtomicBool::new(false),
                metrics: OnceLock::new(),
            }),
        }
    }

    /// With the place where what is sent comes out. Runs gap handlers in a task of this runtime.
    pub(super) fn connected() -> (Self, mpsc::Receiver<Word>) {
        let (out, words) = mpsc::channel(OUTBOX);
        let this = Self::with(Some(out));
        let weak = Arc::downgrade(&this.inner);
        tokio::spawn(async move {
            while let Some(inner) = weak.upgrade() {
                let waited = tokio::time::timeout(Duration::from_secs(5), inner.gap.notified()).await;
                if waited.is_ok() {
                    Self { inner }.run_gap_handlers();
                    tokio::time::sleep(GAPS_APART).await;
                }
            }
        });
        (this, words)
    }

    /// Counts from now on.
    pub fn observe_with(&self, metrics: &Metrics) {
        let _ = self.inner.metrics.set(SignalMetrics::new(metrics));
    }

    /// This node's name among the others: another one with each start.
    pub fn node(&self) -> Uuid {
        self.inner.node
    }

    /// Whether there can be other nodes; who has much to prepare for a word may ask first.
    pub fn is_alone(&self) -> bool {
        self.inner.out.is_none()
    }

    /// Whether the bus is away, so that words are certainly lost: what cannot wait for the gap has to
    /// look by itself meanwhile.
    pub fn is_away(&self) -> bool {
        self.inner.away.load(Relaxed)
    }

    pub(super) fn set_away(&self, away: bool) {
        self.inner.away.store(away, Relaxed);
    }

    /// Sends a word to the handlers on **other** nodes. `topic` is a NATS token: letters, digits, `_`,
    /// `-`. A body over [`MAX_BODY`] is not sent.
    pub fn send(&self, topic: &'static str, body: Bytes) {
        let Some(out) = &self.inner.out else { return };
        if body.len() > MAX_BODY {
            slog::warn!(log(), "a word to other nodes is too long"; "topic" => topic, "bytes" => body.len());
            return self.dropped("too_long");
        }
        match out.try_send(Word { topic, body }) {
            Ok(()) => self.count(|m| m.sent.with_label_values(&[topic]).inc()),
            Err(_) => self.lost("full"),
        }
    }

    /// Calls `handler` with each word of that topic from other nodes, in the order in which each node
    /// sent them. It must be quick and must not block: all words come through one task.
    pub fn on(&self, topic: &'static str, handler: impl Fn(Bytes) + Send + Sync + 'static) {
        let mut handlers = self.inner.handlers.write().unwrap_or_else(PoisonError::into_inner);
        handlers.entry(topic).or_default().push(Arc::new(handler));
    }

    /// Calls `handler` when words may have been missed: after this node's connection to the bus or
    /// another node's (whose words were lost while it was away), the first one included. Look again
    /// at whatever words would have told. It must be quick, as with [`Signals::on`].
    pub fn on_gap(&self, handler: impl Fn() + Send + Sync + 'static) {
        let mut handlers = self.inner.gap_handlers.write().unwrap_or_else(PoisonError::into_inner);
        handlers.push(Arc::new(handler));
    }

    /// A word came from another node.
    pub(super) fn deliver(&self, topic: &str, body: &Bytes) {
        let found = {
            let handlers = self.inner.handlers.read().unwrap_or_else(PoisonError::into_inner);
            handlers.get_key_value(topic).map(|(topic, handlers)| (*topic, handlers.clone()))
        };
        // A newer version may speak of what this one does not know.
        let Some((topic, handlers)) = found else { return self.dropped("unheard") };
        if body.len() > MAX_BODY {
            return self.dropped("malformed");
        }
        self.count(|m| m.received.with_label_values(&[topic]).inc());
        for handler in handlers {
            guarded(topic, || handler(body.clone()));
        }
    }

    /// Somebody may have missed something: everybody looks again, soon.
    pub(super) fn gap(&self) {
        self.inner.gap.notify_one();
    }

    /// Whether words were thrown away since it was last asked.
    pub(super) fn take_overflowed(&self) -> bool {
        self.inner.overflowed.swap(false, Relaxed)
    }

    /// A word was lost on its way out: the others will be told to look again.
    pub(super) fn lost(&self, why: &str) {
        self.inner.overflowed.store(true, Relaxed);
        self.dropped(why);
    }

    /// A word that did not go out, or made no sense.
    pub(super) fn dropped(&self, why: &str) {
        self.count(|m| m.dropped.with_label_values(&[why]).inc());
    }

    fn run_gap_handlers(&self) {
        self.count(|m| m.gaps.inc());
        let handlers = self.inner.gap_handlers.read().unwrap_or_else(PoisonError::into_inner).clone();
        for handler in handlers {
            guarded("gap", || handler());
        }
    }

    fn count(&self, how: impl FnOnce(&SignalMetrics)) {
        if let Some(metrics) = self.inner.metrics.get() {
            how(metrics);
        }
    }
}

/// A handler that panics must not make the node deaf.
fn guarded(topic: &str, run: impl FnOnce()) {
    if catch_unwind(AssertUnwindSafe(run)).is_err() {
        slog::error!(log(), "what was to act on another node's word panicked"; "topic" => topic.to_owned());
    }
}

struct SignalMetrics {
    sent: IntCounterVec,
    received: IntCounterVec,
    dropped: IntCounterVec,
    gaps: IntCounter,
}

impl SignalMetrics {
    #[expect(clippy::expect_used, reason = "constant names, at start only")]
    fn new(metrics: &Metrics) -> Self {
        let by = |name: &str, help: &str, label: &str| {
            metrics.register(IntCounterVec::new(Opts::new(name, help), &[label]).expect("valid names"))
        };
        Self {
            sent: by("gigsy_signals_sent_total", "Words handed out to other nodes", "topic"),
            received: by("gigsy_signals_received_total", "Words from other nodes", "topic"),
            dropped: by("gigsy_signals_dropped_total", "Words that were not sent or not understood", "why"),
            gaps: metrics.register(
                IntCounter::new("gigsy_signals_gaps_total", "Times that words may have been missed")
                    .expect("valid names"),
            ),
        }
    }
}

/// Nodes in one process, for tests: what one sends the others hear, in order, until the cable is cut.
#[cfg(test)]
pub(crate) mod mesh {
    use super::*;

    /// The cable between them.
    #[derive(Clone)]
    pub(crate) struct Cable {
        nodes: Arc<Vec<Signals>>,
        cut: Arc<AtomicBool>,
    }

    impl Cable {
        /// Words are lost from now on.
        pub(crate) fn cut(&self) {
            self.cut.store(true, Relaxed);
            self.nodes.iter().for_each(|node| node.set_away(true));
        }

        /// Words go through again, and everybody has a gap.
        pub(crate) fn mend(&self) {
            self.cut.store(false, Relaxed);
            self.nodes.iter().for_each(|node| node.set_away(false));
            self.nodes.iter().for_each(Signals::gap);
        }
    }

    /// So many nodes.
    pub(crate) fn mesh(count: usize) -> (Vec<Signals>, Cable) {
        let (nodes, outs): (Vec<_>, Vec<_>) = (0..count).map(|_| Signals::connected()).unzip();
        let cable = Cable { nodes: Arc::new(nodes.clone()), cut: Arc::default() };
        for (from, mut out) in outs.into_iter().enumerate() {
            let cable = cable.clone();
            tokio::spawn(async move {
                while let Some(Word { topic, body }) = out.recv().await {
                    if cable.cut.load(Relaxed) {
                        continue;
                    }
                    for (to, node) in cable.nodes.iter().enumerate() {
                        if to != from {
                            node.deliver(topic, &body);
                        }
                    }
                }
            });
        }
        (nodes, cable)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Mutex, atomic::AtomicUsize};

    use super::*;

    fn heard(signals: &Signals, topic: &'static str) -> Arc<Mutex<Vec<Bytes>>> {
        let list: Arc<Mutex<Vec<Bytes>>> = Arc::default();
        let kept = list.clone();
        signals.on(topic, move |body| kept.lock().unwrap().push(body));
        list
    }

    #[tokio::test]
    async fn others_hear_and_oneself_does_not() {
        let (nodes, cable) = mesh::mesh(3);
        let lists: Vec<_> = nodes.iter().map(|node| heard(node, "t")).collect();
        for n in 0..5u8 {
            nodes[0].send("t", Bytes::copy_from_slice(&[n]));
        }
        nodes[0].send("unknown", Bytes::from_static(b"x"));
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert_eq!(lists[0].lock().unwrap().len(), 0);
        for list in &lists[1..] {
            assert_eq!(*list.lock().unwrap(), (0..5u8).map(|n| vec![n]).collect::<Vec<_>>());
        }
        cable.cut();
        nodes[1].send("t", Bytes::from_static(b"lost"));
        tokio::time::sleep(Duration::from_millis(20)).await;
        let gaps = Arc::new(AtomicUsize::new(0));
        let counted = gaps.clone();
        nodes[2].on_gap(move || {
            counted.fetch_add(1, Relaxed);
        });
        cable.mend();
        cable.mend();
        nodes[1].send("t", Bytes::from_static(b"kept"));
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert_eq!(lists[2].lock().unwrap().last().unwrap().as_ref(), b"kept");
        assert_eq!(lists[2].lock().unwrap().len(), 6);
        assert_eq!(gaps.load(Relaxed), 1, "a burst of gaps is one look");
    }

    #[tokio::test]
    async fn what_is_too_long_or_too_much_is_dropped_and_said() {
        let (signals, mut words) = Signals::connected();
        let metrics = Metrics::new();
        signals.observe_with(&metrics);
        signals.send("t", Bytes::from(vec![0; MAX_BODY + 1]));
        assert!(words.try_recv().is_err() && !signals.take_overflowed());
        for _ in 0..=OUTBOX {
            signals.send("t", Bytes::from_static(b"x"));
        }
        assert!(signals.take_overflowed() && !signals.take_overflowed());
        let text = String::from_utf8(metrics.render()).unwrap();
        for line in [
            "gigsy_signals_dropped_total{why=\"too_long\"} 1",
            "gigsy_signals_dropped_total{why=\"full\"} 1",
            &format!("gigsy_signals_sent_total{{topic=\"t\"}} {OUTBOX}"),
        ] {
            assert!(text.contains(line), "{line} in {text}");
        }
    }

    #[tokio::test]
    async fn a_handler_that_panics_does_not_make_a_node_deaf() {
        let (signals, _words) = Signals::connected();
        signals.on("t", |_| panic!("as told"));
        let list = heard(&signals, "t");
        signals.deliver("t", &Bytes::from_static(b"x"));
        assert_eq!(list.lock().unwrap().len(), 1);
    }

    #[test]
    fn alone_nothing_happens() {
        let signals = Signals::alone();
        let list = heard(&signals, "t");
        signals.send("t", Bytes::from_static(b"x"));
        assert!(signals.is_alone() && list.lock().unwrap().is_empty());
    }
}
