//! What moderators see and do.

use diesel::prelude::*;
use diesel_async::{AsyncConnection, RunQueryDsl};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    AsyncPgConnection, DateTime, Desk, StoreError, Utc,
    schema::{audit, bans, reports},
};
use crate::{
    contexts::chat::{
        model::{MessageId, ReportReason, RoomId},
        store::Audit,
    },
    events,
    principal::UserId,
};

/// A message put before the moderators.
#[derive(Clone, Debug)]
pub struct NewReport {
    /// Its id, if it is new.
    pub id: Uuid,
    /// Where.
    pub room: RoomId,
    /// Which message.
    pub message: MessageId,
    /// Who said it.
    pub sender: UserId,
    /// Who reports it; the nil id for the room's word rules.
    pub reporter: UserId,
    /// Why.
    pub reason: ReportReason,
    /// In the reporter's words.
    pub detail: String,
    /// What it said then.
    pub body: String,
    /// When.
    pub at: DateTime<Utc>,
}

/// How a report was settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Resolution {
    /// Nothing was wrong.
    Dismissed,
    /// The message was removed.
    Removed,
}

impl Resolution {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Dismissed => "dismissed",
            Self::Removed => "removed",
        }
    }
}

/// A report as it stands.
#[derive(Clone, Debug, PartialEq, Queryable, Selectable)]
#[diesel(table_name = reports, check_for_backend(diesel::pg::Pg))]
pub struct Report {
    /// Its id; later ones sort after earlier ones.
    pub id: Uuid,
    /// Where.
    pub room_id: RoomId,
    /// Which message.
    pub message_id: MessageId,
    /// Who said it.
    pub sender_id: UserId,
    /// Who reported it; the nil id for the room's word rules.
    pub reporter_id: UserId,
    /// Why.
    pub reason: String,
    /// In the reporter's words.
    pub detail: String,
    /// What it said then.
    pub body: String,
    /// When.
    pub at: DateTime<Utc>,
    /// How it was settled.
    pub resolution: Option<String>,
    /// In the moderator's words.
    pub note: String,
    /// By whom.
    pub resolved_by: Option<UserId>,
    /// When.
    pub resolved_at: Option<DateTime<Utc>>,
}

/// Which reports.
#[derive(Clone, Copy, Debug, Default)]
pub struct ReportFilter {
    /// Of one room.
    pub room: Option<RoomId>,
    /// Those that are settled instead of those that are not.
    pub settled: bool,
    /// Before this one, newest first.
    pub before: Option<Uuid>,
}

/// Somebody who is not let in.
#[derive(Clone, Debug, PartialEq, Queryable)]
pub struct Ban {
    /// Who.
    pub user_id: UserId,
    /// By whom.
    pub by_id: UserId,
    /// Why.
    pub reason: String,
    /// Since when.
    pub at: DateTime<Utc>,
    /// Until when; `None` for good.
    pub until: Option<DateTime<Utc>>,
}

/// A line of the audit trail.
#[derive(Clone, Debug, PartialEq, Queryable, Selectable)]
#[diesel(table_name = audit, check_for_backend(diesel::pg::Pg))]
pub struct AuditRow {
    /// Its id; later ones sort after earlier ones.
    pub id: Uuid,
    /// When.
    pub at: DateTime<Utc>,
    /// Who.
    pub actor_id: UserId,
    /// What.
    pub action: String,
    /// Where.
    pub room_id: Option<RoomId>,
    /// To whom.
    pub user_id: Option<UserId>,
    /// To which message.
    pub message_id: Option<MessageId>,
    /// More of it.
    pub detail: Value,
    /// The request that did it.
    pub correlation_id: String,
}

/// Adds a line to the audit trail.
pub(in crate::contexts::chat::store) async fn write_audit(
    conn: &mut AsyncPgConnection,
    actor: UserId,
    room: Option<RoomId>,
    line: &Audit,
    correlation_id: &str,
) -> Result<(), StoreError> {
    diesel::insert_into(audit::table)
        .values((
            audit::id.eq(Uuid::now_v7()),
            audit::at.eq(Utc::now()),
            audit::actor_id.eq(actor),
            audit::action.eq(line.action),
            audit::room_id.eq(room),
            audit::user_id.eq(line.user_id),
            audit::message_id.eq(line.message_id),
            audit::detail.eq(&line.detail),
            audit::correlation_id.eq(correlation_id),
        ))
        .execute(conn)
        .await?;
    Ok(())
}

/// Files a report and tells of it; the flag says whether it is new.
pub(super) async fn file(conn: &mut AsyncPgConnection, new: &NewReport) -> Result<(Uuid, bool), StoreError> {
    let made = diesel::insert_into(reports::table)
        .values((
            reports::id.eq(new.id),
            reports::room_id.eq(new.room),
            reports::message_id.eq(new.message),
            reports::sender_id.eq(new.sender),
            reports::reporter_id.eq(new.reporter),
            reports::reason.eq(new.reason.as_str()),
            reports::detail.eq(&new.detail),
            reports::body.eq(&new.body),
            reports::at.eq(new.at),
        ))
        .on_conflict_do_nothing()
        .execute(conn)
        .await?;
    if made == 0 {
        let known = reports::table
            .filter(reports::room_id.eq(new.room))
            .filter(reports::message_id.eq(new.message))
            .filter(reports::reporter_id.eq(new.reporter))
            .select(reports::id)
            .first(conn)
            .await?;
        return Ok((known, false));
    }
    let told = events::NewEvent {
        subject: "message.reported",
        context: "chat",
        aggregate: new.message.to_string(),
        version: 1,
        data: json!({
            "report_id": new.id, "room_id": new.room, "message_id": new.message,
            "sender_id": new.sender, "reporter_id": new.reporter, "reason": new.reason,
        }),
    };
    events::record(conn, told).await?;
    Ok((new.id, true))
}

