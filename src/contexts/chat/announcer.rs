//! Tells the other contexts what was said: follows the rooms' logs and records events in the outbox.
//!
//! The log may be in another database than the outbox, so the two cannot share a transaction. What they
//! share is order: each room has a position, and events and position move in one transaction. A crash
//! anywhere leaves a position from which the next look goes on; the ids of the events come from what
//! they tell of, so even a position that was lost doubles nothing.
//!
//! Who looks: the node whose room published something looks soon; every node looks at all rooms when it
//! starts and now and then after, so that what a dead node left is told.

use std::{collections::HashMap, sync::Arc, time::Duration};

use dashmap::DashSet;
use serde_json::json;
use sha2::{Digest as _, Sha256};
use tokio::sync::Notify;
use uuid::Uuid;

use super::{
    Chat,
    model::{Event, MemberAction, Payload, ReportReason, RoomId, RoomKind, Seq, words},
    store::{
        StoreError,
        desk::{Announceable, Announced, Announcement, NewReport},
    },
};
use crate::{events, principal::UserId, telemetry::log};

/// Events of a log read at once.
const STRETCH: usize = 500;
/// Rooms whose news share a transaction.
const TOGETHER: usize = 32;
/// And how many events of each it takes at once.
const SHARE: usize = 100;
/// Rooms asked for at once in a sweep.
const PAGE: usize = 500;
/// Between two looks at a busy room: what comes meanwhile shares a transaction.
const PAUSE: Duration = Duration::from_millis(100);
/// Between two sweeps over all rooms.
const SWEEP: Duration = Duration::from_secs(600);
/// After a failure.
const RETRY: Duration = Duration::from_secs(1);
/// People that one event names; a call to everybody in a large room is several events.
const NAMED: usize = 1_000;

/// Where the announcer hears that a room has news. Cheap to clone.
#[derive(Clone, Default)]
pub struct Stir {
    rooms: Arc<DashSet<RoomId>>,
    heard: Arc<Notify>,
}

impl Stir {
    /// A room has news.
    pub fn room(&self, room: RoomId) {
        self.rooms.insert(room);
        self.heard.notify_one();
    }

    fn take(&self) -> Vec<RoomId> {
        let found: Vec<RoomId> = self.rooms.iter().map(|room| *room).collect();
        for room in &found {
            self.rooms.remove(room);
        }
        found
    }
}

/// Whether other contexts hear of an event.
pub const fn is_news(payload: &Payload) -> bool {
    matches!(
        payload,
        Payload::Message(_) | Payload::System { .. } | Payload::Edit { .. } | Payload::Member { .. }
    )
}

/// The id of what is told of an event of a log: always the same. In the shape of a UUIDv7 of the event's
/// time.
fn told_id(room: RoomId, event: &Event, what: &str, part: usize) -> Uuid {
    let mut hash = Sha256::new();
    hash.update(room.0.as_bytes());
    hash.update(event.message_id.0.as_bytes());
    hash.update(event.seq.to_be_bytes());
    hash.update(what.as_bytes());
    hash.update((part as u64).to_be_bytes());
    let digest = hash.finalize();
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    let millis = event.created_at.timestamp_millis().max(0).to_be_bytes();
    bytes[..6].copy_from_slice(&millis[2..]);
    bytes[6] = 0x70 | (bytes[6] & 0x0f);
    bytes[8] = 0x80 | (bytes[8] & 0x3f);
    Uuid::from_bytes(bytes)
}

struct Telling<'a> {
    room: RoomId,
    about: &'a Announceable,
    news: Vec<events::Recorded>,
    reports: Vec<NewReport>,
}

impl Telling<'_> {
    fn tell(
        &mut self,
        event: &Event,
        subject: &'static str,
        part: usize,
        aggregate: Uuid,
        data: serde_json::Value,
    ) {
        self.news.push(events::Recorded {
            id: told_id(self.room, event, subject, part),
            correlation_id: event.correlation_id.clone(),
            event: events::NewEvent {
                subject,
                context: "chat",
                aggregate: aggregate.to_string(),
                version: i64::try_from(event.seq).unwrap_or(i64::MAX),
                data,
            },
        });
    }

    /// Puts a message before the moderators that holds a word which the room flags.
    fn flag(&mut self, event: &Event, message: super::model::MessageId, body: &str) {
        let flagged = &self.about.settings.flagged_words;
        if flagged.is_empty() || event.sender_id == Chat::SYSTEM {
            return;
        }
        let used = words(body);
        if let Some(word) = flagged.iter().find(|word| used.contains(word)) {
            self.reports.push(NewReport {
                id: told_id(self.room, event, "report", 0),
                room: self.room,
                message,
                sender: event.sender_id,
                reporter: Chat::SYSTEM,
                reason: ReportReason::Word,
                detail: word.clone(),
                body: body.to_owned(),
                at: event.created_at,
            });
        }
    }
}

