//! `course:<id>` over a socket: for whoever is in the course, and no longer.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use actix_web::{App, HttpServer, dev::ServerHandle, web};
use chrono::{TimeDelta, Utc};
use futures_util::future::BoxFuture;
use serde_json::{Value, json};
use uuid::Uuid;

use super::world::{World, person};
use crate::{
    actors::{Arbiters, Domain, DomainConfig, RebuildError, Registry},
    contexts::{
        identity::actors::session::{SessionLanes, SessionSeed, SessionSource, SessionState, UserSession},
        learning::{AnnouncementForm, CourseId, Live, consumers, namespaces},
    },
    ports::bus::signals::mesh::mesh,
    principal::{Principal, Role, SessionId},
    realtime::{
        Admission, Authenticator, Hub, LocalShard, Realtime, RtError, Settings, on_connect, websocket,
    },
    telemetry::metrics::Metrics,
    tests::{chat::support::Node, support::ws::WsClient},
};

/// A token is somebody's place in the list.
#[derive(Clone)]
struct Tokens(Vec<Principal>);

impl Authenticator for Tokens {
    fn by_token<'a>(&'a self, token: &'a str) -> BoxFuture<'a, Result<Admission, RtError>> {
        Box::pin(async move {
            let found = token.parse::<usize>().ok().and_then(|n| self.0.get(n));
            let principal = found.cloned().ok_or(RtError::INVALID_TOKEN)?;
            Ok(Admission { principal, expires_at: None })
        })
    }

    fn by_cookie<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<Admission, RtError>> {
        Box::pin(async { Err(RtError::UNAUTHORIZED) })
    }
}

impl SessionSource for Tokens {
    fn rebuild(&self, id: SessionId) -> BoxFuture<'static, Result<SessionState, RebuildError>> {
        let found = self.0.iter().find(|one| one.session_id == id).cloned();
        Box::pin(async move {
            Ok(SessionState {
                principal: found.unwrap(),
                device: None,
                expires_at: Utc::now() + TimeDelta::days(1),
            })
        })
    }
}

/// The real-time layer of a node.
struct Sockets {
    address: SocketAddr,
    sessions: Domain<UserSession>,
    http: ServerHandle,
}

impl Sockets {
    fn start(world: &World, hub: &Hub, live: &Live, people: &[&Principal]) -> Self {
        let tokens = Tokens(people.iter().map(|one| (*one).clone()).collect());
        let config = crate::config::layer("x".into(), "", std::iter::empty()).unwrap();
        let (settings, registry) = (Settings::new(&config), Registry::new());
        let mut builder =
            Realtime::builder(hub.clone(), settings, &Metrics::new(), &registry, Arc::new(tokens.clone()));
        for namespace in namespaces(&world.learning, live) {
            builder = builder.namespace(namespace);
        }
        let realtime = builder.build();
        let seed = SessionSeed { source: Arc::new(tokens), realtime: realtime.clone() };
        let arbiters = Arbiters::start(1).unwrap();
        let sessions = Domain::<UserSession>::start(seed, DomainConfig::default(), &registry, &arbiters);
        realtime.serve_by(Arc::new(SessionLanes(sessions.clone())));
        let server = HttpServer::new(move || {
            App::new()
                .app_data(web::Data::new(LocalShard::start(&realtime)))
                .app_data(web::Data::new(realtime.clone()))
                .route("/connection/websocket", web::get().to(websocket))
        })
        .workers(1)
        .on_connect(on_connect)
        .shutdown_timeout(1)
        .disable_signals()
        .bind(("127.0.0.1", 0))
        .unwrap();
        let address = server.addrs()[0];
        let server = server.run();
        let http = server.handle();
        actix_web::rt::spawn(server);
        Self { address, sessions, http }
    }

    async fn stop(self) {
        self.http.stop(false).await;
        self.sessions.stop(Duration::from_secs(1)).await;
    }
}

/// What comes up to the news that is wanted.
async fn until(client: &mut WsClient, wanted: impl Fn(&Value) -> bool) -> Vec<Value> {
    let mut all = Vec::new();
    loop {
        let push = client.push().await;
        let found = wanted(&push);
        all.push(push);
        if found {
            return all;
        }
    }
}

