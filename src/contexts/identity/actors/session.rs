//! A sign-in as an actor: it owns its connections' commands and ends them when it is revoked.

use std::{collections::HashMap, future::Future, sync::Arc, time::Instant};

use chrono::{DateTime, Utc};
use futures_util::future::BoxFuture;
use serde::Serialize;

use crate::{
    actors::{AskError, Behavior, Cx, Domain, Mailbox, RebuildError, Receive, Reply, Request, SendError},
    contexts::identity::SessionNotices,
    principal::{Principal, SessionId},
    realtime::{
        Bucket, Budget, Disconnect, Realtime, RtError,
        client::{Client, Step},
        hub::ShardId,
        lanes::{Batch, Lane, Lanes, Opening, Refused},
        shard::message::ConnId,
    },
};

/// Where sessions are read; implemented by the context's store.
pub trait SessionSource: Send + Sync + 'static {
    /// The session, if it is live.
    fn rebuild(&self, id: SessionId) -> BoxFuture<'static, Result<SessionState, RebuildError>>;
}

/// What is kept of a session.
#[derive(Clone, Debug)]
pub struct SessionState {
    /// Whose it is.
    pub principal: Principal,
    /// What they call the device.
    pub device: Option<String>,
    /// When it ends.
    pub expires_at: DateTime<Utc>,
}

/// What a session's actor is rebuilt with.
#[derive(Clone)]
pub struct SessionSeed {
    /// Where sessions are read.
    pub source: Arc<dyn SessionSource>,
    /// The real-time layer.
    pub realtime: Realtime,
}

/// A live session.
pub struct UserSession {
    seed: SessionSeed,
    id: SessionId,
    state: SessionState,
    /// Boxed: a table has room for more than it holds, and most sign-ins have one connection.
    clients: HashMap<ConnKey, Box<Client>>,
    bucket: Bucket,
    /// The person's, of which this is one sign-in.
    budget: Option<Budget>,
    commands: u64,
}

/// A connection: its shard, and its number there.
type ConnKey = (ShardId, ConnId);

/// What operators see of a session.
#[derive(Clone, Debug, Serialize)]
pub struct SessionObserved {
    /// Whose it is.
    pub user_id: crate::principal::UserId,
    /// On what.
    pub device: Option<String>,
    /// Open connections.
    pub connections: usize,
    /// Channels they hold, together.
    pub subscriptions: usize,
    /// Commands that wait in their lanes.
    pub waiting: usize,
    /// Commands since the actor was built.
    pub commands: u64,
    /// When the session ends.
    pub expires_at: DateTime<Utc>,
}

impl Behavior for UserSession {
    const KIND: &'static str = "user_session";
    type Id = SessionId;
    type Seed = SessionSeed;
    type Observed = SessionObserved;

    fn rebuild(seed: SessionSeed, id: SessionId) -> impl Future<Output = Result<Self, RebuildError>> {
        let read = seed.source.rebuild(id);
        async move {
            let state = read.await?;
            let rate = seed.realtime.settings().commands_per_second;
            let bucket = Bucket::new(rate, Instant::now());
            let budget = seed.realtime.budget(state.principal.user_id);
            Ok(Self { seed, id, state, clients: HashMap::new(), bucket, budget, commands: 0 })
        }
    }

    fn observe(&self) -> SessionObserved {
        SessionObserved {
            user_id: self.state.principal.user_id,
            device: self.state.device.clone(),
            connections: self.clients.len(),
            subscriptions: self.clients.values().map(|client| client.subscriptions()).sum(),
            waiting: self.clients.values().map(|client| client.waiting()).sum(),
            commands: self.commands,
            expires_at: self.state.expires_at,
        }
    }

    fn may_passivate(&self) -> bool {
        self.clients.is_empty()
    }

    fn stopping(&mut self) {
        self.close_all(&Disconnect::SHUTDOWN);
    }
}

impl UserSession {
    fn close_all(&mut self, why: &Disconnect) {
        for (_, mut client) in self.clients.drain() {
            client.close(why);
        }
    }

    /// Works a connection's lane off as far as it goes without waiting.
    fn pump(&mut self, key: ConnKey, cx: &mut Cx<'_, Self>) {
        let Some(client) = self.clients.get_mut(&key) else { return };
        while let Some(step) = client.next_step() {
            if let Step::Run(work) = step {
                cx.spawn(work, move |session, outcome, cx| {
                    let Some(client) = session.clients.get_mut(&key) else { return };
                    if let Some(beside) = client.done(outcome) {
                        cx.spawn(beside, |_, (), _| {});
                    }
                    session.pump(key, cx);
                });
            }
        }
    }
}

/// A connection that was let in.
pub struct Open(pub Opening);

impl Request for Open {
    type Answer = Result<(), RtError>;
}

