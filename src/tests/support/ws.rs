//! A small Centrifuge client over a raw socket: it can send what no SDK would, and stop reading.

use std::{net::SocketAddr, time::Duration};

use actix_http::ws::{Codec, Frame, Message};
use bytes::{Bytes, BytesMut};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};
use tokio_util::codec::{Decoder as _, Encoder as _};

/// Nothing in a test takes longer.
const PATIENCE: Duration = Duration::from_secs(60);

/// One connection.
#[derive(Debug)]
pub(crate) struct WsClient {
    stream: TcpStream,
    codec: Codec,
    buffer: BytesMut,
    /// Replies and pushes that were read and not asked for yet.
    lines: std::collections::VecDeque<Value>,
    /// Binary messages that were read and not asked for yet.
    binary: std::collections::VecDeque<Bytes>,
    /// The head of the answer to the upgrade.
    pub(crate) head: String,
    /// Answer the server's pings.
    pub(crate) pongs: bool,
    next_id: u32,
}

/// What the server closed with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Closed {
    pub(crate) code: u16,
    pub(crate) reason: String,
}

/// An HTTP answer to an upgrade that was refused.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) status: u16,
    pub(crate) text: String,
}

impl WsClient {
    /// Upgrades a connection, without a `connect` command.
    pub(crate) async fn open(address: SocketAddr, headers: &[(&str, &str)]) -> Result<Self, Refused> {
        let stream = TcpStream::connect(address).await.unwrap();
        Self::open_on(stream, headers).await
    }

    /// Upgrades a connection on a socket of one's own.
    pub(crate) async fn open_on(stream: TcpStream, headers: &[(&str, &str)]) -> Result<Self, Refused> {
        Self::open_at(stream, "", headers).await
    }

