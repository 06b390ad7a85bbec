//! Kills: nothing that was acknowledged is lost, and the system mends itself.

use std::{
    cell::RefCell,
    rc::Rc,
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use rustix::process::{Signal, kill_process};
use serde_json::json;

use super::talk::{Ack, assert_kept, connect, message, send_for_sure, stream, token};
use crate::tests::support::{
    api::Api,
    server::{Person, Server, find, postmaster},
    socket::{Event, Socket},
    sql,
    wait::{eventually, within},
};

/// Messages a socket client has on the way at once.
const WINDOW: usize = 4;

/// What one client sent: acknowledged, and not.
#[derive(Default)]
struct Sent {
    acks: Vec<Ack>,
    open: Vec<String>,
}

type Book = Rc<RefCell<Sent>>;

#[actix_web::test]
async fn kill_9_of_the_server_while_50_clients_send_loses_nothing_acknowledged() {
    let mut server = Server::start(&[]).await;
    let people = server.people(10).await;
    let members: Vec<&Person> = people[1..].iter().collect();
    let room = server.room(&people[0], &members).await;

    let books: Vec<Book> = (0..50).map(|_| Book::default()).collect();
    let mut clients = Vec::new();
    for (n, book) in books.iter().enumerate() {
        let (person, name, room, book) =
            (&people[n % people.len()], format!("client{n}"), room.clone(), Rc::clone(book));
        if n % 2 == 0 {
            let token = token(&person.api).await;
            let socket = Socket::connect(server.base(), &token).await.expect("connected");
            clients.push(actix_web::rt::spawn(by_socket(socket, room, name, book)));
        } else {
            clients.push(actix_web::rt::spawn(by_rest(person.api.clone(), room, name, book)));
        }
    }
    let acknowledged = || books.iter().map(|b| b.borrow().acks.len()).sum::<usize>();
    eventually("a thousand acknowledgements", Duration::from_secs(60), || async {
        (acknowledged() >= 1_000 && books.iter().all(|b| !b.borrow().acks.is_empty())).then_some(())
    })
    .await;
    server.kill9();
    within("every client notices", Duration::from_secs(40), join_all(clients)).await;
    let open: usize = books.iter().map(|b| b.borrow().open.len()).sum();
    eprintln!("killed with {} messages acknowledged and {open} on the way", acknowledged());

    server.restart().await;
    let mut acks: Vec<Ack> = Vec::new();
    for (n, book) in books.iter().enumerate() {
        let sent = std::mem::take(&mut *book.borrow_mut());
        acks.extend(sent.acks);
        // A client does not know about what was on the way: it sends the same again.
        for id in sent.open {
            acks.push(send_for_sure(&people[n % people.len()].api, &room, &id).await);
        }
    }
    let mut socket = connect(&server, &people[0]).await;
    let stream = stream(&mut socket, &room).await;
    assert_kept(&stream, &acks);
    let messages = stream.iter().filter(|p| p["data"]["type"] == "message").count();
    assert_eq!(messages, acks.len(), "nothing is there that nobody was told of");

    // Other contexts hear of each once, whatever the kill interrupted.
    let told = format!(
        "select count(distinct aggregate) * (count(*) = count(distinct aggregate))::int as n \
         from platform.outbox where subject = 'message.sent' and envelope -> 'data' ->> 'room_id' = '{room}'"
    );
    eventually("every message is told of, once", Duration::from_secs(60), || async {
        (sql::count(&server, &told).await == messages as i64).then_some(())
    })
    .await;
}

/// Sends over a socket, [`WINDOW`] at a time, until the connection is lost.
async fn by_socket(mut socket: Socket, room: String, name: String, book: Book) {
    let mut waiting: Vec<(u64, String)> = Vec::new();
    let mut n = 0;
    'sending: loop {
        while waiting.len() < WINDOW {
            let id = format!("{name}-{n}");
            n += 1;
            let data = message(&room, &id);
            match socket.start("rpc", json!({"method": "chat.send", "data": data})).await {
                Ok(command) => waiting.push((command, id)),
                Err(_) => {
                    waiting.push((0, id));
                    break 'sending;
                }
            }
        }
        match socket.next().await {
            Event::Json(reply) => {
                if let Some(at) = waiting.iter().position(|(command, _)| reply["id"] == *command) {
                    assert!(reply.get("error").is_none(), "{reply}");
                    let (_, id) = waiting.remove(at);
                    book.borrow_mut().acks.push(Ack::of(&id, &reply["rpc"]["data"]));
                }
            }
            Event::Closed(..) => break,
        }
    }
    book.borrow_mut().open = waiting.into_iter().map(|(_, id)| id).collect();
}