const fn subject_of(action: MemberAction) -> &'static str {
    match action {
        MemberAction::Added => "member.added",
        MemberAction::Joined => "member.joined",
        MemberAction::Removed => "member.removed",
        MemberAction::Left => "member.left",
        MemberAction::Role => "member.role_changed",
        MemberAction::Suspended => "member.suspended",
        MemberAction::Restored => "member.restored",
    }
}

impl Chat {
    /// Tells what is new, for as long as the server runs.
    pub async fn run_announcer(self) {
        let stir = self.inner.stir.clone();
        let mut swept = None::<tokio::time::Instant>;
        loop {
            if swept.is_none_or(|at| at.elapsed() >= SWEEP) {
                match self.find_unannounced().await {
                    Ok(()) => swept = Some(tokio::time::Instant::now()),
                    Err(error) => {
                        slog::warn!(log(), "what was said is told later"; "error" => %error);
                        tokio::time::sleep(RETRY).await;
                        continue;
                    }
                }
            }
            let failed = self.announce_stirred().await;
            if failed {
                tokio::time::sleep(RETRY).await;
            } else {
                tokio::time::sleep(PAUSE).await;
                if stir.rooms.is_empty() {
                    let _ = tokio::time::timeout(SWEEP, stir.heard.notified()).await;
                }
            }
        }
    }

    /// Tells what is new in the rooms that were stirred; whether any of it failed (it is tried again).
    pub async fn announce_stirred(&self) -> bool {
        let mut failed = false;
        self.inner.metrics.stirred.set(i64::try_from(self.inner.stir.rooms.len()).unwrap_or(i64::MAX));
        for rooms in self.inner.stir.take().chunks(TOGETHER) {
            if let [_, _, ..] = rooms
                && self.announce(rooms, SHARE).await.is_ok()
            {
                continue;
            }
            // One of them may be to blame: each by itself, so that the others do not suffer for it.
            for room in rooms {
                if let Err(error) = self.announce(&[*room], STRETCH).await {
                    slog::warn!(log(), "a room's news are told later"; "room" => %room, "error" => %error);
                    self.inner.stir.room(*room);
                    failed = true;
                }
            }
        }
        failed
    }

    /// Stirs every room whose log goes past what was told.
    ///
    /// # Errors
    /// When a store is away.
    pub async fn find_unannounced(&self) -> Result<(), StoreError> {
        let mut after = None;
        loop {
            let page = self.inner.log.tops(after, PAGE).await?;
            let Some((last, _)) = page.last() else { return Ok(()) };
            after = Some(*last);
            let ids: Vec<RoomId> = page.iter().map(|(room, _)| *room).collect();
            let told = self.inner.desk.announced(&ids).await?;
            for (room, top) in page {
                let behind = match told.get(&room) {
                    None => top.last_seq > 0,
                    Some(told) => told.seq != top.last_seq || told.epoch != top.epoch,
                };
                if behind {
                    self.inner.stir.room(room);
                }
            }
        }
    }

    /// Tells what rooms' logs hold past their positions, up to `most` events of each at once.
    async fn announce(&self, rooms: &[RoomId], most: usize) -> Result<(), StoreError> {
        let about = self.inner.desk.announceable(rooms).await?;
        let mut left: Vec<RoomId> = rooms.iter().copied().filter(|room| about.contains_key(room)).collect();
        while !left.is_empty() {
            let told = self.inner.desk.announced(&left).await?;
            let from = |room: &RoomId| told.get(room).map_or(0, |told| told.seq);
            let wanted: Vec<(RoomId, Seq)> = left.iter().map(|room| (*room, from(room))).collect();
            let (mut stretches, mut unfinished) = (Vec::new(), Vec::new());
            for (room, slice) in self.inner.log.since_each(&wanted, most).await? {
                let Some(about) = about.get(&room) else { continue };
                let from = from(&room);
                let Some(last) = slice.events.last().filter(|_| slice.top.last_seq >= from) else {
                    // Cut before it was told, or begun anew at the same place: the position is the end. Or the
                    // log was restored to an earlier state: what it says again was told.
                    self.inner.desk.skip_announcements(room, &slice.top).await?;
                    continue;
                };
                if last.seq < slice.top.last_seq {
                    unfinished.push(room);
                }
                let to = Announced { epoch: slice.top.epoch.clone(), seq: last.seq };
                let (news, reports) = self.told(room, about, &slice.events).await?;
                stretches.push(Announcement { room, from, to, news, reports });
            }
            if stretches.is_empty() {
                return Ok(());
            }
            let counts: Vec<(RoomId, usize)> =
                stretches.iter().map(|stretch| (stretch.room, stretch.news.len())).collect();
            let moved = self.inner.desk.announce(stretches).await?;
            left = unfinished;
            for (room, count) in counts {
                if moved.contains(&room) {
                    self.inner.metrics.announced.inc_by(count as u64);
                } else if !left.contains(&room) {
                    // Another node told it: look again from there.
                    left.push(room);
                }
            }
        }
        Ok(())
    }

