//! The logs behind recoverable channels.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use dashmap::DashMap;
use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};

use super::{
    channels::{Channel, ClientInfo},
    protocol::{errors::RtError, json::Json},
    veils::Veiled,
};

/// A place in a channel's stream of publications.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StreamPos {
    /// The offset of the last publication before this place; 0 is the beginning.
    pub offset: u64,
    /// Which stream: another epoch means that offsets of this one say nothing.
    pub epoch: String,
}

/// One message of a channel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Publication {
    /// Its place in the stream, from 1; 0 in channels without one.
    pub offset: u64,
    /// The payload.
    pub data: Json,
    /// Who published, where that is told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub info: Option<ClientInfo>,
    /// Small labels.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<(String, String)>,
    /// When, in milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<i64>,
    /// What those get instead who have hidden the author, where there are any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub veiled: Option<Box<Veiled>>,
}

impl Publication {
    /// A publication of a channel without a stream.
    pub const fn ephemeral(data: Json) -> Self {
        Self::at(0, data)
    }

    /// A publication at `offset`.
    pub const fn at(offset: u64, data: Json) -> Self {
        Self { offset, data, info: None, tags: Vec::new(), time: None, veiled: None }
    }
}

/// A part of a log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogSlice {
    /// In the order that was asked for.
    pub publications: Vec<Publication>,
    /// The log's end when it was read.
    pub top: StreamPos,
    /// Whether the log still holds everything after the place that was asked from.
    pub reaches_back: bool,
}

/// A `history` request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HistoryQuery {
    /// After this offset (before it, if reversed); `None`: from the beginning (from the end).
    pub since: Option<u64>,
    /// At most so many; 0 asks for the position alone.
    pub limit: usize,
    /// Newest first.
    pub reverse: bool,
}

/// Where missed publications and history are read.
///
/// Contract: a publication is in the log **before** it is given to
/// [`Hub::publish`](super::Hub::publish), offsets of a channel are gapless, and publications of one
/// channel reach the hub in the order of their offsets.
pub trait ChannelLog: Send + Sync {
    /// The end of the channel's stream.
    ///
    /// # Errors
    /// Where the store cannot answer.
    fn top<'a>(&'a self, channel: &'a Channel) -> BoxFuture<'a, Result<StreamPos, RtError>>;

    /// Up to `limit` publications after `offset`, ascending. The caller compares epochs.
    ///
    /// # Errors
    /// Where the store cannot answer.
    fn since<'a>(
        &'a self,
        channel: &'a Channel,
        offset: u64,
        limit: usize,
    ) -> BoxFuture<'a, Result<LogSlice, RtError>>;

    /// A page for `history`. The caller compares epochs.
    ///
    /// # Errors
    /// Where the store cannot answer.
    fn page<'a>(
        &'a self,
        channel: &'a Channel,
        query: &'a HistoryQuery,
    ) -> BoxFuture<'a, Result<LogSlice, RtError>>;
}

/// A bounded log in memory, a ring for each channel. Every ring has an epoch of its own, so that a
/// restart or an eviction is answered with an honest `recovered: false`.
pub struct MemoryRing {
    rings: DashMap<Channel, Ring>,
    capacity: usize,
    idle: Duration,
}

struct Ring {
    epoch: String,
    last: u64,
    items: VecDeque<Publication>,
    touched: Instant,
}

impl Ring {
    fn new() -> Self {
        let epoch = uuid::Uuid::new_v4().simple().to_string()[..8].to_owned();
        Self { epoch, last: 0, items: VecDeque::new(), touched: Instant::now() }
    }

    fn top(&self) -> StreamPos {
        StreamPos { offset: self.last, epoch: self.epoch.clone() }
    }

    /// Whether every publication after `offset` is still here.
    fn reaches(&self, offset: u64) -> bool {
        match self.items.front() {
            Some(first) => offset >= first.offset - 1 && offset <= self.last,
            None => offset == self.last,
        }
    }
}

impl MemoryRing {
    /// Rings of up to `capacity` publications; a ring that nobody touched for `idle` is forgotten.
    pub fn new(capacity: usize, idle: Duration) -> Self {
        Self { rings: DashMap::new(), capacity: capacity.max(1), idle }
    }

    /// Adds a publication and hands it to `publish`, both under the channel's lock, so that the hub
    /// sees offsets in order. Returns the offset.
    pub fn append(&self, channel: &Channel, data: Json, publish: impl FnOnce(Publication)) -> u64 {
        self.append_from(channel, data, None, publish)
    }

    /// [`append`](Self::append), telling who published.
    pub fn append_from(
        &self,
        channel: &Channel,
        data: Json,
        info: Option<ClientInfo>,
        publish: impl FnOnce(Publication),
    ) -> u64 {
        let mut ring = self.rings.entry(channel.clone()).or_insert_with(Ring::new);
        ring.last += 1;
        ring.touched = Instant::now();
        let publication = Publication { info, ..Publication::at(ring.last, data) };
        if ring.items.len() == self.capacity {
            ring.items.pop_front();
        }
        ring.items.push_back(publication.clone());
        publish(publication);
        ring.last
    }

