//! A message, as JSON.

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    contexts::chat::model::{Attachment, Message, MessageId, Seq},
    principal::UserId,
};

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
            html: crate::contexts::chat::markup::html(&message.body),
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

/// A change of a message was taken.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct ChangedView {
    /// The message.
    pub message_id: MessageId,
    /// The change's place in the room's log; where nothing changed, the last change's.
    pub seq: Seq,
    /// The log's epoch.
    pub epoch: String,
    /// Whether it was so already.
    pub unchanged: bool,
}

/// A thread.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ThreadView {
    /// Its first message.
    pub root: MessageView,
    /// Replies, oldest first.
    pub items: Vec<MessageView>,
    /// Where there are more: ask for those `after` this place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_after: Option<Seq>,
}

/// Messages that were found, over rpc.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct FoundView {
    /// Newest first.
    pub items: Vec<MessageView>,
    /// Where there are more: ask for those `before` this place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_before: Option<Seq>,
}

/// Pinned messages.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct PinsView {
    /// The last pinned first.
    pub items: Vec<MessageView>,
}

/// How far a member has come.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct ReceiptView {
    /// Who.
    pub user_id: UserId,
    /// Up to where one of their devices has got everything.
    pub delivered: Seq,
    /// Up to where they have seen everything.
    pub seen: Seq,
}

/// How far the members of a small room have come.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ReceiptsView {
    /// Those who show it, in the order of their ids.
    pub items: Vec<ReceiptView>,
}