    async fn told(
        &self,
        room: RoomId,
        about: &Announceable,
        log: &[Event],
    ) -> Result<(Vec<events::Recorded>, Vec<NewReport>), StoreError> {
        let mut telling = Telling { room, about, news: Vec::new(), reports: Vec::new() };
        let mut everybody: Option<Vec<UserId>> = None;
        for event in log {
            match &event.payload {
                Payload::Message(said) => {
                    let message = event.message_id;
                    telling.flag(event, message, &said.body);
                    let mut data = json!({
                        "room_id": room, "room_kind": about.kind, "message_id": message, "seq": event.seq,
                        "sender_id": event.sender_id, "reply_to": said.reply_to, "thread": said.thread,
                        "system": false, "created_at": event.created_at,
                    });
                    if about.kind == RoomKind::Direct {
                        let others: Vec<UserId> =
                            about.pair.iter().copied().filter(|user| *user != event.sender_id).collect();
                        data["user_ids"] = json!(self.to_tell(room, event.sender_id, others, false).await?);
                    }
                    telling.tell(event, "message.sent", 0, message.0, data);
                    if said.mentions.is_empty() {
                        continue;
                    }
                    let mut named = said.mentions.users.clone();
                    if said.mentions.room {
                        if everybody.is_none() {
                            everybody = Some(self.everybody(room).await?);
                        }
                        named.extend(
                            everybody.iter().flatten().filter(|user| !said.mentions.users.contains(user)),
                        );
                    }
                    named.retain(|user| *user != event.sender_id);
                    let named = self.to_tell(room, event.sender_id, named, true).await?;
                    for (part, named) in named.chunks(NAMED).enumerate() {
                        let data = json!({
                            "room_id": room, "room_kind": about.kind, "message_id": message,
                            "seq": event.seq, "sender_id": event.sender_id, "thread": said.thread,
                            "room": said.mentions.room, "user_ids": named, "created_at": event.created_at,
                        });
                        telling.tell(event, "message.mentioned", part, message.0, data);
                    }
                }
                Payload::System { .. } => {
                    let data = json!({
                        "room_id": room, "room_kind": about.kind, "message_id": event.message_id,
                        "seq": event.seq, "sender_id": event.sender_id, "system": true,
                        "created_at": event.created_at,
                    });
                    telling.tell(event, "message.sent", 0, event.message_id.0, data);
                }
                Payload::Edit { target, body, .. } => telling.flag(event, *target, body),
                Payload::Member { action, user_id, role } => {
                    let data = json!({
                        "room_id": room, "room_kind": about.kind, "user_id": user_id,
                        "by": event.sender_id, "role": role, "created_at": event.created_at,
                    });
                    telling.tell(event, subject_of(*action), 0, room.0, data);
                }
                _ => {}
            }
        }
        Ok((telling.news, telling.reports))
    }

    /// Everybody in a room.
    async fn everybody(&self, room: RoomId) -> Result<Vec<UserId>, StoreError> {
        let (mut all, mut after) = (Vec::new(), None);
        loop {
            let page = self.inner.rooms.members(room, after, PAGE).await?;
            let Some(last) = page.last() else { return Ok(all) };
            after = Some(last.user_id);
            all.extend(page.iter().map(|member| member.user_id));
        }
    }

    /// Those of `users` who want to hear of a message of `sender`: members who have neither muted the
    /// room nor blocked the sender, and whose level lets it through.
    async fn to_tell(
        &self,
        room: RoomId,
        sender: UserId,
        users: Vec<UserId>,
        mentioned: bool,
    ) -> Result<Vec<UserId>, StoreError> {
        use super::model::NotifyLevel;
        if users.is_empty() {
            return Ok(users);
        }
        let owns: HashMap<_, _> = self.inner.desk.owns(room, &users).await?;
        let blockers = self.inner.desk.blockers(sender, &users).await?;
        let wants = |user: &UserId| {
            owns.get(user).is_some_and(|own| {
                let level =
                    own.notify == NotifyLevel::All || (mentioned && own.notify == NotifyLevel::Mentions);
                !own.muted && level
            }) && !blockers.contains(user)
        };
        Ok(users.into_iter().filter(wants).collect())
    }

    /// Up to where a room's log was told to the other contexts.
    ///
    /// # Errors
    /// When the store is away.
    pub async fn announced_up_to(&self, room: RoomId) -> Result<Seq, StoreError> {
        Ok(self.inner.desk.announced(&[room]).await?.remove(&room).map_or(0, |told| told.seq))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contexts::chat::store::contract::says;

    #[test]
    fn what_is_told_has_one_id() {
        let (room, ann) = (RoomId::new(), UserId::new());
        let event = says(ann, "x").at(7);
        let id = told_id(room, &event, "message.sent", 0);
        assert_eq!(id, told_id(room, &event, "message.sent", 0));
        assert_eq!(id.get_version_num(), 7);
        for other in [
            told_id(RoomId::new(), &event, "message.sent", 0),
            told_id(room, &event, "message.mentioned", 0),
            told_id(room, &event, "message.sent", 1),
            told_id(room, &Event { seq: 8, ..event.clone() }, "message.sent", 0),
        ] {
            assert_ne!(id, other);
        }
    }
}
