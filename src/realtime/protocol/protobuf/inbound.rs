//! Commands out of binary frames.

use bytes::Bytes;
use prost::Message as _;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use super::wire;
use crate::realtime::protocol::{
    command::{
        ChannelRequest, Command, ConnectRequest, HistoryRequest, Method, PublishRequest, RefreshRequest,
        RpcRequest, SendRequest, Since, SubscribeRequest, Wire,
    },
    disconnect::Disconnect,
};

/// Reads a binary frame's commands.
///
/// # Errors
/// [`Disconnect::BAD_REQUEST`] for anything but whole commands that have a known method and, save for
/// `send` and pongs, an id. A command whose `data` is no JSON is none of that: it is a
/// [`Method::NotJson`], to be refused alone.
pub fn decode_binary(mut frame: Bytes) -> Result<Vec<Command>, Disconnect> {
    if frame.is_empty() {
        return Err(Disconnect::BAD_REQUEST);
    }
    let mut commands = Vec::new();
    while !frame.is_empty() {
        let length = prost::decode_length_delimiter(&mut frame).map_err(|_| Disconnect::BAD_REQUEST)?;
        if length > frame.len() {
            return Err(Disconnect::BAD_REQUEST);
        }
        let command = wire::Command::decode(frame.split_to(length)).map_err(|_| Disconnect::BAD_REQUEST)?;
        commands.push(read(command).ok_or(Disconnect::BAD_REQUEST)?);
    }
    Ok(commands)
}

fn read(command: wire::Command) -> Option<Command> {
    // The same fields in the same order of precedence as in the text form.
    let mut unreadable = false;
    let mut data = |bytes: &Bytes| {
        json(bytes).unwrap_or_else(|_| {
            unreadable = true;
            None
        })
    };
    let wire = Wire {
        id: command.id,
        publish: command
            .publish
            .map(|request| PublishRequest { data: data(&request.data), channel: request.channel }),
        send: command.send.map(|request| SendRequest { data: data(&request.data) }),
        rpc: command.rpc.map(|request| RpcRequest { data: data(&request.data), method: request.method }),
        connect: command.connect.map(Into::into),
        subscribe: command.subscribe.map(Into::into),
        unsubscribe: command.unsubscribe.map(Into::into),
        presence: command.presence.map(Into::into),
        presence_stats: command.presence_stats.map(Into::into),
        history: command.history.map(Into::into),
        ping: command.ping.map(|wire::Empty {}| IgnoredAny),
        refresh: command.refresh.map(|request| RefreshRequest { token: request.token }),
        sub_refresh: command.sub_refresh.map(Into::into),
    };
    let mut command = wire.into_command()?;
    if unreadable && matches!(command.method, Method::Publish(_) | Method::Rpc(_) | Method::Send(_)) {
        command.method = Method::NotJson(command.method.name());
    }
    Some(command)
}

/// `data` as the text form reads it: nothing, and `null`, are none.
fn json(bytes: &[u8]) -> serde_json::Result<Option<Box<RawValue>>> {
    if bytes.is_empty() { Ok(None) } else { serde_json::from_slice(bytes) }
}

impl From<wire::ConnectRequest> for ConnectRequest {
    fn from(request: wire::ConnectRequest) -> Self {
        let wire::ConnectRequest { token, subs, name, version } = request;
        let subs = subs.into_iter().map(|(channel, sub)| (channel, sub.into())).collect();
        Self { token, name, version, subs }
    }
}

impl From<wire::SubscribeRequest> for SubscribeRequest {
    fn from(request: wire::SubscribeRequest) -> Self {
        let wire::SubscribeRequest { channel, recover, epoch, offset, join_leave, flag } = request;
        Self { channel, recover, epoch, offset, join_leave, flag }
    }
}

impl From<wire::ChannelRequest> for ChannelRequest {
    fn from(request: wire::ChannelRequest) -> Self {
        Self { channel: request.channel }
    }
}

impl From<wire::HistoryRequest> for HistoryRequest {
    fn from(request: wire::HistoryRequest) -> Self {
        let wire::HistoryRequest { channel, limit, since, reverse } = request;
        let since = since.map(|wire::StreamPosition { offset, epoch }| Since { offset, epoch });
        Self { channel, limit, since, reverse }
    }
}
