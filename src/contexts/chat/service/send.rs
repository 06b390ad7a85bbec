//! Saying something.

use serde::Deserialize;
use tokio::time::timeout;
use utoipa::ToSchema;

use super::{field, no_room};
use crate::{
    actors::{AskError, Pending, SendError},
    contexts::chat::{
        Chat, ChatError, DEADLINE,
        actors::room::messages::{Send, Sent},
        model::{Body, ClientMsgId, MessageId, RoomId},
        views::SentView,
    },
    principal::UserId,
    realtime::rpc::{Second, second},
};

/// A message to be sent.
#[derive(Clone, Debug, Deserialize, ToSchema)]
pub struct SendForm {
    /// What the sender calls it; sending the same again is harmless. 1 to 64 characters of
    /// `[A-Za-z0-9._:@+/=~-]`.
    #[schema(example = "0197c1b2-7", min_length = 1, max_length = 64)]
    pub client_msg_id: String,
    /// What it says: 1 to 4,000 characters.
    #[schema(example = "See you at noon?", min_length = 1)]
    pub body: String,
    /// The message it answers, of the same room.
    #[serde(default)]
    pub reply_to: Option<MessageId>,
    /// Not taken yet: must be left out or empty.
    #[serde(default)]
    #[schema(max_items = 0, value_type = Vec<Object>)]
    pub attachments: Vec<serde_json::Value>,
}

/// How often a send that met a stopping actor is routed anew.
const ROUTES: usize = 4;

impl Chat {
    /// Sends a message, and waits until it is durable.
    ///
    /// # Errors
    /// [`ChatError::Invalid`], [`ChatError::NotMember`], [`ChatError::Archived`],
    /// [`ChatError::TooFast`]; [`ChatError::LogAway`] when the store is away, and whether it was
    /// written is not known: sending again with the same `client_msg_id` settles it.
    pub async fn send(&self, who: UserId, room: RoomId, form: &SendForm) -> Result<SentView, ChatError> {
        self.send_staged(who, room, form).await.await
    }

    /// [`Chat::send`] in two stages: when the first is done the message has its place among the
    /// caller's others, so that pipelined sends keep their order and share an insert.
    pub async fn send_staged(
        &self,
        who: UserId,
        room: RoomId,
        form: &SendForm,
    ) -> Second<Result<SentView, ChatError>> {
        let letter = match self.letter(who, room, form).await {
            Ok(letter) => letter,
            Err(error) => return second(async move { Err(error) }),
        };
        match self.post(room, letter.message()).await {
            Err(error) => second(async move { Err(error) }),
            Ok(pending) => {
                let chat = self.clone();
                second(async move { chat.await_sent(room, letter, pending).await })
            }
        }
    }

    async fn letter(&self, who: UserId, room: RoomId, form: &SendForm) -> Result<Letter, ChatError> {
        let client_msg_id: ClientMsgId = field("/client_msg_id", &form.client_msg_id)?;
        let body: Body = field("/body", &form.body)?;
        if !form.attachments.is_empty() {
            return Err(ChatError::field("/attachments", "attachments are not taken yet"));
        }
        if let Some(id) = form.reply_to {
            self.enter(who, room).await?;
            if self.inner.log.message(room, id).await?.is_none() {
                return Err(ChatError::field("/reply_to", "there is no such message in the room"));
            }
        }
        Ok(Letter { who, message_id: MessageId::new(), client_msg_id, body, reply_to: form.reply_to })
    }

    async fn post(&self, room: RoomId, mut message: Send) -> Result<Pending<SendAnswer>, ChatError> {
        for _ in 0..ROUTES {
            let mailbox = self.inner.domain.get(&room).await.map_err(no_room)?;
            match mailbox.ask_now(message) {
                Ok(pending) => return Ok(pending),
                Err(SendError::Full(_)) => return Err(AskError::Full.into()),
                // Put away in between: the next one takes it.
                Err(SendError::Closed(back)) => message = back,
            }
        }
        Err(AskError::Closed.into())
    }

    async fn await_sent(
        &self,
        room: RoomId,
        letter: Letter,
        pending: Pending<SendAnswer>,
    ) -> Result<SentView, ChatError> {
        let mut asked = timeout(DEADLINE, pending).await.unwrap_or(Err(AskError::Timeout));
        if matches!(asked, Err(AskError::Crashed)) {
            // The actor was restarted with the message in hand; whether it was written is not
            // known. It has the same ids, so that asking once more settles it.
            asked = self.inner.domain.ask(&room, letter.message(), DEADLINE).await;
        }
        let mut sent: Sent = asked.map_err(no_room)??;
        // Our own first try is no duplicate.
        sent.duplicate &= sent.message_id != letter.message_id;
        Ok(sent.into())
    }
}

type SendAnswer = Result<Sent, ChatError>;

/// A message that has been checked, ready to be sent more than once.
struct Letter {
    who: UserId,
    message_id: MessageId,
    client_msg_id: ClientMsgId,
    body: Body,
    reply_to: Option<MessageId>,
}

impl Letter {
    fn message(&self) -> Send {
        Send {
            who: self.who,
            message_id: self.message_id,
            client_msg_id: self.client_msg_id.clone(),
            body: self.body.clone(),
            reply_to: self.reply_to,
        }
    }
}