    /// The same with a query behind the address (`?format=protobuf`).
    pub(crate) async fn open_at(
        mut stream: TcpStream,
        query: &str,
        headers: &[(&str, &str)],
    ) -> Result<Self, Refused> {
        let address = stream.peer_addr().unwrap();
        let mut request = format!(
            "GET /connection/websocket{query} HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        );
        for (name, value) in headers {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        request.push_str("\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut buffer = BytesMut::new();
        let head = loop {
            if let Some(end) = buffer.windows(4).position(|w| w == b"\r\n\r\n") {
                break String::from_utf8(buffer.split_to(end + 4).to_vec()).unwrap();
            }
            let read = timeout(PATIENCE, stream.read_buf(&mut buffer)).await.unwrap().unwrap();
            assert!(read > 0, "closed before an answer came");
        };
        let status: u16 = head.split(' ').nth(1).unwrap().parse().unwrap();
        if status != 101 {
            let _ = timeout(Duration::from_millis(200), stream.read_buf(&mut buffer)).await;
            return Err(Refused { status, text: String::from_utf8_lossy(&buffer).into_owned() });
        }
        Ok(Self {
            stream,
            codec: Codec::new().client_mode().max_size(16 << 20),
            buffer,
            lines: std::collections::VecDeque::new(),
            binary: std::collections::VecDeque::new(),
            head,
            pongs: true,
            next_id: 1,
        })
    }

    /// Upgrades and connects with a token; the reply's `connect`.
    pub(crate) async fn connect(address: SocketAddr, token: &str) -> (Self, Value) {
        let mut client = Self::open(address, &[]).await.unwrap();
        let reply = client.call("connect", json!({ "token": token })).await;
        let result = reply.get("connect").unwrap_or_else(|| panic!("{reply}")).clone();
        (client, result)
    }

    /// Sends a text frame as it is.
    pub(crate) async fn send_text(&mut self, text: &str) {
        self.send(Message::Text(text.to_owned().into())).await;
    }

    /// Sends any message.
    pub(crate) async fn send(&mut self, message: Message) {
        let mut out = BytesMut::new();
        self.codec.encode(message, &mut out).unwrap();
        self.stream.write_all(&out).await.unwrap();
    }

    /// Sends bytes that need be no frame.
    pub(crate) async fn send_bytes(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
    }

    /// Sends a command and returns its number.
    pub(crate) async fn command(&mut self, method: &str, body: Value) -> u32 {
        let id = self.next_id;
        self.next_id += 1;
        self.send_text(&json!({ "id": id, method: body }).to_string()).await;
        id
    }

    /// Sends a command and returns its reply; pushes that come before it are kept.
    pub(crate) async fn call(&mut self, method: &str, body: Value) -> Value {
        let id = self.command(method, body).await;
        self.reply(id).await
    }

    /// The reply of that number.
    pub(crate) async fn reply(&mut self, id: u32) -> Value {
        self.find(|line| line["id"] == id).await
    }

    /// The next push.
    pub(crate) async fn push(&mut self) -> Value {
        self.find(|line| line.get("push").is_some()).await["push"].clone()
    }

    /// The next publication.
    pub(crate) async fn publication(&mut self) -> Value {
        self.find(|line| line["push"].get("pub").is_some()).await["push"]["pub"].clone()
    }

    /// The next line of any sort, save pings.
    pub(crate) async fn line(&mut self) -> Value {
        self.find(|_| true).await
    }

    /// Whether anything but pings comes within `wait`.
    pub(crate) async fn is_quiet(&mut self, wait: Duration) -> bool {
        if !self.lines.is_empty() {
            return false;
        }
        let until = tokio::time::Instant::now() + wait;
        loop {
            match tokio::time::timeout_at(until, self.read()).await {
                Err(_) => return true,
                Ok(read) => read.unwrap(),
            }
            if !self.lines.is_empty() {
                return false;
            }
        }
    }

    /// The next binary message, save pings.
    pub(crate) async fn binary(&mut self) -> Bytes {
        loop {
            if let Some(message) = self.binary.pop_front() {
                return message;
            }
            match timeout(PATIENCE, self.read()).await {
                Ok(Ok(())) => {}
                Ok(Err(closed)) => panic!("closed: {closed:?}"),
                Err(_) => panic!("nothing came"),
            }
        }
    }

    /// Reads until the server closes; what it sent before is dropped.
    pub(crate) async fn closed(&mut self) -> Closed {
        loop {
            if let Err(closed) = timeout(PATIENCE, self.read()).await.expect("no close came") {
                return closed;
            }
        }
    }

    async fn find(&mut self, wanted: impl Fn(&Value) -> bool) -> Value {
        loop {
            if let Some(index) = self.lines.iter().position(&wanted) {
                return self.lines.remove(index).unwrap();
            }
            match timeout(PATIENCE, self.read()).await {
                Ok(Ok(())) => {}
                Ok(Err(closed)) => panic!("closed: {closed:?}; left: {:?}", self.lines),
                Err(_) => panic!("nothing came; left: {:?}", self.lines),
            }
        }
    }

    /// Reads one frame. A close is answered; then the socket's end is awaited.
    async fn read(&mut self) -> Result<(), Closed> {
        loop {
            match self.codec.decode(&mut self.buffer).expect("a well-formed frame") {
                Some(Frame::Text(text)) => {
                    if text == "{}" {
                        if self.pongs {
                            self.send_text("{}").await;
                        }
                        return Ok(());
                    }
                    let text = std::str::from_utf8(&text).unwrap();
                    self.lines.extend(text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()));
                    return Ok(());
                }
                Some(Frame::Binary(message)) => {
                    if message != [0][..] {
                        self.binary.push_back(message);
                    } else if self.pongs {
                        self.send(Message::Binary(message)).await;
                    }
                    return Ok(());
                }
                Some(Frame::Close(reason)) => {
                    let reason = reason.expect("a close with a code");
                    let mut out = BytesMut::new();
                    self.codec.encode(Message::Close(Some(reason.clone())), &mut out).unwrap();
                    let _ = self.stream.write_all(&out).await;
                    return Err(Closed {
                        code: reason.code.into(),
                        reason: reason.description.unwrap_or_default(),
                    });
                }
                Some(_) => return Ok(()),
                None => {
                    if self.stream.read_buf(&mut self.buffer).await.unwrap_or(0) == 0 {
                        return Err(Closed { code: 1006, reason: "no close frame".into() });
                    }
                }
            }
        }
    }

    /// Waits for the end of the TCP connection.
    pub(crate) async fn end(&mut self) {
        let mut rest = [0; 4096];
        while timeout(PATIENCE, self.stream.read(&mut rest)).await.expect("no end came").unwrap_or(0) > 0 {}
    }
}
