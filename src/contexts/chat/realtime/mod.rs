//! Chat over the real-time connection: its namespaces, and its remote procedures.

#![expect(clippy::async_yields_async, reason = "a command in two stages is a future of a future")]

mod rpc;

use std::{str::FromStr, sync::Arc};

use futures_util::future::BoxFuture;
use serde::Deserialize;
use serde_json::value::RawValue;

pub use self::rpc::rpcs;
use super::{
    AttachmentForm, Chat, ChatError, RoomId, SendForm, Seq,
    channels::{CHAT, LIVE, TYPING},
    model::Event,
    store::{Slice, Top},
    veils::Blocks,
};
use crate::{
    principal::Principal,
    realtime::{
        Channel, ChannelLog, ChannelOptions, ClientInfo, HistoryQuery, Json, LogSlice, Namespace,
        Publication, RtError, Staged, StreamPos, ready, rpc::second,
    },
};

/// What the real-time layer mounts.
pub fn namespaces(chat: &Chat) -> Vec<Arc<dyn Namespace>> {
    vec![
        Arc::new(ChatNamespace(chat.clone())),
        Arc::new(TypingNamespace(chat.clone())),
        Arc::new(LiveNamespace(chat.clone())),
    ]
}

/// The room of a channel. Only the canonical form names it: another spelling of the same id would
/// be another channel, to which nobody publishes.
fn room_of(channel: &Channel) -> Result<RoomId, RtError> {
    RoomId::from_str(channel.id())
        .ok()
        .filter(|room| room.to_string() == channel.id())
        .ok_or(RtError::UNKNOWN_CHANNEL)
}

async fn may_enter(chat: &Chat, who: &Principal, channel: &Channel) -> Result<(), RtError> {
    match chat.enter(who.user_id, room_of(channel)?).await {
        Ok(_) => Ok(()),
        Err(ChatError::NoRoom) => Err(RtError::UNKNOWN_CHANNEL),
        Err(ChatError::NotMember) => Err(RtError::PERMISSION_DENIED),
        Err(error) => Err(error.into()),
    }
}

fn stream_pos(top: Top) -> StreamPos {
    StreamPos { offset: top.last_seq, epoch: top.epoch }
}

fn publication(event: &Event, blocks: &Blocks) -> Result<Publication, RtError> {
    let data = Json::of(&event.publication()).map_err(|_| RtError::INTERNAL)?;
    Ok(Publication {
        time: Some(event.created_at.timestamp_millis()),
        veiled: event.veil(blocks),
        ..Publication::at(event.seq, data)
    })
}

fn log_slice(slice: Slice, after: Seq, blocks: &Blocks) -> Result<LogSlice, RtError> {
    let reaches_back = after <= slice.top.last_seq && after + 1 >= slice.top.first_seq;
    let publications =
        slice.events.iter().map(|event| publication(event, blocks)).collect::<Result<_, _>>()?;
    Ok(LogSlice { publications, top: stream_pos(slice.top), reaches_back })
}

/// `chat:<room>`.
struct ChatNamespace(Chat);

/// What a client may publish to `chat:<room>`: as `chat.send` without the room. The id may be left
/// out (then a resend is another message), and a bare string is a body.
#[derive(Deserialize)]
#[serde(untagged)]
enum Published {
    Text(String),
    Full {
        #[serde(default)]
        client_msg_id: Option<String>,
        body: String,
        #[serde(default)]
        reply_to: Option<super::MessageId>,
        #[serde(default)]
        attachments: Vec<AttachmentForm>,
    },
}

impl From<Published> for SendForm {
    fn from(published: Published) -> Self {
        let fresh = || uuid::Uuid::now_v7().to_string();
        match published {
            Published::Text(body) => {
                Self { client_msg_id: fresh(), body, reply_to: None, attachments: Vec::new() }
            }
            Published::Full { client_msg_id, body, reply_to, attachments } => {
                let client_msg_id = client_msg_id.unwrap_or_else(fresh);
                Self { client_msg_id, body, reply_to, attachments }
            }
        }
    }
}

