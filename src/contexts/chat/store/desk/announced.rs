//! Up to where each room's log was told to the other contexts.

use std::collections::{HashMap, HashSet};

use diesel::{
    prelude::*,
    sql_types::{Array, BigInt, Text, Uuid as SqlUuid},
};
use diesel_async::{AsyncConnection, RunQueryDsl};
use uuid::Uuid;

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
    postgres::Kept,
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

/// What a stretch of a room's log means to others.
#[derive(Clone, Debug)]
pub struct Announcement {
    /// Which room's.
    pub room: RoomId,
    /// Behind which event the stretch begins.
    pub from: Seq,
    /// With which it ends.
    pub to: Announced,
    /// What other contexts hear.
    pub news: Vec<events::Recorded>,
    /// What the room's word rules found.
    pub reports: Vec<NewReport>,
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

    /// What there is to know of rooms; those that are gone are not among them.
    pub async fn announceable(&self, ids: &[RoomId]) -> Result<HashMap<RoomId, Announceable>, StoreError> {
        let mut conn = self.conn().await?;
        let found: Vec<(RoomId, String, serde_json::Value)> = rooms::table
            .filter(rooms::id.eq_any(ids))
            .select((rooms::id, rooms::kind, rooms::settings))
            .load(&mut conn)
            .await?;
        let mut known = HashMap::with_capacity(found.len());
        for (room, kind, settings) in found {
            let kind = RoomKind::parse(&kind)
                .ok_or_else(|| StoreError::Corrupt("an unknown kind of room".into()))?;
            let settings = serde_json::from_value(settings)?;
            known.insert(room, Announceable { kind, settings, pair: Vec::new() });
        }
        let direct: Vec<RoomId> =
            known.iter().filter(|(_, about)| about.kind == RoomKind::Direct).map(|(room, _)| *room).collect();
        if !direct.is_empty() {
            let pairs: Vec<(RoomId, UserId)> = members::table
                .filter(members::room_id.eq_any(direct))
                .select((members::room_id, members::user_id))
                .load(&mut conn)
                .await?;
            for (room, user) in pairs {
                if let Some(about) = known.get_mut(&room) {
                    about.pair.push(user);
                }
            }
        }
        Ok(known)
    }

    /// Records what stretches of rooms' logs mean to others, files what their word rules found, and moves the
    /// positions: all of it or nothing, save for rooms whose position is no longer `from` (another node was
    /// faster), of which nothing is recorded. Answers those that moved.
    pub async fn announce(&self, stretches: Vec<Announcement>) -> Result<HashSet<RoomId>, StoreError> {
        let mut conn = self.conn().await?;
        (*conn)
            .transaction(async move |conn: &mut AsyncPgConnection| {
                let moved = move_positions(conn, &stretches).await?;
                let told = stretches.into_iter().filter(|stretch| moved.contains(&stretch.room));
                let (mut news, mut reports) = (Vec::new(), Vec::new());
                for stretch in told {
                    news.extend(stretch.news);
                    reports.extend(stretch.reports);
                }
                events::record_all(conn, &news).await?;
                for report in &reports {
                    moderation::file(conn, report).await?;
                }
                Ok(moved)
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

/// Moves the positions that are still where the stretches begin. Their rows are locked in the order of the
/// rooms, so that two nodes never wait for each other.
async fn move_positions(
    conn: &mut AsyncPgConnection,
    stretches: &[Announcement],
) -> Result<HashSet<RoomId>, StoreError> {
    #[derive(QueryableByName)]
    struct Moved {
        #[diesel(sql_type = SqlUuid)]
        room_id: RoomId,
    }
    let mut sorted: Vec<&Announcement> = stretches.iter().collect();
    sorted.sort_unstable_by_key(|stretch| stretch.room.0);
    let rooms: Vec<Uuid> = sorted.iter().map(|stretch| stretch.room.0).collect();
    let epochs: Vec<&str> = sorted.iter().map(|stretch| stretch.to.epoch.as_str()).collect();
    let from: Vec<i64> = sorted.iter().map(|stretch| place(stretch.from)).collect();
    let to: Vec<i64> = sorted.iter().map(|stretch| place(stretch.to.seq)).collect();
    let made = diesel::sql_query(
        "insert into chat.announced (room_id, epoch, seq) \
         select room_id, epoch, 0 from unnest($1, $2) as s (room_id, epoch) on conflict do nothing",
    )
    .bind::<Array<SqlUuid>, _>(&rooms)
    .bind::<Array<Text>, _>(&epochs);
    Kept(made).execute(conn).await?;
    let moved = diesel::sql_query(
        "with locked as materialized \
           (select room_id from chat.announced where room_id = any($1) order by room_id for update) \
         update chat.announced a set seq = s.upto, epoch = s.epoch \
         from locked l join unnest($1, $2, $3, $4) as s (room_id, epoch, behind, upto) using (room_id) \
         where a.room_id = s.room_id and a.seq = s.behind returning a.room_id",
    )
    .bind::<Array<SqlUuid>, _>(&rooms)
    .bind::<Array<Text>, _>(&epochs)
    .bind::<Array<BigInt>, _>(&from)
    .bind::<Array<BigInt>, _>(&to);
    let moved: Vec<Moved> = Kept(moved).load(conn).await?;
    Ok(moved.into_iter().map(|moved| moved.room_id).collect())
}