/// Sends by REST, one after the other, until a call fails.
async fn by_rest(api: Api, room: String, name: String, book: Book) {
    let path = format!("/api/v1/chat/rooms/{room}/messages");
    for n in 0.. {
        let id = format!("{name}-{n}");
        match api.try_call("POST", &path, Some(&json!({"client_msg_id": id, "body": id}))).await {
            Ok(answer) => {
                let answer = answer.expect(201);
                book.borrow_mut().acks.push(Ack::of(&id, &answer));
            }
            Err(_) => {
                book.borrow_mut().open.push(id);
                return;
            }
        }
    }
}

#[actix_web::test]
async fn the_database_child_is_killed_and_the_server_recovers_by_itself() {
    let server = Server::start(&[("GIGSY_DATABASE_ACQUIRE_SECONDS", "1")]).await;
    let ada = server.person("Ada").await;
    let room = server.room(&ada, &[]).await;
    let mut acks = Vec::new();
    for n in 0..20 {
        acks.push(send_for_sure(&ada.api, &room, &format!("before-{n}")).await);
    }
    let first = postmaster(&server.data_dir()).expect("the private PostgreSQL runs");
    kill_process(first, Signal::KILL).expect("killed");
    let refused = until_served(&server, &ada.api, &room, "first", &mut acks).await;
    let second = postmaster(&server.data_dir()).expect("a new child");
    assert_ne!(first, second, "the child was restarted");
    eprintln!("after the kill {refused} requests were refused with 503");

    // A longer outage: the child cannot start until its control file is back.
    let control = find(&server.data_dir(), "pg_control", 5).expect("the cluster's control file");
    let aside = control.with_extension("aside");
    std::fs::rename(&control, &aside).expect("moved aside");
    kill_process(second, Signal::KILL).expect("killed");
    eventually("the outage shows", Duration::from_secs(20), || async {
        (server.api().get("/readyz").await.status == 503).then_some(())
    })
    .await;
    server.api().get("/healthz").await.expect(200);
    let path = format!("/api/v1/chat/rooms/{room}/messages");
    let lost = json!({"client_msg_id": "outage-0", "body": "outage-0"});
    ada.api.post(&path, &lost).await.expect_problem(503);
    ada.api.get(&path).await.expect_problem(503);
    std::fs::rename(&aside, &control).expect("put back");
    until_served(&server, &ada.api, &room, "second", &mut acks).await;

    let mut socket = connect(&server, &ada).await;
    assert_kept(&stream(&mut socket, &room).await, &acks);
}

/// Sends until something is acknowledged and the server calls itself ready; every other answer must
/// be a 503 problem. Answers how many those were.
async fn until_served(server: &Server, api: &Api, room: &str, name: &str, acks: &mut Vec<Ack>) -> u32 {
    let path = format!("/api/v1/chat/rooms/{room}/messages");
    let deadline = Instant::now() + Duration::from_secs(60);
    let mut refused = 0;
    for n in 0.. {
        let id = format!("{name}-{n}");
        let answer = api.post(&path, &json!({"client_msg_id": id, "body": id})).await;
        if answer.status == 201 {
            acks.push(Ack::of(&id, &answer.json));
            if server.api().get("/readyz").await.status == 200 {
                break;
            }
        } else {
            answer.expect_problem(503);
            refused += 1;
        }
        assert!(Instant::now() < deadline, "the server does not recover");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    refused
}
