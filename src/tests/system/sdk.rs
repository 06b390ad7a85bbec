//! The published SDKs, unmodified, against the real server: each scenario once per SDK and form of the protocol.

use std::{ffi::OsStr, rc::Rc};

use serde_json::{Value, json};
use tokio::sync::Mutex;

use super::talk::{connect, message};
use crate::realtime::protocol::Format;
use crate::tests::support::{
    database::TestDatabase,
    proxy::Proxy,
    sdk::Sdk,
    server::{Person, Server},
    skip::skip,
    socket::Event,
    sql,
    wait::within,
};

/// Messages of a flood at most, and how long each is: past what any kernel buffers for a stalled socket.
const FLOOD: usize = 4_000;
const FLOOD_BODY: usize = 3_800;

async fn play(sdk: Sdk, form: Format, scenario: &str, env: &[(&str, &str)]) {
    if let Some(why) = sdk.missing() {
        skip!(format!("{sdk:?} SDK: {scenario}"), why);
    }
    // A copy of a migrated template: what is tested here is the protocol, and there are many.
    let database = TestDatabase::new();
    let url = database.url().to_string();
    let env: Vec<(&str, &str)> = env.iter().copied().chain([("DATABASE_URL", url.as_str())]).collect();
    let server = Server::start(&env).await;
    let people = [server.person("Ada").await, server.person("Ben").await, server.person("Eve").await];
    let [ada, ben, eve] = &people;
    let again = server.sign_in(&ada.email, crate::tests::support::server::PASSWORD).await;
    let mut rooms = Vec::new();
    for _ in 0..4 {
        rooms.push(server.room(ada, &[ben]).await);
    }
    let proxy = Rc::new(Proxy::before(server.base()).await);
    let of = |p: &Person| json!({"id": p.id, "email": p.email, "token": p.token});
    let socket = |base: &str| format!("{}/connection/websocket", base.replacen("http", "ws", 1));
    let fixture = json!({
        "base": server.base(),
        "ws": socket(&proxy.base()),
        "direct_ws": socket(server.base()),
        "people": {"ada": of(ada), "ben": of(ben), "eve": of(eve), "other": of(&again)},
        "room": rooms[0],
        "rooms": rooms,
    });
    let (room, server, told) = (rooms[0].clone(), Rc::new(Mutex::new(server)), ada.id.clone());
    let form = [("GIGSY_SDK_FORMAT", OsStr::new(form.name()))];
    sdk.run_with(&form, scenario, &fixture, |question: Value| {
        let (server, proxy, room) = (Rc::clone(&server), Rc::clone(&proxy), room.clone());
        let ada = told.clone();
        async move {
            let mut server = server.lock().await;
            match question["do"].as_str() {
                Some("cut") => proxy.cut().await,
                Some("restore" | "flow") => proxy.flow(),
                Some("stall") => proxy.stall(),
                Some("flood") => {
                    let number = |name: &str| question[name].as_u64().map(|n| n as usize);
                    let from = number("from").expect("a number");
                    return json!({"bodies": flood(&server, ben, &room, from, number("count")).await});
                }
                Some("cut_log") => {
                    let seq = question["seq"].as_u64().expect("a seq");
                    sql::cut_log(&server, &room, seq).await;
                    // The room's actor may remember what the log no longer has.
                    server.kill9();
                    server.restart().await;
                }
                Some("tell") => {
                    let times = question["times"].as_u64().unwrap_or(1);
                    sql::record(&server, "application.rejected", &json!({"student_id": ada}), times).await;
                }
                Some("crash") => {
                    server.kill9();
                    server.restart().await;
                }
                other => panic!("the scenario asks for {other:?}"),
            }
            json!({})
        }
    })
    .await;
}

/// Sends long messages in windows, each acknowledged before the next: so many, or until the server
/// has found somebody slow. (It holds a slow connection for some seconds only, so that its peer may
/// learn why it ends: a test must not flood on.) Answers each body's first word.
async fn flood(
    server: &Server,
    person: &Person,
    room: &str,
    from: usize,
    count: Option<usize>,
) -> Vec<String> {
    let mut socket = connect(server, person).await;
    let last = from + count.unwrap_or(FLOOD);
    let names: Vec<String> = (from..last).map(|n| format!("flood-{n}")).collect();
    let mut sent = 0;
    for window in names.chunks(50) {
        for name in window {
            let mut data = message(room, name);
            data["body"] = format!("{name} {}", "~".repeat(FLOOD_BODY)).into();
            socket.start("rpc", json!({"method": "chat.send", "data": data})).await.expect("sent");
        }
        let mut left = window.len();
        while left > 0 {
            match within("an acknowledgement", std::time::Duration::from_secs(20), socket.next()).await {
                Event::Json(reply) if reply.get("id").is_some() => {
                    assert!(reply.get("error").is_none(), "{reply}");
                    left -= 1;
                }
                Event::Json(_) => {}
                Event::Closed(code, reason) => panic!("the sender was closed: {code} {reason}"),
            }
        }
        sent += window.len();
        if count.is_none() && found_slow(server).await {
            break;
        }
    }
    assert!(count.is_some() || sent < names.len(), "nobody was slow after {sent} messages");
    names[..sent].to_vec()
}

/// Whether the server has closed a connection with 3008.
async fn found_slow(server: &Server) -> bool {
    let metrics = server.api().get("/metrics").await.text;
    let mut counts =
        metrics.lines().filter_map(|line| line.strip_prefix("gigsy_realtime_closes_total{code=\"3008\"} "));
    counts.any(|count| count != "0")
}

macro_rules! scenarios {
    ($sdk:ident $form:ident; $($name:ident $env:expr;)*) => {
        $(#[actix_web::test]
        async fn $name() {
            super::play(super::Sdk::$sdk, super::Format::$form, stringify!($name), &$env).await;
        })*
    };
}

macro_rules! all {
    ($sdk:ident $form:ident) => {
        scenarios! { $sdk $form;
            connect [("GIGSY_PING_SECONDS", "2"), ("GIGSY_PONG_SECONDS", "1")];
            first_frame [];
            publish [];
            rpc [];
            history [];
            presence [];
            recover [];
            unrecoverable [];
            token_refresh [("GIGSY_REALTIME_TOKEN_SECONDS", "3")];
            token_expired [("GIGSY_REALTIME_TOKEN_SECONDS", "3")];
            unauthorized [];
            slow [("GIGSY_RECOVERY_LIMIT", "5000")];
            rejected [];
            revoked [];
            server_crash [];
            personal [];
            blocked [];
        }
    };
}

mod javascript {
    all! { Js Json }
}

mod javascript_in_protobuf {
    all! { Js Protobuf }
    scenarios! { Js Protobuf;
        mixed [];
    }
}

mod python {
    all! { Python Json }
}

/// What the form of the protocol has to do with; the rest is shared with the other SDK.
mod python_in_protobuf {
    scenarios! { Python Protobuf;
        connect [("GIGSY_PING_SECONDS", "2"), ("GIGSY_PONG_SECONDS", "1")];
        first_frame [];
        publish [];
        rpc [];
        history [];
        presence [];
        recover [];
        token_refresh [("GIGSY_REALTIME_TOKEN_SECONDS", "3")];
        unauthorized [];
        personal [];
        blocked [];
    }
}
