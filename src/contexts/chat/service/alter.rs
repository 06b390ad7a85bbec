//! Changing what was said.

use serde::Deserialize;
use utoipa::ToSchema;

use super::field;
use crate::{
    contexts::chat::{
        Chat, ChatError,
        actors::room::messages::{Alter, Alteration},
        emoji::Emoji,
        model::{Body, MessageId, RoomId, Seq},
        store::Audit,
        views::ChangedView,
    },
    principal::{Principal, Role, UserId},
    telemetry::correlation,
};

/// Another text for a message.
#[derive(Clone, Debug, Deserialize, ToSchema)]
pub struct EditForm {
    /// What it is to say: 1 to 4,000 characters.
    #[schema(min_length = 1)]
    pub body: String,
}

/// Who does something to a message.
#[derive(Clone, Copy, Debug)]
pub struct Actor {
    /// The person.
    pub user: UserId,
    /// Whether they moderate the whole platform.
    pub moderator: bool,
}

impl From<&Principal> for Actor {
    fn from(who: &Principal) -> Self {
        Self { user: who.user_id, moderator: who.is(Role::Moderator) || who.is(Role::Operator) }
    }
}

impl From<UserId> for Actor {
    fn from(user: UserId) -> Self {
        Self { user, moderator: false }
    }
}

impl Chat {
    /// Gives a message another text; with `seen` only if nothing has happened to it after that event.
    ///
    /// # Errors
    /// [`ChatError::NotAuthor`], [`ChatError::EditWindow`], [`ChatError::Deleted`],
    /// [`ChatError::MessageStale`], [`ChatError::Invalid`].
    pub async fn edit(
        &self,
        who: UserId,
        room: RoomId,
        message: MessageId,
        form: &EditForm,
        seen: Option<Seq>,
    ) -> Result<ChangedView, ChatError> {
        let body: Body = field("/body", &form.body)?;
        let mentions = self.mentions(who, room, body.as_str()).await?;
        self.alter_if(who.into(), room, message, Alteration::Edit(body, mentions), seen).await
    }

    /// Deletes a message: its text is gone, its place stays. Of somebody else's message, a moderator's
    /// deletion is noted in the audit trail first, `reason` with it.
    ///
    /// # Errors
    /// [`ChatError::NotAuthor`] for one who is neither author nor moderator.
    pub async fn delete(
        &self,
        who: Actor,
        room: RoomId,
        message: MessageId,
        reason: &str,
    ) -> Result<ChangedView, ChatError> {
        let reason = super::moderation::line("/reason", reason)?;
        let found = if who.moderator {
            self.inner.log.message(room, message).await?
        } else {
            self.message_for(who.user, room, message).await?
        };
        let found = found.ok_or(ChatError::NoMessage)?;
        if found.sender_id != who.user && found.is_live() && self.may_moderate(who, room).await? {
            let line = Audit {
                action: "message.remove",
                user_id: Some(found.sender_id),
                message_id: Some(message),
                detail: serde_json::json!({ "reason": reason, "platform": who.moderator, "seq": found.seq }),
            };
            let correlation = correlation::current_or_fresh();
            self.inner.desk.audit(who.user, room, &line, correlation.as_str()).await?;
        }
        let gone = self.alter(who, room, message, Alteration::Delete).await?;
        let name = found.client_msg_id.as_deref().unwrap_or_default();
        self.let_files_go(room, found.sender_id, name, &found.attachments).await;
        Ok(gone)
    }

    /// Reacts to a message, or takes it back.
    ///
    /// # Errors
    /// [`ChatError::TooManyReactions`], [`ChatError::Deleted`], [`ChatError::Invalid`].
    pub async fn react(
        &self,
        who: UserId,
        room: RoomId,
        message: MessageId,
        emoji: &str,
        added: bool,
    ) -> Result<ChangedView, ChatError> {
        let emoji: Emoji = field("/emoji", emoji)?;
        self.alter(who.into(), room, message, Alteration::React(emoji, added)).await
    }

    /// Pins a message, or no longer.
    ///
    /// # Errors
    /// [`ChatError::NeedsRole`], [`ChatError::TooManyPins`], [`ChatError::Deleted`].
    pub async fn pin(
        &self,
        who: UserId,
        room: RoomId,
        message: MessageId,
        pinned: bool,
    ) -> Result<ChangedView, ChatError> {
        self.alter(who.into(), room, message, Alteration::Pin(pinned)).await
    }

    /// Deletes a message in the platform's name.
    pub(in crate::contexts::chat) async fn take_back(
        &self,
        platform: Actor,
        room: RoomId,
        message: MessageId,
    ) -> Result<(), ChatError> {
        self.alter(platform, room, message, Alteration::Delete).await.map(drop)
    }

    async fn alter(
        &self,
        who: Actor,
        room: RoomId,
        target: MessageId,
        what: Alteration,
    ) -> Result<ChangedView, ChatError> {
        self.alter_if(who, room, target, what, None).await
    }

    async fn alter_if(
        &self,
        who: Actor,
        room: RoomId,
        target: MessageId,
        what: Alteration,
        seen: Option<Seq>,
    ) -> Result<ChangedView, ChatError> {
        let ask = Alter { who: who.user, moderator: who.moderator, target, what, seen };
        let sent = self.ask(room, ask).await?;
        Ok(ChangedView { message_id: target, seq: sent.seq, epoch: sent.epoch, unchanged: sent.duplicate })
    }
}