impl Namespace for ChatNamespace {
    fn name(&self) -> &'static str {
        CHAT
    }

    fn options(&self) -> ChannelOptions {
        ChannelOptions { recoverable: true, presence: true, join_leave: true, history: true, publish: true }
    }

    fn authorise<'a>(
        &'a self,
        who: &'a Principal,
        channel: &'a Channel,
    ) -> BoxFuture<'a, Result<(), RtError>> {
        Box::pin(may_enter(&self.0, who, channel))
    }

    fn log(&self) -> Option<&dyn ChannelLog> {
        Some(self)
    }

    fn publish(
        &self,
        who: Arc<Principal>,
        _client: ClientInfo,
        channel: Channel,
        data: Box<RawValue>,
    ) -> Staged<Result<(), RtError>> {
        let (room, form) = match (room_of(&channel), serde_json::from_str::<Published>(data.get())) {
            (Ok(room), Ok(form)) => (room, SendForm::from(form)),
            (Err(error), _) => return ready(Err(error)),
            (_, Err(_)) => {
                let expected = "data must be {\"client_msg_id\", \"body\", \"reply_to\"?} or a text";
                return ready(Err(RtError::bad_request(expected)));
            }
        };
        let chat = self.0.clone();
        Box::pin(async move {
            let sent = chat.send_staged(who.user_id, room, &form).await;
            second(async move { sent.await.map(drop).map_err(RtError::from) })
        })
    }
}

impl ChannelLog for ChatNamespace {
    fn top<'a>(&'a self, channel: &'a Channel) -> BoxFuture<'a, Result<StreamPos, RtError>> {
        Box::pin(async move { Ok(stream_pos(self.0.log_top(room_of(channel)?).await?)) })
    }

    fn since<'a>(
        &'a self,
        channel: &'a Channel,
        offset: u64,
        limit: usize,
    ) -> BoxFuture<'a, Result<LogSlice, RtError>> {
        Box::pin(async move {
            let slice = self.0.log_since(room_of(channel)?, offset, limit).await?;
            log_slice(slice, offset, self.0.blocks())
        })
    }

    fn page<'a>(
        &'a self,
        channel: &'a Channel,
        query: &'a HistoryQuery,
    ) -> BoxFuture<'a, Result<LogSlice, RtError>> {
        Box::pin(async move {
            let room = room_of(channel)?;
            if !query.reverse {
                let after = query.since.unwrap_or(0);
                return log_slice(self.0.log_since(room, after, query.limit).await?, after, self.0.blocks());
            }
            // Places have no gap, so the page before a place is where it is by counting.
            let top = self.0.log_top(room).await?;
            let end = query.since.map_or(top.last_seq, |since| since.saturating_sub(1).min(top.last_seq));
            let after = end.saturating_sub(query.limit as u64);
            let mut slice = self.0.log_since(room, after, (end - after) as usize).await?;
            slice.top = top;
            let mut page = log_slice(slice, after, self.0.blocks())?;
            page.publications.reverse();
            Ok(page)
        })
    }
}

/// `typing:<room>`.
struct TypingNamespace(Chat);

impl Namespace for TypingNamespace {
    fn name(&self) -> &'static str {
        TYPING
    }

    fn options(&self) -> ChannelOptions {
        ChannelOptions { publish: true, ..ChannelOptions::default() }
    }

    fn authorise<'a>(
        &'a self,
        who: &'a Principal,
        channel: &'a Channel,
    ) -> BoxFuture<'a, Result<(), RtError>> {
        Box::pin(may_enter(&self.0, who, channel))
    }

    fn publish(
        &self,
        who: Arc<Principal>,
        _client: ClientInfo,
        channel: Channel,
        _data: Box<RawValue>,
    ) -> Staged<Result<(), RtError>> {
        let chat = self.0.clone();
        Box::pin(async move {
            let done = match room_of(&channel) {
                Ok(room) => chat.typing(who.user_id, room).await.map_err(RtError::from),
                Err(error) => Err(error),
            };
            second(async move { done })
        })
    }
}

/// `live:<room>`: what members' programs tell each other, kept nowhere. A publication says who sent it.
struct LiveNamespace(Chat);

impl Namespace for LiveNamespace {
    fn name(&self) -> &'static str {
        LIVE
    }

    fn options(&self) -> ChannelOptions {
        ChannelOptions { publish: true, ..ChannelOptions::default() }
    }

    fn authorise<'a>(
        &'a self,
        who: &'a Principal,
        channel: &'a Channel,
    ) -> BoxFuture<'a, Result<(), RtError>> {
        Box::pin(may_enter(&self.0, who, channel))
    }

    fn publish(
        &self,
        who: Arc<Principal>,
        client: ClientInfo,
        channel: Channel,
        data: Box<RawValue>,
    ) -> Staged<Result<(), RtError>> {
        let chat = self.0.clone();
        Box::pin(async move {
            let done = match (room_of(&channel), Json::from_raw(&data)) {
                (Ok(room), Some(data)) => {
                    chat.tell_live(who.user_id, room, client, data).await.map_err(RtError::from)
                }
                (Err(error), _) => Err(error),
                (_, None) => Err(RtError::bad_request("data nests too deeply")),
            };
            second(async move { done })
        })
    }
}
