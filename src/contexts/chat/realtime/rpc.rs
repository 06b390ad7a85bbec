//! Chat's remote procedures. Each has a REST twin that calls the same use case.

#![expect(clippy::async_yields_async, reason = "a command in two stages is a future of a future")]

use std::sync::Arc;

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::value::{RawValue, to_raw_value};

use crate::{
    contexts::chat::{
        Actor, Chat, ChatError, EditForm, FoundView, HistoryForm, MessageId, PinsView, ReadForm, RoomId,
        SearchForm, SendForm, Seq, StatusForm, ThreadForm,
    },
    principal::Principal,
    realtime::{ClientInfo, Rpc, RtError, Second, Staged, rpc::second},
};

/// Chat's remote procedures.
pub fn rpcs(chat: &Chat) -> Vec<Arc<dyn Rpc>> {
    Method::ALL
        .into_iter()
        .map(|method| Arc::new(ChatRpc { chat: chat.clone(), method }) as Arc<dyn Rpc>)
        .collect()
}

#[derive(Clone, Copy)]
enum Method {
    Send,
    Edit,
    Delete,
    React,
    Pin,
    Pins,
    History,
    Thread,
    Search,
    Read,
    Receipts,
    Typing,
    Status,
}

impl Method {
    const ALL: [Self; 13] = [
        Self::Send,
        Self::Edit,
        Self::Delete,
        Self::React,
        Self::Pin,
        Self::Pins,
        Self::History,
        Self::Thread,
        Self::Search,
        Self::Read,
        Self::Receipts,
        Self::Typing,
        Self::Status,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::Send => "chat.send",
            Self::Edit => "chat.edit",
            Self::Delete => "chat.delete",
            Self::React => "chat.react",
            Self::Pin => "chat.pin",
            Self::Pins => "chat.pins",
            Self::History => "chat.history",
            Self::Thread => "chat.thread",
            Self::Search => "chat.search",
            Self::Read => "chat.read",
            Self::Receipts => "chat.receipts",
            Self::Typing => "typing.start",
            Self::Status => "presence.set",
        }
    }
}

struct ChatRpc {
    chat: Chat,
    method: Method,
}

#[derive(Deserialize)]
struct SendCall {
    room: RoomId,
    #[serde(flatten)]
    form: SendForm,
}

#[derive(Deserialize)]
struct EditCall {
    room: RoomId,
    message_id: MessageId,
    /// The `changed_seq` of the message that is edited.
    #[serde(default)]
    seen: Option<Seq>,
    #[serde(flatten)]
    form: EditForm,
}

#[derive(Deserialize)]
struct DeleteCall {
    room: RoomId,
    message_id: MessageId,
    #[serde(default)]
    reason: String,
}

#[derive(Deserialize)]
struct ReactCall {
    room: RoomId,
    message_id: MessageId,
    emoji: String,
    #[serde(default)]
    remove: bool,
}

#[derive(Deserialize)]
struct PinCall {
    room: RoomId,
    message_id: MessageId,
    #[serde(default)]
    remove: bool,
}

#[derive(Deserialize)]
struct ReadCall {
    room: RoomId,
    #[serde(flatten)]
    form: ReadForm,
}

#[derive(Deserialize)]
struct RoomCall {
    room: RoomId,
}

#[derive(Serialize)]
struct Nothing {}

/// Reads a call's data; what does not fit is named.
fn read<T: DeserializeOwned>(data: &RawValue) -> Result<T, RtError> {
    let mut de = serde_json::Deserializer::from_str(data.get());
    serde_path_to_error::deserialize(&mut de).map_err(|error| {
        let place = error.path().to_string();
        let said = error.into_inner().to_string();
        let said = said.rsplit_once(" at line ").map_or(said.as_str(), |(head, _)| head);
        RtError::bad_request(if place == "." { said.to_owned() } else { format!("{place}: {said}") })
    })
}

fn answer<T: Serialize>(result: Result<T, ChatError>) -> Result<Box<RawValue>, RtError> {
    to_raw_value(&result?).map_err(|_| RtError::INTERNAL)
}

impl ChatRpc {
    async fn first(
        chat: Chat,
        method: Method,
        principal: Arc<Principal>,
        data: Box<RawValue>,
    ) -> Result<Second<Result<Box<RawValue>, RtError>>, RtError> {
        let who = principal.user_id;
        Ok(match method {
            Method::Send => {
                let SendCall { room, form } = read(&data)?;
                let sent = chat.send_staged(who, room, &form).await;
                second(async move { answer(sent.await) })
            }
            // All others run beside the connection's next commands.
            Method::Edit => {
                let EditCall { room, message_id, seen, form } = read(&data)?;
                second(async move { answer(chat.edit(who, room, message_id, &form, seen).await) })
            }
            Method::Delete => {
                let DeleteCall { room, message_id, reason } = read(&data)?;
                let who = Actor::from(&*principal);
                second(async move { answer(chat.delete(who, room, message_id, &reason).await) })
            }
            Method::React => {
                let ReactCall { room, message_id, emoji, remove } = read(&data)?;
                second(async move { answer(chat.react(who, room, message_id, &emoji, !remove).await) })
            }
            Method::Pin => {
                let PinCall { room, message_id, remove } = read(&data)?;
                second(async move { answer(chat.pin(who, room, message_id, !remove).await) })
            }
            Method::Pins => {
                let RoomCall { room } = read(&data)?;
                second(async move { answer(chat.pins(who, room).await.map(|items| PinsView { items })) })
            }
            Method::History => {
                let form: HistoryForm = read(&data)?;
                second(async move { answer(chat.history(who, &form).await) })
            }
            Method::Thread => {
                let form: ThreadForm = read(&data)?;
                second(async move { answer(chat.thread(who, &form).await) })
            }
            Method::Search => {
                let form: SearchForm = read(&data)?;
                second(async move {
                    let found = chat.search(who, &form).await;
                    answer(found.map(|(items, next_before)| FoundView { items, next_before }))
                })
            }
            Method::Read => {
                let ReadCall { room, form } = read(&data)?;
                second(async move { answer(chat.read(who, room, &form).await) })
            }
            Method::Receipts => {
                let RoomCall { room } = read(&data)?;
                second(async move {
                    let found = chat.receipts(who, room).await;
                    answer(found.map(|items| crate::contexts::chat::ReceiptsView { items }))
                })
            }
            Method::Typing => {
                let RoomCall { room } = read(&data)?;
                second(async move { answer(chat.typing(who, room).await.map(|()| Nothing {})) })
            }
            Method::Status => {
                let StatusForm { status } = read(&data)?;
                second(async move { answer(chat.set_status(&principal, status).await.map(|()| Nothing {})) })
            }
        })
    }
}

impl Rpc for ChatRpc {
    fn method(&self) -> &'static str {
        self.method.name()
    }

    fn call(
        &self,
        who: Arc<Principal>,
        _client: ClientInfo,
        data: Box<RawValue>,
    ) -> Staged<Result<Box<RawValue>, RtError>> {
        let (chat, method) = (self.chat.clone(), self.method);
        Box::pin(async move {
            match Self::first(chat, method, who, data).await {
                Ok(next) => next,
                Err(error) => second(async move { Err(error) }),
            }
        })
    }
}
