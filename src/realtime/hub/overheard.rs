//! For tests: what is published to one channel.

use std::sync::{Arc, Mutex};

use super::{Hub, Membership, ShardPort};
use crate::realtime::{channels::Channel, protocol::Format, shard::message::ToShard};

/// A shard with one member that writes down the offsets it hears.
pub(crate) struct Overheard {
    heard: Arc<Ear>,
    _member: Membership,
}

#[derive(Default)]
struct Ear(Mutex<Vec<u64>>);

impl ShardPort for Ear {
    fn tell(&self, message: ToShard) -> Result<(), ToShard> {
        if let ToShard::Fanout(fanout) = message {
            self.0.lock().unwrap().push(fanout.offset);
        }
        Ok(())
    }
}

impl Overheard {
    /// Joins a channel.
    pub(crate) fn on(hub: &Hub, channel: &Channel) -> Self {
        let heard = Arc::new(Ear::default());
        let shard = hub.reserve().unwrap();
        hub.connect(shard, heard.clone());
        Self { heard, _member: hub.join(channel, shard, Format::Json) }
    }

    /// The offsets so far; 0 of a publication without one.
    pub(crate) fn offsets(&self) -> Vec<u64> {
        self.heard.0.lock().unwrap().clone()
    }
}
