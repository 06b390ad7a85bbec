//! The reader of one connection: framing, sizes, rates and the handshake. Everything after a
//! successful `connect` goes to the session's actor.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use tokio::sync::Semaphore;

use super::source::Source;
use crate::{
    realtime::{
        auth::Admission,
        channels::ClientId,
        core::Realtime,
        lanes::{Batch, ConnHandle, Lane, Opening, Queued, Refused},
        limits::Bucket,
        protocol::{
            command::{Command, ConnectRequest, Method, decode_frame},
            disconnect::Disconnect,
            errors::RtError,
            format::Format,
            frame,
            inbound::{Inbound, Inlet},
            protobuf::decode_binary,
            reply::Reply,
        },
        shard::{ConnSignal, LocalShard, message::ConnId},
    },
    telemetry::correlation::{self, CorrelationId},
};

/// Commands that one connection may have under way. Past it, its socket is not read: a client that
/// sends faster than it can be served is slowed down, not refused.
const UNDER_WAY: usize = 128;

/// The pause before a full actor is offered the commands again.
const PAUSE: Duration = Duration::from_millis(5);

pub(super) struct Parts {
    pub(super) realtime: Realtime,
    pub(super) handle: ConnHandle,
    pub(super) shard: LocalShard,
    pub(super) conn: ConnId,
    pub(super) signal: ConnSignal,
    pub(super) cookie: Option<String>,
}

pub(super) struct Reader {
    parts: Parts,
    lane: Option<Box<dyn Lane>>,
    bucket: Bucket,
    under_way: Arc<Semaphore>,
}

/// The connection is over, as far as the reader is concerned.
struct Over;

impl Reader {
    pub(super) fn new(parts: Parts) -> Self {
        let bucket = Bucket::new(parts.realtime.settings().commands_per_second, Instant::now());
        Self { parts, lane: None, bucket, under_way: Arc::new(Semaphore::new(UNDER_WAY)) }
    }

    /// Reads until the connection ends, one way or another.
    pub(super) async fn run(mut self, mut source: Source) {
        let mut inlet = Inlet::new(self.parts.realtime.settings().max_frame_bytes, self.format());
        let signal = self.parts.signal.clone();
        loop {
            let chunk = tokio::select! {
                biased;
                () = signal.closing() => break,
                chunk = source.next() => chunk,
            };
            let Some(chunk) = chunk else {
                self.parts.shard.shard().gone(self.parts.conn);
                break;
            };
            if Box::pin(self.take(&mut inlet, chunk)).await.is_err() {
                break;
            }
        }
        if let Some(lane) = &self.lane {
            lane.closed();
        }
        self.await_close(source, inlet).await;
    }

    /// The server has closed: nothing that comes counts, save the peer's close frame.
    async fn await_close(self, mut source: Source, mut inlet: Inlet) {
        loop {
            match inlet.take() {
                Ok(Some(Inbound::Close(_))) => {
                    self.parts.shard.shard().peer_closed(self.parts.conn, &Disconnect::NORMAL);
                    return;
                }
                Ok(Some(_)) => {}
                Ok(None) => match source.next().await {
                    Some(chunk) => inlet.feed(chunk),
                    None => break,
                },
                // What breaks the rules now can only be waited out.
                Err(_) => {
                    while source.next().await.is_some() {}
                    break;
                }
            }
        }
        self.parts.shard.shard().gone(self.parts.conn);
    }

    async fn take(&mut self, inlet: &mut Inlet, chunk: Bytes) -> Result<(), Over> {
        inlet.feed(chunk);
        loop {
            match inlet.take() {
                Ok(None) => return Ok(()),
                Ok(Some(Inbound::Text(text))) => self.commands(decode_frame(&text)).await?,
                Ok(Some(Inbound::Binary(bytes))) => self.commands(decode_binary(bytes)).await?,
                Ok(Some(Inbound::Ping(payload))) => {
                    self.spend()?;
                    self.send(frame::pong(&payload));
                }
                Ok(Some(Inbound::Close(code))) => {
                    let echo = code.map_or(Disconnect::NORMAL, |code| Disconnect::new(code, "closed"));
                    self.parts.shard.shard().peer_closed(self.parts.conn, &echo);
                    return Err(Over);
                }
                Err(why) => return Err(self.close(&why)),
            }
        }
    }

