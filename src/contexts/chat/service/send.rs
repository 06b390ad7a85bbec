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
        mentions,
        model::{Attachment, Body, ClientMsgId, Mentions, MessageId, RoomId, Said},
        views::SentView,
    },
    error::{Fault, FieldError},
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
    /// Uploaded objects that go with it, ten at most. Each has to be known to the object store and to
    /// belong to the sender; members of the room get a link to it from the message.
    #[serde(default)]
    #[schema(max_items = 10)]
    pub attachments: Vec<AttachmentForm>,
}

/// An uploaded object that goes with a message.
#[derive(Clone, Debug, Deserialize, ToSchema)]
pub struct AttachmentForm {
    /// The object's id, as its upload was answered.
    pub object_id: uuid::Uuid,
}

/// Attachments of one message.
const MOST_ATTACHMENTS: usize = 10;
/// Members among whom names are looked for; in a larger room only `<@id>` mentions.
const MOST_NAMED: usize = 1_000;

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
                second(async move {
                    let (who, name) = (letter.who, letter.client_msg_id.clone());
                    let files = letter.said.attachments.clone();
                    let sent = chat.await_sent(room, letter, pending).await;
                    // Refused for good, and never written.
                    if sent.as_ref().is_err_and(|error| !error.kind().temporary()) {
                        chat.let_files_go(room, who, name.as_str(), &files).await;
                    }
                    sent
                })
            }
        }
    }

    async fn letter(&self, who: UserId, room: RoomId, form: &SendForm) -> Result<Letter, ChatError> {
        let client_msg_id: ClientMsgId = field("/client_msg_id", &form.client_msg_id)?;
        let body: Body = field("/body", &form.body)?;
        let attachments = self.attachments(who, room, &client_msg_id, &form.attachments).await?;
        let mut thread = None;
        if let Some(id) = form.reply_to {
            self.enter(who, room).await?;
            let answered = self.inner.log.message(room, id).await?;
            let Some(answered) = answered.filter(|message| message.is_live()) else {
                return Err(ChatError::field("/reply_to", "there is no such message in the room"));
            };
            thread = Some(answered.thread.unwrap_or(id));
        }
        let mentions = self.mentions(who, room, body.as_str()).await?;
        let said = Said { body: body.into_inner(), reply_to: form.reply_to, thread, mentions, attachments };
        Ok(Letter { who, message_id: MessageId::new(), client_msg_id, said })
    }

    /// Whom a text mentions, of those in the room.
    pub(super) async fn mentions(
        &self,
        who: UserId,
        room: RoomId,
        body: &str,
    ) -> Result<Mentions, ChatError> {
        let named = mentions::may_mention(body) || !mentions::named_ids(body).is_empty();
        if !body.contains('@') || !named {
            return Ok(Mentions::default());
        }
        // Strangers learn nothing of who is in the room.
        self.enter(who, room).await?;
        let mut ids: Vec<UserId> = Vec::new();
        for id in mentions::named_ids(body) {
            if self.inner.rooms.member(room, id).await?.is_some() {
                ids.push(id);
            }
        }
        if mentions::may_mention(body) {
            let found = self.inner.rooms.members(room, None, MOST_NAMED + 1).await?;
            if found.len() <= MOST_NAMED {
                ids.extend(found.into_iter().map(|member| member.user_id));
            }
        }
        let mut names = self.names(&ids).await;
        for id in ids {
            // Without a name one can still be meant by the id.
            names.entry(id).or_default();
        }
        Ok(mentions::resolve(body, &names))
    }

    async fn attachments(
        &self,
        who: UserId,
        room: RoomId,
        client_msg_id: &ClientMsgId,
        forms: &[AttachmentForm],
    ) -> Result<Vec<Attachment>, ChatError> {
        if forms.is_empty() {
            return Ok(Vec::new());
        }
        // Strangers to the room hold nothing.
        self.enter(who, room).await?;
        if forms.len() > MOST_ATTACHMENTS {
            return Err(ChatError::field("/attachments", format!("at most {MOST_ATTACHMENTS}")));
        }
        let ids: Vec<uuid::Uuid> = forms.iter().map(|form| form.object_id).collect();
        let known = self.inner.uploads.of(who, &ids).await.map_err(ChatError::People)?;
        let unknown: Vec<FieldError> = (0..)
            .zip(&ids)
            .filter(|(_, id)| !known.iter().any(|object| object.object_id == **id))
            .map(|(n, _): (usize, _)| {
                FieldError::new(format!("/attachments/{n}/object_id"), "there is no such upload of yours")
            })
            .collect();
        if !unknown.is_empty() {
            return Err(ChatError::Invalid(unknown));
        }
        let find = |id: &uuid::Uuid| known.iter().find(|object| object.object_id == *id).cloned();
        let files: Vec<Attachment> = ids.iter().filter_map(find).collect();
        self.hold_files(room, who, client_msg_id, &files).await?;
        Ok(files)
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
    said: Said,
}

impl Letter {
    fn message(&self) -> Send {
        Send {
            who: self.who,
            message_id: self.message_id,
            client_msg_id: self.client_msg_id.clone(),
            said: self.said.clone(),
        }
    }
}
