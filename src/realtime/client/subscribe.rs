//! `subscribe` and `unsubscribe`, and recovery.
//!
//! The order is what makes recovery whole: attach first (from now on publications wait at the shard),
//! then authorise, then read the log, then answer and let what waited go. A publication is in the log
//! before it is published, so it is in the reply or among those that waited, or in both, and then its
//! offset tells.

use std::sync::Arc;

use super::{Client, Context, Outcome, STAGE_DEADLINE, Step, Work, held, parse_channel};
use crate::realtime::{
    channels::{Channel, ClientInfo},
    log::{LogSlice, Publication, StreamPos},
    protocol::{
        command::SubscribeRequest,
        errors::RtError,
        reply::{Reply, SubscribeResult},
    },
    shard::message::{Complete, Completed, ToConn},
    veils,
};

impl Client {
    /// Checks a subscription and makes what attaches it.
    pub(super) fn begin_subscribe(
        &mut self,
        request: &SubscribeRequest,
    ) -> Result<(Channel, ToConn), RtError> {
        let channel = parse_channel(&request.channel)?;
        let options = self.cx.core.namespace(&channel).ok_or(RtError::UNKNOWN_CHANNEL)?.options();
        if self.is_subscribed(&channel) {
            return Err(RtError::ALREADY_SUBSCRIBED);
        }
        let limit = self.cx.core.settings().max_subscriptions;
        if self.subs.len() >= limit {
            self.subs.retain(|_, membership| membership.strong_count() > 0);
        }
        if self.subs.len() >= limit {
            return Err(RtError::LIMIT_EXCEEDED);
        }
        let handle = &self.cx.handle;
        let membership = Arc::new(self.cx.core.hub().join(&channel, handle.shard(), handle.format()));
        self.subs.insert(channel.clone(), Arc::downgrade(&membership));
        let attach = ToConn::Attach {
            membership,
            positioned: options.recoverable,
            join_leave: options.join_leave && request.join_leave,
        };
        Ok((channel, attach))
    }

    pub(super) fn subscribe(
        &self,
        id: u32,
        channel: Channel,
        attach: ToConn,
        request: SubscribeRequest,
    ) -> Work<Outcome> {
        let cx = self.cx.clone();
        Box::pin(async move {
            // Before it is attached: what is published while a client reads its other recoveries is
            // in the log, and need not wait at the shard.
            let permit = if request.recover { cx.long_answer().await } else { None };
            if request.recover && permit.is_none() {
                return Outcome::NOTHING;
            }
            cx.handle.tell(attach);
            let loaded = tokio::time::timeout(STAGE_DEADLINE, authorised(&cx, &channel, &request)).await;
            match loaded.unwrap_or(Err(RtError::INTERNAL)) {
                Ok(result) => {
                    let announce = cx.core.namespace(&channel).is_some_and(|n| n.options().join_leave);
                    let (reply, long) = held(cx.handle.encode(id, &Reply::Subscribe(&result)), permit);
                    cx.handle.tell(ToConn::Complete(Complete {
                        reply,
                        long,
                        refusal: cx.handle.encode(id, &Reply::Error(&RtError::PERMISSION_DENIED)),
                        channels: vec![Completed {
                            top: result.top.offset,
                            presence: presence(&cx, &channel),
                            announce,
                            channel,
                        }],
                    }));
                    Outcome::NOTHING
                }
                Err(error) => {
                    cx.handle.tell(ToConn::Detach { channel: channel.clone() });
                    cx.handle.refuse(id, &error);
                    Outcome { failed: Some(channel), ..Outcome::NOTHING }
                }
            }
        })
    }

    pub(super) fn unsubscribe(&mut self, id: u32, name: &str) -> Step {
        match parse_channel(name) {
            Ok(channel) => {
                if self.subs.remove(&channel).is_some() {
                    self.cx.handle.tell(ToConn::Detach { channel });
                }
                self.cx.handle.reply(id, &Reply::Unsubscribe);
                Step::Next
            }
            Err(error) => self.refuse(id, &error),
        }
    }

    pub(super) fn is_subscribed(&self, channel: &Channel) -> bool {
        self.subs.get(channel).is_some_and(|membership| membership.strong_count() > 0)
    }
}

async fn authorised(
    cx: &Context,
    channel: &Channel,
    request: &SubscribeRequest,
) -> Result<SubscribeResult, RtError> {
    let namespace = cx.core.namespace(channel).ok_or(RtError::UNKNOWN_CHANNEL)?;
    namespace.authorise(&cx.who, channel).await?;
    let mut result = load(cx, channel, request).await?;
    if request.rejects_unrecovered() && result.was_recovering && !result.recovered {
        return Err(RtError::UNRECOVERABLE_POSITION);
    }
    result.data = namespace.snapshot(&cx.who, channel).await?;
    Ok(result)
}

