//! Keeping a room in order.

use chrono::{DateTime, Duration, Utc};
use serde::Deserialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{Actor, field};
use crate::{
    contexts::chat::{
        Chat, ChatError,
        actors::room::messages::Discipline,
        model::{MemberRole, MessageId, ReportReason, RoomId, Topic, now},
        store::{
            Sanction,
            desk::{NewReport, Report, ReportFilter, Resolution},
        },
        views::{AuditView, BanView, MemberView, ReportView},
    },
    principal::UserId,
    telemetry::correlation,
};

/// A message to be put before the moderators.
#[derive(Debug, Deserialize, ToSchema)]
pub struct ReportForm {
    /// Why.
    pub reason: ReportReason,
    /// More of it: up to 250 characters on one line.
    #[serde(default)]
    #[schema(max_length = 250)]
    pub detail: String,
}

/// How a report is settled.
#[derive(Debug, Deserialize, ToSchema)]
pub struct ResolveForm {
    /// How. `removed` deletes the message.
    pub resolution: Resolution,
    /// A note for the other moderators: up to 250 characters on one line.
    #[serde(default)]
    #[schema(max_length = 250)]
    pub note: String,
}

/// A suspension or a ban.
#[derive(Debug, Deserialize, ToSchema)]
pub struct SanctionForm {
    /// Whom.
    pub user_id: UserId,
    /// For how long, 1 to 525,600 (a year). A ban without it is for good.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 525_600)]
    pub minutes: Option<u32>,
    /// Why: up to 250 characters on one line.
    #[serde(default)]
    #[schema(max_length = 250)]
    pub reason: String,
}

const YEAR: u32 = 525_600;

impl SanctionForm {
    fn until(&self) -> Result<Option<DateTime<Utc>>, ChatError> {
        match self.minutes {
            None => Ok(None),
            Some(minutes) if (1..=YEAR).contains(&minutes) => {
                Ok(Some(now() + Duration::minutes(minutes.into())))
            }
            Some(_) => Err(ChatError::field("/minutes", format!("must be from 1 to {YEAR}"))),
        }
    }
}

pub(super) fn line(pointer: &str, text: &str) -> Result<String, ChatError> {
    field::<Topic>(pointer, text).map(Topic::into_inner)
}

impl Chat {
    /// Whether somebody moderates a room: an admin of it, or a moderator of the platform.
    pub(super) async fn may_moderate(&self, who: Actor, room: RoomId) -> Result<bool, ChatError> {
        if who.moderator {
            return Ok(true);
        }
        let role = self.enter(who.user, room).await?.me;
        Ok(role.is_some_and(|role| role >= MemberRole::Admin))
    }

    async fn moderates(&self, who: Actor, room: RoomId) -> Result<(), ChatError> {
        if self.may_moderate(who, room).await? { Ok(()) } else { Err(ChatError::NeedsModerator) }
    }

    /// Puts a message before the moderators, once for each reporter. The flag tells whether it is new.
    ///
    /// # Errors
    /// [`ChatError::NoMessage`], [`ChatError::Deleted`], [`ChatError::NotMember`].
    pub async fn report(
        &self,
        who: UserId,
        room: RoomId,
        message: MessageId,
        form: &ReportForm,
    ) -> Result<(Uuid, bool), ChatError> {
        let detail = line("/detail", &form.detail)?;
        let found = self.message_for(who, room, message).await?.ok_or(ChatError::NoMessage)?;
        if !found.is_live() {
            return Err(ChatError::Deleted);
        }
        if found.sender_id == who {
            return Err(ChatError::field("/message_id", "is your own message: delete it"));
        }
        let report = NewReport {
            id: Uuid::now_v7(),
            room,
            message,
            sender: found.sender_id,
            reporter: who,
            reason: form.reason,
            detail,
            body: found.body,
            at: now(),
        };
        let (id, new) = self.inner.desk.report(report).await?;
        self.inner.metrics.reports.inc_by(u64::from(new));
        Ok((id, new))
    }

    /// A page of reports, newest first: of one room for its admins, of all rooms for moderators.
    ///
    /// # Errors
    /// [`ChatError::NeedsModerator`], [`ChatError::Invalid`] for a foreign cursor.
    pub async fn reports(
        &self,
        who: Actor,
        room: Option<RoomId>,
        settled: bool,
        limit: usize,
        cursor: Option<&str>,
    ) -> Result<(Vec<ReportView>, Option<String>), ChatError> {
        match room {
            Some(room) => self.moderates(who, room).await?,
            None if who.moderator => {}
            None => return Err(ChatError::NeedsModerator),
        }
        let scope = room.map_or_else(String::new, |room| room.to_string());
        let list = format!("reports.{settled}.{scope}");
        let before = self.id_from(&list, cursor)?;
        let mut found = self.inner.desk.reports(ReportFilter { room, settled, before }, limit + 1).await?;
        let more = found.len() > limit;
        found.truncate(limit);
        let next = found.last().filter(|_| more).map(|last| self.id_cursor(&list, last.id));
        Ok((found.into_iter().map(ReportView::from).collect(), next))
    }

