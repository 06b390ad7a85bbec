//! One transaction that changes a room and remembers what its log has to say about it.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde_json::{Value, json};

use super::{
    rooms::{MemberValues, RoomRow, member_values},
    schema::{bans, members, outbox, rooms},
};
use crate::{
    contexts::chat::{
        model::{MemberAction, MemberRole, MessageId, Payload, Room, RoomId, now},
        store::{Edit, Edited, MemberChange, RoomPatch, Sanction, StoreError, Unlogged, desk},
    },
    principal::UserId,
};

/// Applies the member changes and answers those that had an effect: another node may have been
/// faster with the same.
async fn change_members(
    conn: &mut AsyncPgConnection,
    room: RoomId,
    edit: &Edit,
    now: DateTime<Utc>,
) -> Result<Vec<Payload>, StoreError> {
    let comes = |change: &&MemberChange| matches!(change.action, MemberAction::Added | MemberAction::Joined);
    let coming: Vec<UserId> = edit.members.iter().filter(comes).map(|change| change.user_id).collect();
    // Also who was banned since the command looked.
    let banned: Vec<UserId> = match coming.is_empty() {
        true => Vec::new(),
        false => {
            bans::table
                .filter(bans::room_id.eq(room))
                .filter(bans::user_id.eq_any(&coming))
                .filter(bans::until.is_null().or(bans::until.gt(now)))
                .select(bans::user_id)
                .load(conn)
                .await?
        }
    };
    let arrivals: Vec<MemberValues> = edit
        .members
        .iter()
        .filter(comes)
        .filter(|change| !banned.contains(&change.user_id))
        .map(|change| member_values(room, change.user_id, change.role, now, 0))
        .collect();
    let mut effective: HashSet<UserId> = HashSet::new();
    if !arrivals.is_empty() {
        let came: Vec<UserId> = diesel::insert_into(members::table)
            .values(arrivals)
            .on_conflict_do_nothing()
            .returning(members::user_id)
            .get_results(conn)
            .await?;
        effective.extend(came);
    }
    for change in &edit.members {
        let row = members::table.find((room, change.user_id));
        let touched = match change.action {
            MemberAction::Added | MemberAction::Joined | MemberAction::Suspended | MemberAction::Restored => {
                continue;
            }
            MemberAction::Removed => diesel::delete(row).execute(conn).await?,
            MemberAction::Left => {
                stays_suspended(conn, room, change.user_id, now).await?;
                diesel::delete(row).execute(conn).await?
            }
            MemberAction::Role => {
                let role = change.role.as_str();
                diesel::update(row.filter(members::role.ne(role)))
                    .set(members::role.eq(role))
                    .execute(conn)
                    .await?
            }
        };
        if touched > 0 {
            effective.insert(change.user_id);
        }
    }
    let changes = edit.members.iter().filter(|change| effective.contains(&change.user_id));
    Ok(changes
        .map(|change| Payload::Member { action: change.action, user_id: change.user_id, role: change.role })
        .collect())
}

/// Whoever leaves while they may not write must not come back before that is over, able to.
async fn stays_suspended(
    conn: &mut AsyncPgConnection,
    room: RoomId,
    user: UserId,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let until: Option<Option<DateTime<Utc>>> =
        members::table.find((room, user)).select(members::suspended_until).first(conn).await.optional()?;
    let Some(until) = until.flatten().filter(|until| *until > now) else { return Ok(()) };
    let values = (
        bans::by_id.eq(user),
        bans::reason.eq("left while suspended"),
        bans::at.eq(now),
        bans::until.eq(Some(until)),
    );
    diesel::insert_into(bans::table)
        .values((bans::room_id.eq(room), bans::user_id.eq(user), values))
        .on_conflict_do_nothing()
        .execute(conn)
        .await?;
    Ok(())
}

/// Applies a patch to a room and answers what of it is news.
fn patch_room(room: &mut Room, patch: &RoomPatch, now: DateTime<Utc>) -> Option<Payload> {
    let mut news = serde_json::Map::new();
    if let Some(name) = &patch.name
        && room.name.as_ref() != Some(name)
    {
        room.name = Some(name.clone());
        news.insert("name".into(), json!(name));
    }
    if let Some(topic) = &patch.topic
        && room.topic != *topic
    {
        room.topic.clone_from(topic);
        news.insert("topic".into(), json!(topic));
    }
    if let Some(archived) = patch.archived
        && room.archived_at.is_some() != archived
    {
        room.archived_at = archived.then_some(now);
        news.insert("archived".into(), json!(archived));
    }
    news.extend(patch.settings.apply(&mut room.settings));
    (!news.is_empty()).then_some(Payload::Room(Value::Object(news)))
}

