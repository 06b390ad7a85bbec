//! What several of these tests do: connect, send, read a room's whole stream back.

use std::collections::HashMap;

use serde_json::{Value, json};

use crate::tests::support::{
    api::Api,
    server::{Person, Server, text},
    socket::{Refused, Socket},
};

/// A connection token.
pub async fn token(api: &Api) -> String {
    text(&api.post("/api/v1/realtime/token", &json!({})).await.expect_success(), "/token")
}

/// A connected socket of that person.
pub async fn connect(server: &Server, person: &Person) -> Socket {
    let token = token(&person.api).await;
    Socket::connect(server.base(), &token).await.expect("connected")
}

/// The data of `chat.send`; the body is the `client_msg_id`.
pub fn message(room: &str, id: &str) -> Value {
    json!({"room": room, "client_msg_id": id, "body": id})
}

/// What a message was acknowledged with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ack {
    /// Its `client_msg_id` and body.
    pub id: String,
    /// Where it stands.
    pub seq: u64,
    /// Its id.
    pub message_id: String,
}

impl Ack {
    /// From the answer to a send.
    pub fn of(id: &str, answer: &Value) -> Self {
        Self {
            id: id.to_owned(),
            seq: answer["seq"].as_u64().expect("an acknowledgement holds a seq"),
            message_id: text(answer, "/message_id"),
        }
    }
}

/// Sends by REST, again and again with the same id until it is acknowledged.
pub async fn send_for_sure(api: &Api, room: &str, id: &str) -> Ack {
    let path = format!("/api/v1/chat/rooms/{room}/messages");
    let body = json!({"client_msg_id": id, "body": id});
    for _ in 0..400 {
        match api.try_call("POST", &path, Some(&body)).await {
            Ok(answer) if matches!(answer.status, 200 | 201) => return Ack::of(id, &answer.json),
            Ok(answer) => answer.expect_problem(503),
            Err(_) => {}
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("{id} was never acknowledged");
}

/// A room's stream from its beginning: every publication, in order. Asserts that it has no gap.
pub async fn stream(socket: &mut Socket, room: &str) -> Vec<Value> {
    let channel = format!("chat:{room}");
    let top = history(socket, json!({"channel": channel, "limit": 0})).await.expect("the top");
    let epoch = top["epoch"].clone();
    let end = top["offset"].as_u64().unwrap_or_default();
    let mut all: Vec<Value> = Vec::new();
    while (all.len() as u64) < end {
        let since = json!({"offset": all.len(), "epoch": epoch});
        let page = history(socket, json!({"channel": channel, "limit": 100, "since": since}))
            .await
            .expect("a page of history");
        let publications = page["publications"].as_array().cloned().unwrap_or_default();
        assert!(!publications.is_empty(), "the stream ends at {} and not at {end}", all.len());
        all.extend(publications);
    }
    for (publication, offset) in all.iter().zip(1_u64..) {
        assert_eq!(publication["offset"], offset, "a gap in the stream of {room}");
    }
    all
}

async fn history(socket: &mut Socket, body: Value) -> Result<Value, Refused> {
    socket.command("history", body).await
}

/// Asserts that the stream holds each acknowledged message once, where it was said to be, and each
/// sender's messages (`<sender>-<n>`) in the order of `n`.
pub fn assert_kept(stream: &[Value], acks: &[Ack]) {
    let mut places: HashMap<&str, (u64, &str)> = HashMap::new();
    let mut last_of: HashMap<&str, u64> = HashMap::new();
    for publication in stream.iter().filter(|p| p["data"]["type"] == "message") {
        let data = &publication["data"];
        let body = data["body"].as_str().expect("a message has a body");
        let seq = publication["offset"].as_u64().expect("a publication has an offset");
        let message_id = data["message_id"].as_str().expect("a message has an id");
        assert!(places.insert(body, (seq, message_id)).is_none(), "{body} is there twice");
        if let Some((sender, n)) = body.rsplit_once('-')
            && let Ok(n) = n.parse::<u64>()
            && let Some(before) = last_of.insert(sender, n)
        {
            assert!(before < n, "{sender}'s {n} comes after {before}");
        }
    }
    for ack in acks {
        assert_eq!(
            places.get(ack.id.as_str()),
            Some(&(ack.seq, ack.message_id.as_str())),
            "{} was acknowledged and is not there",
            ack.id
        );
    }
}
