//! The hub's ends of the shards' mailboxes.

use std::{
    collections::HashSet,
    fmt, mem,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
};

use crate::realtime::{
    channels::Channel,
    hub::MAX_SHARDS,
    shard::message::{ConnId, ToShard},
};

/// A shard's number on this node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ShardId(u8);

impl ShardId {
    pub(super) const fn index(self) -> usize {
        self.0 as usize
    }

    pub(super) const fn bit(self) -> u64 {
        1 << self.0
    }
}

impl fmt::Display for ShardId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// How a shard is reached: its actor's mailbox, or a vector in a test.
pub trait ShardPort: Send + Sync + 'static {
    /// Puts a message into the shard's queue.
    ///
    /// # Errors
    /// The message, when the queue is full or the shard is gone.
    #[allow(clippy::result_large_err)]
    fn tell(&self, message: ToShard) -> Result<(), ToShard>;
}

/// What a full shard was not told. It makes up for it as soon as it gets to run: nobody is left with
/// a hole in a stream, and a revocation is late and never lost.
#[derive(Debug, Default)]
pub struct Lost {
    /// Channels of which a publication is missing: their positioned members must recover.
    pub channels: HashSet<Channel>,
    /// Connections to which something is missing: they must reconnect.
    pub connections: HashSet<ConnId>,
    /// Orders that still hold.
    pub orders: Vec<ToShard>,
}

#[derive(Default)]
pub(super) struct Links(RwLock<Vec<Arc<Link>>>);

struct Link {
    id: ShardId,
    port: OnceLock<Arc<dyn ShardPort>>,
    lost: Mutex<Lost>,
    has_lost: AtomicBool,
}

impl Links {
    pub(super) fn reserve(&self) -> Option<ShardId> {
        let mut links = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if links.len() >= MAX_SHARDS {
            return None;
        }
        let id = ShardId(links.len() as u8);
        links.push(Arc::new(Link {
            id,
            port: OnceLock::new(),
            lost: Mutex::default(),
            has_lost: AtomicBool::new(false),
        }));
        Some(id)
    }

    pub(super) fn connect(&self, shard: ShardId, port: Arc<dyn ShardPort>) {
        let links = self.0.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(link) = links.get(shard.index()) {
            // A number is given to one shard only.
            let _ = link.port.set(port);
        }
    }

    pub(super) fn tell(&self, shard: ShardId, message: ToShard) -> bool {
        let links = self.0.read().unwrap_or_else(PoisonError::into_inner);
        links.get(shard.index()).is_some_and(|link| link.tell(message))
    }

    pub(super) fn to_mask(&self, mask: u64, message: impl Fn() -> ToShard) {
        if mask == 0 {
            return;
        }
        let links = self.0.read().unwrap_or_else(PoisonError::into_inner);
        for link in links.iter().filter(|link| mask & link.id.bit() != 0) {
            link.tell(message());
        }
    }

    pub(super) fn take_lost(&self, shard: ShardId) -> Option<Lost> {
        let links = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let link = links.get(shard.index())?;
        link.has_lost.swap(false, Ordering::AcqRel).then(|| mem::take(&mut *link.lost()))
    }
}

impl Link {
    fn tell(&self, message: ToShard) -> bool {
        let told = match self.port.get() {
            Some(port) => port.tell(message),
            None => Err(message),
        };
        match told {
            Ok(()) => true,
            Err(message) => {
                self.remember(message);
                false
            }
        }
    }

    /// The sets are bounded by the channels and connections there are; orders are rare.
    fn remember(&self, message: ToShard) {
        {
            let mut lost = self.lost();
            match message {
                // A lost join or leave is not worth a reconnect.
                ToShard::Fanout(fanout) if fanout.offset == 0 => return,
                ToShard::Fanout(fanout) => drop(lost.channels.insert(fanout.channel)),
                ToShard::Conn(conn, _) => drop(lost.connections.insert(conn)),
                order => lost.orders.push(order),
            }
        }
        self.has_lost.store(true, Ordering::Release);
    }

    fn lost(&self) -> MutexGuard<'_, Lost> {
        self.lost.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
