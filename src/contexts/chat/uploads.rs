//! Files that go with messages. They are [`crate::contexts::objects`]': chat holds them while a message has
//! them, and gives links to members of its room.

use futures_util::future::BoxFuture;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    Chat, ChatError,
    model::{Attachment, ClientMsgId, MessageId, RoomId},
};
use crate::{
    contexts::objects::{self, UploadId},
    principal::UserId,
    telemetry::log,
};

/// What another part of the server answers, or why it does not.
pub type Asked<'a, T> = BoxFuture<'a, Result<T, Box<dyn std::error::Error + Send + Sync>>>;

/// What chat asks about uploaded objects.
pub trait Uploads: Send + Sync + 'static {
    /// Those of `objects` that are whole and belong to `owner`.
    fn of<'a>(&'a self, owner: UserId, objects: &'a [Uuid]) -> Asked<'a, Vec<Attachment>>;

    /// Keeps `objects` from being removed, for `holder`; again is once.
    fn hold<'a>(&'a self, objects: &'a [Uuid], holder: &'a str) -> Asked<'a, ()>;

    /// Lets `objects` go.
    fn release<'a>(&'a self, objects: &'a [Uuid], holder: &'a str) -> Asked<'a, ()>;

    /// Where an object is for a while; `None` for one that is gone.
    fn link(&self, object: Uuid) -> Asked<'_, Option<AttachmentView>>;
}

/// Where an attachment is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct AttachmentView {
    /// Takes `Range`.
    pub url: String,
    /// Until when.
    pub expires_at: chrono::DateTime<chrono::Utc>,
}

impl Uploads for objects::Uploads {
    fn of<'a>(&'a self, owner: UserId, objects: &'a [Uuid]) -> Asked<'a, Vec<Attachment>> {
        Box::pin(async move {
            let ids: Vec<UploadId> = objects.iter().copied().map(UploadId).collect();
            let files = self.files_of(owner, &ids).await?;
            let attachment = |file: objects::FileView| Attachment {
                object_id: file.id.0,
                name: file.name,
                media_type: file.media_type,
                size: file.size,
            };
            Ok(files.into_iter().map(attachment).collect())
        })
    }

    fn hold<'a>(&'a self, objects: &'a [Uuid], holder: &'a str) -> Asked<'a, ()> {
        Box::pin(async move {
            let ids: Vec<UploadId> = objects.iter().copied().map(UploadId).collect();
            Ok(self.hold_all(&ids, holder).await?)
        })
    }

    fn release<'a>(&'a self, objects: &'a [Uuid], holder: &'a str) -> Asked<'a, ()> {
        Box::pin(async move {
            let ids: Vec<UploadId> = objects.iter().copied().map(UploadId).collect();
            Ok(self.release_all(&ids, holder).await?)
        })
    }

    fn link(&self, object: Uuid) -> Asked<'_, Option<AttachmentView>> {
        Box::pin(async move {
            match self.link(UploadId(object)).await {
                Ok(link) => Ok(Some(AttachmentView { url: link.url, expires_at: link.expires_at })),
                Err(objects::UploadError::No) => Ok(None),
                Err(error) => Err(error.into()),
            }
        })
    }
}

/// Who holds a message's files: the message, by what its sender called it. A resend is the same holder.
fn holder(room: RoomId, sender: UserId, client_msg_id: &str) -> String {
    format!("chat:{room}:{sender}:{client_msg_id}")
}

impl Chat {
    /// Holds what goes with a message that is about to be sent.
    pub(super) async fn hold_files(
        &self,
        room: RoomId,
        sender: UserId,
        client_msg_id: &ClientMsgId,
        files: &[Attachment],
    ) -> Result<(), ChatError> {
        let ids: Vec<Uuid> = files.iter().map(|file| file.object_id).collect();
        let holder = holder(room, sender, client_msg_id.as_str());
        self.inner.uploads.hold(&ids, &holder).await.map_err(ChatError::People)
    }

    /// Lets go of what went with a message that is gone, or never came. If that fails the files stay, and
    /// nothing else is lost.
    pub(super) async fn let_files_go(
        &self,
        room: RoomId,
        sender: UserId,
        client_msg_id: &str,
        files: &[Attachment],
    ) {
        if files.is_empty() {
            return;
        }
        let ids: Vec<Uuid> = files.iter().map(|file| file.object_id).collect();
        let holder = holder(room, sender, client_msg_id);
        if let Err(error) = self.inner.uploads.release(&ids, &holder).await {
            slog::warn!(log(), "files of a message stay held"; "error" => %error);
        }
    }

    /// A link to a file that goes with a message, for members of its room.
    ///
    /// # Errors
    /// [`ChatError::NotMember`], [`ChatError::NoMessage`] for a message or a file that is not there.
    pub async fn attachment(
        &self,
        who: UserId,
        room: RoomId,
        message: MessageId,
        object: Uuid,
    ) -> Result<AttachmentView, ChatError> {
        let found = self.message_for(who, room, message).await?.ok_or(ChatError::NoMessage)?;
        if !found.attachments.iter().any(|file| file.object_id == object) {
            return Err(ChatError::NoMessage);
        }
        let link = self.inner.uploads.link(object).await.map_err(ChatError::People)?;
        link.ok_or(ChatError::NoMessage)
    }
}
