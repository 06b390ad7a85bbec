//! Up to where each room's log was told to the other contexts.

use std::collections::HashMap;

use diesel::prelude::*;
use diesel_async::{AsyncConnection, RunQueryDsl};

use super::{
    AsyncPgConnection, Desk, NewReport, StoreError, moderation,
    schema::{announced, members, rooms},
};
use crate::{
    contexts::chat::{
        model::{RoomId, RoomKind, RoomSettings, Seq},
        store::Top,
    },
    events,
    principal::UserId,
};

/// A position in a room's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Announced {
    /// Of which life of the log.
    pub epoch: String,
    /// Up to which event.
    pub seq: Seq,
}

fn place(seq: Seq) -> i64 {
    i64::try_from(seq).unwrap_or(i64::MAX)
}

/// What an announcement has to know of a room.
#[derive(Clone, Debug)]
pub struct Announceable {
    /// Its kind.
    pub kind: RoomKind,
    /// Its settings.
    pub settings: RoomSettings,
    /// The two of a direct room.
    pub pair: Vec<UserId>,
}

impl Desk {
    /// The positions of rooms; a room of which nothing was told has none.
    pub async fn announced(&self, ids: &[RoomId]) -> Result<HashMap<RoomId, Announced>, StoreError> {
        let found: Vec<(RoomId, String, i64)> = announced::table
            .filter(announced::room_id.eq_any(ids))
            .select((announced::room_id, announced::epoch, announced::seq))
            .load(&mut self.conn().await?)
            .await?;
        let read = |(room, epoch, seq): (RoomId, String, i64)| {
            (room, Announced { epoch, seq: Seq::try_from(seq).unwrap_or_default() })
        };
        Ok(found.into_iter().map(read).collect())
    }

    /// What there is to know of a room; `None` if it is gone.
    pub async fn announceable(&self, room: RoomId) -> Result<Option<Announceable>, StoreError> {
        let mut conn = self.conn().await?;
        let found: Option<(String, serde_json::Value)> = rooms::table
            .find(room)
            .select((rooms::kind, rooms::settings))
            .first(&mut conn)
            .await
            .optional()?;
        let Some((kind, settings)) = found else { return Ok(None) };
        let kind =
            RoomKind::parse(&kind).ok_or_else(|| StoreError::Corrupt("an unknown kind of room".into()))?;
        let mut pair = Vec::new();
        if kind == RoomKind::Direct {
            pair = members::table
                .filter(members::room_id.eq(room))
                .select(members::user_id)
                .load(&mut conn)
                .await?;
        }
        Ok(Some(Announceable { kind, settings: serde_json::from_value(settings)?, pair }))
    }

    /// Records what a stretch of a room's log means to others, files what its word rules found, and
    /// moves the position: all of it or nothing. Refuses (`false`) if the position is no longer `from`:
    /// another node was faster.
    pub async fn announce(
        &self,
        room: RoomId,
        from: Seq,
        to: Announced,
        news: Vec<events::Recorded>,
        reports: Vec<NewReport>,
    ) -> Result<bool, StoreError> {
        let mut conn = self.conn().await?;
        (*conn)
            .transaction(async move |conn: &mut AsyncPgConnection| {
                diesel::insert_into(announced::table)
                    .values((
                        announced::room_id.eq(room),
                        announced::epoch.eq(&to.epoch),
                        announced::seq.eq(0),
                    ))
                    .on_conflict_do_nothing()
                    .execute(conn)
                    .await?;
                let row = announced::table.find(room);
                let moved = diesel::update(row.filter(announced::seq.eq(place(from))))
                    .set((announced::seq.eq(place(to.seq)), announced::epoch.eq(&to.epoch)))
                    .execute(conn)
                    .await?;
                if moved == 0 {
                    return Ok(false);
                }
                events::record_all(conn, &news).await?;
                for report in &reports {
                    moderation::file(conn, report).await?;
                }
                Ok(true)
            })
            .await
    }

    /// Moves a room's position to `top` without telling anybody of what is before it.
    pub async fn skip_announcements(&self, room: RoomId, top: &Top) -> Result<(), StoreError> {
        let set = (announced::epoch.eq(&top.epoch), announced::seq.eq(place(top.last_seq)));
        diesel::insert_into(announced::table)
            .values((announced::room_id.eq(room), set))
            .on_conflict(announced::room_id)
            .do_update()
            .set(set)
            .execute(&mut self.conn().await?)
            .await?;
        Ok(())
    }
}
