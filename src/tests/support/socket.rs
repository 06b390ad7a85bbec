//! A plain client of the Centrifuge protocol: what the SDKs hide, tests of the server must see.

use std::{collections::VecDeque, pin::Pin, time::Duration};

use actix_http::ws;
use futures_util::{Sink, SinkExt, Stream, StreamExt};
use serde_json::{Value, json};

use super::wait::within;

/// How long one reply may take.
const REPLY: Duration = Duration::from_secs(60);

/// An `error` reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Centrifuge's code.
    pub code: u64,
    /// Its words.
    pub message: String,
}

/// What the server sent.
#[derive(Clone, Debug)]
pub enum Event {
    /// A reply (it has an `id`) or a push.
    Json(Value),
    /// The connection ended: close code and reason, or 0 where there was no Close frame.
    Closed(u16, String),
}

type Outbound = Pin<Box<dyn Sink<ws::Message, Error = ws::ProtocolError>>>;
type Inbound = Pin<Box<dyn Stream<Item = Result<ws::Frame, ws::ProtocolError>>>>;

/// One connection.
pub struct Socket {
    outbound: Outbound,
    inbound: Inbound,
    queued: VecDeque<Event>,
    pushes: VecDeque<Value>,
    closed: Option<(u16, String)>,
    last_id: u64,
    /// Pings of the server that were answered.
    pub pongs: u64,
}

impl Socket {
    /// Opens the WebSocket without a `connect` command.
    pub async fn open(base: &str, headers: &[(&str, &str)]) -> Result<Self, String> {
        let url = format!("{}/connection/websocket", base.replacen("http", "ws", 1));
        let client = awc::Client::builder()
            .timeout(Duration::from_secs(30))
            .connector(awc::Connector::new().timeout(Duration::from_secs(30)))
            .finish();
        let mut request = client.ws(url).max_frame_size(16 << 20);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (_, framed) = request.connect().await.map_err(|e| e.to_string())?;
        let (outbound, inbound) = framed.split();
        Ok(Self {
            outbound: Box::pin(outbound),
            inbound: Box::pin(inbound),
            queued: VecDeque::new(),
            pushes: VecDeque::new(),
            closed: None,
            last_id: 0,
            pongs: 0,
        })
    }

    /// Opens it and signs in with a connection token.
    pub async fn connect(base: &str, token: &str) -> Result<Self, String> {
        let mut socket = Self::open(base, &[]).await?;
        match socket.command("connect", json!({"token": token, "name": "test"})).await {
            Ok(_) => Ok(socket),
            Err(e) => Err(format!("{e:?}")),
        }
    }

    /// Sends a frame as it stands.
    pub async fn send_text(&mut self, text: &str) -> Result<(), String> {
        self.outbound.send(ws::Message::Text(text.to_owned().into())).await.map_err(|e| e.to_string())
    }

    /// Sends a command without waiting for its reply; the answer is its id.
    pub async fn start(&mut self, name: &str, body: Value) -> Result<u64, String> {
        self.last_id += 1;
        let id = self.last_id;
        self.send_text(&json!({"id": id, name: body}).to_string()).await?;
        Ok(id)
    }

    /// Sends a command and waits for its reply; pushes that come first are kept.
    /// A connection that ends meanwhile is told as code 0.
    pub async fn command(&mut self, name: &str, body: Value) -> Result<Value, Refused> {
        let lost = |message: String| Refused { code: 0, message };
        let id = self.start(name, body).await.map_err(lost)?;
        loop {
            match within(name, REPLY, self.next()).await {
                Event::Json(reply) if reply["id"] == id => {
                    if let Some(error) = reply.get("error") {
                        return Err(Refused {
                            code: error["code"].as_u64().unwrap_or_default(),
                            message: error["message"].as_str().unwrap_or_default().to_owned(),
                        });
                    }
                    return Ok(reply.get(name).cloned().unwrap_or(json!({})));
                }
                Event::Json(other) => self.pushes.push_back(other),
                Event::Closed(code, reason) => {
                    return Err(lost(format!("closed with {code} {reason:?}")));
                }
            }
        }
    }

    /// Calls an rpc method.
    pub async fn rpc(&mut self, method: &str, data: Value) -> Result<Value, Refused> {
        let answer = self.command("rpc", json!({"method": method, "data": data})).await?;
        Ok(answer["data"].clone())
    }

    /// The next reply, push, or the end. Answers pings by itself.
    pub async fn next(&mut self) -> Event {
        loop {
            if let Some(event) = self.queued.pop_front() {
                return event;
            }
            if let Some((code, reason)) = self.closed.clone() {
                return Event::Closed(code, reason);
            }
            match self.inbound.next().await {
                Some(Ok(ws::Frame::Text(text))) => self.take(&text).await,
                Some(Ok(ws::Frame::Close(reason))) => {
                    let (code, text) = reason.map_or((0, String::new()), |r| {
                        (u16::from(r.code), r.description.unwrap_or_default())
                    });
                    self.closed = Some((code, text));
                    let _ = self.outbound.send(ws::Message::Close(None)).await;
                }
                Some(Ok(ws::Frame::Ping(data))) => {
                    let _ = self.outbound.send(ws::Message::Pong(data)).await;
                }
                Some(Ok(_)) => {}
                Some(Err(e)) => self.closed = Some((0, e.to_string())),
                None => self.closed = Some((0, "no Close frame".to_owned())),
            }
        }
    }

    /// The next push, in the order they came.
    pub async fn push(&mut self) -> Result<Value, (u16, String)> {
        if let Some(push) = self.pushes.pop_front() {
            return Ok(push);
        }
        loop {
            match self.next().await {
                Event::Json(value) if value.get("push").is_some() => return Ok(value),
                Event::Json(_) => {}
                Event::Closed(code, reason) => return Err((code, reason)),
            }
        }
    }

    /// Reads until the connection ends; the answer is its close code and reason.
    pub async fn until_closed(&mut self) -> (u16, String) {
        loop {
            if let Event::Closed(code, reason) = self.next().await {
                return (code, reason);
            }
        }
    }

    async fn take(&mut self, text: &[u8]) {
        for line in text.split(|b| *b == b'\n').filter(|line| !line.is_empty()) {
            if line == b"{}" {
                self.pongs += 1;
                let _ = self.send_text("{}").await;
                continue;
            }
            let value = serde_json::from_slice(line)
                .unwrap_or_else(|e| panic!("{e} in {:?}", String::from_utf8_lossy(line)));
            self.queued.push_back(Event::Json(value));
        }
    }
}
