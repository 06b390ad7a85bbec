//! A node with fake sign-in, a recoverable namespace, a plain one and two procedures.

#![allow(clippy::async_yields_async, reason = "a first stage yields its second")]

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use actix_web::{App, HttpServer, dev::ServerHandle, web};
use chrono::{TimeDelta, Utc};
use futures_util::future::BoxFuture;
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::{
    actors::{Arbiters, Domain, DomainConfig, RebuildError, Registry},
    contexts::identity::actors::session::{
        SessionCloser, SessionLanes, SessionSeed, SessionSource, SessionState, UserSession,
    },
    principal::{Principal, SessionId, UserId},
    realtime::{
        Admission, Authenticator, Channel, ChannelLog, ChannelOptions, ClientInfo, Hub, Json, LocalShard,
        MemoryRing, Namespace, Publication, Realtime, Rpc, RtError, Settings, Staged, Unsubscribe,
        on_connect, ready, refused, rpc::RpcAnswer, second, websocket,
    },
    telemetry::metrics::Metrics,
};

/// A running node.
pub(super) struct Node {
    pub(super) address: SocketAddr,
    pub(super) realtime: Realtime,
    pub(super) sessions: Domain<UserSession>,
    pub(super) registry: Registry,
    pub(super) metrics: Metrics,
    pub(super) rooms: Arc<Rooms>,
    pub(super) closer: SessionCloser,
    http: ServerHandle,
}

impl Node {
    /// Starts one; `tune` may change the settings.
    pub(super) async fn start(tune: impl FnOnce(&mut Settings)) -> Self {
        let config = crate::config::layer("x".into(), "", std::iter::empty()).unwrap();
        let mut settings = Settings::new(&config);
        settings.tick = Duration::from_millis(20);
        settings.expiry_grace = Duration::from_millis(100);
        tune(&mut settings);
        let (hub, metrics, registry) = (Hub::new(), Metrics::new(), Registry::new());
        let rooms = Arc::new(Rooms {
            hub: hub.clone(),
            ring: MemoryRing::new(50, Duration::from_secs(60)),
            banned: Mutex::default(),
        });
        let realtime = Realtime::builder(hub, settings, &metrics, &registry, Arc::new(Tokens))
            .namespace(rooms.clone())
            .namespace(Arc::new(Typing))
            .namespace(Arc::new(Personal(rooms.clone())))
            .rpc(Arc::new(Echo))
            .rpc(Arc::new(Slow))
            .rpc(Arc::new(Explode))
            .build();
        let arbiters = Arbiters::start(1).unwrap();
        let seed = SessionSeed { source: Arc::new(Tokens), realtime: realtime.clone() };
        let sessions = Domain::<UserSession>::start(seed, DomainConfig::default(), &registry, &arbiters);
        realtime.serve_by(Arc::new(SessionLanes(sessions.clone())));
        let shared = realtime.clone();
        let server = HttpServer::new(move || {
            App::new()
                .app_data(web::Data::new(LocalShard::start(&shared)))
                .app_data(web::Data::new(shared.clone()))
                .route("/connection/websocket", web::get().to(websocket))
        })
        .workers(2)
        .on_connect(on_connect)
        .shutdown_timeout(1)
        .disable_signals()
        .bind(("127.0.0.1", 0))
        .unwrap();
        let address = server.addrs()[0];
        let server = server.run();
        let http = server.handle();
        actix_web::rt::spawn(server);
        let closer = SessionCloser { sessions: sessions.clone(), realtime: realtime.clone() };
        Self { address, realtime, sessions, registry, metrics, rooms, closer, http }
    }

    /// Stops it.
    pub(super) async fn stop(self) {
        self.http.stop(false).await;
        self.sessions.stop(Duration::from_secs(1)).await;
    }
}

/// A person's ids from a small number.
pub(super) fn user(n: u128) -> UserId {
    UserId(Uuid::from_u128(n))
}

/// A session's.
pub(super) fn session(n: u128) -> SessionId {
    SessionId(Uuid::from_u128(n << 64))
}

fn principal(n: u128) -> Principal {
    Principal {
        user_id: user(n),
        session_id: session(n),
        display_name: format!("user {n}"),
        roles: vec![crate::principal::Role::Student],
        email_verified: true,
    }
}

/// Tokens `ok:<n>`, `ok:<n>:<milliseconds it lives>`, `expired`; cookie `session=<n>`.
struct Tokens;

impl Authenticator for Tokens {
    fn by_token<'a>(&'a self, token: &'a str) -> BoxFuture<'a, Result<Admission, RtError>> {
        Box::pin(async move {
            // As a real one, it takes a moment.
            tokio::time::sleep(Duration::from_millis(5)).await;
            let parts: Vec<&str> = token.split(':').collect();
            match parts[..] {
                ["ok", n] => Ok(Admission {
                    principal: principal(n.parse().unwrap()),
                    expires_at: Some(Utc::now() + TimeDelta::minutes(10)),
                }),
                ["ok", n, life] => Ok(Admission {
                    principal: principal(n.parse().unwrap()),
                    expires_at: Some(Utc::now() + TimeDelta::milliseconds(life.parse().unwrap())),
                }),
                ["expired"] => Err(RtError::TOKEN_EXPIRED),
                _ => Err(RtError::INVALID_TOKEN),
            }
        })
    }

