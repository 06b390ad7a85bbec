//! As much of the Centrifuge client protocol (version 2, JSON) as a member and a publisher need.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::kit::websocket::WebSocket;
use super::kit::{Outcome, fail};
use crate::system::Publisher;

/// Where the SDKs connect by habit.
pub const PATH: &str = "/connection/websocket";

const PATIENCE: Duration = Duration::from_secs(20);

/// Connects, signs in by the token and subscribes, the two commands in one frame as the SDKs send them.
pub fn join(server: SocketAddr, token: &str, channel: Option<&str>) -> Outcome<WebSocket> {
    let mut socket = WebSocket::open(server, PATH, PATIENCE)?;
    let mut text = json!({"id": 1, "connect": {"token": token, "name": "bench"}}).to_string();
    if let Some(channel) = channel {
        text += "\n";
        text += &json!({"id": 2, "subscribe": {"channel": channel}}).to_string();
    }
    socket.send(&text)?;
    let mut missing = if channel.is_some() { 2 } else { 1 };
    let until = Instant::now() + PATIENCE;
    while missing > 0 {
        let left = until.saturating_duration_since(Instant::now());
        let Some(message) = socket.receive(left)? else { return fail("no answer to connect in time") };
        for line in message.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let reply: Value = serde_json::from_slice(line)?;
            if let Some(error) = reply.get("error") {
                return fail(format!("connect or subscribe refused: {error}"));
            }
            missing -= usize::from(reply.get("id").is_some());
        }
    }
    Ok(socket)
}

/// What an rpc is given for a publication's number and body.
type Data = Box<dyn Fn(u64, &str) -> Value>;

/// Publishes by `rpc`, whose reply is the acknowledgement.
pub struct RpcPublisher {
    socket: WebSocket,
    method: &'static str,
    data: Data,
    acknowledged: u64,
}

impl RpcPublisher {
    /// A connection of its own, in no channel.
    pub fn new(
        server: SocketAddr,
        token: &str,
        method: &'static str,
        data: impl Fn(u64, &str) -> Value + 'static,
    ) -> Outcome<Self> {
        let socket = join(server, token, None)?;
        Ok(Self { socket, method, data: Box::new(data), acknowledged: 0 })
    }

    fn count(&mut self, message: &[u8]) -> Outcome<()> {
        for line in message.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            if line == b"{}" {
                self.socket.send("{}")?; // a ping
                continue;
            }
            let reply: Value = serde_json::from_slice(line)?;
            if reply.get("id").is_none() {
                continue; // a push
            }
            if let Some(error) = reply.get("error") {
                return fail(format!("{} refused: {error}", self.method));
            }
            self.acknowledged += 1;
        }
        Ok(())
    }
}

impl Publisher for RpcPublisher {
    fn publish(&mut self, number: u64, body: &str) -> Outcome<()> {
        let data = (self.data)(number, body);
        let command = json!({"id": number + 10, "rpc": {"method": self.method, "data": data}});
        self.socket.send(&command.to_string())
    }

    fn acknowledged(&mut self, patience: Duration) -> Outcome<u64> {
        let mut patience = patience;
        while let Some(message) = self.socket.receive(patience)? {
            self.count(&message)?;
            patience = Duration::ZERO;
        }
        Ok(self.acknowledged)
    }
}
