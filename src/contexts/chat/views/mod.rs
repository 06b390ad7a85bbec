//! What goes in and out of chat, as JSON.

mod desk;
mod message;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub use self::{
    desk::{AuditView, BanView, BlockedItems, BlockedView, OwnView, PrivacyView, ReportView, ReportedView},
    message::{ChangedView, FoundView, MessageView, PinsView, ReceiptView, ReceiptsView, ThreadView},
};
use super::{
    actors::room::messages::Sent,
    model::{MemberRole, MessageId, RoomId, RoomKind, RoomSettings, Seq, Status},
};
use crate::principal::UserId;

/// A room to be made.
#[derive(Debug, Deserialize, ToSchema)]
pub struct CreateRoomForm {
    /// Its kind.
    pub kind: RoomKind,
    /// Its name: 1 to 80 characters on one line.
    #[serde(default)]
    #[schema(example = "Portfolio project, team 4", min_length = 1, max_length = 80)]
    pub name: Option<String>,
    /// What it is about: up to 250 characters on one line.
    #[serde(default)]
    #[schema(max_length = 250)]
    pub topic: Option<String>,
    /// Who is in it besides its maker, from the start: exactly one other person for a direct room.
    #[serde(default)]
    #[schema(max_items = 2000)]
    pub member_ids: Vec<UserId>,
}

/// Changes of a room; what is left out stays.
#[derive(Debug, Default, Deserialize, ToSchema)]
pub struct PatchRoomForm {
    /// Another name.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 80)]
    pub name: Option<String>,
    /// Another topic; empty for none.
    #[serde(default)]
    #[schema(max_length = 250)]
    pub topic: Option<String>,
    /// Seconds between two messages of one member, up to 3,600; 0 for none. Admins are free of it.
    #[serde(default)]
    #[schema(maximum = 3600)]
    pub slow_mode_seconds: Option<u32>,
    /// Messages that one member may send a minute, up to 600; 0 for as many as they like. Admins are
    /// free of it.
    #[serde(default)]
    #[schema(maximum = 600)]
    pub messages_per_minute: Option<u32>,
    /// Days that messages are kept, up to 36,500; 0 for as long as the operator says. Takes the role `owner`.
    #[serde(default)]
    #[schema(maximum = 36500)]
    pub retention_days: Option<u32>,
    /// The role that mentioning `@room` takes.
    #[serde(default)]
    pub mention_room: Option<MemberRole>,
    /// The role that pinning takes.
    #[serde(default)]
    pub pin: Option<MemberRole>,
    /// The role that attaching takes.
    #[serde(default)]
    pub attach: Option<MemberRole>,
    /// Words with which a message is refused: up to 500, each of letters and digits.
    #[serde(default)]
    #[schema(max_items = 500)]
    pub blocked_words: Option<Vec<String>>,
    /// Words with which a message is put before the moderators: up to 500.
    #[serde(default)]
    #[schema(max_items = 500)]
    pub flagged_words: Option<Vec<String>>,
}

/// People to be invited.
#[derive(Debug, Deserialize, ToSchema)]
pub struct AddMembersForm {
    /// Who.
    #[schema(min_items = 1, max_items = 2000)]
    pub user_ids: Vec<UserId>,
}

/// A member's role to be.
#[derive(Debug, Deserialize, ToSchema)]
pub struct RoleForm {
    /// The role.
    pub role: MemberRole,
}

/// How far one has read.
#[derive(Debug, Deserialize, ToSchema)]
pub struct ReadForm {
    /// The last event that was read.
    pub seq: Seq,
    /// The last event that the device has got, if that is further.
    #[serde(default)]
    pub delivered: Option<Seq>,
}

/// What is left to read.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReadView {
    /// Up to where it is read: it never goes back.
    pub read_seq: Seq,
    /// Messages of others behind it, counted up to 1,000.
    pub unread: u64,
    /// Of these, those that mention the reader.
    pub mentions: u64,
}

/// Somebody in a room.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct MemberView {
    /// Who.
    pub user_id: UserId,
    /// Their name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    /// As what.
    pub role: MemberRole,
    /// Since when.
    pub joined_at: DateTime<Utc>,
    /// Until when they may not write.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suspended_until: Option<DateTime<Utc>>,
    /// What their sessions say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<Status>,
    /// When they were last there, where they let the caller see it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_seen_at: Option<DateTime<Utc>>,
}

