//! Rooms and members in Postgres.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl};
use serde_json::Value;

use super::{
    corrupt,
    edits::edit,
    place, rows,
    schema::{members, outbox, rooms},
    seq,
};
use crate::{
    contexts::chat::{
        model::{Member, MemberRole, MessageId, Payload, Room, RoomId, RoomKind, RoomState, Seq},
        store::{Edit, Edited, Listed, Marks, NewRoom, RoomStore, StoreError, Stored, Unlogged},
    },
    postgres::Database,
    principal::UserId,
};

/// Rooms and members in Postgres.
#[derive(Clone)]
pub struct PostgresRooms {
    db: Database,
}

impl PostgresRooms {
    /// Rooms in that database.
    pub fn new(db: Database) -> Self {
        Self { db }
    }
}

diesel::define_sql_function! {
    /// The larger of two places.
    fn greatest(a: diesel::sql_types::BigInt, b: diesel::sql_types::BigInt) -> diesel::sql_types::BigInt;
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = rooms, check_for_backend(diesel::pg::Pg))]
pub(super) struct RoomRow {
    id: RoomId,
    kind: String,
    name: Option<String>,
    topic: String,
    created_by: UserId,
    created_at: DateTime<Utc>,
    archived_at: Option<DateTime<Utc>>,
    version: i64,
    settings: Value,
}

impl TryFrom<RoomRow> for Room {
    type Error = StoreError;

    fn try_from(row: RoomRow) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.id,
            kind: RoomKind::parse(&row.kind).ok_or_else(|| corrupt("an unknown kind of room"))?,
            name: row.name,
            topic: row.topic,
            created_by: row.created_by,
            created_at: row.created_at,
            archived_at: row.archived_at,
            version: row.version,
            settings: serde_json::from_value(row.settings)?,
        })
    }
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = members, check_for_backend(diesel::pg::Pg))]
struct MemberRow {
    user_id: UserId,
    role: String,
    joined_at: DateTime<Utc>,
    read_seq: i64,
    delivered_seq: i64,
    suspended_until: Option<DateTime<Utc>>,
}

impl TryFrom<MemberRow> for Member {
    type Error = StoreError;

    fn try_from(row: MemberRow) -> Result<Self, StoreError> {
        Ok(Self {
            user_id: row.user_id,
            role: MemberRole::parse(&row.role).ok_or_else(|| corrupt("an unknown role"))?,
            joined_at: row.joined_at,
            read_seq: seq(row.read_seq),
            delivered_seq: seq(row.delivered_seq),
            suspended_until: row.suspended_until,
        })
    }
}

pub(super) type MemberValues = (
    diesel::dsl::Eq<members::room_id, RoomId>,
    diesel::dsl::Eq<members::user_id, UserId>,
    diesel::dsl::Eq<members::role, &'static str>,
    diesel::dsl::Eq<members::joined_at, DateTime<Utc>>,
    diesel::dsl::Eq<members::read_seq, i64>,
);

pub(super) fn member_values(
    room: RoomId,
    user: UserId,
    role: MemberRole,
    at: DateTime<Utc>,
    read: Seq,
) -> MemberValues {
    (
        members::room_id.eq(room),
        members::user_id.eq(user),
        members::role.eq(role.as_str()),
        members::joined_at.eq(at),
        members::read_seq.eq(place(read)),
    )
}

async fn load(conn: &mut AsyncPgConnection, id: RoomId) -> Result<Option<RoomState>, StoreError> {
    let room: Option<RoomRow> =
        rooms::table.find(id).select(RoomRow::as_select()).first(conn).await.optional()?;
    let Some(room) = room else { return Ok(None) };
    let found: Vec<MemberRow> =
        members::table.filter(members::room_id.eq(id)).select(MemberRow::as_select()).load(conn).await?;
    let members = found
        .into_iter()
        .map(|row| Member::try_from(row).map(|member| (member.user_id, member)))
        .collect::<Result<_, _>>()?;
    Ok(Some(RoomState { room: room.try_into()?, members }))
}