impl Receive<Open> for UserSession {
    fn receive(&mut self, Open(opening): Open, reply: Reply<Result<(), RtError>>, cx: &mut Cx<'_, Self>) {
        if self.clients.len() >= self.seed.realtime.settings().max_connections {
            reply.send(Err(RtError::CONNECTION_LIMIT));
            return;
        }
        let key = opening.handle.conn();
        self.clients.insert(key, Box::new(Client::new(self.seed.realtime.clone(), opening)));
        reply.send(Ok(()));
        self.pump(key, cx);
    }
}

/// Commands of a connection, in order.
pub struct Commands {
    key: ConnKey,
    batch: Batch,
}

impl Request for Commands {
    type Answer = ();
}

impl Receive<Commands> for UserSession {
    fn receive(&mut self, Commands { key, mut batch }: Commands, _: Reply<()>, cx: &mut Cx<'_, Self>) {
        // A connection of an earlier incarnation is being closed already.
        let Some(client) = self.clients.get_mut(&key) else { return };
        let now = Instant::now();
        let budget = self.budget.as_ref();
        let mut take = || self.bucket.take(now) && budget.is_none_or(Budget::take);
        let allowed = batch.iter().take_while(|_| take()).count();
        let refused = batch.split_off(allowed);
        client.throttle(&refused);
        self.commands += batch.len() as u64;
        client.enqueue(batch);
        self.pump(key, cx);
    }
}

/// A connection ended.
pub struct Closed(ConnKey);

impl Request for Closed {
    type Answer = ();
}

impl Receive<Closed> for UserSession {
    fn receive(&mut self, Closed(key): Closed, _: Reply<()>, _: &mut Cx<'_, Self>) {
        if let Some(mut client) = self.clients.remove(&key) {
            client.forget();
        }
    }
}

/// The session is revoked in the store: its connections end for good, and the actor with them.
pub struct Revoke;

impl Request for Revoke {
    type Answer = ();
}

impl Receive<Revoke> for UserSession {
    fn receive(&mut self, Revoke: Revoke, reply: Reply<()>, cx: &mut Cx<'_, Self>) {
        self.close_all(&Disconnect::REVOKED);
        // Connections of an incarnation that crashed meanwhile, too.
        self.seed.realtime.hub().disconnect_session(self.id, &Disconnect::REVOKED);
        reply.send(());
        cx.stop();
    }
}

/// Ends a session's connections at once. Call it after the store holds the revocation.
pub fn revoke(sessions: &Domain<UserSession>, realtime: &Realtime, id: SessionId) {
    let told = sessions.live(&id).is_some_and(|mailbox| mailbox.tell(Revoke).is_ok());
    if !told {
        // No live actor, or one that is too busy: its sockets are reached past it.

        realtime.hub().disconnect_session(id, &Disconnect::REVOKED);
    }
}

/// Closes the sockets of sessions that end; what [`Identity`](crate::contexts::identity::Identity)
/// is given to notify.
pub struct SessionCloser {
    /// The live sessions.
    pub sessions: Domain<UserSession>,
    /// The real-time layer.
    pub realtime: Realtime,
}

impl SessionNotices for SessionCloser {
    fn revoked(&self, ids: &[SessionId]) {
        for id in ids {
            revoke(&self.sessions, &self.realtime, *id);
        }
    }
}

/// The sessions' actors as the real-time layer sees them.
pub struct SessionLanes(pub Domain<UserSession>);

impl Lanes for SessionLanes {
    fn open(&self, session: SessionId, opening: Opening) -> BoxFuture<'_, Result<Box<dyn Lane>, RtError>> {
        Box::pin(async move {
            let key = opening.handle.conn();
            let mailbox = self.0.get(&session).await.map_err(refusal)?;
            match mailbox.ask_now(Open(opening)).map_err(AskError::from) {
                Ok(pending) => pending.await.map_err(refusal)??,
                Err(error) => return Err(refusal(error)),
            }
            Ok(Box::new(SessionLane { mailbox, key }) as Box<dyn Lane>)
        })
    }
}

/// A session that is not there any more is a sign-in that ended.
fn refusal(error: AskError) -> RtError {
    match error {
        AskError::NotFound => RtError::INVALID_TOKEN,
        other => other.into(),
    }
}

struct SessionLane {
    mailbox: Mailbox<UserSession>,
    key: ConnKey,
}

impl Lane for SessionLane {
    fn offer(&self, batch: Batch) -> Result<(), Refused> {
        match self.mailbox.tell(Commands { key: self.key, batch }) {
            Ok(()) => Ok(()),
            Err(SendError::Full(Commands { batch, .. })) => Err(Refused::Full(batch)),
            Err(SendError::Closed(_)) => Err(Refused::Gone),
        }
    }

    fn closed(&self) {
        // A full mailbox is offered it again; a closed one holds no connection any more.
        let (mailbox, key) = (self.mailbox.clone(), self.key);
        if let Err(SendError::Full(_)) = mailbox.tell(Closed(key)) {
            actix_web::rt::spawn(async move {
                while let Err(SendError::Full(_)) = mailbox.tell(Closed(key)) {
                    tokio::time::sleep(std::time::Duration::from_millis(20)).await;
                }
            });
        }
    }
}
