//! The server's side of one connection: its identity, its subscriptions, and its commands in order.
//!
//! A [`Client`] is a plain state machine that its session's actor drives. Commands wait in a lane;
//! one first stage runs at a time, so that what a client sends in order is acted on in order, and
//! second stages (waiting until a message is durable) run beside it.

mod connect;
mod history;
mod staged;
mod subscribe;

use std::{
    collections::{HashMap, VecDeque},
    future::Future,
    pin::Pin,
    sync::{Arc, Weak},
    time::{Duration, Instant},
};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use serde_json::json;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{
    channels::{Channel, ClientInfo},
    core::Realtime,
    hub::Membership,
    lanes::{Batch, ConnHandle, Opening, Queued},
    protocol::{
        command::{Command, Method},
        disconnect::Disconnect,
        errors::RtError,
        json::Json,
        reply::{Expiry, Reply},
    },
};
use crate::principal::Principal;

/// A stage of a command may take so long; then the command is answered with an internal error and
/// the lane goes on.
const STAGE_DEADLINE: Duration = Duration::from_secs(30);

/// Long answers (a recovery, a page of history) that one connection may have under way, from before
/// the log is read until the last byte has left the queue. A client that asks for more than it reads
/// is served at its own pace, and not closed for being slow.
const LONG_ANSWERS: usize = 2;

/// An answer of so many bytes is a long one.
const LONG: usize = 16 * 1024;

/// Work of a lane. It needs no thread of its own, only somebody who polls it.
pub type Work<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// What is to be done next for a connection.
pub enum Step {
    /// Run it, then give its outcome to [`Client::done`], before the next step.
    Run(Work<Outcome>),
    /// Done already; ask for the next step.
    Next,
}

/// How a first stage ended.
pub struct Outcome {
    /// Runs beside further commands.
    pub beside: Option<Work<()>>,
    /// A subscription that did not come about.
    failed: Option<Channel>,
    /// Another end of the credentials.
    expires_at: Option<DateTime<Utc>>,
}

impl Outcome {
    const NOTHING: Self = Self { beside: None, failed: None, expires_at: None };
}

/// What a command's work needs of its connection.
#[derive(Clone)]
struct Context {
    core: Realtime,
    handle: ConnHandle,
    who: Arc<Principal>,
    info: ClientInfo,
    long_answers: Arc<Semaphore>,
}

/// One connection.
pub struct Client {
    cx: Context,
    by_token: bool,
    expires_at: Option<DateTime<Utc>>,
    opening: Option<(u32, super::protocol::command::ConnectRequest)>,
    lane: VecDeque<Queued>,
    /// The place in a channel is the shard's; that it still exists is seen from here.
    subs: HashMap<Channel, Weak<Membership>>,
    running: bool,
    gone: bool,
}

impl Client {
    /// A connection that was let in; its `connect` is the first thing in its lane.
    pub fn new(core: Realtime, opening: Opening) -> Self {
        let Opening { handle, client, admission, by_token, id, request } = opening;
        let conn_info = Json::of(&json!({ "display_name": admission.principal.display_name })).ok();
        let info = ClientInfo { user: admission.principal.user_id, client, conn_info, chan_info: None };
        Self {
            cx: Context {
                core,
                handle,
                who: Arc::new(admission.principal),
                info,
                long_answers: Arc::new(Semaphore::new(LONG_ANSWERS)),
            },
            by_token,
            expires_at: admission.expires_at,
            opening: Some((id, request)),
            lane: VecDeque::new(),
            subs: HashMap::new(),
            running: false,
            gone: false,
        }
    }

    /// Its way out.
    pub const fn handle(&self) -> &ConnHandle {
        &self.cx.handle
    }

    /// Subscriptions it holds.
    pub fn subscriptions(&self) -> usize {
        self.subs.values().filter(|membership| membership.strong_count() > 0).count()
    }

    /// Commands that wait.
    pub fn waiting(&self) -> usize {
        self.lane.len()
    }

    /// Takes commands up.
    pub fn enqueue(&mut self, batch: Batch) {
        self.lane.extend(batch);
    }

    /// Answers commands with "too many requests".
    pub fn throttle(&self, batch: &Batch) {
        self.cx.core.metrics().throttled.inc_by(batch.len() as u64);
        for queued in batch {
            self.cx.handle.refuse(queued.command.id, &RtError::TOO_MANY_REQUESTS);
        }
    }

    /// Ends the connection.
    pub fn close(&mut self, why: &Disconnect) {
        self.lane.clear();
        self.forget();
        self.cx.handle.close(why);
    }

    /// The connection ended by itself.
    pub fn forget(&mut self) {
        self.gone = true;
        // Nobody waits for long answers any more.
        self.cx.long_answers.close();
    }