/// Does to somebody what a moderator decided; answers what of it is news.
async fn sanction(
    conn: &mut AsyncPgConnection,
    room: RoomId,
    edit: &Edit,
    now: DateTime<Utc>,
) -> Result<Option<Payload>, StoreError> {
    match &edit.sanction {
        None => Ok(None),
        Some(Sanction::Suspend(user, until)) => {
            let role: Option<String> = diesel::update(members::table.find((room, *user)))
                .set(members::suspended_until.eq(until))
                .returning(members::role)
                .get_result(conn)
                .await
                .optional()?;
            let Some(role) = role.as_deref().and_then(MemberRole::parse) else { return Ok(None) };
            let action = if until.is_some() { MemberAction::Suspended } else { MemberAction::Restored };
            Ok(Some(Payload::Member { action, user_id: *user, role }))
        }
        Some(Sanction::Ban(user, until)) => {
            let reason = edit.audit.as_ref().and_then(|audit| audit.detail["reason"].as_str()).unwrap_or("");
            let values = (
                bans::by_id.eq(edit.by),
                bans::reason.eq(reason.to_owned()),
                bans::at.eq(now),
                bans::until.eq(*until),
            );
            diesel::insert_into(bans::table)
                .values((bans::room_id.eq(room), bans::user_id.eq(*user), values.clone()))
                .on_conflict((bans::room_id, bans::user_id))
                .do_update()
                .set(values)
                .execute(conn)
                .await?;
            Ok(None)
        }
        Some(Sanction::Unban(user)) => {
            diesel::delete(bans::table.find((room, *user))).execute(conn).await?;
            Ok(None)
        }
    }
}

pub(super) async fn edit(conn: &mut AsyncPgConnection, id: RoomId, edit: Edit) -> Result<Edited, StoreError> {
    let row: Option<RoomRow> =
        rooms::table.find(id).for_update().select(RoomRow::as_select()).first(conn).await.optional()?;
    let Some(row) = row else { return Ok(Edited::Gone) };
    let mut room = Room::try_from(row)?;
    if edit.if_version.is_some_and(|version| version != room.version) {
        return Ok(Edited::Stale);
    }
    let now = now();
    let mut news = change_members(conn, id, &edit, now).await?;
    news.extend(patch_room(&mut room, &edit.patch, now));
    news.extend(sanction(conn, id, &edit, now).await?);
    if let Some(audit) = &edit.audit {
        desk::write_audit(conn, edit.by, Some(id), audit, &edit.correlation_id).await?;
    }
    if news.is_empty() {
        return Ok(Edited::Done(room, Vec::new()));
    }
    room.version += 1;
    diesel::update(rooms::table.find(id))
        .set((
            rooms::name.eq(&room.name),
            rooms::topic.eq(&room.topic),
            rooms::archived_at.eq(room.archived_at),
            rooms::version.eq(room.version),
            rooms::settings.eq(serde_json::to_value(&room.settings)?),
        ))
        .execute(conn)
        .await?;
    let unlogged: Vec<Unlogged> = news
        .into_iter()
        .map(|payload| Unlogged {
            id: MessageId::new(),
            by: edit.by,
            payload,
            created_at: now,
            correlation_id: edit.correlation_id.clone(),
        })
        .collect();
    let waiting: Vec<_> = unlogged
        .iter()
        .map(|change| {
            (
                outbox::id.eq(change.id),
                outbox::room_id.eq(id),
                outbox::actor_id.eq(change.by),
                outbox::kind.eq(change.payload.kind()),
                outbox::data.eq(change.payload.data()),
                outbox::created_at.eq(change.created_at),
                outbox::correlation_id.eq(&change.correlation_id),
            )
        })
        .collect();
    diesel::insert_into(outbox::table).values(waiting).execute(conn).await?;
    Ok(Edited::Done(room, unlogged))
}
