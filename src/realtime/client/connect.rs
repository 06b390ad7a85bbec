//! `connect` and `refresh`.

use std::{collections::BTreeMap, sync::Arc};

use super::{Client, Context, Outcome, Work, deadline, expiry, subscribe, version};
use crate::realtime::{
    channels::Channel,
    hub::Membership,
    protocol::{
        command::{ConnectRequest, SubscribeRequest},
        disconnect::Disconnect,
        errors::RtError,
        reply::{ConnectResult, Reply},
    },
    shard::message::{Complete, Completed, ToConn},
};

impl Client {
    /// Answers `connect`, with the server's own subscriptions and what was missed in them.
    pub(super) fn connect(&mut self, id: u32, request: ConnectRequest) -> Work<Outcome> {
        let cx = self.cx.clone();
        let grace = cx.core.settings().expiry_grace;
        cx.handle.tell(ToConn::Activate {
            user: cx.who.user_id,
            session: cx.who.session_id,
            expires: deadline(self.expires_at, grace),
        });
        let channels = cx.core.server_side(&cx.who);
        for channel in &channels {
            let membership = Arc::new(cx.core.hub().join(channel, cx.handle.shard(), cx.handle.format()));
            self.subs.insert(channel.clone(), Arc::downgrade(&membership));
            attach(&cx, membership, channel);
        }
        let settings = cx.core.settings();
        let result = ConnectResult {
            client: cx.info.client,
            version: version(),
            expiry: expiry(self.expires_at, self.by_token),
            subs: Vec::new(),
            ping: settings.ping.as_secs().min(u64::from(u32::MAX)) as u32,
            pong: true,
            session: cx.who.session_id.to_string(),
            node: cx.core.node().to_owned(),
        };
        Box::pin(connect(cx, id, request.subs, channels, result))
    }

    /// Answers `refresh`: the same person and session with a token that ends later.
    pub(super) fn refresh(&mut self, id: u32, token: String) -> Work<Outcome> {
        let cx = self.cx.clone();
        Box::pin(async move {
            match admit(&cx, &token).await {
                Ok(expires_at) => {
                    let grace = cx.core.settings().expiry_grace;
                    cx.handle.tell(ToConn::Expires(deadline(expires_at, grace)));
                    let answer = Reply::Refresh {
                        client: cx.info.client,
                        version: &version(),
                        expiry: expiry(expires_at, true),
                    };
                    cx.handle.reply(id, &answer);
                    Outcome { expires_at, ..Outcome::NOTHING }
                }
                Err(error) => {
                    cx.handle.refuse(id, &error);
                    Outcome::NOTHING
                }
            }
        })
    }
}

async fn admit(cx: &Context, token: &str) -> Result<Option<chrono::DateTime<chrono::Utc>>, RtError> {
    if token.is_empty() {
        return Err(RtError::new(3501, "bad request"));
    }
    let admission = cx.core.auth().by_token(token).await?;
    let (new, old) = (&admission.principal, &cx.who);
    if (new.user_id, new.session_id) != (old.user_id, old.session_id) {
        return Err(RtError::INVALID_TOKEN);
    }
    Ok(admission.expires_at)
}

fn attach(cx: &Context, membership: Arc<Membership>, channel: &Channel) {
    let positioned = cx.core.namespace(channel).is_some_and(|n| n.options().recoverable);
    cx.handle.tell(ToConn::Attach { membership, positioned, join_leave: false });
}

async fn connect(
    cx: Context,
    id: u32,
    mut positions: BTreeMap<String, SubscribeRequest>,
    channels: Vec<Channel>,
    mut result: ConnectResult,
) -> Outcome {
    let mut completed = Vec::with_capacity(channels.len());
    for channel in channels {
        let request = positions.remove(channel.as_str()).unwrap_or_default();
        match subscribe::load(&cx, &channel, &request).await {
            Ok(sub) => {
                completed.push(Completed {
                    channel: channel.clone(),
                    top: sub.top.offset,
                    presence: subscribe::presence(&cx, &channel),
                    announce: false,
                });
                result.subs.push((channel, sub));
            }
            Err(error) => {
                // Without its own channel a connection would miss what is meant for it alone.
                slog::warn!(crate::telemetry::log(), "a server-side subscription failed";
                    "channel" => %channel, "error" => %error);
                cx.handle.close(&Disconnect::SERVER_ERROR);
                return Outcome::NOTHING;
            }
        }
    }
    let frame = cx.handle.encode(id, &Reply::Connect(&result));
    // However long: it is the first thing in the queue, and there is one.
    let complete = Complete { refusal: frame.clone(), reply: frame, long: true, channels: completed };
    cx.handle.tell(ToConn::Complete(complete));
    Outcome::NOTHING
}