    fn by_cookie<'a>(&'a self, cookie: &'a str) -> BoxFuture<'a, Result<Admission, RtError>> {
        Box::pin(async move {
            let n = cookie.strip_prefix("session=").ok_or(RtError::UNAUTHORIZED)?;
            Ok(Admission { principal: principal(n.parse().unwrap()), expires_at: None })
        })
    }
}

impl SessionSource for Tokens {
    fn rebuild(&self, id: SessionId) -> BoxFuture<'static, Result<SessionState, RebuildError>> {
        Box::pin(async move {
            Ok(SessionState {
                principal: principal(id.0.as_u128() >> 64),
                device: Some("test".into()),
                expires_at: Utc::now() + TimeDelta::days(1),
            })
        })
    }
}

/// `room:…`: recoverable, present, published to by clients. `room:secret` is nobody's.
pub(super) struct Rooms {
    hub: Hub,
    pub(super) ring: MemoryRing,
    banned: Mutex<Vec<UserId>>,
}

impl Rooms {
    pub(super) fn send(&self, channel: &Channel, data: &serde_json::Value) -> u64 {
        let data = Json::of(data).unwrap();
        self.ring.append(channel, data, |publication| self.hub.publish(channel, &publication))
    }

    pub(super) fn ban(&self, who: UserId, channel: &Channel) {
        self.banned.lock().unwrap().push(who);
        self.hub.unsubscribe_user(who, channel, &Unsubscribe::SERVER);
    }
}

impl Namespace for Rooms {
    fn name(&self) -> &'static str {
        "room"
    }

    fn options(&self) -> ChannelOptions {
        ChannelOptions { recoverable: true, presence: true, join_leave: true, history: true, publish: true }
    }

    fn authorise<'a>(
        &'a self,
        who: &'a Principal,
        channel: &'a Channel,
    ) -> BoxFuture<'a, Result<(), RtError>> {
        let banned = self.banned.lock().unwrap().contains(&who.user_id);
        Box::pin(async move {
            tokio::task::yield_now().await;
            if channel.id() == "secret" || banned { Err(RtError::PERMISSION_DENIED) } else { Ok(()) }
        })
    }

    fn log(&self) -> Option<&dyn ChannelLog> {
        Some(&self.ring)
    }

    fn publish(
        &self,
        _: Arc<Principal>,
        client: ClientInfo,
        channel: Channel,
        data: Box<RawValue>,
    ) -> Staged<Result<(), RtError>> {
        let data = Json::from_raw(&data).unwrap();
        self.ring.append_from(&channel, data, Some(client), |publication| {
            self.hub.publish(&channel, &publication)
        });
        ready(Ok(()))
    }
}

/// `typing:…`: nothing is kept.
struct Typing;

impl Namespace for Typing {
    fn name(&self) -> &'static str {
        "typing"
    }

    fn options(&self) -> ChannelOptions {
        ChannelOptions::default()
    }

    fn authorise<'a>(&'a self, _: &'a Principal, _: &'a Channel) -> BoxFuture<'a, Result<(), RtError>> {
        Box::pin(async { Ok(()) })
    }
}

/// `user:<id>`: the server's own subscription.
struct Personal(Arc<Rooms>);

impl Namespace for Personal {
    fn name(&self) -> &'static str {
        "user"
    }

    fn options(&self) -> ChannelOptions {
        ChannelOptions { recoverable: true, ..ChannelOptions::default() }
    }

    fn authorise<'a>(
        &'a self,
        who: &'a Principal,
        channel: &'a Channel,
    ) -> BoxFuture<'a, Result<(), RtError>> {
        let own = channel.id() == who.user_id.to_string();
        Box::pin(async move { if own { Ok(()) } else { Err(RtError::PERMISSION_DENIED) } })
    }

    fn log(&self) -> Option<&dyn ChannelLog> {
        Some(&self.0.ring)
    }

    fn server_side(&self, who: &Principal) -> Option<Channel> {
        Some(Channel::of("user", who.user_id))
    }
}

struct Echo;

impl Rpc for Echo {
    fn method(&self) -> &'static str {
        "echo"
    }

    fn call(&self, _: Arc<Principal>, _: ClientInfo, data: Box<RawValue>) -> Staged<RpcAnswer> {
        ready(Ok(data))
    }
}

/// Answers after as many milliseconds as it is told; the order of first stages is in the answer.
struct Slow;

impl Rpc for Slow {
    fn method(&self) -> &'static str {
        "slow"
    }

    fn call(&self, _: Arc<Principal>, _: ClientInfo, data: Box<RawValue>) -> Staged<RpcAnswer> {
        static ORDER: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
        let Ok(wait) = data.get().parse() else { return refused(RtError::BAD_REQUEST) };
        Box::pin(async move {
            tokio::task::yield_now().await;
            let order = ORDER.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            second(async move {
                tokio::time::sleep(Duration::from_millis(wait)).await;
                Ok(RawValue::from_string(order.to_string()).unwrap())
            })
        })
    }
}

/// Panics.
struct Explode;

impl Rpc for Explode {
    fn method(&self) -> &'static str {
        "explode"
    }

    fn call(&self, _: Arc<Principal>, _: ClientInfo, _: Box<RawValue>) -> Staged<RpcAnswer> {
        Box::pin(async { panic!("as asked") })
    }
}

/// A publication's data.
pub(super) fn publication(data: &serde_json::Value) -> Publication {
    Publication::ephemeral(Json::of(data).unwrap())
}
