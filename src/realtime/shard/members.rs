//! Channels' members, and what reaches them in which order.

use std::{sync::Arc, time::Instant};

use bytes::Bytes;

use super::{
    Shard,
    conn::Conn,
    message::{Complete, Completed, Fanout, FanoutKind},
};
use crate::{
    principal::UserId,
    realtime::{
        channels::Channel,
        hub::Membership,
        outbound::Pushed,
        protocol::{
            disconnect::{Disconnect, Unsubscribe},
            format::{Formats, Frames},
            reply::Push,
        },
    },
};

/// Publications that wait for a subscription to be complete, at most.
const MAX_WAITING: usize = 1024;
/// And their bytes.
const MAX_WAITING_BYTES: usize = 256 * 1024;

/// One connection's place in one channel.
pub(super) struct Member {
    slot: u32,
    positioned: bool,
    join_leave: bool,
    state: State,
    membership: Arc<Membership>,
}

enum State {
    /// The subscribe reply is not out yet: what is published waits behind it.
    Waiting(Box<Waiting>),
    /// Live; `last` is the offset the client has, where the channel has offsets.
    Live { last: u64 },
}

#[derive(Default)]
struct Waiting {
    frames: Vec<(u64, Bytes)>,
    bytes: usize,
    overflowed: bool,
}

/// What a live positioned member does with a publication.
#[derive(Debug, PartialEq, Eq)]
enum Step {
    Deliver,
    Duplicate,
    Gap,
}

/// Streams have no holes: an offset that is not the next one is either known already, or shows that
/// something was missed.
const fn step(last: u64, offset: u64) -> Step {
    if offset <= last {
        Step::Duplicate
    } else if offset == last + 1 {
        Step::Deliver
    } else {
        Step::Gap
    }
}

impl Shard {
    pub(super) fn fan_out(&mut self, fanout: Fanout, now: Instant) {
        let Some(members) = self.channels.get_mut(&fanout.channel) else { return };
        let mut ended: Vec<(u32, Disconnect)> = Vec::new();
        let mut sent = 0;
        for member in members {
            if fanout.kind == FanoutKind::JoinLeave && !member.join_leave {
                continue;
            }
            match &mut member.state {
                State::Waiting(waiting) => {
                    let conn = self.conns.get(member.slot as usize).and_then(Option::as_ref);
                    if let Some(frame) = conn.and_then(|conn| fanout.frame_for(conn)) {
                        waiting.add(fanout.offset, frame);
                    }
                }
                State::Live { last } => {
                    if member.positioned && fanout.offset > 0 {
                        match step(*last, fanout.offset) {
                            Step::Deliver => *last = fanout.offset,
                            Step::Duplicate => continue,
                            Step::Gap => {
                                ended.push((member.slot, Disconnect::INSUFFICIENT_STATE));
                                continue;
                            }
                        }
                    }
                    let Some(Some(conn)) = self.conns.get(member.slot as usize) else { continue };
                    let Some(frame) = fanout.frame_for(conn) else {
                        // Made before anybody here spoke this form: whoever subscribed since has it from
                        // the log, and if not, gets it from there.
                        if member.positioned && fanout.offset > 0 && fanout.frames.get(conn.format).is_none()
                        {
                            ended.push((member.slot, Disconnect::INSUFFICIENT_STATE));
                        }
                        continue;
                    };
                    match conn.out.push(frame.clone()) {
                        Pushed::Queued => sent += 1,
                        Pushed::Overflow => ended.push((member.slot, Disconnect::SLOW)),
                        Pushed::Closed => {}
                    }
                }
            }
        }
        self.observed.frames_out += sent;
        for (slot, why) in ended {
            self.close_slot(slot, &why, now);
        }
    }

    pub(super) fn attach(
        &mut self,
        slot: u32,
        membership: Arc<Membership>,
        positioned: bool,
        join_leave: bool,
    ) {
        let channel = membership.channel().clone();
        self.detach(slot, &channel);
        let Some(Some(conn)) = self.conns.get_mut(slot as usize) else { return };
        if conn.signal.is_closing() {
            return;
        }
        let members = self.channels.entry(channel.clone()).or_default();
        conn.subs.insert(channel, members.len() as u32);
        members.push(Member {
            slot,
            positioned,
            join_leave,
            state: State::Waiting(Box::default()),
            membership,
        });
        self.observed.subscriptions += 1;
        self.parts.metrics.subscriptions.inc();
    }

    /// Sends the reply, then what waited behind it. If one of the subscriptions was taken away in
    /// the meantime, the refusal goes out instead.
    pub(super) fn complete(&mut self, slot: u32, complete: Complete, now: Instant) {
        let Complete { reply, long, refusal, channels } = complete;
        let whole = channels.iter().all(|completed| self.member(slot, &completed.channel).is_some());
        for completed in &channels {
            if let (Some(info), Some(member)) = (&completed.presence, self.member(slot, &completed.channel)) {
                member.membership.enter(info.clone(), completed.announce);
            }
        }
        match whole {
            true if long => self.push_long(slot, reply, now),
            true => self.push(slot, reply, now),
            false => self.push(slot, refusal, now),
        }
        for completed in channels {
            self.go_live(slot, &completed, now);
        }
    }

