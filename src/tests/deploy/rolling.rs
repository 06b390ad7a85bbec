//! `scripts/deploy` replaces both nodes behind nginx while people write and read: nothing that was
//! acknowledged is lost, no read fails. Versions that cannot be pulled, migrated or started change nothing
//! for them either.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    time::Duration,
};

use serde_json::{Value, json};

use super::vps::{Vps, said};
use crate::tests::{
    support::{
        api::Api,
        database::TestDatabase,
        https::Https,
        nats::{NatsServer, installed},
        nginx::{Nginx, free_port},
        sdk::Sdk,
        server::{PASSWORD, text},
        skip::skip,
        socket::Socket,
    },
    system::talk::{Ack, assert_kept, stream, token},
};

const NAME: &str = "two nodes replaced behind nginx";
/// Between two calls of one client: nginx allows an address 50 a second.
const PACE: Duration = Duration::from_millis(40);

/// Somebody who only reads, or who writes by REST; each from an address of its own.
struct Load {
    over: Cell<bool>,
    reads: Cell<usize>,
    failed: RefCell<Vec<String>>,
    /// Writes that were answered with 503 and said again.
    repeated: Cell<usize>,
    acks: RefCell<Vec<Ack>>,
}

impl Load {
    async fn read(self: Rc<Self>, client: Https, room: String) {
        let paths = [
            "/api/v1/me".to_owned(),
            "/api/v1/gigs".to_owned(),
            format!("/api/v1/chat/rooms/{room}/messages"),
            "/healthz".to_owned(),
        ];
        for path in paths.iter().cycle() {
            if self.over.get() {
                return;
            }
            match client.send("GET", path, &[], None).await {
                Ok(reply) if reply.status == 200 => self.reads.set(self.reads.get() + 1),
                other => self.failed.borrow_mut().push(format!("GET {path}: {other:?}")),
            }
            tokio::time::sleep(PACE).await;
        }
    }

    async fn write(self: Rc<Self>, client: Https, room: String) {
        let path = format!("/api/v1/chat/rooms/{room}/messages");
        for n in 0.. {
            let id = format!("rest-{n}");
            let body = json!({"client_msg_id": id, "body": id});
            loop {
                match client.send("POST", &path, &[], Some(&body)).await {
                    Ok(reply) if matches!(reply.status, 200 | 201) => {
                        self.acks.borrow_mut().push(Ack::of(&id, &reply.json()));
                        break;
                    }
                    // A POST that was under way on a node that went: nginx does not send it twice.
                    Ok(reply) if reply.status == 503 => self.repeated.set(self.repeated.get() + 1),
                    other => {
                        self.failed.borrow_mut().push(format!("POST {path}: {other:?}"));
                        break;
                    }
                }
                tokio::time::sleep(PACE).await;
            }
            if self.over.get() {
                return;
            }
            tokio::time::sleep(PACE).await;
        }
    }
}

/// A deployment that must fail, with what the nodes run afterwards.
async fn refused(vps: &Vps, tag: &str, status: i32, word: &str) {
    let before = (vps.tag(), vps.pid("gigsy-a"), vps.pid("gigsy-b"));
    let done = vps.script("deploy", &[tag]).await;
    assert_eq!(done.status.code(), Some(status), "{}", said(&done));
    assert!(said(&done).contains(word), "{tag}: {}", said(&done));
    assert_eq!(vps.tag(), before.0, ".env names what it named before");
    assert_eq!((vps.runs("gigsy-a"), vps.runs("gigsy-b")), ("v2".into(), "v2".into()), "{}", said(&done));
    if !tag.starts_with("broken") {
        assert_eq!((vps.pid("gigsy-a"), vps.pid("gigsy-b")), (before.1, before.2), "nothing was restarted");
    }
}

