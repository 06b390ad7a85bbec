//! Replies and pushes as messages. Payloads are shared, not copied; the rest is small.

use bytes::Bytes;

use super::wire;
use crate::realtime::{
    channels::{Channel, ClientInfo},
    log::Publication,
    protocol::{
        json::Json,
        reply::{ConnectResult, Push, Reply, SubscribeResult},
    },
};

pub(super) fn reply(id: u32, reply: &Reply<'_>) -> wire::Reply {
    let mut out = wire::Reply { id, ..wire::Reply::default() };
    match reply {
        Reply::Connect(result) => out.connect = Some(connect(result)),
        Reply::Subscribe(result) => out.subscribe = Some(subscribe(result)),
        Reply::Unsubscribe => out.unsubscribe = Some(wire::Empty {}),
        Reply::Publish => out.publish = Some(wire::Empty {}),
        Reply::Ping => out.ping = Some(wire::Empty {}),
        Reply::Presence(members) => {
            let presence = members.iter().map(|member| (member.client.to_string(), info(member))).collect();
            out.presence = Some(wire::PresenceResult { presence });
        }
        Reply::PresenceStats { clients, users } => {
            let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
            out.presence_stats =
                Some(wire::PresenceStatsResult { num_clients: count(*clients), num_users: count(*users) });
        }
        Reply::History { publications, top } => {
            out.history = Some(wire::HistoryResult {
                publications: publications.iter().map(publication).collect(),
                epoch: top.epoch.clone(),
                offset: top.offset,
            });
        }
        Reply::Rpc(data) => out.rpc = Some(wire::Data { data: Bytes::copy_from_slice(data) }),
        Reply::Refresh { client, version, expiry } => {
            out.refresh = Some(wire::RefreshResult {
                client: client.to_string(),
                version: (*version).to_owned(),
                expires: expiry.expires,
                ttl: expiry.ttl,
            });
        }
        Reply::Error(error) => {
            out.error = Some(wire::Error {
                code: error.code,
                message: error.message.clone().into_owned(),
                temporary: error.temporary,
            });
        }
    }
    out
}

pub(super) fn push(channel: &Channel, push: &Push<'_>) -> wire::Push {
    let mut out = wire::Push { channel: channel.as_str().to_owned(), ..wire::Push::default() };
    let about = |who: &ClientInfo| wire::ComingOrGoing { info: Some(info(who)) };
    match push {
        Push::Publication(one) => out.publication = Some(publication(one)),
        Push::Join(who) => out.join = Some(about(who)),
        Push::Leave(who) => out.leave = Some(about(who)),
        Push::Unsubscribe(why) => {
            let reason = why.reason.clone().into_owned();
            out.unsubscribe = Some(wire::Unsubscribe { code: why.code, reason });
        }
    }
    out
}

fn connect(result: &ConnectResult) -> wire::ConnectResult {
    wire::ConnectResult {
        client: result.client.to_string(),
        version: result.version.clone(),
        expires: result.expiry.expires,
        ttl: result.expiry.ttl,
        subs: result
            .subs
            .iter()
            .map(|(channel, sub)| (channel.as_str().to_owned(), subscribe(sub)))
            .collect(),
        ping: result.ping,
        pong: result.pong,
        session: result.session.clone(),
        node: result.node.clone(),
    }
}

fn subscribe(result: &SubscribeResult) -> wire::SubscribeResult {
    wire::SubscribeResult {
        recoverable: result.recoverable,
        epoch: result.top.epoch.clone(),
        publications: result.publications.iter().map(publication).collect(),
        recovered: result.recovered,
        offset: result.top.offset,
        positioned: result.positioned,
        data: bytes(result.data.as_ref()),
        was_recovering: result.was_recovering,
    }
}

fn publication(publication: &Publication) -> wire::Publication {
    wire::Publication {
        data: bytes(Some(&publication.data)),
        info: publication.info.as_ref().map(info),
        offset: publication.offset,
        tags: publication.tags.iter().cloned().collect(),
        time: publication.time.unwrap_or(0).max(0),
    }
}

fn info(info: &ClientInfo) -> wire::ClientInfo {
    wire::ClientInfo {
        user: info.user.to_string(),
        client: info.client.to_string(),
        conn_info: bytes(info.conn_info.as_ref()),
        chan_info: bytes(info.chan_info.as_ref()),
    }
}

fn bytes(json: Option<&Json>) -> Bytes {
    json.map(Json::to_bytes).unwrap_or_default()
}
