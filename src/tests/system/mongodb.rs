//! The same with the chat log and the activity stream in MongoDB, by `MONGODB_URL`.

use std::time::Duration;

use futures_util::future::join_all;
use rustix::process::Signal;
use serde_json::{Value, json};

use super::talk::{Ack, assert_kept, connect, send_for_sure, stream};
use crate::tests::support::{
    mongo_server::{self, MISSING, MongoServer, Presents},
    server::{Person, Server},
    skip::skip,
    wait::eventually,
};

fn said(output: &std::process::Output) -> String {
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    format!("{out}{err}")
}

async fn names_the_adapter(server: &Server, mode: &str) {
    let ready = server.api().get("/readyz").await.expect(200);
    let stores = ready["stores"].as_array().expect("a list");
    let log = stores.iter().find(|store| store["name"] == "chat_log").expect("the chat log is named");
    assert_eq!(log["mode"], mode, "{log}");
    assert!(log["latency_ms"].as_f64().is_some_and(|ms| ms > 0.0), "{log}");
}

#[actix_web::test]
async fn kill_9_in_the_middle_of_sending_loses_nothing_acknowledged_on_mongodb() {
    let Some(bin) = mongo_server::installed() else {
        skip!("kill -9 of the server with its chat log in MongoDB", MISSING);
    };
    let mongo = MongoServer::start(&bin, Presents::ReplicaSet).await;
    let mut server = Server::start(&[("MONGODB_URL", &mongo.url("gigsy"))]).await;
    names_the_adapter(&server, "server").await;
    let people = server.people(6).await;
    let members: Vec<&Person> = people[1..].iter().collect();
    let room = server.room(&people[0], &members).await;
    let path = format!("/api/v1/chat/rooms/{room}/messages");
    let mut acks: Vec<Ack> = Vec::new();
    for round in 0..4 {
        let senders: Vec<_> = (0..12)
            .map(|n| {
                let (api, path) = (people[n % people.len()].api.clone(), path.clone());
                actix_web::rt::spawn(async move {
                    let (mut acknowledged, mut open) = (Vec::new(), None);
                    for m in 0.. {
                        let id = format!("r{round}c{n}-{m}");
                        let form = json!({"client_msg_id": id, "body": id});
                        match api.try_call("POST", &path, Some(&form)).await {
                            Ok(answer) => acknowledged.push(Ack::of(&id, &answer.expect(201))),
                            Err(_) => {
                                open = Some((n, id));
                                break;
                            }
                        }
                    }
                    (acknowledged, open)
                })
            })
            .collect();
        // Never at the same point of a batch.
        tokio::time::sleep(Duration::from_millis(900 + 137 * round)).await;
        server.kill9();
        let sent: Vec<_> = join_all(senders).await.into_iter().map(|sent| sent.expect("no panic")).collect();
        server.restart().await;
        for (acknowledged, open) in sent {
            acks.extend(acknowledged);
            if let Some((n, id)) = open {
                acks.push(send_for_sure(&people[n % people.len()].api, &room, &id).await);
            }
        }
    }
    assert!(acks.len() > 60, "{} messages got through", acks.len());
    let mut socket = connect(&server, &people[0]).await;
    let all = stream(&mut socket, &room).await;
    assert_kept(&all, &acks);
    let messages = all.iter().filter(|p| p["data"]["type"] == "message").count();
    assert_eq!(messages, acks.len(), "nothing is there that nobody was told of");
    eprintln!("{} messages over four kills", acks.len());
}