#[actix_web::test]
async fn both_nodes_are_replaced_under_load_and_bad_versions_are_rolled_back() {
    if let Some(why) = Nginx::missing() {
        skip!(NAME, why);
    }
    if let Some(why) = Sdk::Js.missing() {
        skip!(NAME, why);
    }
    let Some(nats) = installed() else { skip!(NAME, "no nats-server 2.10 or later") };
    let nats = NatsServer::start(&nats).await;
    let database = TestDatabase::new();
    let nodes = [("gigsy-a", free_port()), ("gigsy-b", free_port())];
    let nginx = Nginx::start(&nodes.map(|(_, at)| at), "").await;
    let mut vps = Vps::new(
        &nodes,
        &[
            ("DATABASE_URL", database.url().to_string()),
            ("NATS_URL", nats.url().to_string()),
            ("GIGSY_PUBLIC_URL", format!("https://localhost:{}", nginx.https.port())),
            ("GIGSY_TRUSTED_PROXIES", "127.0.0.1".into()),
            ("GIGSY_DRAIN_SECONDS", "3".into()),
            ("GIGSY_RECOVERY_LIMIT", "5000".into()),
            ("GIGSY_LIMIT_CALLS", "1000000".into()),
            ("GIGSY_LIMIT_SIGN_IN", "1000000".into()),
        ],
    );
    vps.set("READY_WITHIN_SECONDS", "20");
    vps.set("SETTLE_SECONDS", "4");
    vps.up().await;

    let from = |last: u8| Https::new(nginx.https, &nginx.certificate.cert, [127, 0, 0, last]);
    let visitor = from(30);
    let mut people = Vec::new();
    for name in ["Ada", "Ben"] {
        let email = format!("{}@example.test", name.to_lowercase());
        let form = json!({"email": email, "password": PASSWORD, "display_name": name});
        visitor.post("/api/v1/auth/register", &form).await.expect(201);
        let form = json!({"email": email, "password": PASSWORD, "device": "test"});
        people.push(visitor.post("/api/v1/auth/sessions", &form).await.expect(201));
    }
    let (ada, ben) = (text(&people[0], "/token"), text(&people[1], "/token"));
    let ben_id = text(&people[1], "/user/id");
    let mut rooms = Vec::new();
    for name in ["live", "rest"] {
        let form = json!({"kind": "group", "name": name, "member_ids": [ben_id]});
        rooms
            .push(text(&visitor.as_session(&ada).post("/api/v1/chat/rooms", &form).await.expect(201), "/id"));
    }

    let load = Rc::new(Load {
        over: Cell::new(false),
        reads: Cell::new(0),
        failed: RefCell::default(),
        repeated: Cell::new(0),
        acks: RefCell::default(),
    });
    let mut tasks = Vec::new();
    for n in 0..3 {
        let client = from(31 + n).as_session(&ada);
        tasks.push(actix_web::rt::spawn(Rc::clone(&load).read(client, rooms[0].clone())));
    }
    tasks.push(actix_web::rt::spawn(Rc::clone(&load).write(from(35).as_session(&ben), rooms[1].clone())));

    let fixture = json!({
        "base": visitor.base(),
        "ws": format!("wss://localhost:{}/connection/websocket", nginx.https.port()),
        "people": {"ada": {"id": text(&people[0], "/user/id"), "token": ada}, "ben": {"id": ben_id, "token": ben}},
        "room": rooms[0],
    });
    let trust = [("NODE_EXTRA_CA_CERTS", nginx.certificate.cert.as_os_str())];
    let vps = Rc::new(vps);
    let first = [vps.pid("gigsy-a"), vps.pid("gigsy-b")];
    Sdk::Js
        .run_with(&trust, "rolling", &fixture, |question: Value| {
            let vps = Rc::clone(&vps);
            async move {
                match question["do"].as_str() {
                    Some("replace") => {
                        vps.calls();
                        let done = vps.script("deploy", &["v2"]).await;
                        assert!(done.status.success(), "{}", said(&done));
                    }
                    Some("done") => eprintln!("by WebSocket: {question}"),
                    other => panic!("the scenario asks for {other:?}"),
                }
                json!({})
            }
        })
        .await;
    assert_eq!(
        (vps.tag().as_str(), vps.runs("gigsy-a"), vps.runs("gigsy-b")),
        ("v2", "v2".into(), "v2".into())
    );
    for (node, before) in ["gigsy-a", "gigsy-b"].into_iter().zip(first) {
        assert_ne!(vps.pid(node), before, "{node} is a new process");
        assert!(
            vps.log(node).contains("\"msg\":\"stopped\"") || vps.log(node).contains("stopped"),
            "in order"
        );
    }
    // Pull before migrate, migrate before the first node, one node after the other.
    let calls = vps.calls();
    let place = |what: &str| calls.iter().position(|call| call.contains(what));
    let places = [
        "pull",
        "run --rm --no-deps gigsy-a migrate",
        "--force-recreate gigsy-a",
        "--force-recreate gigsy-b",
    ]
    .map(place);
    assert!(places.iter().all(Option::is_some) && places.is_sorted(), "{calls:?}");

    refused(&vps, "absent", 1, "nothing was changed").await;
    refused(&vps, "unmigratable", 1, "nothing was restarted").await;
    refused(&vps, "../v3", 2, "not a tag").await;
    refused(&vps, "broken", 1, "v2 is in service again").await;
    refused(&vps, "broken-b", 1, "v2 is in service again").await;

    load.over.set(true);
    for task in tasks {
        task.await.expect("no panic");
    }
    assert_eq!(*load.failed.borrow(), Vec::<String>::new(), "of {} reads", load.reads.get());
    assert!(load.reads.get() > 500, "{} reads", load.reads.get());
    eprintln!(
        "by REST: {} reads without retry, none failed; {} messages acknowledged, {} answered 503 and said again",
        load.reads.get(),
        load.acks.borrow().len(),
        load.repeated.get()
    );
    let direct = format!("http://{}", nodes[1].1);
    let socket_token = token(&Api::new(&direct, Some(&ben))).await;
    let mut socket = Socket::connect(&direct, &socket_token).await.expect("connected");
    assert_kept(&stream(&mut socket, &rooms[1]).await, &load.acks.borrow());
}
