//! An operator restarts a room's actor while people write: it shows, and nothing is lost.

use std::{cell::Cell, rc::Rc, time::Duration};

use futures_util::future::join_all;
use serde_json::{Value, json};

use super::talk::{Ack, assert_kept, connect, message, stream};
use crate::tests::support::{
    api::Api,
    server::Server,
    socket::Socket,
    wait::{eventually, within},
};

/// Messages that each sender sends.
const EACH: usize = 150;
const RESTARTS: u64 = 3;

#[actix_web::test]
async fn restarting_a_rooms_actor_while_it_is_written_to_loses_nothing() {
    let server = Server::demo(&[]).await;
    let operator = server.operator().await;
    let (ada, ben) = (server.person("Ada").await, server.person("Ben").await);
    let room = server.room(&ada, &[&ben]).await;
    server
        .api()
        .post(&format!("/api/v1/ops/actors/chat_room/{room}/restart"), &json!({}))
        .await
        .expect_problem(401);
    ada.api
        .post(&format!("/api/v1/ops/actors/chat_room/{room}/restart"), &json!({}))
        .await
        .expect_problem(403);
    ada.api.get("/api/v1/ops/actors").await.expect_problem(403);

    // The actor is live once the room was written to.
    let mut first = connect(&server, &ada).await;
    first.rpc("chat.send", message(&room, "first-0")).await.expect("sent");
    let before = report(&operator.api, &room).await.expect("the room's actor is listed");

    let sent = Rc::new(Cell::new(0));
    let mut senders = Vec::new();
    for (n, person) in [&ada, &ben, &ada, &ben].into_iter().enumerate() {
        let socket = connect(&server, person).await;
        let (api, room, sent) = (person.api.clone(), room.clone(), Rc::clone(&sent));
        senders.push(actix_web::rt::spawn(async move {
            let name = format!("sender{n}");
            if n < 2 { by_rpc(socket, room, name, sent).await } else { by_rest(api, room, name, sent).await }
        }));
    }
    for n in 1..=RESTARTS {
        let mark = n as usize * EACH;
        eventually("sending goes on", Duration::from_secs(60), || async {
            (sent.get() >= mark).then_some(())
        })
        .await;
        let path = format!("/api/v1/ops/actors/chat_room/{room}/restart");
        operator.api.post(&path, &json!({})).await.expect_success();
        eventually("the restart shows", Duration::from_secs(20), || async {
            let now = report(&operator.api, &room).await?;
            (number(&now, "restarts") >= number(&before, "restarts") + n).then_some(())
        })
        .await;
    }
    let acks: Vec<Ack> = within("every sender ends", Duration::from_secs(60), join_all(senders))
        .await
        .into_iter()
        .flat_map(|acks| acks.expect("no sender panicked"))
        .collect();
    assert_eq!(acks.len(), 4 * EACH);

    let after = report(&operator.api, &room).await.expect("the room's actor is listed");
    let handled = number(&after, "handled") - number(&before, "handled");
    assert!(handled >= acks.len() as u64, "{handled} handled for {} sends", acks.len());
    assert!(number(&after, "capacity") > 0 && after["status"] == "running", "{after}");
    assert!(after["state"].is_object(), "what the actor shows of itself: {after}");
    let stream = stream(&mut first, &room).await;
    assert_kept(&stream, &acks);
    let messages = stream.iter().filter(|p| p["data"]["type"] == "message").count();
    assert_eq!(messages, acks.len() + 1, "every message once");
}

/// The report on the actor of a room.
async fn report(operator: &Api, room: &str) -> Option<Value> {
    let answer = operator.get("/api/v1/ops/actors?kind=chat_room").await.expect(200);
    let items = answer["items"].as_array().cloned().unwrap_or_default();
    items.into_iter().find(|item| item["kind"] == "chat_room" && item["id"] == room)
}

fn number(report: &Value, field: &str) -> u64 {
    report[field].as_u64().unwrap_or_else(|| panic!("no number {field} in {report}"))
}

async fn by_rpc(mut socket: Socket, room: String, name: String, sent: Rc<Cell<usize>>) -> Vec<Ack> {
    let mut acks = Vec::new();
    for n in 0..EACH {
        let id = format!("{name}-{n}");
        loop {
            match socket.rpc("chat.send", message(&room, &id)).await {
                Ok(answer) => {
                    acks.push(Ack::of(&id, &answer));
                    sent.set(sent.get() + 1);
                    break;
                }
                // 100 is temporary: the client sends the same again.
                Err(refused) => assert_eq!(refused.code, 100, "{refused:?}"),
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
    acks
}

async fn by_rest(api: Api, room: String, name: String, sent: Rc<Cell<usize>>) -> Vec<Ack> {
    let mut acks = Vec::new();
    for n in 0..EACH {
        acks.push(super::talk::send_for_sure(&api, &room, &format!("{name}-{n}")).await);
        sent.set(sent.get() + 1);
    }
    acks
}
