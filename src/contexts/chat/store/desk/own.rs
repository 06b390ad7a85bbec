//! What a person sets for themselves.

use std::collections::{HashMap, HashSet};

use chrono::Duration;
use diesel::{
    dsl::exists,
    prelude::*,
    sql_types::{Nullable, Timestamptz},
};
use diesel_async::RunQueryDsl;

use super::{
    DateTime, Desk, StoreError, Utc,
    schema::{blocks, members, people, rooms, statuses},
};
use crate::{
    contexts::chat::model::{LastSeenTo, NotifyLevel, RoomId, RoomKind, Status},
    principal::{SessionId, UserId},
};

/// What a member has set for one room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Own {
    /// Nothing of this room is to ring.
    pub muted: bool,
    /// What the member wants to hear of.
    pub notify: NotifyLevel,
    /// Among the favourites.
    pub favourite: bool,
    /// What they have begun to write.
    pub draft: String,
    /// Grows with every change.
    pub version: i64,
}

/// What changes in an [`Own`].
#[derive(Clone, Debug, Default)]
pub struct OwnPatch {
    /// See [`Own::muted`].
    pub muted: Option<bool>,
    /// See [`Own::notify`].
    pub notify: Option<NotifyLevel>,
    /// See [`Own::favourite`].
    pub favourite: Option<bool>,
    /// See [`Own::draft`].
    pub draft: Option<String>,
}

/// What a person lets others see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Privacy {
    /// Who sees when they were last there.
    pub last_seen_to: LastSeenTo,
    /// Whether others see what they have read; then they see it of others too.
    pub receipts: bool,
    /// Grows with every change.
    pub version: i64,
}

impl Default for Privacy {
    fn default() -> Self {
        Self { last_seen_to: LastSeenTo::Everyone, receipts: true, version: 0 }
    }
}

/// What others see of somebody.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// What their sessions say: the least available wins.
    pub status: Option<Status>,
    /// When they were last there, where they let the asker see it.
    pub last_seen_at: Option<DateTime<Utc>>,
}

/// A status that a session gave longer ago than this is forgotten.
const STALE: Duration = Duration::hours(24);

diesel::define_sql_function! {
    /// The later of two times; of one and none, the one.
    #[sql_name = "greatest"]
    fn latest(a: Nullable<Timestamptz>, b: Nullable<Timestamptz>) -> Nullable<Timestamptz>;
}

type OwnRow = (bool, String, bool, String, i64);
const OWN: (members::muted, members::notify, members::favourite, members::draft, members::own_version) =
    (members::muted, members::notify, members::favourite, members::draft, members::own_version);

fn own((muted, notify, favourite, draft, version): OwnRow) -> Result<Own, StoreError> {
    let notify = NotifyLevel::parse(&notify)
        .ok_or_else(|| StoreError::Corrupt("an unknown level of notification".into()))?;
    Ok(Own { muted, notify, favourite, draft, version })
}

impl Desk {
    /// What a member has set for a room; `None` for one who is no member.
    pub async fn own(&self, room: RoomId, user: UserId) -> Result<Option<Own>, StoreError> {
        let found: Option<OwnRow> =
            members::table.find((room, user)).select(OWN).first(&mut self.conn().await?).await.optional()?;
        found.map(own).transpose()
    }

    /// The same for several members of a room.
    pub async fn owns(&self, room: RoomId, users: &[UserId]) -> Result<HashMap<UserId, Own>, StoreError> {
        let found: Vec<(UserId, OwnRow)> = members::table
            .filter(members::room_id.eq(room))
            .filter(members::user_id.eq_any(users))
            .select((members::user_id, OWN))
            .load(&mut self.conn().await?)
            .await?;
        found.into_iter().map(|(user, row)| Ok((user, own(row)?))).collect()
    }

    /// The same for one person's rooms.
    pub async fn owns_of(&self, user: UserId, rooms: &[RoomId]) -> Result<HashMap<RoomId, Own>, StoreError> {
        let found: Vec<(RoomId, OwnRow)> = members::table
            .filter(members::user_id.eq(user))
            .filter(members::room_id.eq_any(rooms))
            .select((members::room_id, OWN))
            .load(&mut self.conn().await?)
            .await?;
        found.into_iter().map(|(room, row)| Ok((room, own(row)?))).collect()
    }

