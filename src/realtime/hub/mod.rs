//! The hub: which shards want a channel, who is present in it, and publishing to it.
//!
//! There is one for the node; what goes on between nodes is in `nodes`. It holds no connection: connections live in the shards, one for each
//! HTTP worker. A publication is encoded here, once for each form of the protocol that its members
//! speak, WebSocket header included, and one message goes to each shard that has members.

mod link;
mod membership;
#[cfg(test)]
pub(crate) mod overheard;

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, OnceLock, Weak},
};

use dashmap::DashMap;

use self::link::Links;
pub use self::{
    link::{Lost, ShardId, ShardPort},
    membership::Membership,
};
use super::{
    channels::{Channel, ClientId, ClientInfo},
    log::{MemoryRing, Publication},
    metrics::RealtimeMetrics,
    nodes::{self, Entry as Told, Nodes},
    protocol::{
        disconnect::{Disconnect, Unsubscribe},
        format::{Format, Formats, Frames},
        reply::Push,
    },
    shard::message::{Fanout, FanoutKind, ToShard, VeiledFrames},
    veils::Veils,
};
use crate::{
    ports::bus::Signals,
    principal::{SessionId, UserId},
    telemetry::metrics::Metrics,
};

/// How many shards a node can have: a channel's interest is a bit for each.
pub const MAX_SHARDS: usize = 64;

/// The node's hub. Cheap to clone.
#[derive(Clone)]
pub struct Hub {
    inner: Arc<Inner>,
}

pub(super) struct Inner {
    channels: DashMap<Channel, Entry>,
    links: Links,
    metrics: OnceLock<RealtimeMetrics>,
    /// The other nodes, where there can be any.
    nodes: Option<Nodes>,
    /// Who has hidden whom, where anybody can.
    veils: OnceLock<Arc<dyn Veils>>,
}

#[derive(Default)]
struct Entry {
    /// A bit for each shard with members.
    mask: u64,
    /// Members of each shard, by its number.
    counts: Vec<u32>,
    /// Members that speak JSON, and that speak Protobuf.
    speakers: [u32; 2],
    /// Who is present on this node, and whether their coming was announced.
    present: HashMap<ClientId, (Arc<ClientInfo>, bool)>,
}

/// Who is to hear: a bit for each shard, and the forms that its members speak.
#[derive(Clone, Copy, Default)]
struct Audience {
    mask: u64,
    formats: Formats,
}

impl Entry {
    const fn audience(&self) -> Audience {
        let [json, protobuf] = self.speakers;
        Audience { mask: self.mask, formats: Formats { json: json > 0, protobuf: protobuf > 0 } }
    }
}

impl Default for Hub {
    fn default() -> Self {
        Self::new()
    }
}

impl Hub {
    /// A hub without shards, of a node that is alone.
    pub fn new() -> Self {
        Self::with(None)
    }

    /// A hub that talks to those of other nodes, if there can be any. On a tokio runtime's thread.
    pub fn across(signals: &Signals, metrics: &Metrics) -> Self {
        let hub = Self::with((!signals.is_alone()).then(|| Nodes::new(signals.clone(), metrics)));
        Nodes::start(&hub);
        hub
    }

    fn with(nodes: Option<Nodes>) -> Self {
        let (channels, links, metrics) = (DashMap::new(), Links::default(), OnceLock::new());
        Self { inner: Arc::new(Inner { channels, links, metrics, nodes, veils: OnceLock::new() }) }
    }

    pub(super) const fn of(inner: Arc<Inner>) -> Self {
        Self { inner }
    }

    pub(super) fn downgrade(&self) -> Weak<Inner> {
        Arc::downgrade(&self.inner)
    }

    pub(super) fn nodes(&self) -> Option<&Nodes> {
        self.inner.nodes.as_ref()
    }

    /// Sends a publication to everyone subscribed to `channel` on this node.
    ///
    /// Where the channel has a log, the publication is in it already, and publications of one
    /// channel come here in the order of their offsets. Never blocks: a shard that cannot keep up
    /// closes the members it had to skip with 3010, and they recover from the log.
    pub fn publish(&self, channel: &Channel, publication: &Publication) {
        if let Some(metrics) = self.inner.metrics.get() {
            metrics.publications.inc();
        }
        let Audience { mask, formats } = self.audience(channel);
        if mask != 0 {
            let frames =
                |publication: &Publication| Frames::of(formats, channel, &Push::Publication(publication));
            let veiled = publication.veiled.as_deref().map(|veiled| {
                let frames = veiled.data.clone().map(|data| {
                    frames(&Publication {
                        time: publication.time,
                        ..Publication::at(publication.offset, data)
                    })
                });
                Arc::new(VeiledFrames { author: veiled.author, frames })
            });
            self.fan_out(
                mask,
                &Fanout {
                    channel: channel.clone(),
                    frames: frames(publication),
                    offset: publication.offset,
                    kind: FanoutKind::Publication,
                    veiled,
                },
            );
        }
    }

