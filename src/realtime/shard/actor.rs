//! The shard as an actor of the kit, and its handle on the worker's thread.

use std::{
    cell::{Cell, RefCell, RefMut},
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{Shard, ShardObserved, ShardParts, message::ToShard};
use crate::{
    actors::{Behavior, Cx, DomainConfig, Mailbox, RebuildError, Receive, Reply, Request, SendError, Solo},
    realtime::{
        core::Realtime,
        hub::{ShardId, ShardPort},
        raw::Flusher,
    },
    telemetry::log,
};

/// Messages that may wait at a shard. Publishers are not slowed down by a shard, so this is how far
/// one may fall behind before its members have to recover.
const CAPACITY: usize = 16 * 1024;

impl Request for ToShard {
    type Answer = ();
}

/// A shard on its own thread, shared by its actor and by the connections' readers there.
pub struct ShardCell {
    shard: RefCell<Shard>,
    parts: ShardParts,
    id: ShardId,
    built: Cell<bool>,
    flusher: Flusher,
}

/// A worker's handle on its shard: `app_data` of the worker's `App`.
#[derive(Clone)]
pub struct LocalShard(Rc<ShardCell>);

impl LocalShard {
    /// Starts this worker's shard. Call it once in each run of the `HttpServer`'s factory, which
    /// runs on the worker's own thread. `None` when the node has too many workers.
    pub fn start(realtime: &Realtime) -> Option<Self> {
        let parts = ShardParts {
            hub: realtime.hub().clone(),
            settings: realtime.settings().clone(),
            metrics: realtime.metrics().clone(),
        };
        let Some(id) = realtime.hub().reserve() else {
            slog::error!(log(), "too many HTTP workers: this one serves no WebSocket");
            return None;
        };
        let mut shard = Shard::new(parts.clone());
        shard.numbered(id);
        let cell = Rc::new(ShardCell {
            shard: RefCell::new(shard),
            parts,
            id,
            built: Cell::new(false),
            flusher: Flusher::start(realtime.metrics().clone()),
        });
        let config = DomainConfig {
            capacity: CAPACITY,
            // It has no supervisor to start it afresh, and a node without a shard is deaf.
            intensity: (10_000, Duration::from_secs(60)),
            backoff: (Duration::from_millis(10), Duration::from_secs(1)),
            ..DomainConfig::default()
        };
        let solo = Solo::<ShardActor>::start(cell.clone(), id, config, realtime.registry());
        realtime.hub().connect(id, Arc::new(Port(solo.mailbox().clone())));
        Some(Self(cell))
    }

    /// The shard's number.
    pub fn id(&self) -> ShardId {
        self.0.id
    }

    /// What writes for this worker's connections.
    pub(in crate::realtime) fn flusher(&self) -> &Flusher {
        &self.0.flusher
    }

    /// The shard itself, for one synchronous call.
    pub(in crate::realtime) fn shard(&self) -> RefMut<'_, Shard> {
        self.0.shard.borrow_mut()
    }

    /// The shard, unless it is being used further up the stack (when a worker is torn down).
    pub(in crate::realtime) fn try_shard(&self) -> Option<RefMut<'_, Shard>> {
        self.0.shard.try_borrow_mut().ok()
    }
}

struct Port(Mailbox<ShardActor>);

impl ShardPort for Port {
    fn tell(&self, message: ToShard) -> Result<(), ToShard> {
        self.0.tell(message).map_err(SendError::into_message)
    }
}

/// The actor (kind `shard`).
pub struct ShardActor {
    cell: Rc<ShardCell>,
}

impl Behavior for ShardActor {
    const KIND: &'static str = "shard";
    type Id = ShardId;
    type Seed = Rc<ShardCell>;
    type Observed = ShardObserved;

    /// A shard has no store: after a crash it starts empty. Its connections ended with the old
    /// state, and their clients come back and recover.
    async fn rebuild(cell: Rc<ShardCell>, _: ShardId) -> Result<Self, RebuildError> {
        if cell.built.replace(true) {
            let mut fresh = Shard::new(cell.parts.clone());
            fresh.numbered(cell.id);
            let old = cell.shard.replace(fresh);
            drop(old);
        }
        Ok(Self { cell })
    }

    fn started(&mut self, cx: &mut Cx<'_, Self>) {
        cx.every(self.cell.parts.settings.tick, |actor, _| {
            actor.cell.shard.borrow_mut().tick(Instant::now());
        });
    }

    fn observe(&self) -> ShardObserved {
        self.cell.shard.borrow().observe()
    }
}

impl Receive<ToShard> for ShardActor {
    fn receive(&mut self, message: ToShard, _: Reply<()>, cx: &mut Cx<'_, Self>) {
        let yields = self.cell.shard.borrow_mut().handle(message, Instant::now());
        if yields {
            let flusher = self.cell.flusher.clone();
            cx.wait(async move { flusher.settle().await }, |_, (), _| {});
        }
    }
}
