//! A bounded ring that all nodes fill: each has its own offsets and epoch, and the same publications.

use std::{ops::Deref, sync::Arc, time::Duration};

use super::{channels::Channel, hub::Hub, log::MemoryRing, nodes::Entry, protocol::json::Json};

/// The rings of some namespaces. Cheap to clone.
///
/// A publication goes to the ring of every node, under its node's and its own number, so that each
/// node has it once. The offsets are each node's own: a client that comes back on another node, or
/// after publications were lost with a node, is told `recovered: false` and reads again by REST.
#[derive(Clone)]
pub struct SharedRing {
    hub: Hub,
    ring: Arc<MemoryRing>,
}

impl SharedRing {
    /// Rings of up to `capacity` publications for the channels of these namespaces, kept for `idle`
    /// after their last use. `server_side` says that the server subscribes people at connect.
    pub fn new(
        hub: Hub,
        namespaces: &[&'static str],
        capacity: usize,
        idle: Duration,
        server_side: bool,
    ) -> Self {
        let ring = Arc::new(MemoryRing::new(capacity, idle));
        hub.add_ring(namespaces, &ring, server_side);
        Self { hub, ring }
    }

    /// Publishes on all nodes.
    pub fn publish(&self, channel: &Channel, data: Json) {
        let entry = Entry::Ring { channel: channel.clone(), data: data.clone() };
        self.ring.append(channel, data, |publication| self.hub.publish(channel, &publication));
        self.hub.tell_others(&entry);
    }

    /// Forgets channels that nobody follows or has used for long; call it now and then.
    pub fn sweep(&self) {
        self.ring.sweep_unless(|channel| self.hub.has_members(channel));
    }
}

/// This node's own rings: the log behind the channels.
impl Deref for SharedRing {
    type Target = MemoryRing;

    fn deref(&self) -> &MemoryRing {
        &self.ring
    }
}
