//! What people set for themselves and what moderators see, as JSON.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    contexts::chat::{
        model::{LastSeenTo, MessageId, NotifyLevel, RoomId},
        store::desk::{AuditRow, Ban, Own, Privacy, Report},
    },
    principal::UserId,
};

/// What a member has set for a room.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct OwnView {
    /// Nothing of this room is to ring.
    pub muted: bool,
    /// What to hear of.
    pub notify: NotifyLevel,
    /// Among the favourites.
    pub favourite: bool,
    /// What the member has begun to write; may be empty.
    pub draft: String,
    /// Grows with every change.
    pub version: i64,
}

impl From<Own> for OwnView {
    fn from(own: Own) -> Self {
        let Own { muted, notify, favourite, draft, version } = own;
        Self { muted, notify, favourite, draft, version }
    }
}

/// What a person lets others see.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct PrivacyView {
    /// Who sees when they were last there.
    pub last_seen_to: LastSeenTo,
    /// Whether others see what they have read.
    pub receipts: bool,
}

impl From<Privacy> for PrivacyView {
    fn from(privacy: Privacy) -> Self {
        Self { last_seen_to: privacy.last_seen_to, receipts: privacy.receipts }
    }
}

/// Somebody who is blocked.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct BlockedView {
    /// Who.
    pub user_id: UserId,
    /// Their name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
}

/// Whom a person has blocked; a thousand at most.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct BlockedItems {
    /// In the order of their ids.
    pub items: Vec<BlockedView>,
}

/// A report was filed.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ReportedView {
    /// Its id.
    pub report_id: Uuid,
}

/// A message put before the moderators.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ReportView {
    /// Its id.
    pub id: Uuid,
    /// Where.
    pub room_id: RoomId,
    /// Which message.
    pub message_id: MessageId,
    /// Who said it.
    pub sender_id: UserId,
    /// Who reported it; left out where the room's word rules did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reporter_id: Option<UserId>,
    /// Why.
    pub reason: String,
    /// In the reporter's words; of a word rule, the word.
    pub detail: String,
    /// What the message said when it was reported.
    pub body: String,
    /// When.
    pub created_at: DateTime<Utc>,
    /// How it was settled: `dismissed` or `removed`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resolution: Option<String>,
    /// In the moderator's words.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub note: String,
    /// Who settled it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resolved_by: Option<UserId>,
    /// When.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resolved_at: Option<DateTime<Utc>>,
}

impl From<Report> for ReportView {
    fn from(report: Report) -> Self {
        Self {
            id: report.id,
            room_id: report.room_id,
            message_id: report.message_id,
            sender_id: report.sender_id,
            reporter_id: (!report.reporter_id.0.is_nil()).then_some(report.reporter_id),
            reason: report.reason,
            detail: report.detail,
            body: report.body,
            created_at: report.at,
            resolution: report.resolution,
            note: report.note,
            resolved_by: report.resolved_by,
            resolved_at: report.resolved_at,
        }
    }
}

/// Somebody who is not let in.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct BanView {
    /// Who.
    pub user_id: UserId,
    /// By whom.
    pub by: UserId,
    /// Why; may be empty.
    pub reason: String,
    /// Since when.
    pub created_at: DateTime<Utc>,
    /// Until when; left out where it is for good.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<DateTime<Utc>>,
}

impl From<Ban> for BanView {
    fn from(ban: Ban) -> Self {
        Self { user_id: ban.user_id, by: ban.by_id, reason: ban.reason, created_at: ban.at, until: ban.until }
    }
}

/// A line of the audit trail.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct AuditView {
    /// Its id; later ones sort after earlier ones.
    pub id: Uuid,
    /// When.
    pub created_at: DateTime<Utc>,
    /// Who.
    pub actor_id: UserId,
    /// What: `message.remove`, `member.suspend`, …
    pub action: String,
    /// Where.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub room_id: Option<RoomId>,
    /// To whom.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_id: Option<UserId>,
    /// To which message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message_id: Option<MessageId>,
    /// More of it.
    #[schema(value_type = Object)]
    pub detail: Value,
    /// The request that did it.
    pub correlation_id: String,
}

impl From<AuditRow> for AuditView {
    fn from(row: AuditRow) -> Self {
        Self {
            id: row.id,
            created_at: row.at,
            actor_id: row.actor_id,
            action: row.action,
            room_id: row.room_id,
            user_id: row.user_id,
            message_id: row.message_id,
            detail: row.detail,
            correlation_id: row.correlation_id,
        }
    }
}