    fn go_live(&mut self, slot: u32, completed: &Completed, now: Instant) {
        let Some(member) = self.member(slot, &completed.channel) else { return };
        let positioned = member.positioned;
        let State::Waiting(waiting) =
            std::mem::replace(&mut member.state, State::Live { last: completed.top })
        else {
            return;
        };
        let mut last = completed.top;
        let mut gap = waiting.overflowed && positioned;
        let mut deliver = Vec::with_capacity(waiting.frames.len());
        for (offset, frame) in waiting.frames {
            if positioned && offset > 0 {
                match step(last, offset) {
                    Step::Deliver => last = offset,
                    Step::Duplicate => continue,
                    Step::Gap => {
                        gap = true;
                        break;
                    }
                }
            }
            deliver.push(frame);
        }
        member.state = State::Live { last };
        for frame in deliver {
            self.push(slot, frame, now);
        }
        if gap {
            self.close_slot(slot, &Disconnect::INSUFFICIENT_STATE, now);
        }
    }

    /// Ends one subscription; true if there was one.
    pub(super) fn detach(&mut self, slot: u32, channel: &Channel) -> bool {
        let index = match self.conns.get_mut(slot as usize) {
            Some(Some(conn)) => conn.subs.remove(channel),
            _ => None,
        };
        if let Some(index) = index {
            self.remove_member(channel, index as usize);
        }
        index.is_some()
    }

    pub(super) fn detach_all(&mut self, slot: u32) {
        let subs = match self.conns.get_mut(slot as usize) {
            Some(Some(conn)) => std::mem::take(&mut conn.subs),
            _ => return,
        };
        for (channel, index) in subs {
            self.remove_member(&channel, index as usize);
        }
    }

    /// Looks again whom somebody has hidden.
    pub(super) fn veil(&mut self, user: UserId) {
        let hidden = self.parts.hub.hidden_from(user);
        let theirs = self.conns.iter_mut().flatten();
        for conn in theirs.filter(|conn| conn.owner.is_some_and(|(owner, _)| owner == user)) {
            conn.hidden.clone_from(&hidden);
        }
    }

    /// Takes subscriptions to a channel away and tells their holders.
    pub(super) fn unsubscribe_where(
        &mut self,
        channel: &Channel,
        why: &Unsubscribe,
        now: Instant,
        which: impl Fn(Option<UserId>) -> bool,
    ) {
        let slots: Vec<u32> = self.channels.get(channel).map_or_else(Vec::new, |members| {
            members
                .iter()
                .map(|member| member.slot)
                .filter(|slot| {
                    let owner = self.conn(*slot).and_then(|conn| conn.owner);
                    which(owner.map(|(user, _)| user))
                })
                .collect()
        });
        let spoken = slots.iter().filter_map(|slot| self.conn(*slot)).map(|conn| conn.format);
        let frames = Frames::of(spoken.collect::<Formats>(), channel, &Push::Unsubscribe(why));
        for slot in slots {
            let frame = self.conn(slot).and_then(|conn| frames.get(conn.format)).cloned();
            if self.detach(slot, channel)
                && let Some(frame) = frame
            {
                self.push(slot, frame, now);
            }
        }
    }

    /// Members of these channels missed something: those with a position must recover.
    pub(super) fn close_positioned(&mut self, channel: &Channel, now: Instant) {
        let slots: Vec<u32> = self.channels.get(channel).map_or_else(Vec::new, |members| {
            members.iter().filter(|member| member.positioned).map(|member| member.slot).collect()
        });
        for slot in slots {
            self.close_slot(slot, &Disconnect::INSUFFICIENT_STATE, now);
        }
    }

    fn member(&mut self, slot: u32, channel: &Channel) -> Option<&mut Member> {
        let index = *self.conn(slot)?.subs.get(channel)?;
        self.channels.get_mut(channel)?.get_mut(index as usize)
    }

    fn remove_member(&mut self, channel: &Channel, index: usize) {
        let Some(members) = self.channels.get_mut(channel) else { return };
        if index >= members.len() {
            return;
        }
        let _member = members.swap_remove(index);
        self.observed.subscriptions -= 1;
        self.parts.metrics.subscriptions.dec();
        // The last member took the freed place: its connection must know.
        if let Some(moved) = members.get(index)
            && let Some(Some(conn)) = self.conns.get_mut(moved.slot as usize)
        {
            conn.subs.insert(channel.clone(), index as u32);
        }
        if members.is_empty() {
            self.channels.remove(channel);
        }
    }
}

impl Fanout {
    /// What this connection gets, if it gets anything.
    fn frame_for(&self, conn: &Conn) -> Option<&Bytes> {
        let frames = match (&self.veiled, &conn.hidden) {
            (Some(veiled), Some(hidden)) if hidden.contains(&veiled.author) => veiled.frames.as_ref()?,
            _ => &self.frames,
        };
        frames.get(conn.format)
    }
}

impl Waiting {
    fn add(&mut self, offset: u64, frame: &Bytes) {
        if self.overflowed || self.frames.len() == MAX_WAITING || self.bytes + frame.len() > MAX_WAITING_BYTES
        {
            self.overflowed = true;
            return;
        }
        self.bytes += frame.len();
        self.frames.push((offset, frame.clone()));
    }
}