    /// The next thing to do, unless a first stage runs or nothing waits.
    pub fn next_step(&mut self) -> Option<Step> {
        if self.running || self.gone {
            return None;
        }
        if let Some((id, request)) = self.opening.take() {
            let work = self.connect(id, request);
            return Some(self.run(work));
        }
        let Queued { command: Command { id, method }, permit } = self.lane.pop_front()?;
        let work: Work<Outcome> = match method {
            Method::Subscribe(request) => match self.begin_subscribe(&request) {
                Ok((channel, attach)) => self.subscribe(id, channel, attach, request),
                Err(error) => return Some(self.refuse(id, &error)),
            },
            Method::Unsubscribe(request) => return Some(self.unsubscribe(id, &request.channel)),
            Method::Publish(request) => self.publish(id, request, permit),
            Method::Rpc(request) => self.rpc(id, request, permit),
            Method::Presence(request) => self.presence(id, &request.channel, false),
            Method::PresenceStats(request) => self.presence(id, &request.channel, true),
            Method::History(request) => self.history(id, request, permit),
            Method::Refresh(request) => self.refresh(id, request.token),
            Method::SubRefresh(_) => return Some(self.refuse(id, &RtError::NOT_AVAILABLE)),
            Method::Ping => {
                self.cx.handle.reply(id, &Reply::Ping);
                return Some(Step::Next);
            }
            Method::Send(_) => {
                slog::debug!(crate::telemetry::log(), "message from a client";
                    "client" => %self.cx.info.client);
                return Some(Step::Next);
            }
            Method::Pong => return Some(Step::Next),
            Method::NotJson(_) => return Some(self.refuse(id, &RtError::bad_request("data must be JSON"))),
            Method::Connect(_) => {
                self.close(&Disconnect::BAD_REQUEST);
                return Some(Step::Next);
            }
        };
        Some(self.run(work))
    }

    /// Takes a first stage's outcome; what it returns is to be run beside.
    pub fn done(&mut self, outcome: Outcome) -> Option<Work<()>> {
        self.running = false;
        if let Some(channel) = outcome.failed {
            self.subs.remove(&channel);
        }
        if outcome.expires_at.is_some() {
            self.expires_at = outcome.expires_at;
        }
        outcome.beside
    }

    fn run(&mut self, work: Work<Outcome>) -> Step {
        self.running = true;
        Step::Run(work)
    }

    fn refuse(&mut self, id: u32, error: &RtError) -> Step {
        if error.disconnects() {
            self.close(&error.into());
        } else {
            self.cx.handle.refuse(id, error);
        }
        Step::Next
    }
}

impl Drop for Client {
    /// A client that is dropped without having been told why (its session's actor crashed) must
    /// start over: what it waits for will not come.
    fn drop(&mut self) {
        if !self.gone {
            self.cx.handle.close(&Disconnect::INSUFFICIENT_STATE);
        }
    }
}

impl Context {
    /// Waits until another long answer may be made. `None` when the connection is over.
    async fn long_answer(&self) -> Option<OwnedSemaphorePermit> {
        self.long_answers.clone().acquire_owned().await.ok()
    }

    /// Whether the caller may read a channel's presence and history.
    async fn may_read(&self, channel: &Channel, subscribed: bool) -> Result<(), RtError> {
        let namespace = self.core.namespace(channel).ok_or(RtError::UNKNOWN_CHANNEL)?;
        if subscribed { Ok(()) } else { namespace.authorise(&self.who, channel).await }
    }
}

/// Ties the permit of a long answer to its bytes: it comes back when they have left the queue. What
/// is not long gives the permit back at once; the second says which.
fn held(frame: Bytes, permit: Option<OwnedSemaphorePermit>) -> (Bytes, bool) {
    struct Held(Bytes, #[allow(dead_code, reason = "its drop counts")] OwnedSemaphorePermit);
    impl AsRef<[u8]> for Held {
        fn as_ref(&self) -> &[u8] {
            &self.0
        }
    }
    match permit {
        Some(permit) if frame.len() >= LONG => (Bytes::from_owner(Held(frame, permit)), true),
        _ => (frame, false),
    }
}

/// Reads a channel's name from a request.
fn parse_channel(name: &str) -> Result<Channel, RtError> {
    if name.is_empty() {
        // The protocol's original ends a connection that forgets the name.
        return Err(RtError::new(3501, "bad request"));
    }
    Channel::parse(name).ok_or(RtError::UNKNOWN_CHANNEL)
}

/// What a client is told of the end of its credentials.
fn expiry(expires_at: Option<DateTime<Utc>>, by_token: bool) -> Expiry {
    match expires_at {
        Some(at) if by_token => {
            let ttl = (at - Utc::now()).num_seconds().clamp(1, i64::from(i32::MAX));
            Expiry { expires: true, ttl: ttl as u32 }
        }
        _ => Expiry::default(),
    }
}

/// When the shard is to end the connection.
fn deadline(expires_at: Option<DateTime<Utc>>, grace: Duration) -> Option<Instant> {
    let left = (expires_at? - Utc::now()).to_std().unwrap_or_default();
    Instant::now().checked_add(left + grace)
}

/// The server's name and version, as `connect` tells it.
fn version() -> String {
    format!("gigsy {}", env!("CARGO_PKG_VERSION"))
}
