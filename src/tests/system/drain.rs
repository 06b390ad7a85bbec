//! SIGTERM with a thousand clients: each is told to come back, what was acknowledged is kept, and
//! the exit is clean and in time.

use std::{
    cell::RefCell,
    io::ErrorKind,
    rc::Rc,
    time::{Duration, Instant},
};

use futures_util::{StreamExt, future::join_all, stream};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::talk::{Ack, assert_kept, connect, message, stream as room_stream, token};
use crate::tests::support::{
    server::{Person, Server},
    socket::{Event, Socket},
    wait::{eventually, within},
};

const CLIENTS: usize = 1_000;
const SENDERS: usize = 10;
const DRAIN: u64 = 8;

#[actix_web::test]
async fn sigterm_with_1000_clients_tells_each_to_reconnect_and_exits_cleanly() {
    let drain = DRAIN.to_string();
    // Started with the limits of the shell: raising the server's own is the server's business.
    let mut server = Server::start(&[
        ("GIGSY_DRAIN_SECONDS", &drain),
        ("GIGSY_MAX_CONNECTIONS_PER_SESSION", "200"),
        ("GIGSY_HANDSHAKE_SECONDS", "30"),
        ("GIGSY_LIMIT_CALLS", "1000000"),
    ])
    .await;
    raise_file_limit();
    let people = server.people(10).await;
    let members: Vec<&Person> = people[1..].iter().collect();
    let room = server.room(&people[0], &members).await;
    let tokens = join_all(people.iter().map(|p| token(&p.api))).await;

    let base = server.base().to_owned();
    let began = Instant::now();
    let sockets: Vec<Socket> = within(
        "a thousand clients connect",
        Duration::from_secs(90),
        stream::iter(0..CLIENTS)
            .map(|n| {
                let (base, token) = (&base, &tokens[n % tokens.len()]);
                async move { Socket::connect(base, token).await.unwrap_or_else(|e| panic!("client {n}: {e}")) }
            })
            .buffer_unordered(25)
            .collect(),
    )
    .await;
    eprintln!("{CLIENTS} clients connected in {:?}", began.elapsed());

    let acks: Rc<RefCell<Vec<Ack>>> = Rc::default();
    let mut ends = Vec::new();
    for (n, mut socket) in sockets.into_iter().enumerate() {
        if n < SENDERS {
            ends.push(actix_web::rt::spawn(sender(socket, n, room.clone(), Rc::clone(&acks))));
        } else {
            ends.push(actix_web::rt::spawn(async move { socket.until_closed().await }));
        }
    }
    eventually("sending is under way", Duration::from_secs(30), || async {
        (acks.borrow().len() >= 100).then_some(())
    })
    .await;

    let asked = Instant::now();
    server.terminate();
    let ends = within("every client is told", Duration::from_secs(DRAIN + 10), join_all(ends)).await;
    let status = server.exit(Duration::from_secs(DRAIN + 10)).await;
    let took = asked.elapsed();
    eprintln!("stopped in {took:?} with {} acknowledgements", acks.borrow().len());
    for (n, end) in ends.into_iter().enumerate() {
        let (code, reason) = end.expect("no client panicked");
        assert_eq!(code, 3001, "client {n} was closed with {code} {reason:?}");
        assert!(!reason.is_empty(), "client {n} was told no reason");
    }
    assert!(status.success(), "the exit is {status}\n{}", server.log());
    assert!(took < Duration::from_secs(DRAIN + 30), "the stop took {took:?}");

    server.restart().await;
    let mut socket = connect(&server, &people[0]).await;
    assert_kept(&room_stream(&mut socket, &room).await, &acks.borrow());
}

/// One request on a connection that is kept; the answer, headers and all.
async fn ask(stream: &mut TcpStream) -> String {
    stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n").await.expect("sent");
    let mut answer = Vec::new();
    while !answer.ends_with(b"ok\n") {
        let read = stream.read_buf(&mut answer).await.expect("read");
        assert!(read > 0, "it ended: {}", String::from_utf8_lossy(&answer));
    }
    String::from_utf8_lossy(&answer).to_lowercase()
}

#[actix_web::test]
async fn a_stopping_server_refuses_new_connections_and_ends_kept_ones_with_their_answer() {
    let mut server = Server::start(&[("GIGSY_DRAIN_SECONDS", "8")]).await;
    let ada = server.person("Ada").await;
    // Somebody who does not read that they are to go holds the drain up.
    let deaf = connect(&server, &ada).await;
    let at = server.base().trim_start_matches("http://").to_owned();
    let mut kept = TcpStream::connect(&at).await.expect("connected");
    let before = ask(&mut kept).await;
    assert!(before.starts_with("http/1.1 200") && !before.contains("connection: close"), "{before}");
    server.terminate();
    eventually("new connections are refused", Duration::from_secs(5), || async {
        TcpStream::connect(&at).await.err().filter(|e| e.kind() == ErrorKind::ConnectionRefused)
    })
    .await;
    let last = ask(&mut kept).await;
    assert!(last.starts_with("http/1.1 200") && last.contains("connection: close"), "{last}");
    assert_eq!(kept.read(&mut [0; 16]).await.ok(), Some(0), "the server ends it");
    drop(deaf);
    assert!(server.exit(Duration::from_secs(20)).await.success());
}

/// Sends one message after the other until the connection is closed.
async fn sender(mut socket: Socket, n: usize, room: String, acks: Rc<RefCell<Vec<Ack>>>) -> (u16, String) {
    for i in 0.. {
        let id = format!("drained{n}-{i}");
        let data = json!({"method": "chat.send", "data": message(&room, &id)});
        let Ok(command) = socket.start("rpc", data).await else { break };
        loop {
            match socket.next().await {
                Event::Json(reply) if reply["id"] == command => {
                    if reply.get("error").is_none() {
                        acks.borrow_mut().push(Ack::of(&id, &reply["rpc"]["data"]));
                    }
                    break;
                }
                Event::Json(_) => {}
                Event::Closed(code, reason) => return (code, reason),
            }
        }
    }
    socket.until_closed().await
}

/// A thousand sockets need more descriptors than a shell's usual 1,024.
fn raise_file_limit() {
    let limit = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
}
