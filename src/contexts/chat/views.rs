//! What goes in and out of chat, as JSON.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    actors::room::messages::Sent,
    model::{Attachment, MemberRole, Message, MessageId, RoomId, RoomKind, Seq},
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
    /// The caller's role; left out for a stranger to a public room.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<MemberRole>,
    /// Some of those in it, up to 100; only members see them. The rest: `GET …/members`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub members: Option<Vec<MemberView>>,
}

/// The other person of a direct room.
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
    /// The other person of a direct room.
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
    /// The last message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_message: Option<MessageView>,
}

/// Who reacted with one emoji.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct ReactionView {
    /// The emoji.
    pub emoji: String,
    /// How many people.
    pub count: usize,
    /// Whether the caller is among them.
    pub mine: bool,
    /// The first of them, up to 50, in the order in which they came.
    pub user_ids: Vec<UserId>,
}

/// A message as it is now.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct MessageView {
    /// Its id.
    pub id: MessageId,
    /// Its place in the room's log.
    pub seq: Seq,
    /// Who said it.
    pub sender_id: UserId,
    /// What; empty in a deleted message.
    pub body: String,
    /// The text as safe HTML; left out where that is the text itself, escaped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub html: Option<String>,
    /// When.
    pub created_at: DateTime<Utc>,
    /// What the sender called it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_msg_id: Option<String>,
    /// The message it answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<MessageId>,
    /// The first message of the thread that it belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thread: Option<MessageId>,
    /// Members whom it mentions.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub mentions: Vec<UserId>,
    /// Whether it mentions everybody in the room.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub mentions_room: bool,
    /// What goes with it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub attachments: Vec<Attachment>,
    /// Whether the platform said it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub system: bool,
    /// Of a system message, what it is about.
    #[serde(skip_serializing_if = "serde_json::Value::is_null")]
    #[schema(value_type = Option<Object>)]
    pub data: serde_json::Value,
    /// When its text changed last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub edited_at: Option<DateTime<Utc>>,
    /// When it was deleted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deleted_at: Option<DateTime<Utc>>,
    /// Who deleted it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deleted_by: Option<UserId>,
    /// In the order in which each emoji came first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub reactions: Vec<ReactionView>,
    /// Replies in the thread that it begins.
    #[serde(skip_serializing_if = "no_replies")]
    pub replies: u64,
    /// When the last of them came.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_reply_at: Option<DateTime<Utc>>,
    /// When it was pinned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pinned_at: Option<DateTime<Utc>>,
    /// Who pinned it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pinned_by: Option<UserId>,
    /// The last event that is in here: later ones on `chat:<room>` are to be folded in.
    pub changed_seq: Seq,
}

/// People whom a reaction's view names.
const SHOWN_REACTORS: usize = 50;

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn no_replies(count: &u64) -> bool {
    *count == 0
}

impl MessageView {
    /// What `reader` sees of a message.
    pub(crate) fn of(message: Message, reader: UserId) -> Self {
        let reactions = message
            .reactions
            .into_iter()
            .map(|reaction| ReactionView {
                count: reaction.user_ids.len(),
                mine: reaction.user_ids.contains(&reader),
                user_ids: reaction.user_ids.into_iter().take(SHOWN_REACTORS).collect(),
                emoji: reaction.emoji,
            })
            .collect();
        Self {
            id: message.id,
            seq: message.seq,
            sender_id: message.sender_id,
            html: super::markup::html(&message.body),
            body: message.body,
            created_at: message.created_at,
            client_msg_id: message.client_msg_id,
            reply_to: message.reply_to,
            thread: message.thread,
            mentions: message.mentions.users,
            mentions_room: message.mentions.room,
            attachments: message.attachments,
            system: message.system,
            data: message.data,
            edited_at: message.edited_at,
            deleted_at: message.deleted.as_ref().map(|deleted| deleted.at),
            deleted_by: message.deleted.map(|deleted| deleted.by),
            reactions,
            replies: message.replies,
            last_reply_at: message.last_reply_at,
            pinned_at: message.pinned.as_ref().map(|pinned| pinned.at),
            pinned_by: message.pinned.map(|pinned| pinned.by),
            changed_seq: message.changed_seq,
        }
    }
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
}