/// What a room's admins decided, as its members see it.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct RoomRulesView {
    /// Seconds between two messages of one member; 0 for none.
    pub slow_mode_seconds: u32,
    /// Messages that one member may send a minute; 0 for as many as they like.
    pub messages_per_minute: u32,
    /// Days that messages are kept; 0 for as long as the operator says.
    pub retention_days: u32,
    /// The role that mentioning `@room` takes.
    pub mention_room: MemberRole,
    /// The role that pinning takes.
    pub pin: MemberRole,
    /// The role that attaching takes.
    pub attach: MemberRole,
    /// Words with which a message is refused; admins see them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub blocked_words: Option<Vec<String>>,
    /// Words with which a message is put before the moderators; admins see them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flagged_words: Option<Vec<String>>,
}

impl RoomRulesView {
    /// What a member of that role sees.
    pub(crate) fn of(settings: RoomSettings, kind: RoomKind, role: Option<MemberRole>) -> Self {
        let admin = role >= Some(MemberRole::Admin);
        Self {
            slow_mode_seconds: settings.slow_mode_seconds,
            messages_per_minute: settings.messages_per_minute,
            retention_days: settings.retention_days,
            mention_room: settings.mention_room(kind),
            pin: settings.pin(kind),
            attach: settings.attach(),
            blocked_words: admin.then_some(settings.blocked_words),
            flagged_words: admin.then_some(settings.flagged_words),
        }
    }
}

/// A room.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct RoomView {
    /// Its id.
    pub id: RoomId,
    /// Its kind.
    pub kind: RoomKind,
    /// Its name, if it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What it is about; may be empty.
    pub topic: String,
    /// Who made it.
    pub created_by: UserId,
    /// When.
    pub created_at: DateTime<Utc>,
    /// Since when it is closed to new messages.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub archived_at: Option<DateTime<Utc>>,
    /// Grows with every change of the room or its members.
    pub version: i64,
    /// How many are in it.
    pub member_count: u64,
    /// What its admins decided.
    pub rules: RoomRulesView,
    /// The caller's role; left out for a stranger to a public room.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<MemberRole>,
    /// Some of those in it, up to 100; only members see them. The rest: `GET …/members`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub members: Option<Vec<MemberView>>,
}

/// The other person where there are two.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct PeerView {
    /// Who.
    pub user_id: UserId,
    /// Their name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
}

/// A room in a list.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct RoomItem {
    /// The room.
    #[serde(flatten)]
    pub room: RoomView,
    /// The other person of a direct room, or of a group of two.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peer: Option<PeerView>,
    /// The last event of its log; only members see it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top: Option<Seq>,
    /// Up to where the caller has read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub read_seq: Option<Seq>,
    /// Messages of others behind that, counted up to 1,000.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unread: Option<u64>,
    /// Of these, those that mention the caller, counted up to 1,000.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mentions: Option<u64>,
    /// What the caller has set for the room.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub own: Option<OwnView>,
    /// The last message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_message: Option<MessageView>,
}

/// A message was taken.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct SentView {
    /// Its id.
    pub message_id: MessageId,
    /// Its place in the room's log: the offset of its publication on `chat:<room>`.
    pub seq: Seq,
    /// The log's epoch.
    pub epoch: String,
    /// Whether it had been taken before.
    pub duplicate: bool,
}

impl From<Sent> for SentView {
    fn from(sent: Sent) -> Self {
        let Sent { message_id, seq, epoch, duplicate } = sent;
        Self { message_id, seq, epoch, duplicate }
    }
}

/// A part of a room's history, over rpc.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct HistoryView {
    /// Newest first, or oldest first after a place.
    pub items: Vec<MessageView>,
    /// The last event of the log.
    pub top: Seq,
    /// The log's epoch.
    pub epoch: String,
    /// Whether there is more in that direction.
    pub more: bool,
    /// Where there is: the place to go on `before` or `after`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<Seq>,
}

/// Who is in a room right now.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct PresenceView {
    /// Connections.
    pub num_clients: usize,
    /// Different people.
    pub num_users: usize,
    /// The people, in the order of their ids.
    pub users: Vec<PresentView>,
}

/// Somebody who is there.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct PresentView {
    /// Who.
    pub user_id: UserId,
    /// Their name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    /// On how many connections.
    pub connections: usize,
    /// What their sessions say; `online` until one says otherwise.
    pub status: Status,
}