impl Desk {
    /// Files a report, once for a message and a reporter; the flag tells whether it is new.
    pub async fn report(&self, new: NewReport) -> Result<(Uuid, bool), StoreError> {
        let mut conn = self.conn().await?;
        (*conn).transaction(async move |conn: &mut AsyncPgConnection| file(conn, &new).await).await
    }

    /// Up to `limit` reports, newest first.
    pub async fn reports(&self, filter: ReportFilter, limit: usize) -> Result<Vec<Report>, StoreError> {
        let mut query = reports::table
            .order(reports::id.desc())
            .limit(i64::try_from(limit).unwrap_or(i64::MAX))
            .select(Report::as_select())
            .into_boxed();
        query = if filter.settled {
            query.filter(reports::resolution.is_not_null())
        } else {
            query.filter(reports::resolution.is_null())
        };
        if let Some(room) = filter.room {
            query = query.filter(reports::room_id.eq(room));
        }
        if let Some(before) = filter.before {
            query = query.filter(reports::id.lt(before));
        }
        Ok(query.load(&mut self.conn().await?).await?)
    }

    /// One report.
    pub async fn report_by_id(&self, id: Uuid) -> Result<Option<Report>, StoreError> {
        let found = reports::table.find(id).select(Report::as_select());
        Ok(found.first(&mut self.conn().await?).await.optional()?)
    }

    /// Settles every open report about a message, with a line in the audit trail. Answers how many.
    pub async fn resolve(
        &self,
        by: UserId,
        report: &Report,
        how: Resolution,
        note: &str,
        correlation_id: &str,
    ) -> Result<usize, StoreError> {
        let mut conn = self.conn().await?;
        let line = Audit {
            action: "report.resolve",
            user_id: Some(report.sender_id),
            message_id: Some(report.message_id),
            detail: json!({ "report_id": report.id, "resolution": how, "note": note }),
        };
        let (room, message) = (report.room_id, report.message_id);
        (*conn)
            .transaction(async |conn: &mut AsyncPgConnection| {
                let open = reports::table
                    .filter(reports::room_id.eq(room))
                    .filter(reports::message_id.eq(message))
                    .filter(reports::resolution.is_null());
                let count = diesel::update(open)
                    .set((
                        reports::resolution.eq(how.as_str()),
                        reports::note.eq(note),
                        reports::resolved_by.eq(by),
                        reports::resolved_at.eq(Utc::now()),
                    ))
                    .execute(conn)
                    .await?;
                if count > 0 {
                    write_audit(conn, by, Some(room), &line, correlation_id).await?;
                }
                Ok(count)
            })
            .await
    }

    /// Adds a line to the audit trail.
    pub async fn audit(
        &self,
        by: UserId,
        room: RoomId,
        line: &Audit,
        correlation_id: &str,
    ) -> Result<(), StoreError> {
        write_audit(&mut *self.conn().await?, by, Some(room), line, correlation_id).await
    }

    /// Up to `limit` lines of the audit trail before one, newest first.
    pub async fn audit_trail(
        &self,
        room: Option<RoomId>,
        before: Option<Uuid>,
        limit: usize,
    ) -> Result<Vec<AuditRow>, StoreError> {
        let mut query = audit::table
            .order(audit::id.desc())
            .limit(i64::try_from(limit).unwrap_or(i64::MAX))
            .select(AuditRow::as_select())
            .into_boxed();
        if let Some(room) = room {
            query = query.filter(audit::room_id.eq(room));
        }
        if let Some(before) = before {
            query = query.filter(audit::id.lt(before));
        }
        Ok(query.load(&mut self.conn().await?).await?)
    }

    /// Those of `users` who are not let into a room now.
    pub async fn banned(&self, room: RoomId, users: &[UserId]) -> Result<Vec<UserId>, StoreError> {
        Ok(bans::table
            .filter(bans::room_id.eq(room))
            .filter(bans::user_id.eq_any(users))
            .filter(bans::until.is_null().or(bans::until.gt(Utc::now())))
            .select(bans::user_id)
            .load(&mut self.conn().await?)
            .await?)
    }

    /// Up to `limit` bans of a room in the order of people's ids.
    pub async fn bans(
        &self,
        room: RoomId,
        after: Option<UserId>,
        limit: usize,
    ) -> Result<Vec<Ban>, StoreError> {
        let mut query = bans::table
            .filter(bans::room_id.eq(room))
            .filter(bans::until.is_null().or(bans::until.gt(Utc::now())))
            .order(bans::user_id)
            .limit(i64::try_from(limit).unwrap_or(i64::MAX))
            .select((bans::user_id, bans::by_id, bans::reason, bans::at, bans::until))
            .into_boxed();
        if let Some(after) = after {
            query = query.filter(bans::user_id.gt(after));
        }
        Ok(query.load(&mut self.conn().await?).await?)
    }
}