    /// Forgets rings that were not touched for the idle time; call it now and then.
    pub fn sweep(&self) {
        self.sweep_unless(|_| false);
    }

    /// [`sweep`](Self::sweep), but keeps the rings of channels that are `in_use`: whoever is
    /// subscribed counts on the offsets going on.
    pub fn sweep_unless(&self, in_use: impl Fn(&Channel) -> bool) {
        let now = Instant::now();
        self.rings.retain(|channel, ring| now.duration_since(ring.touched) < self.idle || in_use(channel));
    }

    /// Forgets everything: each ring comes back with another epoch.
    pub fn renew(&self) {
        self.rings.clear();
    }

    fn read<R>(&self, channel: &Channel, read: impl FnOnce(&Ring) -> R) -> R {
        let mut ring = self.rings.entry(channel.clone()).or_insert_with(Ring::new);
        ring.touched = Instant::now();
        read(&ring)
    }
}

impl ChannelLog for MemoryRing {
    fn top<'a>(&'a self, channel: &'a Channel) -> BoxFuture<'a, Result<StreamPos, RtError>> {
        let top = self.read(channel, Ring::top);
        Box::pin(async move { Ok(top) })
    }

    fn since<'a>(
        &'a self,
        channel: &'a Channel,
        offset: u64,
        limit: usize,
    ) -> BoxFuture<'a, Result<LogSlice, RtError>> {
        let slice = self.read(channel, |ring| LogSlice {
            publications: ring.items.iter().filter(|p| p.offset > offset).take(limit).cloned().collect(),
            top: ring.top(),
            reaches_back: ring.reaches(offset),
        });
        Box::pin(async move { Ok(slice) })
    }

    fn page<'a>(
        &'a self,
        channel: &'a Channel,
        query: &'a HistoryQuery,
    ) -> BoxFuture<'a, Result<LogSlice, RtError>> {
        let slice = self.read(channel, |ring| {
            let publications: Vec<Publication> = match (query.reverse, query.since) {
                (false, since) => {
                    let after = since.unwrap_or(0);
                    ring.items.iter().filter(|p| p.offset > after).take(query.limit).cloned().collect()
                }
                (true, since) => {
                    let before = since.unwrap_or(u64::MAX);
                    ring.items.iter().rev().filter(|p| p.offset < before).take(query.limit).cloned().collect()
                }
            };
            let reaches_back = match query.since {
                Some(offset) if !query.reverse => ring.reaches(offset),
                _ => true,
            };
            LogSlice { publications, top: ring.top(), reaches_back }
        });
        Box::pin(async move { Ok(slice) })
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use proptest::prelude::*;

    use super::*;

    fn ring_with(capacity: usize, published: u64) -> (MemoryRing, Channel) {
        let ring = MemoryRing::new(capacity, Duration::from_secs(60));
        let channel = Channel::of("gigs", "feed");
        for n in 1..=published {
            let offset = ring.append(&channel, Json::of(&n).unwrap(), |_| {});
            assert_eq!(offset, n);
        }
        (ring, channel)
    }

    fn offsets(slice: &LogSlice) -> Vec<u64> {
        slice.publications.iter().map(|p| p.offset).collect()
    }

    #[test]
    fn pages_go_both_ways() {
        let (ring, channel) = ring_with(10, 25);
        let page = |since, limit, reverse| {
            let query = HistoryQuery { since, limit, reverse };
            ring.page(&channel, &query).now_or_never().unwrap().unwrap()
        };
        assert_eq!(offsets(&page(None, 3, false)), [16, 17, 18]);
        assert_eq!(offsets(&page(None, 3, true)), [25, 24, 23]);
        assert_eq!(offsets(&page(Some(20), 3, true)), [19, 18, 17]);
        assert_eq!(offsets(&page(Some(20), 3, false)), [21, 22, 23]);
        assert_eq!(offsets(&page(None, 0, false)), Vec::<u64>::new());
        assert!(!page(Some(3), 3, false).reaches_back);
    }

    #[test]
    fn a_forgotten_ring_comes_back_with_another_epoch() {
        let (ring, channel) = ring_with(10, 5);
        let before = ring.top(&channel).now_or_never().unwrap().unwrap();
        ring.rings.get_mut(&channel).unwrap().touched = Instant::now() - Duration::from_secs(61);
        ring.sweep();
        let after = ring.top(&channel).now_or_never().unwrap().unwrap();
        assert_eq!(after.offset, 0);
        assert_ne!(before.epoch, after.epoch);
    }

    proptest! {
        #[test]
        fn since_is_whole_exactly_when_it_says_so(
            capacity in 1usize..20, published in 0u64..60, from in 0u64..70,
        ) {
            let (ring, channel) = ring_with(capacity, published);
            let slice = ring.since(&channel, from, usize::MAX).now_or_never().unwrap().unwrap();
            prop_assert_eq!(slice.top.offset, published);
            let whole = from <= published && slice.publications.len() as u64 == published - from;
            prop_assert_eq!(slice.reaches_back, whole);
            prop_assert!(slice.publications.windows(2).all(|w| w[1].offset == w[0].offset + 1));
        }
    }
}