    /// Says who knows whom people have hidden; a second call changes nothing.
    pub fn veil_by(&self, veils: Arc<dyn Veils>) {
        let _ = self.inner.veils.set(veils);
    }

    /// Whom somebody has hidden changed: their connections here go by it from now on.
    pub fn veil_changed(&self, user: UserId) {
        self.tell_all(|| ToShard::Veil { user });
    }

    /// The people whose publications somebody is not shown.
    pub(super) fn hidden_from(&self, user: UserId) -> Option<Arc<HashSet<UserId>>> {
        self.inner.veils.get()?.hidden_from(user)
    }

    /// Whether anybody on this node is subscribed; ephemeral publishers may skip their work.
    pub fn has_members(&self, channel: &Channel) -> bool {
        self.mask(channel) != 0
    }

    /// Takes a person's subscriptions to `channel` away, on all their connections.
    pub fn unsubscribe_user(&self, user: UserId, channel: &Channel, why: &Unsubscribe) {
        let mask = self.mask(channel);
        self.inner.links.to_mask(mask, || ToShard::UnsubscribeUser {
            user,
            channel: channel.clone(),
            why: why.clone(),
        });
    }

    /// Takes everybody's subscriptions to `channel` away (a room was archived).
    pub fn unsubscribe_all(&self, channel: &Channel, why: &Unsubscribe) {
        let mask = self.mask(channel);
        let message = || ToShard::UnsubscribeAll { channel: channel.clone(), why: why.clone() };
        self.inner.links.to_mask(mask, message);
    }

    /// Closes every connection of a session.
    pub fn disconnect_session(&self, session: SessionId, why: &Disconnect) {
        let message = || ToShard::DisconnectSession { session, why: why.clone() };
        self.inner.links.to_mask(u64::MAX, message);
    }

    /// Closes every connection of a person.
    pub fn disconnect_user(&self, user: UserId, why: &Disconnect) {
        let message = || ToShard::DisconnectUser { user, why: why.clone() };
        self.inner.links.to_mask(u64::MAX, message);
    }

    /// Who is in a channel, on any node, in no order.
    pub fn presence(&self, channel: &Channel) -> Vec<ClientInfo> {
        let mut all = self.inner.channels.get(channel).map_or_else(Vec::new, |entry| {
            entry.present.values().map(|(info, _)| (**info).clone()).collect::<Vec<_>>()
        });
        if let Some(nodes) = self.nodes() {
            all.extend(nodes.present(channel));
        }
        all
    }

    /// How many connections, and how many different people, are in a channel, on any node.
    pub fn presence_stats(&self, channel: &Channel) -> (usize, usize) {
        let mut users: HashSet<UserId> = HashSet::new();
        let mut clients = self.inner.channels.get(channel).map_or(0, |entry| {
            users.extend(entry.present.values().map(|(info, _)| info.user));
            entry.present.len()
        });
        if let Some(nodes) = self.nodes() {
            clients += nodes.count(channel, &mut users);
        }
        (clients, users.len())
    }

    /// Everybody who is present on this node.
    pub(super) fn seats(&self) -> Vec<nodes::Seat> {
        let mut seats = Vec::new();
        for entry in &self.inner.channels {
            seats.extend(entry.present.values().map(|(info, announce)| nodes::Seat {
                channel: entry.key().clone(),
                info: info.clone(),
                announce: *announce,
            }));
        }
        seats
    }

    /// Channels with members here.
    pub(super) fn channels_with_members(&self) -> Vec<Channel> {
        let with_members = self.inner.channels.iter().filter(|entry| entry.mask != 0);
        with_members.map(|entry| entry.key().clone()).collect()
    }

    /// Members of a channel missed something: those with a position reconnect (3010).
    pub(super) fn recover_members(&self, channel: &Channel) {
        let message = || ToShard::Recover { channel: channel.clone() };
        self.inner.links.to_mask(self.mask(channel), message);
    }

    /// Members of a channel missed something: SDKs subscribe again by themselves.
    pub(super) fn resubscribe_members(&self, channel: &Channel) {
        self.unsubscribe_all(channel, &Unsubscribe::INSUFFICIENT);
    }