/// With what a connection is present in a channel, where presence is kept.
pub(super) fn presence(cx: &Context, channel: &Channel) -> Option<Arc<ClientInfo>> {
    let kept = cx.core.namespace(channel).is_some_and(|namespace| namespace.options().presence);
    kept.then(|| Arc::new(cx.info.clone()))
}

/// Where a new subscription stands, and what it missed.
pub(super) async fn load(
    cx: &Context,
    channel: &Channel,
    request: &SubscribeRequest,
) -> Result<SubscribeResult, RtError> {
    let namespace = cx.core.namespace(channel).ok_or(RtError::UNKNOWN_CHANNEL)?;
    let recoverable = namespace.options().recoverable;
    let mut result = SubscribeResult {
        recoverable,
        positioned: recoverable,
        was_recovering: request.recover && recoverable,
        ..SubscribeResult::default()
    };
    let Some(log) = namespace.log().filter(|_| recoverable) else { return Ok(result) };
    if request.recover {
        let limit = cx.core.settings().history_limit;
        let slice = log.since(channel, request.offset, limit).await?;
        let from = StreamPos { offset: request.offset, epoch: request.epoch.clone() };
        let (top, recovered) = recover(&from, slice);
        let outcome = if recovered.is_some() { "recovered" } else { "lost" };
        cx.core.metrics().recoveries.with_label_values(&[outcome]).inc();
        result.top = top;
        result.recovered = recovered.is_some();
        let hidden = cx.core.hub().hidden_from(cx.who.user_id);
        result.publications = veils::seen(recovered.unwrap_or_default(), hidden.as_deref());
    } else {
        result.top = log.top(channel).await?;
    }
    Ok(result)
}

/// Whether a log read from `from` on makes a client whole again: the epoch is the same, the log
/// still starts right after `from`, and what was read reaches the top without a hole. Then these
/// are the publications it missed; otherwise it gets the top and nothing else.
fn recover(from: &StreamPos, slice: LogSlice) -> (StreamPos, Option<Vec<Publication>>) {
    let LogSlice { publications, top, reaches_back } = slice;
    let whole = from.epoch == top.epoch
        && reaches_back
        && from.offset.checked_add(publications.len() as u64) == Some(top.offset)
        && publications.iter().zip(from.offset + 1..).all(|(p, expected)| p.offset == expected);
    (top, whole.then_some(publications))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::realtime::protocol::json::Json;

    fn slice(offsets: impl IntoIterator<Item = u64>, top: u64, reaches_back: bool) -> LogSlice {
        let publications = offsets.into_iter().map(|n| Publication::at(n, Json::empty_object())).collect();
        LogSlice { publications, top: StreamPos { offset: top, epoch: "e".into() }, reaches_back }
    }

    fn pos(offset: u64, epoch: &str) -> StreamPos {
        StreamPos { offset, epoch: epoch.into() }
    }

    #[test]
    fn recovery_is_claimed_only_when_it_is_whole() {
        let recovered = |from: StreamPos, slice: LogSlice| recover(&from, slice).1.map(|p| p.len());
        assert_eq!(recovered(pos(3, "e"), slice(4..=6, 6, true)), Some(3));
        assert_eq!(recovered(pos(6, "e"), slice([], 6, true)), Some(0), "nothing was missed");
        assert_eq!(recovered(pos(3, "x"), slice(4..=6, 6, true)), None, "another epoch");
        assert_eq!(recovered(pos(3, ""), slice(4..=6, 6, true)), None, "no epoch");
        assert_eq!(recovered(pos(3, "e"), slice(4..=5, 6, true)), None, "stops before the top");
        assert_eq!(recovered(pos(3, "e"), slice(5..=6, 6, false)), None, "cut off");
        assert_eq!(recovered(pos(3, "e"), slice([4, 5, 7], 6, true)), None, "a hole");
        assert_eq!(recovered(pos(9, "e"), slice([], 6, true)), None, "from the future");
        assert_eq!(recovered(pos(u64::MAX, "e"), slice([], 6, true)), None);
    }

    proptest! {
        #[test]
        fn a_recovered_client_has_every_offset_once_and_in_order(
            from in 0u64..40, top in 0u64..40, limit in 0usize..40, cut in 0u64..40, same in any::<bool>(),
        ) {
            let kept: Vec<u64> = (cut.max(from) + 1..=top).take(limit).collect();
            let slice = slice(kept, top, from >= cut && from <= top);
            let epoch = if same { "e" } else { "f" };
            let (told, recovered) = recover(&pos(from, epoch), slice);
            prop_assert_eq!(told.offset, top);
            match recovered {
                Some(publications) => {
                    let offsets: Vec<u64> = publications.iter().map(|p| p.offset).collect();
                    prop_assert!(same);
                    prop_assert_eq!(offsets, (from + 1..=top).collect::<Vec<_>>());
                }
                None => prop_assert!(!same || from > top || cut > from || (top - from) as usize > limit),
            }
        }
    }
}