    /// Changes it; `None` for one who is no member.
    pub async fn set_own(
        &self,
        room: RoomId,
        user: UserId,
        patch: &OwnPatch,
    ) -> Result<Option<Own>, StoreError> {
        #[derive(AsChangeset)]
        #[diesel(table_name = members)]
        struct Set<'a> {
            muted: Option<bool>,
            notify: Option<&'static str>,
            favourite: Option<bool>,
            draft: Option<&'a str>,
        }
        let set = Set {
            muted: patch.muted,
            notify: patch.notify.map(NotifyLevel::as_str),
            favourite: patch.favourite,
            draft: patch.draft.as_deref(),
        };
        let found: Option<OwnRow> = diesel::update(members::table.find((room, user)))
            .set((set, members::own_version.eq(members::own_version + 1)))
            .returning(OWN)
            .get_result(&mut self.conn().await?)
            .await
            .optional()?;
        found.map(own).transpose()
    }

    /// Whom a person has blocked.
    pub async fn blocked_by(&self, user: UserId) -> Result<Vec<UserId>, StoreError> {
        let found = blocks::table
            .filter(blocks::user_id.eq(user))
            .order(blocks::blocked_id)
            .select(blocks::blocked_id)
            .load(&mut self.conn().await?)
            .await?;
        Ok(found)
    }

    /// Who has blocked whom.
    pub async fn all_blocks(&self) -> Result<Vec<(UserId, UserId)>, StoreError> {
        let all = blocks::table.select((blocks::user_id, blocks::blocked_id));
        Ok(all.load(&mut self.conn().await?).await?)
    }

    /// Which of `users` have blocked `blocked`.
    pub async fn blockers(&self, blocked: UserId, users: &[UserId]) -> Result<HashSet<UserId>, StoreError> {
        let found: Vec<UserId> = blocks::table
            .filter(blocks::blocked_id.eq(blocked))
            .filter(blocks::user_id.eq_any(users))
            .select(blocks::user_id)
            .load(&mut self.conn().await?)
            .await?;
        Ok(found.into_iter().collect())
    }

    /// Whether one of two has blocked the other.
    pub async fn apart(&self, a: UserId, b: UserId) -> Result<bool, StoreError> {
        let either = blocks::user_id
            .eq(a)
            .and(blocks::blocked_id.eq(b))
            .or(blocks::user_id.eq(b).and(blocks::blocked_id.eq(a)));
        Ok(diesel::select(exists(blocks::table.filter(either))).get_result(&mut self.conn().await?).await?)
    }

    /// Blocks somebody, or no longer.
    pub async fn set_block(&self, user: UserId, whom: UserId, on: bool) -> Result<(), StoreError> {
        let mut conn = self.conn().await?;
        if on {
            diesel::insert_into(blocks::table)
                .values((blocks::user_id.eq(user), blocks::blocked_id.eq(whom), blocks::at.eq(Utc::now())))
                .on_conflict_do_nothing()
                .execute(&mut conn)
                .await?;
        } else {
            diesel::delete(blocks::table.find((user, whom))).execute(&mut conn).await?;
        }
        Ok(())
    }

    /// How many somebody has blocked.
    pub async fn block_count(&self, user: UserId) -> Result<i64, StoreError> {
        Ok(blocks::table.filter(blocks::user_id.eq(user)).count().get_result(&mut self.conn().await?).await?)
    }

    /// The direct room of two, if they have one.
    pub async fn direct_room(&self, a: UserId, b: UserId) -> Result<Option<RoomId>, StoreError> {
        let mut ids = [a.to_string(), b.to_string()];
        ids.sort_unstable();
        Ok(rooms::table
            .filter(rooms::direct_key.eq(ids.join(":")))
            .select(rooms::id)
            .first(&mut self.conn().await?)
            .await
            .optional()?)
    }

    /// What a person lets others see.
    pub async fn privacy(&self, user: UserId) -> Result<Privacy, StoreError> {
        let found: Option<(String, bool, i64)> = people::table
            .find(user)
            .select((people::last_seen_to, people::receipts, people::version))
            .first(&mut self.conn().await?)
            .await
            .optional()?;
        Ok(found.map_or_else(Privacy::default, |(to, receipts, version)| Privacy {
            last_seen_to: LastSeenTo::parse(&to).unwrap_or(LastSeenTo::Nobody),
            receipts,
            version,
        }))
    }

    /// Sets it.
    pub async fn set_privacy(
        &self,
        user: UserId,
        to: LastSeenTo,
        receipts: bool,
    ) -> Result<Privacy, StoreError> {
        let set = (people::last_seen_to.eq(to.as_str()), people::receipts.eq(receipts));
        let version = diesel::insert_into(people::table)
            .values((people::user_id.eq(user), set))
            .on_conflict(people::user_id)
            .do_update()
            .set((set, people::version.eq(people::version + 1)))
            .returning(people::version)
            .get_result(&mut self.conn().await?)
            .await?;
        Ok(Privacy { last_seen_to: to, receipts, version })
    }

    /// Whether others may see what this person has read.
    pub async fn shows_receipts(&self, user: UserId) -> Result<bool, StoreError> {
        Ok(self.privacy(user).await?.receipts)
    }

    /// Notes what a session says of itself; that somebody is there, too.
    pub async fn set_status(
        &self,
        user: UserId,
        session: SessionId,
        status: Status,
        at: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        let mut conn = self.conn().await?;
        let set = (statuses::status.eq(status.as_str()), statuses::at.eq(at));
        diesel::insert_into(statuses::table)
            .values((statuses::session_id.eq(session), statuses::user_id.eq(user), set))
            .on_conflict(statuses::session_id)
            .do_update()
            .set(set)
            .execute(&mut conn)
            .await?;
        drop(conn);
        self.touch(user, at).await
    }

    /// Notes that somebody is there.
    pub async fn touch(&self, user: UserId, at: DateTime<Utc>) -> Result<(), StoreError> {
        let conn = &mut self.conn().await?;
        let at = Some(at);
        diesel::insert_into(people::table)
            .values((people::user_id.eq(user), people::last_seen_at.eq(at)))
            .on_conflict(people::user_id)
            .do_update()
            .set(people::last_seen_at.eq(latest(people::last_seen_at, at)))
            .execute(conn)
            .await?;
        Ok(())
    }

    /// Forgets statuses that nobody has renewed.
    pub async fn forget_statuses(&self) -> Result<usize, StoreError> {
        let old = statuses::table.filter(statuses::at.lt(Utc::now() - STALE));
        Ok(diesel::delete(old).execute(&mut self.conn().await?).await?)
    }

    /// Those of `users` of whom a session says that they are not to be disturbed.
    pub async fn undisturbed(&self, users: &[UserId]) -> Result<HashSet<UserId>, StoreError> {
        let found: Vec<UserId> = statuses::table
            .filter(statuses::user_id.eq_any(users))
            .filter(statuses::status.eq(Status::Dnd.as_str()))
            .filter(statuses::at.gt(Utc::now() - STALE))
            .select(statuses::user_id)
            .load(&mut self.conn().await?)
            .await?;
        Ok(found.into_iter().collect())
    }

    /// What `asker` sees of people.
    pub async fn seen(&self, asker: UserId, users: &[UserId]) -> Result<HashMap<UserId, Seen>, StoreError> {
        let mut conn = self.conn().await?;
        let said: Vec<(UserId, String)> = statuses::table
            .filter(statuses::user_id.eq_any(users))
            .filter(statuses::at.gt(Utc::now() - STALE))
            .select((statuses::user_id, statuses::status))
            .load(&mut conn)
            .await?;
        let last: Vec<(UserId, String, Option<DateTime<Utc>>)> = people::table
            .filter(people::user_id.eq_any(users))
            .select((people::user_id, people::last_seen_to, people::last_seen_at))
            .load(&mut conn)
            .await?;
        let to_contacts = |to: &str| LastSeenTo::parse(to) == Some(LastSeenTo::Contacts);
        let asks: Vec<UserId> = last.iter().filter(|(_, to, _)| to_contacts(to)).map(|(u, ..)| *u).collect();
        let contacts: HashSet<UserId> = if asks.is_empty() {
            HashSet::new()
        } else {
            let theirs = diesel::alias!(members as theirs);
            let (room, user) = (theirs.field(members::room_id), theirs.field(members::user_id));
            let found: Vec<UserId> = members::table
                .inner_join(theirs.on(room.eq(members::room_id)))
                .inner_join(rooms::table.on(rooms::id.eq(members::room_id)))
                .filter(rooms::kind.eq(RoomKind::Direct.as_str()))
                .filter(members::user_id.eq(asker))
                .filter(user.eq_any(&asks))
                .select(user)
                .load(&mut conn)
                .await?;
            found.into_iter().collect()
        };
        let mut seen: HashMap<UserId, Seen> = HashMap::new();
        for (user, status) in said {
            let Some(status) = Status::parse(&status) else { continue };
            let known = &mut seen.entry(user).or_default().status;
            *known = Some(match (*known, status) {
                (Some(Status::Dnd), _) | (_, Status::Dnd) => Status::Dnd,
                (Some(Status::Online), _) | (_, Status::Online) => Status::Online,
                _ => Status::Away,
            });
        }
        for (user, to, at) in last {
            let visible = user == asker
                || match LastSeenTo::parse(&to) {
                    Some(LastSeenTo::Everyone) => true,
                    Some(LastSeenTo::Contacts) => contacts.contains(&user),
                    _ => false,
                };
            if visible {
                seen.entry(user).or_default().last_seen_at = at;
            }
        }
        Ok(seen)
    }
}
