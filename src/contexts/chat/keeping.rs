//! How long words are kept, and what becomes of them when their author goes.
//!
//! Both are rows: a room's retention is among its settings, an erasure is a row of `chat.erasures`. Whoever
//! looks does what is left, so a crash in between loses nothing and doing it again changes nothing.

use chrono::{DateTime, Duration, Utc};

use super::{
    Actor, Chat, ChatError,
    model::{RoomId, RoomKind, Seq, now},
    store::StoreError,
};
use crate::{config::Erasure, principal::UserId, telemetry::log};

/// Rooms looked at in one query.
const PAGE: usize = 200;
/// Messages of an erased person taken up at once.
const BATCH: usize = 100;
/// To the next look for erasures when nothing wakes the worker.
const LOOK: std::time::Duration = std::time::Duration::from_secs(30);

/// What the operator decides of keeping.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Keeping {
    /// Days that messages are kept in rooms that do not say otherwise; 0 for ever.
    pub retention_days: u32,
    /// What becomes of an erased person's messages.
    pub erasure: Erasure,
}

impl Chat {
    /// Drops what rooms no longer keep. Answers how many rooms lost something.
    ///
    /// # Errors
    /// When a store is away; the next call does what this one left.
    pub async fn retire(&self, now: DateTime<Utc>) -> Result<usize, ChatError> {
        let default = self.inner.keeping.retention_days;
        let (mut after, mut cut) = (None, 0);
        loop {
            let page = self.inner.desk.retentions(after, default, PAGE).await?;
            let Some((last, _)) = page.last() else { return Ok(cut) };
            after = Some(*last);
            for (room, days) in page {
                cut += usize::from(self.retire_room(room, now - Duration::days(days.into())).await?);
            }
        }
    }

    /// Drops a room's events of before `oldest`, as far as the other contexts have heard of them.
    async fn retire_room(&self, room: RoomId, oldest: DateTime<Utc>) -> Result<bool, ChatError> {
        let told = self.announced_up_to(room).await?;
        let first = match self.first_since(room, oldest).await {
            Ok(first) => first,
            Err(StoreError::NoStream) => return Ok(false),
            Err(error) => return Err(error.into()),
        };
        let Some((begins, first)) = first else { return Ok(false) };
        let first = first.min(told + 1);
        if first <= begins {
            return Ok(false);
        }
        let top = self.inner.log.cut(room, first).await?;
        slog::info!(log(), "a room's old messages were dropped"; "room" => %room, "first_seq" => top.first_seq);
        Ok(true)
    }

    /// Where a log begins, and its first event that is not older than `oldest`: what is before goes. `None`
    /// where nothing does. Times rise with places but for the clocks of several nodes, which differ by less
    /// than matters here.
    async fn first_since(
        &self,
        room: RoomId,
        oldest: DateTime<Utc>,
    ) -> Result<Option<(Seq, Seq)>, StoreError> {
        let at = async |seq: Seq| {
            let slice = self.inner.log.since(room, seq - 1, 1).await?;
            Ok::<_, StoreError>((slice.events.first().map(|event| (event.seq, event.created_at)), slice.top))
        };
        let top = match self.inner.log.since(room, 0, 1).await {
            Ok(slice) => slice.top,
            Err(error) => return Err(error),
        };
        if top.first_seq > top.last_seq {
            return Ok(None);
        }
        // What is at `low` goes, what is at `high` stays.
        match at(top.first_seq).await?.0 {
            Some((_, time)) if time < oldest => {}
            _ => return Ok(None),
        }
        let (mut low, mut high) = (top.first_seq, top.last_seq + 1);
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            match at(middle).await?.0 {
                Some((_, time)) if time < oldest => low = middle,
                _ => high = middle,
            }
        }
        Ok(Some((top.first_seq, high)))
    }

    /// Does the erasures that are due until the task is dropped; several may run.
    pub async fn run_erasures(self) {
        loop {
            if let Err(error) = self.erase_due().await {
                slog::warn!(log(), "an erasure goes on later"; "error" => %error);
            }
            let _ = tokio::time::timeout(LOOK, self.inner.erasing.notified()).await;
        }
    }

    /// Does what is left of the erasures. Answers how many are done with.
    ///
    /// # Errors
    /// When a store is away; the next call goes on.
    pub async fn erase_due(&self) -> Result<usize, ChatError> {
        let mut done = 0;
        for (user, policy) in self.inner.desk.erasures_due().await? {
            // Each by itself: one that fails holds nobody else up.
            match self.erase_one(user, &policy).await {
                Ok(()) => done += 1,
                Err(error) => {
                    slog::warn!(log(), "an erasure goes on later"; "user_id" => %user, "error" => %error)
                }
            }
        }
        if done > 0 {
            self.load_blocks().await?;
        }
        Ok(done)
    }

    async fn erase_one(&self, user: UserId, policy: &str) -> Result<(), ChatError> {
        self.leave_everything(user).await?;
        if policy == Erasure::Tombstone.as_str() {
            self.bury(user).await?;
        }
        self.inner.desk.erased(user, now()).await?;
        slog::info!(log(), "a person's chat is erased"; "user_id" => %user, "policy" => policy);
        Ok(())
    }

    /// Takes somebody out of every room that can be left.
    async fn leave_everything(&self, user: UserId) -> Result<(), ChatError> {
        let mut before = None;
        loop {
            let page = self.inner.rooms.rooms_of(user, before, PAGE).await?;
            let Some(last) = page.last() else { return Ok(()) };
            before = Some(last.room.id);
            for listed in page.iter().filter(|listed| listed.room.kind != RoomKind::Direct) {
                match self.remove_member(user, listed.room.id, user).await {
                    Ok(()) | Err(ChatError::NotMember | ChatError::NoSuchMember | ChatError::NoRoom) => {}
                    Err(error) => return Err(error),
                }
            }
        }
    }

    /// Makes every message of somebody a tombstone, for everybody who looks.
    async fn bury(&self, user: UserId) -> Result<(), ChatError> {
        let platform = Actor { user: Self::SYSTEM, moderator: true };
        let mut after = None;
        loop {
            let page = self.inner.log.written(user, after, BATCH).await?;
            let Some((room, last)) = page.last() else { return Ok(()) };
            after = Some((*room, last.seq));
            for (room, message) in page.iter().filter(|(_, message)| message.is_live()) {
                match self.take_back(platform, *room, message.id).await {
                    Ok(()) | Err(ChatError::NoMessage | ChatError::NoRoom) => {}
                    Err(error) => return Err(error),
                }
            }
        }
    }
}
