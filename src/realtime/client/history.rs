//! `history`, `presence` and `presence_stats`.

use tokio::sync::OwnedSemaphorePermit;

use super::{Client, Context, Outcome, STAGE_DEADLINE, Work, held, parse_channel};
use crate::realtime::{
    channels::Channel,
    log::{HistoryQuery, LogSlice},
    protocol::{command::HistoryRequest, errors::RtError, reply::Reply},
    shard::message::ToConn,
    veils,
};

impl Client {
    /// Reads the log beside further commands: it changes nothing.
    pub(super) fn history(
        &self,
        id: u32,
        request: HistoryRequest,
        permit: OwnedSemaphorePermit,
    ) -> Work<Outcome> {
        let cx = self.cx.clone();
        let subscribed = Channel::parse(&request.channel).is_some_and(|c| self.is_subscribed(&c));
        let beside = async move {
            let Some(turn) = cx.long_answer().await else { return };
            let read = tokio::time::timeout(STAGE_DEADLINE, read(&cx, &request, subscribed)).await;
            match read.unwrap_or(Err(RtError::INTERNAL)) {
                Ok(LogSlice { publications, top, .. }) => {
                    let answer = Reply::History { publications: &publications, top: &top };
                    let frame = cx.handle.encode(id, &answer);
                    let (frame, long) = held(frame, Some(turn));
                    cx.handle.tell(if long { ToConn::Long(frame) } else { ToConn::Frame(frame) });
                }
                Err(error) => cx.handle.refuse(id, &error),
            }
            drop(permit);
        };
        Box::pin(async move { Outcome { beside: Some(Box::pin(beside)), ..Outcome::NOTHING } })
    }

    pub(super) fn presence(&self, id: u32, name: &str, stats: bool) -> Work<Outcome> {
        let cx = self.cx.clone();
        let name = name.to_owned();
        let subscribed = Channel::parse(&name).is_some_and(|c| self.is_subscribed(&c));
        Box::pin(async move {
            match present(&cx, &name, subscribed).await {
                Ok(channel) if stats => {
                    let (clients, users) = cx.core.hub().presence_stats(&channel);
                    cx.handle.reply(id, &Reply::PresenceStats { clients, users });
                }
                Ok(channel) => cx.handle.reply(id, &Reply::Presence(&cx.core.hub().presence(&channel))),
                Err(error) => cx.handle.refuse(id, &error),
            }
            Outcome::NOTHING
        })
    }
}

async fn present(cx: &Context, name: &str, subscribed: bool) -> Result<Channel, RtError> {
    let channel = parse_channel(name)?;
    cx.may_read(&channel, subscribed).await?;
    let kept = cx.core.namespace(&channel).is_some_and(|namespace| namespace.options().presence);
    if kept { Ok(channel) } else { Err(RtError::NOT_AVAILABLE) }
}

async fn read(cx: &Context, request: &HistoryRequest, subscribed: bool) -> Result<LogSlice, RtError> {
    let channel = parse_channel(&request.channel)?;
    cx.may_read(&channel, subscribed).await?;
    let namespace = cx.core.namespace(&channel).ok_or(RtError::UNKNOWN_CHANNEL)?;
    let log = namespace.log().filter(|_| namespace.options().history).ok_or(RtError::NOT_AVAILABLE)?;
    let most = cx.core.settings().history_limit;
    let query = HistoryQuery {
        since: request.since.as_ref().map(|since| since.offset),
        limit: usize::try_from(request.limit).map_or(most, |limit| limit.min(most)),
        reverse: request.reverse,
    };
    let mut slice = log.page(&channel, &query).await?;
    if let Some(since) = &request.since {
        let same = since.epoch.is_empty() || since.epoch == slice.top.epoch;
        if !same || (!request.reverse && !slice.reaches_back) {
            return Err(RtError::UNRECOVERABLE_POSITION);
        }
    }
    let hidden = cx.core.hub().hidden_from(cx.who.user_id);
    slice.publications = veils::seen(slice.publications, hidden.as_deref());
    Ok(slice)
}
