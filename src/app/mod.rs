//! Wiring: the only place that names adapters. A server is started from a configuration, a
//! listener and a database, and stopped in order; tests start one just like `gigsy serve` does.

mod custody;
mod demo;
mod discovery;
mod embedding;
mod events;
mod gauges;
mod glue;
mod indexes;
mod logs;
mod mail;
mod money;
mod nodes;
mod objects;
mod shared;
mod wiring;
mod workers;

use std::{io, net::TcpListener, sync::Arc, time::Duration};

use actix_web::{App, HttpServer, dev::ServerHandle, middleware::from_fn};

pub use demo::{DemoError, permit_demo, seed_demo};
pub use discovery::discovery;
pub use embedding::{embedder, embeddings_status};
pub use events::{bus_status, provision_bus};
pub use indexes::{index_statuses, indexes};
pub use logs::{both_logs, chat_log, chat_log_status, provision_logs};
pub use mail::mail_status;
pub use shared::{board_copies, redis_status};
use wiring::Platform;
pub use wiring::{game, identity};

use crate::{
    config::Config,
    http::{self, health::Health},
    postgres::Database,
    realtime,
    telemetry::log,
};

/// What `serve` may be asked for besides the configuration.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Put the demo data in place before the server calls itself ready.
    pub demo: bool,
}

/// A server cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The database does not answer.
    #[error("the database does not answer")]
    Database(#[from] crate::postgres::DbError),
    /// The event bus cannot be set up.
    #[error("the event bus cannot be set up")]
    Bus(#[from] crate::ports::bus::BusError),
    /// What is shared between nodes cannot be set up.
    #[error(transparent)]
    Redis(#[from] crate::redis::RedisSetupError),
    /// Chat.
    #[error("chat cannot be set up")]
    Chat(#[from] crate::contexts::chat::ChatError),
    /// Notifications.
    #[error("notifications cannot be set up")]
    Notifications(#[from] crate::contexts::notifications::NotificationsError),
    /// Points and leaderboards.
    #[error("points and leaderboards cannot be set up")]
    Game(#[from] crate::contexts::gamification::GameError),
    /// The rules of points.
    #[error(transparent)]
    Rules(#[from] crate::contexts::gamification::BadRules),
    /// MongoDB cannot be set up.
    #[error("MongoDB cannot be used")]
    Mongo(#[from] crate::ports::mongo::MongoError),
    /// Embeddings.
    #[error("embeddings cannot be set up")]
    Embeddings(#[from] crate::ports::embed::EmbedError),
    /// What results are ordered by.
    #[error(transparent)]
    Weights(#[from] crate::contexts::discovery::BadWeights),
    /// A client that calls others by HTTPS cannot be made.
    #[error(transparent)]
    Tls(#[from] crate::tls::TlsError),
    /// The object store's client.
    #[error("the object store cannot be set up")]
    Objects(#[from] crate::ports::objects::ObjectError),
    /// The mail server's settings.
    #[error(transparent)]
    Mail(#[from] crate::ports::mail::SmtpSetupError),
    /// The text index.
    #[error("the text index cannot be set up")]
    Text(#[from] crate::ports::text::TextError),
    /// The vector store.
    #[error("the vector store cannot be set up")]
    Vectors(#[from] crate::ports::vectors::VectorError),
    /// Threads or the listener cannot be had.
    #[error("cannot start serving")]
    System(#[from] io::Error),
}

/// A running server.
pub struct Server {
    platform: Platform,
    http: ServerHandle,
    door: TcpListener,
    background: Vec<tokio::task::JoinHandle<()>>,
    drain: Duration,
}

/// Starts serving on `listener`. Must be called on a thread that runs an actix system; returns as
/// soon as requests are accepted, and `/readyz` tells when everything is in place.
///
/// # Errors
/// When the database cannot be asked or threads cannot be made.
pub async fn start(
    mut config: Config,
    listener: TcpListener,
    database: Database,
    options: Options,
) -> Result<Server, StartError> {
    // Port 0 means any: from here on everybody knows which.
    config.server.listen = listener.local_addr()?;
    let platform = Platform::assemble(config, database, options.demo).await?;
    let config = platform.config.clone();

    let shared = platform.clone();
    // The same socket: where the server's own handle is out of reach.
    let door = listener.try_clone()?;
    let http = HttpServer::new(move || {
        // Once per worker thread: the worker's shard lives and dies with it.
        App::new()
            .configure(|app| shared.share(app))
            .configure(|app| shared.start_shard(app))
            .wrap(from_fn(http::idempotency::guard))
            .wrap(http::cors(&shared.config))
            .wrap(from_fn(http::middleware::observe))
            .configure(http::router::configure)
    })
    .workers(config.workers())
    .on_connect(realtime::on_connect)
    .backlog(4096)
    .max_connections(65_536)
    .keep_alive(Duration::from_secs(75))
    .client_request_timeout(Duration::from_secs(10))
    // Connections have let go by then; what is left is cut.
    .shutdown_timeout(2)
    .disable_signals()
    .listen(listener)?
    .run();
    let handle = http.handle();
    tokio::task::spawn_local(async move {
        if let Err(error) = http.await {
            slog::error!(log(), "the HTTP server failed"; "error" => %error);
        }
    });

    let background = workers::start(&platform, options);
    Ok(Server { drain: config.drain(), platform, http: handle, door, background })
}

impl Server {
    /// What the probes see.
    pub fn health(&self) -> &Arc<Health> {
        &self.platform.health
    }

    /// Stops in order: `/readyz` says draining, new connections are refused and those that are open end
    /// with their next answer, so that a proxy goes to another node at once; sockets are closed with 3001,
    /// paced over the drain window; HTTP ends; events that are being handled are finished; actors
    /// finish what they have. The database is the caller's to stop, last.
    pub async fn stop(self) {
        self.platform.health.draining();
        // A pause alone leaves the socket listening: whoever comes would wait in its queue for the
        // whole drain. Where a listener cannot be shut, the pause has to do.
        let _ = rustix::net::shutdown(&self.door, rustix::net::Shutdown::Read);
        self.http.pause().await;
        self.platform.drain_sockets(self.drain).await;
        self.platform.hub.say_goodbye();
        for task in self.background {
            task.abort();
        }
        self.http.stop(true).await;
        self.platform.events.stop(self.drain).await;
        self.platform.stop_actors(self.drain).await;
    }
}