#[actix_web::test]
async fn while_mongodb_is_away_sends_are_refused_and_everything_else_goes_on() {
    let Some(bin) = mongo_server::installed() else {
        skip!("a server whose MongoDB goes away", MISSING);
    };
    let mut mongo = MongoServer::start(&bin, Presents::Standalone).await;
    let settings = [("MONGODB_URL", mongo.url("gigsy")), ("GIGSY_MONGODB_TIMEOUT_SECONDS", "2".to_owned())];
    let settings: Vec<(&str, &str)> = settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let mut server = Server::start(&settings).await;
    let ada = server.person("Ada").await;
    let room = server.room(&ada, &[]).await;
    let path = format!("/api/v1/chat/rooms/{room}/messages");
    let mut acks = vec![send_for_sure(&ada.api, &room, "before-0").await];

    mongo.down(Signal::KILL);
    ada.api.post(&path, &json!({"client_msg_id": "away-0", "body": "away-0"})).await.expect_problem(503);
    ada.api.get(&path).await.expect_problem(503);
    ada.api.get("/api/v1/me/activity").await.expect_problem(503);
    ada.api.get("/api/v1/me").await.expect(200);
    let ready = server.api().get("/readyz").await;
    assert_eq!(ready.status, 503);
    assert!(ready.text.contains("MONGODB_URL"), "{}", ready.text);
    assert!(!ready.text.contains("127.0.0.1"), "no address is shown: {}", ready.text);
    // Also one that is started while it is away: it serves what it can.
    let check = server.cli(&["check"]).await;
    assert!(!check.status.success() && said(&check).contains("chat_log       FAILED"), "{}", said(&check));

    mongo.up().await;
    acks.push(send_for_sure(&ada.api, &room, "away-0").await);
    eventually("ready again", Duration::from_secs(20), || async {
        (server.api().get("/readyz").await.status == 200).then_some(())
    })
    .await;
    let mut socket = connect(&server, &ada).await;
    assert_kept(&stream(&mut socket, &room).await, &acks);

    // What happened meanwhile is told.
    eventually("her activity", Duration::from_secs(20), || async {
        let mine = ada.api.get("/api/v1/me/activity").await.expect(200);
        (mine["items"][0]["verb"] == "user.registered").then_some(())
    })
    .await;
    let eve = server.person("Eve").await;
    let hers: Value = eve.api.get(&format!("/api/v1/people/{}/activity", ada.id)).await.expect(200);
    assert_eq!(hers["items"][0]["object"]["id"], ada.id);
    eve.api.get("/api/v1/people/nobody/activity").await.expect_problem(404);
    eve.api.get("/api/v1/me/activity?cursor=x").await.expect_problem(422);
    server.terminate();
    server.exit(Duration::from_secs(20)).await;
}

#[actix_web::test]
async fn an_operator_moves_the_history_to_mongodb_and_back() {
    let Some(bin) = mongo_server::installed() else {
        skip!("moving a server's history to MongoDB", MISSING);
    };
    let mongo = MongoServer::start(&bin, Presents::Standalone).await;
    let url = mongo.url("gigsy");
    // Begun without MongoDB …
    let mut server = Server::start(&[]).await;
    names_the_adapter(&server, "embedded").await;
    let ada = server.person("Ada").await;
    let room = server.room(&ada, &[]).await;
    let mut acks = Vec::new();
    for n in 0..20 {
        acks.push(send_for_sure(&ada.api, &room, &format!("here-{n}")).await);
    }
    let mut socket = connect(&server, &ada).await;
    let before = stream(&mut socket, &room).await;
    drop(socket);
    server.terminate();
    server.exit(Duration::from_secs(20)).await;
    // … and switched: what is missing is said, and what to do.
    server.set("MONGODB_URL", &url);
    let check = server.cli(&["check"]).await;
    assert!(said(&check).contains("gigsy migrate"), "{}", said(&check));
    let migrate = server.cli(&["migrate"]).await;
    assert!(
        migrate.status.success() && said(&migrate).contains("made collection events"),
        "{}",
        said(&migrate)
    );
    assert!(said(&server.cli(&["migrate"]).await).contains("collections are in place"));
    let check = server.cli(&["check"]).await;
    assert!(said(&check).contains("gigsy move chat --from"), "{}", said(&check));
    let moved = server.cli(&["move", "chat", "--from", "postgres", "--to", "mongodb"]).await;
    assert!(moved.status.success() && said(&moved).contains("the same in both"), "{}", said(&moved));
    let again = server.cli(&["move", "chat", "--from", "postgres", "--to", "mongodb"]).await;
    assert!(said(&again).contains("0 copied now"), "{}", said(&again));
    assert!(server.cli(&["check"]).await.status.success(), "{}", said(&server.cli(&["check"]).await));

    server.restart().await;
    names_the_adapter(&server, "server").await;
    let mut socket = connect(&server, &ada).await;
    assert_eq!(stream(&mut socket, &room).await, before, "places, ids and epoch are the same");
    for n in 0..10 {
        acks.push(send_for_sure(&ada.api, &room, &format!("there-{n}")).await);
    }
    drop(socket);
    server.terminate();
    server.exit(Duration::from_secs(20)).await;
    // The wrong way round is refused: nothing is overwritten.
    let wrong = server.cli(&["move", "chat", "--from", "postgres", "--to", "mongodb"]).await;
    assert!(!wrong.status.success() && said(&wrong).contains("other way round"), "{}", said(&wrong));
    let rebuilt = server.cli(&["rebuild", "chat"]).await;
    assert!(rebuilt.status.success() && said(&rebuilt).contains("1 rooms"), "{}", said(&rebuilt));
    let back = server.cli(&["move", "chat", "--from", "mongodb", "--to", "postgres"]).await;
    assert!(back.status.success() && said(&back).contains("10 copied now"), "{}", said(&back));
    server.unset("MONGODB_URL");
    server.restart().await;
    let mut socket = connect(&server, &ada).await;
    assert_kept(&stream(&mut socket, &room).await, &acks);
}