    /// Settles a report, and every other open one about the same message.
    ///
    /// # Errors
    /// [`ChatError::NoReport`], [`ChatError::NeedsModerator`].
    pub async fn resolve(&self, who: Actor, id: Uuid, form: &ResolveForm) -> Result<ReportView, ChatError> {
        let note = line("/note", &form.note)?;
        let report: Report = self.inner.desk.report_by_id(id).await?.ok_or(ChatError::NoReport)?;
        // A stranger does not even learn that it is there.
        match self.may_moderate(who, report.room_id).await {
            Ok(true) => {}
            Ok(false) | Err(ChatError::NotMember | ChatError::NoRoom) => return Err(ChatError::NoReport),
            Err(error) => return Err(error),
        }
        // The message first: a report is settled once it is gone.
        if form.resolution == Resolution::Removed {
            match self.delete(who, report.room_id, report.message_id, &note).await {
                Ok(_) | Err(ChatError::NoMessage) => {}
                Err(error) => return Err(error),
            }
        }
        let correlation = correlation::current_or_fresh();
        let desk = &self.inner.desk;
        desk.resolve(who.user, &report, form.resolution, &note, correlation.as_str()).await?;
        let report = desk.report_by_id(id).await?.ok_or(ChatError::NoReport)?;
        Ok(report.into())
    }

    /// Keeps a member from writing for a while.
    ///
    /// # Errors
    /// [`ChatError::NeedsModerator`], [`ChatError::NoSuchMember`], [`ChatError::OwnerOnly`].
    pub async fn suspend(
        &self,
        who: Actor,
        room: RoomId,
        form: &SanctionForm,
    ) -> Result<MemberView, ChatError> {
        let until = form.until()?.ok_or_else(|| ChatError::field("/minutes", "is missing"))?;
        let sanction = Sanction::Suspend(form.user_id, Some(until));
        self.discipline(who, room, sanction, &form.reason).await
    }

    /// Lets a suspended member write again.
    ///
    /// # Errors
    /// As [`Chat::suspend`].
    pub async fn restore(&self, who: Actor, room: RoomId, user: UserId) -> Result<MemberView, ChatError> {
        self.discipline(who, room, Sanction::Suspend(user, None), "").await
    }

    async fn discipline(
        &self,
        who: Actor,
        room: RoomId,
        sanction: Sanction,
        reason: &str,
    ) -> Result<MemberView, ChatError> {
        let reason = line("/reason", reason)?;
        let ask = Discipline { who: who.user, moderator: who.moderator, sanction, reason };
        let changed = self.ask(room, ask).await?;
        self.named(changed.members).await.pop().ok_or(ChatError::NoSuchMember)
    }

    /// Puts somebody out and lets nobody bring them back for a while, or for good.
    ///
    /// # Errors
    /// [`ChatError::NeedsModerator`], [`ChatError::OwnerOnly`], [`ChatError::DirectIsFixed`].
    pub async fn ban(&self, who: Actor, room: RoomId, form: &SanctionForm) -> Result<(), ChatError> {
        let (until, reason) = (form.until()?, line("/reason", &form.reason)?);
        self.known(&[form.user_id], "/user_id").await?;
        let sanction = Sanction::Ban(form.user_id, until);
        let ask = Discipline { who: who.user, moderator: who.moderator, sanction, reason };
        self.ask(room, ask).await.map(drop)
    }

    /// Lifts a ban.
    ///
    /// # Errors
    /// [`ChatError::NeedsModerator`].
    pub async fn unban(&self, who: Actor, room: RoomId, user: UserId) -> Result<(), ChatError> {
        let sanction = Sanction::Unban(user);
        let ask = Discipline { who: who.user, moderator: who.moderator, sanction, reason: String::new() };
        self.ask(room, ask).await.map(drop)
    }

    /// A page of a room's bans in the order of people's ids.
    ///
    /// # Errors
    /// [`ChatError::NeedsModerator`].
    pub async fn bans(
        &self,
        who: Actor,
        room: RoomId,
        limit: usize,
        cursor: Option<&str>,
    ) -> Result<(Vec<BanView>, Option<String>), ChatError> {
        let list = format!("bans.{room}");
        let after = self.id_from(&list, cursor)?.map(UserId);
        self.moderates(who, room).await?;
        let mut found = self.inner.desk.bans(room, after, limit + 1).await?;
        let more = found.len() > limit;
        found.truncate(limit);
        let next = found.last().filter(|_| more).map(|last| self.id_cursor(&list, last.user_id.0));
        Ok((found.into_iter().map(BanView::from).collect(), next))
    }

    /// A page of the audit trail, newest first: of one room for its admins, of all for moderators.
    ///
    /// # Errors
    /// [`ChatError::NeedsModerator`].
    pub async fn audit_trail(
        &self,
        who: Actor,
        room: Option<RoomId>,
        limit: usize,
        cursor: Option<&str>,
    ) -> Result<(Vec<AuditView>, Option<String>), ChatError> {
        match room {
            Some(room) => self.moderates(who, room).await?,
            None if who.moderator => {}
            None => return Err(ChatError::NeedsModerator),
        }
        let list = format!("audit.{}", room.map_or_else(String::new, |room| room.to_string()));
        let before = self.id_from(&list, cursor)?;
        let mut found = self.inner.desk.audit_trail(room, before, limit + 1).await?;
        let more = found.len() > limit;
        found.truncate(limit);
        let next = found.last().filter(|_| more).map(|last| self.id_cursor(&list, last.id));
        Ok((found.into_iter().map(AuditView::from).collect(), next))
    }

    /// Refuses those who are banned from a room, by their place in the list at `pointer`.
    pub(super) async fn not_banned(&self, room: RoomId, users: &[UserId]) -> Result<(), ChatError> {
        let banned = self.inner.desk.banned(room, users).await?;
        if banned.is_empty() { Ok(()) } else { Err(ChatError::Banned) }
    }
}