    /// Adds to what other nodes are told.
    pub(super) fn tell_others(&self, entry: &Told) {
        if let Some(nodes) = self.nodes() {
            nodes.say(entry);
        }
    }

    /// The rings of some namespaces take publications of other nodes.
    pub(super) fn add_ring(&self, namespaces: &[&'static str], ring: &Arc<MemoryRing>, server_side: bool) {
        if let Some(nodes) = self.nodes() {
            nodes.add_ring(namespaces, ring, server_side);
        }
    }

    /// Channels with members on this node.
    pub fn channels(&self) -> usize {
        self.inner.channels.len()
    }

    /// A number for one more shard. `None` when the node has [`MAX_SHARDS`] already.
    pub(super) fn reserve(&self) -> Option<ShardId> {
        self.inner.links.reserve()
    }

    /// Tells how that shard is reached.
    pub(super) fn connect(&self, shard: ShardId, port: Arc<dyn ShardPort>) {
        self.inner.links.connect(shard, port);
    }

    /// Tells a shard something; false if it is full or gone.
    pub(super) fn tell(&self, shard: ShardId, message: ToShard) -> bool {
        self.inner.links.tell(shard, message)
    }

    /// What could not be told to a shard since it last asked.
    pub(super) fn take_lost(&self, shard: ShardId) -> Option<Lost> {
        self.inner.links.take_lost(shard)
    }

    /// Tells every shard.
    pub(super) fn tell_all(&self, message: impl Fn() -> ToShard) {
        self.inner.links.to_mask(u64::MAX, message);
    }

    /// Counts publications from now on.
    pub(super) fn observe_with(&self, metrics: RealtimeMetrics) {
        // A second call changes nothing: there is one set of metrics a node.
        let _ = self.inner.metrics.set(metrics);
    }

    /// Registers a shard's interest in a channel for one more member; it ends when the value drops.
    pub(super) fn join(&self, channel: &Channel, shard: ShardId, format: Format) -> Membership {
        let mut entry = self.inner.channels.entry(channel.clone()).or_default();
        if entry.counts.len() <= shard.index() {
            entry.counts.resize(shard.index() + 1, 0);
        }
        entry.counts[shard.index()] += 1;
        entry.speakers[format as usize] += 1;
        entry.mask |= shard.bit();
        drop(entry);
        Membership::new(self.clone(), channel.clone(), shard, format)
    }

    fn leave(&self, channel: &Channel, shard: ShardId, format: Format) {
        let Some(mut entry) = self.inner.channels.get_mut(channel) else { return };
        let speakers = &mut entry.speakers[format as usize];
        *speakers = speakers.saturating_sub(1);
        if let Some(count) = entry.counts.get_mut(shard.index()) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                entry.mask &= !shard.bit();
            }
        }
        let unused = entry.mask == 0;
        drop(entry);
        if unused {
            self.inner.channels.remove_if(channel, |_, entry| entry.mask == 0 && entry.present.is_empty());
        }
    }

    fn enter(&self, channel: &Channel, info: Arc<ClientInfo>, announce: bool) {
        // First there, then told: whoever is told the whole state meanwhile does not miss it.
        let mut entry = self.inner.channels.entry(channel.clone()).or_default();
        entry.present.insert(info.client, (info.clone(), announce));
        drop(entry);
        self.tell_join(channel, &info, announce);
    }

    fn exit(&self, channel: &Channel, client: ClientId) {
        if let Some(mut entry) = self.inner.channels.get_mut(channel) {
            entry.present.remove(&client);
        }
        self.tell_leave(channel, client);
    }

    pub(super) fn push_join(&self, channel: &Channel, info: &ClientInfo) {
        self.push_info(channel, &Push::Join(info));
    }

    pub(super) fn push_leave(&self, channel: &Channel, info: &ClientInfo) {
        self.push_info(channel, &Push::Leave(info));
    }

    fn push_info(&self, channel: &Channel, push: &Push<'_>) {
        let Audience { mask, formats } = self.audience(channel);
        if mask != 0 {
            self.fan_out(
                mask,
                &Fanout {
                    channel: channel.clone(),
                    frames: Frames::of(formats, channel, push),
                    offset: 0,
                    kind: FanoutKind::JoinLeave,
                    veiled: None,
                },
            );
        }
    }

    fn mask(&self, channel: &Channel) -> u64 {
        self.audience(channel).mask
    }

    fn audience(&self, channel: &Channel) -> Audience {
        self.inner.channels.get(channel).map_or_else(Audience::default, |entry| entry.audience())
    }

    fn fan_out(&self, mask: u64, fanout: &Fanout) {
        self.inner.links.to_mask(mask, || ToShard::Fanout(fanout.clone()));
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