async fn some_course(world: &World) -> CourseId {
    let text = json!({ "title": "T", "body": { "type": "text", "markdown": "" } });
    world.course(json!({ "modules": [{ "title": "M", "items": [text] }] })).await
}

#[actix_web::test]
async fn who_withdraws_hears_nothing_more_of_the_course() {
    let (world, ada, ben) = (World::new().await, person(Role::Student), person(Role::Student));
    let node = Node::on(&world.test).await;
    let course = some_course(&world).await;
    let mine = world.enrol(&ada, course).await;
    world.enrol(&ben, course).await;
    let sockets = Sockets::start(&world, &world.hub, &world.live, &[&ada, &ben]);
    let (mut leaves, _) = WsClient::connect(sockets.address, "0").await;
    let (mut stays, _) = WsClient::connect(sockets.address, "1").await;
    let channel = json!({ "channel": format!("course:{course}") });
    for client in [&mut leaves, &mut stays] {
        let reply = client.call("subscribe", channel.clone()).await;
        assert!(reply.get("subscribe").is_some(), "{reply}");
    }

    let all = consumers(&world.learning, &world.live, &node.chat, &Metrics::new());
    let news = &*all[2];
    assert_eq!(news.name(), "learning.live");
    world.learning.move_enrolment(&ada, mine.id, "withdraw").await.unwrap();
    world.deliver(news).await;
    let heard = until(&mut leaves, |push| push.get("unsubscribe").is_some()).await;
    assert_eq!(heard.last().unwrap()["unsubscribe"]["code"], 2000);
    let refused = leaves.call("subscribe", channel.clone()).await;
    assert!(refused.get("error").is_some(), "{refused}");
    let tell = AnnouncementForm { body: "On Monday".into() };
    world.learning.announce(&world.teacher, course, Uuid::now_v7(), &tell).await.unwrap();
    world.deliver(news).await;
    let announced = |push: &Value| push["pub"]["data"]["type"] == "announcement";
    let heard = until(&mut stays, announced).await;
    assert!(heard.iter().all(|push| push.get("unsubscribe").is_none()), "{heard:?}");
    assert!(leaves.is_quiet(Duration::from_millis(50)).await);

    // Who came again is not put out by what is told of the first time.
    world.enrol(&ada, course).await;
    let reply = leaves.call("subscribe", channel).await;
    assert!(reply.get("subscribe").is_some(), "{reply}");
    world.deliver(news).await;
    let heard = until(&mut leaves, announced).await;
    assert!(heard.iter().all(|push| push.get("unsubscribe").is_none()), "{heard:?}");
    sockets.stop().await;
}

#[actix_web::test]
async fn who_withdraws_is_put_out_on_other_nodes_too() {
    let (world, ada) = (World::new().await, person(Role::Student));
    let node = Node::on(&world.test).await;
    let course = some_course(&world).await;
    let mine = world.enrol(&ada, course).await;
    let (signals, _cable) = mesh(2);
    let hubs: Vec<Hub> = signals.iter().map(|one| Hub::across(one, &Metrics::new())).collect();
    let lives: Vec<Live> = hubs.iter().map(|hub| Live::new(hub.clone())).collect();
    let sockets = Sockets::start(&world, &hubs[1], &lives[1], &[&ada]);
    let (mut client, _) = WsClient::connect(sockets.address, "0").await;
    let reply = client.call("subscribe", json!({ "channel": format!("course:{course}") })).await;
    assert!(reply.get("subscribe").is_some(), "{reply}");
    world.learning.move_enrolment(&ada, mine.id, "withdraw").await.unwrap();
    let all = consumers(&world.learning, &lives[0], &node.chat, &Metrics::new());
    world.deliver(&*all[2]).await;
    let heard = until(&mut client, |push| push.get("unsubscribe").is_some()).await;
    assert_eq!(heard.last().unwrap()["unsubscribe"]["code"], 2000);
    sockets.stop().await;
}
