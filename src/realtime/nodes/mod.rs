//! The other nodes, as the hub sees them.
//!
//! Each node has one numbered stream of what the others must know: publications for rings, who came
//! and went. It goes out in pieces as words ([`Signals`]), which may be lost; the number tells, and
//! whoever misses some asks for them again. A node keeps the last of its stream; for what it has no
//! more it tells who is present instead, and rings begin a new epoch, so that clients learn that they
//! missed something. So presence is the same everywhere soon after the bus is back, and a ring's
//! publication is lost only with the node that had it.
//!
//! Rooms need none of that: their log is the truth that all nodes share, and the word is only a hint
//! to look ([`Hub::grown`]). Who types is not worth a second word.
//!
//! `docs/decisions/0008-several-nodes.md` tells why.

mod journal;
mod peers;
mod wire;

use std::{
    collections::{HashMap, HashSet},
    mem,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, RwLock, Weak,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use prometheus::{IntCounter, IntGauge};
use serde::{Serialize, de::DeserializeOwned};
use tokio::sync::Notify;

use self::{
    journal::{BATCH_BYTES, Journal},
    peers::{Effect, Peers},
    wire::{ASK, Ask, BEAT, Beat, GROWN, Grown, LIVE, LiveIn, LiveOut, PASSING, Passing, STATE, State},
};
use super::{
    channels::{Channel, ClientId, ClientInfo},
    hub::{self, Hub},
    log::{MemoryRing, Publication},
};
use crate::{ports::bus::Signals, principal::UserId, telemetry::metrics::Metrics};

pub(in crate::realtime) use self::wire::{Entry, Seat};

/// Between two signs of life.
const BEAT_EVERY: Duration = Duration::from_secs(2);
/// Channels named in one word.
const NAMED: usize = 200;
/// Seats told in one word; each takes a few hundred bytes at most.
const SEATS: usize = BATCH_BYTES / 512;
/// Words of a stream that are said again at once.
const AGAIN: usize = 64;

type Follower = Arc<dyn Fn(&Channel) + Send + Sync>;

/// This node's end of the talk.
pub(super) struct Nodes {
    signals: Signals,
    journal: Mutex<Journal>,
    peers: Mutex<Peers>,
    grown: Mutex<HashSet<Channel>>,
    followers: RwLock<HashMap<&'static str, Follower>>,
    rings: RwLock<HashMap<&'static str, Ring>>,
    wake: Arc<Notify>,
    /// A sign of life is due now.
    beat: AtomicBool,
    /// Goodbye was said: not another word.
    gone: AtomicBool,
    metrics: NodeMetrics,
}

struct Ring {
    ring: Arc<MemoryRing>,
    /// The server subscribes by itself, and SDKs do so only when they connect.
    server_side: bool,
}

struct NodeMetrics {
    peers: IntGauge,
    asked: IntCounter,
    renewed: IntCounter,
}

impl NodeMetrics {
    #[expect(clippy::expect_used, reason = "constant names, at start only")]
    fn new(metrics: &Metrics) -> Self {
        let counter = |name, help| metrics.register(IntCounter::new(name, help).expect("a metric's name"));
        Self {
            peers: metrics.register(
                IntGauge::new("gigsy_nodes_peers", "Other nodes that are known").expect("a metric's name"),
            ),
            asked: counter("gigsy_nodes_asked_total", "Times that another node was asked to say it again"),
            renewed: counter("gigsy_nodes_rings_renewed_total", "Times that rings began a new epoch"),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Nodes {
    pub fn new(signals: Signals, metrics: &Metrics) -> Self {
        Self {
            signals,
            journal: Mutex::default(),
            peers: Mutex::default(),
            grown: Mutex::default(),
            followers: RwLock::default(),
            rings: RwLock::default(),
            wake: Arc::new(Notify::new()),
            beat: AtomicBool::new(true),
            gone: AtomicBool::new(false),
            metrics: NodeMetrics::new(metrics),
        }
    }

    /// Listens, and speaks from a task of this runtime for as long as the hub lives.
    pub fn start(hub: &Hub) {
        let Some(nodes) = hub.nodes() else { return };
        let weak = hub.downgrade();
        hear::<LiveIn>(nodes, LIVE, &weak, |nodes, word, out| {
            lock(&nodes.peers).live(word, Instant::now(), out)
        });
        hear::<Beat>(nodes, BEAT, &weak, |nodes, word, out| {
            lock(&nodes.peers).beat(&word, Instant::now(), out)
        });
        let own = nodes.signals.node();
        hear::<State>(nodes, STATE, &weak, move |nodes, word, out| {
            if word.to == own {
                lock(&nodes.peers).state(word, Instant::now(), out);
            }
        });
        let hub = weak.clone();
        nodes.signals.on(ASK, move |body| {
            if let (Some(hub), Some(ask)) = (upgrade(&hub), read::<Ask>(&body))
                && ask.to == own
            {
                hub.answer(&ask);
            }
        });
        let hub = weak.clone();
        nodes.signals.on(GROWN, move |body| {
            if let (Some(hub), Some(word)) = (upgrade(&hub), read::<Grown>(&body)) {
                word.channels.iter().for_each(|channel| hub.look(channel));
            }
        });
        let hub = weak.clone();
        nodes.signals.on(PASSING, move |body| {
            if let (Some(hub), Some(word)) = (upgrade(&hub), read::<Passing>(&body)) {
                hub.publish(&word.channel, &word.publication);
            }
        });
        let hub = weak.clone();
        nodes.signals.on_gap(move || {
            if let Some(hub) = upgrade(&hub) {
                hub.look_again();
            }
        });
        let wake = nodes.wake.clone();
        tokio::spawn(async move {
            loop {
                match upgrade(&weak) {
                    Some(hub) => hub.speak(),
                    None => return,
                }
                // Woken early, or it is time for a sign of life.
                if tokio::time::timeout(BEAT_EVERY, wake.notified()).await.is_err()
                    && let Some(hub) = upgrade(&weak)
                {
                    hub.round();
                }
            }
        });
    }

    pub fn say(&self, entry: &Entry) {
        lock(&self.journal).push(entry);
        self.wake.notify_one();
    }

    pub fn pass(&self, channel: &Channel, publication: &Publication) {
        self.send(PASSING, &Passing { channel: channel.clone(), publication: publication.clone() });
    }

    pub fn grown(&self, channel: &Channel) {
        if lock(&self.grown).insert(channel.clone()) {
            self.wake.notify_one();
        }
    }

    pub fn follow(&self, namespace: &'static str, follower: Follower) {
        self.followers.write().unwrap_or_else(PoisonError::into_inner).insert(namespace, follower);
    }

    pub fn add_ring(&self, namespaces: &[&'static str], ring: &Arc<MemoryRing>, server_side: bool) {
        let mut rings = self.rings.write().unwrap_or_else(PoisonError::into_inner);
        for namespace in namespaces {
            rings.insert(namespace, Ring { ring: ring.clone(), server_side });
        }
    }

    pub fn present(&self, channel: &Channel) -> Vec<ClientInfo> {
        lock(&self.peers).present(channel).map(|info| (**info).clone()).collect()
    }

    pub fn count(&self, channel: &Channel, users: &mut HashSet<UserId>) -> usize {
        lock(&self.peers).count(channel, users)
    }

    fn follower(&self, channel: &Channel) -> Option<Follower> {
        self.followers.read().unwrap_or_else(PoisonError::into_inner).get(channel.namespace()).cloned()
    }

    fn ring(&self, channel: &Channel) -> Option<Arc<MemoryRing>> {
        let rings = self.rings.read().unwrap_or_else(PoisonError::into_inner);
        rings.get(channel.namespace()).map(|ring| ring.ring.clone())
    }

    fn send<T: Serialize>(&self, topic: &'static str, word: &T) {
        if self.gone.load(Relaxed) {
            return;
        }
        // Ours to serialise: it always can be.
        if let Ok(body) = serde_json::to_vec(word) {
            self.signals.send(topic, Bytes::from(body));
        }
    }
}

fn upgrade(hub: &Weak<hub::Inner>) -> Option<Hub> {
    hub.upgrade().map(Hub::of)
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Option<T> {
    match serde_json::from_slice(body) {
        Ok(word) => Some(word),
        Err(error) => {
            slog::debug!(crate::telemetry::log(), "a node said what makes no sense here"; "error" => %error);
            None
        }
    }
}

/// Listens to one kind of word that changes what is known of the others.
fn hear<T: DeserializeOwned + 'static>(
    nodes: &Nodes,
    topic: &'static str,
    hub: &Weak<hub::Inner>,
    take: impl Fn(&Nodes, T, &mut Vec<Effect>) + Send + Sync + 'static,
) {
    let hub = hub.clone();
    nodes.signals.on(topic, move |body| {
        let Some(hub) = upgrade(&hub) else { return };
        let (Some(nodes), Some(word)) = (hub.nodes(), read::<T>(&body)) else { return };
        let mut effects = Vec::new();
        take(nodes, word, &mut effects);
        hub.apply(effects);
    });
}

/// What the hub does for and because of other nodes. Without others, nothing.
impl Hub {
    /// Publishes what is kept nowhere (who types) on all nodes.
    pub fn broadcast(&self, channel: &Channel, publication: &Publication) {
        self.publish(channel, publication);
        if let Some(nodes) = self.nodes() {
            nodes.pass(channel, publication);
        }
    }

    /// Publishes, on all nodes, what is in a log that they share: its offset is the same everywhere.
    ///
    /// Two nodes that publish to one channel at once may be heard in the other order elsewhere;
    /// members there are then closed with 3010 and recover.
    pub fn publish_everywhere(&self, channel: &Channel, publication: &Publication) {
        self.publish(channel, publication);
        if let Some(nodes) = self.nodes() {
            nodes.say(&Entry::Logged { channel: channel.clone(), publication: publication.clone() });
        }
    }

    /// Tells the other nodes that a log which all share grew: they look ([`Hub::follow`]).
    pub fn grown(&self, channel: &Channel) {
        if let Some(nodes) = self.nodes() {
            nodes.grown(channel);
        }
    }

    /// Calls `follower` with a channel of that namespace whose log grew on another node, and after a
    /// gap with each that has members here. It must be quick.
    pub fn follow(&self, namespace: &'static str, follower: impl Fn(&Channel) + Send + Sync + 'static) {
        if let Some(nodes) = self.nodes() {
            nodes.follow(namespace, Arc::new(follower));
        }
    }

    /// Whether members here count on hearing what other nodes write to that channel.
    pub fn follows(&self, channel: &Channel) -> bool {
        self.nodes().is_some() && self.has_members(channel)
    }

    /// Tells the other nodes that this one goes, in order.
    pub fn say_goodbye(&self) {
        if let Some(nodes) = self.nodes() {
            self.speak();
            let from = nodes.signals.node();
            nodes.send(BEAT, &Beat { from, n: lock(&nodes.journal).sent(), bye: true });
            nodes.gone.store(true, Relaxed);
        }
    }

    pub(super) fn tell_join(&self, channel: &Channel, info: &Arc<ClientInfo>, announce: bool) {
        if let Some(nodes) = self.nodes() {
            nodes.say(&Entry::Join { channel: channel.clone(), info: info.clone(), announce });
        }
    }

    pub(super) fn tell_leave(&self, channel: &Channel, client: ClientId) {
        if let Some(nodes) = self.nodes() {
            nodes.say(&Entry::Leave { channel: channel.clone(), client });
        }
    }

    /// Says what waits.
    fn speak(&self) {
        let Some(nodes) = self.nodes() else { return };
        let from = nodes.signals.node();
        let grown: Vec<Channel> = mem::take(&mut *lock(&nodes.grown)).into_iter().collect();
        for channels in grown.chunks(NAMED) {
            nodes.send(GROWN, &Grown { channels: channels.to_vec() });
        }
        {
            let mut journal = lock(&nodes.journal);
            while let Some((first, entries)) = journal.take() {
                nodes.send(LIVE, &LiveOut { from, first, entries });
            }
        }
        if nodes.beat.swap(false, Relaxed) {
            let n = lock(&nodes.journal).sent();
            nodes.send(BEAT, &Beat { from, n, bye: false });
        }
    }

    /// A sign of life, and a look at the others'.
    fn round(&self) {
        let Some(nodes) = self.nodes() else { return };
        nodes.beat.store(true, Relaxed);
        let mut effects = Vec::new();
        if nodes.signals.is_away() {
            // Silence means nothing now.
            lock(&nodes.peers).back(Instant::now());
        } else {
            lock(&nodes.peers).expire(Instant::now(), &mut effects);
        }
        self.apply(effects);
    }

    /// Words may have been missed: by us, by others.
    fn look_again(&self) {
        let Some(nodes) = self.nodes() else { return };
        lock(&nodes.peers).back(Instant::now());
        nodes.beat.store(true, Relaxed);
        nodes.wake.notify_one();
        for channel in self.channels_with_members() {
            self.look(&channel);
        }
    }

    fn look(&self, channel: &Channel) {
        if let Some(follower) = self.nodes().and_then(|nodes| nodes.follower(channel)) {
            follower(channel);
        }
    }

    /// Says again what another node missed.
    fn answer(&self, ask: &Ask) {
        let Some(nodes) = self.nodes() else { return };
        let from = nodes.signals.node();
        let number = {
            let journal = lock(&nodes.journal);
            if let Some(mut n) = ask.after.filter(|n| journal.reaches(*n)) {
                // Who needs more asks again.
                for _ in 0..AGAIN {
                    let Some((first, entries)) = journal.again(n) else { break };
                    n = first + entries.len() as u64 - 1;
                    nodes.send(LIVE, &LiveOut { from, first, entries });
                }
                return;
            }
            journal.sent()
        };
        // The number first: what happens meanwhile is told twice, and never missed.
        let seats: Vec<Seat> = self.seats();
        let mut parts = seats.chunks(SEATS).peekable();
        let mut part = 0;
        loop {
            let seats = parts.next().map(<[Seat]>::to_vec).unwrap_or_default();
            let last = parts.peek().is_none();
            nodes.send(STATE, &State { from, to: ask.from, n: number, part, last, seats });
            if last {
                return;
            }
            part += 1;
        }
    }

    fn apply(&self, effects: Vec<Effect>) {
        let Some(nodes) = self.nodes() else { return };
        nodes.metrics.peers.set(lock(&nodes.peers).alive() as i64);
        let (mut renew, mut silent) = (false, false);
        for effect in effects {
            match effect {
                Effect::Ring(channel, data) => {
                    if let Some(ring) = nodes.ring(&channel) {
                        ring.append(&channel, data, |publication| self.publish(&channel, &publication));
                    }
                }
                Effect::Logged(channel, publication) => self.publish(&channel, &publication),
                Effect::Join(channel, info) => self.push_join(&channel, &info),
                Effect::Leave(channel, info) => self.push_leave(&channel, &info),
                Effect::Ask(to, after) => {
                    nodes.metrics.asked.inc();
                    nodes.send(ASK, &Ask { from: nodes.signals.node(), to, after });
                }
                Effect::Renew => renew = true,
                Effect::Silent => silent = true,
            }
        }
        if renew || silent {
            self.renew_rings(nodes, renew);
        }
    }

    /// Publications may be missing in rings here: whoever follows one learns it by its next epoch.
    ///
    /// For channels of the server's own subscriptions that means to connect again, all clients at
    /// once: only where something is `known` to be missing.
    fn renew_rings(&self, nodes: &Nodes, known: bool) {
        let mut all = Vec::new();
        {
            let rings = nodes.rings.read().unwrap_or_else(PoisonError::into_inner);
            for (namespace, ring) in rings.iter().filter(|(_, ring)| known || !ring.server_side) {
                ring.ring.renew();
                all.push((*namespace, ring.server_side));
            }
        }
        let mut told = 0;
        for channel in self.channels_with_members() {
            match all.iter().find(|(namespace, _)| *namespace == channel.namespace()) {
                Some((_, true)) => self.recover_members(&channel),
                Some((_, false)) => self.resubscribe_members(&channel),
                None => continue,
            }
            told += 1;
        }
        if told > 0 {
            nodes.metrics.renewed.inc();
            slog::info!(crate::telemetry::log(), "words of another node are lost; rings begin anew";
                "channels" => told);
        }
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