async fn create(conn: &mut AsyncPgConnection, new: NewRoom) -> Result<(RoomState, bool), StoreError> {
    let key = new.direct_key();
    let room = &new.room;
    let made = diesel::insert_into(rooms::table)
        .values((
            rooms::id.eq(room.id),
            rooms::kind.eq(room.kind.as_str()),
            rooms::name.eq(&room.name),
            rooms::topic.eq(&room.topic),
            rooms::direct_key.eq(&key),
            rooms::created_by.eq(room.created_by),
            rooms::created_at.eq(room.created_at),
            rooms::archived_at.eq(room.archived_at),
            rooms::version.eq(room.version),
            rooms::settings.eq(serde_json::to_value(&room.settings)?),
        ))
        .on_conflict(rooms::direct_key)
        .do_nothing()
        .execute(conn)
        .await?;
    if made == 0 {
        // Waits in the index for the transaction that makes the same pair's room, so it is there.
        let id: RoomId = rooms::table.filter(rooms::direct_key.eq(key)).select(rooms::id).first(conn).await?;
        let known = load(conn, id).await?.ok_or_else(|| corrupt("a direct room went away"))?;
        return Ok((known, false));
    }
    let first: Vec<MemberValues> = new
        .members
        .iter()
        .map(|member| member_values(room.id, member.user_id, member.role, member.joined_at, member.read_seq))
        .collect();
    diesel::insert_into(members::table).values(first).execute(conn).await?;
    let by_user = new.members.into_iter().map(|member| (member.user_id, member)).collect();
    Ok((RoomState { room: new.room, members: by_user }, true))
}

type OutboxRow = (MessageId, UserId, String, Value, DateTime<Utc>, String);

/// Which rooms of a list go with which of their facts.
async fn listed(
    conn: &mut AsyncPgConnection,
    reader: UserId,
    found: Vec<RoomRow>,
) -> Result<Vec<Listed>, StoreError> {
    let ids: Vec<RoomId> = found.iter().map(|row| row.id).collect();
    let counts: HashMap<RoomId, i64> = members::table
        .filter(members::room_id.eq_any(&ids))
        .group_by(members::room_id)
        .select((members::room_id, diesel::dsl::count_star()))
        .load(conn)
        .await?
        .into_iter()
        .collect();
    let mine: Vec<(RoomId, MemberRow)> = members::table
        .filter(members::room_id.eq_any(&ids))
        .filter(members::user_id.eq(reader))
        .select((members::room_id, MemberRow::as_select()))
        .load(conn)
        .await?;
    let mut mine: HashMap<RoomId, MemberRow> = mine.into_iter().collect();
    let of_two: Vec<RoomId> =
        ids.iter().filter(|id| counts.get(id) == Some(&2) && mine.contains_key(id)).copied().collect();
    let peers: HashMap<RoomId, UserId> = members::table
        .filter(members::room_id.eq_any(&of_two))
        .filter(members::user_id.ne(reader))
        .select((members::room_id, members::user_id))
        .load(conn)
        .await?
        .into_iter()
        .collect();
    found
        .into_iter()
        .map(|row| {
            Ok(Listed {
                member_count: seq(counts.get(&row.id).copied().unwrap_or_default()),
                me: mine.remove(&row.id).map(Member::try_from).transpose()?,
                peer: peers.get(&row.id).copied(),
                room: row.try_into()?,
            })
        })
        .collect()
}