    async fn commands(&mut self, read: Result<Vec<Command>, Disconnect>) -> Result<(), Over> {
        let commands = read.map_err(|why| self.close(&why))?;
        let mut batch = Batch::new();
        for command in commands {
            let counted = &self.parts.realtime.metrics().commands;
            counted.with_label_values(&[command.method.name()]).inc();
            if matches!(command.method, Method::Pong) {
                self.parts.shard.shard().pong(self.parts.conn);
            }
            if !self.spend()? {
                self.parts.realtime.metrics().throttled.inc();
                self.answer(command.id, &RtError::TOO_MANY_REQUESTS);
                continue;
            }
            if self.lane.is_none() {
                let Command { id, method: Method::Connect(request) } = command else {
                    return Err(self.close(&Disconnect::BAD_REQUEST));
                };
                // Boxed: every connection would keep room for what it does once.
                Box::pin(self.connect(id, request)).await?;
            } else if !matches!(command.method, Method::Pong) {
                let permit = tokio::select! {
                    permit = self.under_way.clone().acquire_owned() => permit.map_err(|_| Over)?,
                    () = self.parts.signal.closing() => return Err(Over),
                };
                batch.push(Queued { command, permit });
                if batch.len() >= UNDER_WAY / 2 {
                    // The permits come back only once the commands are on their way.
                    self.offer(std::mem::take(&mut batch)).await?;
                }
            }
        }
        self.offer(batch).await
    }

    /// Takes a command's worth of the rate; false when it is spent.
    fn spend(&mut self) -> Result<bool, Over> {
        if self.bucket.take(Instant::now()) {
            Ok(true)
        } else if self.bucket.is_abused() {
            Err(self.close(&Disconnect::TOO_MANY_REQUESTS))
        } else {
            Ok(false)
        }
    }

    async fn connect(&mut self, id: u32, request: ConnectRequest) -> Result<(), Over> {
        let by_token = !request.token.is_empty();
        let admitted = tokio::select! {
            admitted = admit(&self.parts, &request.token) => admitted,
            () = self.parts.signal.closing() => return Err(Over),
        };
        let opened = match (admitted, self.parts.realtime.lanes()) {
            (Ok(admission), Some(lanes)) => {
                let opening = Opening {
                    handle: self.parts.handle.clone(),
                    client: ClientId::new(),
                    by_token,
                    id,
                    request,
                    admission,
                };
                lanes.open(opening.admission.principal.session_id, opening).await
            }
            (Ok(_), None) => Err(RtError::INTERNAL),
            (Err(error), _) => Err(error),
        };
        match opened {
            Ok(lane) => {
                self.lane = Some(lane);
                // It has served.
                self.parts.cookie = None;
                Ok(())
            }
            Err(error) if error.disconnects() => Err(self.close(&(&error).into())),
            Err(error) => {
                self.answer(id, &error);
                Ok(())
            }
        }
    }

    /// Hands commands over; while the actor has too much to do, the socket is not read.
    async fn offer(&self, mut batch: Batch) -> Result<(), Over> {
        let Some(lane) = self.lane.as_ref().filter(|_| !batch.is_empty()) else { return Ok(()) };
        let id = CorrelationId::fresh();
        loop {
            match correlation::sync_scope(id.clone(), || lane.offer(batch)) {
                Ok(()) => return Ok(()),
                Err(Refused::Gone) => return Err(self.close(&Disconnect::INSUFFICIENT_STATE)),
                Err(Refused::Full(back)) => batch = back,
            }
            tokio::select! {
                () = tokio::time::sleep(PAUSE) => {}
                () = self.parts.signal.closing() => return Err(Over),
            }
        }
    }

    const fn format(&self) -> Format {
        self.parts.handle.format()
    }

    fn answer(&self, id: u32, error: &RtError) {
        if id > 0 {
            self.send(self.parts.handle.encode(id, &Reply::Error(error)));
        }
    }

    fn send(&self, frame: Bytes) {
        self.parts.shard.shard().send(self.parts.conn, frame, Instant::now());
    }

    fn close(&self, why: &Disconnect) -> Over {
        self.parts.shard.shard().close(self.parts.conn, why, Instant::now());
        Over
    }
}

async fn admit(parts: &Parts, token: &str) -> Result<Admission, RtError> {
    let auth = parts.realtime.auth();
    match (&parts.cookie, token) {
        (Some(cookie), "") => auth.by_cookie(cookie).await,
        (None, "") => Err(RtError::UNAUTHORIZED),
        (_, token) => auth.by_token(token).await,
    }
}
