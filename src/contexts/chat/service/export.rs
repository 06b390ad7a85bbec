//! Everything that somebody wrote, for themselves.

use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    contexts::chat::{
        Chat, ChatError,
        model::{Attachment, MessageId, RoomId, Seq},
    },
    principal::UserId,
};

/// One of one's own messages.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct ExportedMessage {
    /// Where it was said.
    pub room_id: RoomId,
    /// Its id.
    pub id: MessageId,
    /// Its place in the room's log.
    pub seq: Seq,
    /// What it says now; empty in a deleted message.
    pub body: String,
    /// When it was said.
    pub created_at: chrono::DateTime<chrono::Utc>,
    /// When its text changed last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub edited_at: Option<chrono::DateTime<chrono::Utc>>,
    /// When it was deleted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deleted_at: Option<chrono::DateTime<chrono::Utc>>,
    /// The message it answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<MessageId>,
    /// What goes with it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub attachments: Vec<Attachment>,
}

/// Where an export goes on.
pub type ExportPlace = (RoomId, Seq);

impl Chat {
    /// Up to `limit` of one's own messages after a place, room by room in the order of their ids, each
    /// room's oldest first; with those of rooms that one has left.
    ///
    /// # Errors
    /// When a store is away.
    pub async fn export(
        &self,
        who: UserId,
        after: Option<ExportPlace>,
        limit: usize,
    ) -> Result<Vec<ExportedMessage>, ChatError> {
        let found = self.inner.log.written(who, after, limit).await?;
        let exported = found.into_iter().map(|(room_id, message)| ExportedMessage {
            room_id,
            id: message.id,
            seq: message.seq,
            body: message.body,
            created_at: message.created_at,
            edited_at: message.edited_at,
            deleted_at: message.deleted.map(|deleted| deleted.at),
            reply_to: message.reply_to,
            attachments: message.attachments,
        });
        Ok(exported.collect())
    }
}