impl RoomStore for PostgresRooms {
    fn create(&self, new: NewRoom) -> Stored<'_, (RoomState, bool)> {
        Box::pin(async move {
            let mut conn = self.db.conn().await?;
            (*conn)
                .transaction(async move |conn: &mut AsyncPgConnection| create(conn, new.clone()).await)
                .await
        })
    }

    fn load(&self, room: RoomId) -> Stored<'_, Option<RoomState>> {
        Box::pin(async move { load(&mut *self.db.conn().await?, room).await })
    }

    fn member(&self, room: RoomId, user: UserId) -> Stored<'_, Option<Member>> {
        Box::pin(async move {
            let found: Option<MemberRow> = members::table
                .find((room, user))
                .select(MemberRow::as_select())
                .first(&mut self.db.conn().await?)
                .await
                .optional()?;
            found.map(Member::try_from).transpose()
        })
    }

    fn edit(&self, room: RoomId, change: Edit) -> Stored<'_, Edited> {
        Box::pin(async move {
            let mut conn = self.db.conn().await?;
            (*conn)
                .transaction(async move |conn: &mut AsyncPgConnection| edit(conn, room, change.clone()).await)
                .await
        })
    }

    fn unlogged(&self, room: RoomId) -> Stored<'_, Vec<Unlogged>> {
        Box::pin(async move {
            let found: Vec<OutboxRow> = outbox::table
                .filter(outbox::room_id.eq(room))
                .order(outbox::id)
                .select((
                    outbox::id,
                    outbox::actor_id,
                    outbox::kind,
                    outbox::data,
                    outbox::created_at,
                    outbox::correlation_id,
                ))
                .load(&mut self.db.conn().await?)
                .await?;
            found
                .into_iter()
                .map(|(id, by, kind, data, created_at, correlation_id)| {
                    let payload = Payload::read(&kind, data)?;
                    Ok(Unlogged { id, by, payload, created_at, correlation_id })
                })
                .collect()
        })
    }

    fn logged<'a>(&'a self, room: RoomId, ids: &'a [MessageId]) -> Stored<'a, ()> {
        Box::pin(async move {
            diesel::delete(outbox::table.filter(outbox::room_id.eq(room)).filter(outbox::id.eq_any(ids)))
                .execute(&mut self.db.conn().await?)
                .await?;
            Ok(())
        })
    }

    fn mark(&self, room: RoomId, user: UserId, marks: Marks) -> Stored<'_, Option<Member>> {
        Box::pin(async move {
            let mut conn = self.db.conn().await?;
            let (read, delivered) = (place(marks.read), place(marks.delivered.max(marks.read)));
            let row: Option<MemberRow> = diesel::update(members::table.find((room, user)))
                .set((
                    members::read_seq.eq(greatest(members::read_seq, read)),
                    members::delivered_seq.eq(greatest(members::delivered_seq, delivered)),
                ))
                .returning(MemberRow::as_select())
                .get_result(&mut conn)
                .await
                .optional()?;
            row.map(Member::try_from).transpose()
        })
    }

    fn rooms_of(&self, user: UserId, before: Option<RoomId>, limit: usize) -> Stored<'_, Vec<Listed>> {
        Box::pin(async move {
            let mut conn = self.db.conn().await?;
            let mut query = rooms::table
                .inner_join(members::table.on(members::room_id.eq(rooms::id)))
                .filter(members::user_id.eq(user))
                .order(members::room_id.desc())
                .limit(rows(limit))
                .select(RoomRow::as_select())
                .into_boxed();
            if let Some(before) = before {
                query = query.filter(members::room_id.lt(before));
            }
            let found = query.load(&mut conn).await?;
            listed(&mut conn, user, found).await
        })
    }

    fn public_rooms(&self, user: UserId, before: Option<RoomId>, limit: usize) -> Stored<'_, Vec<Listed>> {
        Box::pin(async move {
            let mut conn = self.db.conn().await?;
            let mut query = rooms::table
                .filter(rooms::kind.eq(RoomKind::Public.as_str()))
                .filter(rooms::archived_at.is_null())
                .order(rooms::id.desc())
                .limit(rows(limit))
                .select(RoomRow::as_select())
                .into_boxed();
            if let Some(before) = before {
                query = query.filter(rooms::id.lt(before));
            }
            let found = query.load(&mut conn).await?;
            listed(&mut conn, user, found).await
        })
    }

    fn members(&self, room: RoomId, after: Option<UserId>, limit: usize) -> Stored<'_, Vec<Member>> {
        Box::pin(async move {
            let mut query = members::table
                .filter(members::room_id.eq(room))
                .order(members::user_id)
                .limit(rows(limit))
                .select(MemberRow::as_select())
                .into_boxed();
            if let Some(after) = after {
                query = query.filter(members::user_id.gt(after));
            }
            let found = query.load(&mut self.db.conn().await?).await?;
            found.into_iter().map(Member::try_from).collect()
        })
    }
}
