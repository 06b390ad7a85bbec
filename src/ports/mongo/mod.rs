//! MongoDB, where `MONGODB_URL` names one: the connection that the chat log and the activity stream
//! share, its deadlines, and what its failures mean.
//!
//! Every operation is bounded in time ([`Mongo::run`]): a server that stopped answering fails a request
//! with [`MongoError::Unavailable`] instead of holding it. The driver reconnects by itself.

mod error;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use mongodb::{
    Client, Collection, Database,
    bson::{Document, doc},
    options::{Acknowledgment, ClientOptions, CollectionOptions, ReadConcern, WriteConcern},
};
use tokio::{
    runtime::{Handle, Runtime},
    sync::OnceCell,
};

pub use error::MongoError;

use crate::config::MongoConfig;

/// The database of a URL that names none.
const DATABASE: &str = "gigsy";

/// A MongoDB deployment: one server, a replica set, or a sharded cluster. Cheap to clone; usable from
/// any tokio runtime.
#[derive(Clone)]
pub struct Mongo {
    inner: Arc<Inner>,
}

struct Inner {
    client: Client,
    database: String,
    patience: Duration,
    kind: OnceCell<Topology>,
    handle: Handle,
    #[expect(dead_code, reason = "held, not used: the connections' thread goes with it")]
    driver: Driver,
}

/// What sort of deployment answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Topology {
    /// One server: what it has acknowledged is in its own journal.
    Standalone,
    /// A replica set or a sharded cluster: what it has acknowledged is on a majority.
    Replicated,
}

impl Topology {
    /// As operators read it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Standalone => "standalone",
            Self::Replicated => "replicated",
        }
    }
}

/// How much a collection's reads and writes promise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Promise {
    /// A truth: a write is journaled on a majority before it is acknowledged, and a read sees only what
    /// no failover can take back.
    Durable,
    /// A projection: it can be made again.
    Fast,
}

/// The runtime that drives the connections: not a worker's, which comes and goes.
struct Driver(Option<Runtime>);

impl Drop for Driver {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            // Dropping it outright would panic inside another runtime.
            runtime.shutdown_background();
        }
    }
}

/// Who answered, and how fast.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The server's version.
    pub version: String,
    /// Its sort.
    pub topology: Topology,
    /// The round trip in milliseconds.
    pub latency_ms: f64,
}

impl Mongo {
    /// Prepares connections to the server of the configuration, which need not answer yet. `None` when
    /// no URL is set.
    ///
    /// # Errors
    /// When the URL cannot be used.
    pub async fn connect(config: &MongoConfig) -> Result<Option<Self>, MongoError> {
        let Some(url) = config.url.clone() else { return Ok(None) };
        let patience = Duration::from_secs(config.timeout_seconds);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("mongo-io")
            .enable_all()
            .build()
            .map_err(|e| MongoError::Failed(e.into()))?;
        let handle = runtime.handle().clone();
        let driver = Driver(Some(runtime));
        // The driver's own tasks run where the client was made.
        let made = handle.spawn(async move {
            let mut options = ClientOptions::parse(url).await?;
            options.app_name.get_or_insert_with(|| "gigsy".to_owned());
            options.server_selection_timeout.get_or_insert(patience.min(Duration::from_secs(3)));
            options.connect_timeout.get_or_insert(patience.min(Duration::from_secs(3)));
            options.max_pool_size.get_or_insert(32);
            // One that is down is looked for often: a send tries again within seconds.
            options.heartbeat_freq.get_or_insert(Duration::from_secs(2));
            let database = options.default_database.clone().unwrap_or_else(|| DATABASE.to_owned());
            Ok::<_, mongodb::error::Error>((Client::with_options(options)?, database))
        });
        let (client, database) = made.await.map_err(|e| MongoError::Failed(e.into()))??;
        let inner = Inner { client, database, patience, kind: OnceCell::new(), handle, driver };
        Ok(Some(Self { inner: Arc::new(inner) }))
    }

    /// Where background work of this deployment runs.
    pub fn handle(&self) -> &Handle {
        &self.inner.handle
    }

    /// The database.
    pub fn database(&self) -> Database {
        self.inner.client.database(&self.inner.database)
    }

    /// The database's name.
    pub fn database_name(&self) -> &str {
        &self.inner.database
    }

    /// Runs one operation within the deadline.
    ///
    /// # Errors
    /// Its own, or [`MongoError::Unavailable`] past the deadline: then it may or may not have been done.
    pub async fn run<T>(
        &self,
        operation: impl Future<Output = Result<T, mongodb::error::Error>>,
    ) -> Result<T, MongoError> {
        match tokio::time::timeout(self.inner.patience, operation).await {
            Ok(done) => Ok(done?),
            Err(_) => Err(MongoError::Unavailable("no answer in time".into())),
        }
    }

    /// What sort of deployment answers; asked once.
    ///
    /// # Errors
    /// When none does.
    pub async fn topology(&self) -> Result<Topology, MongoError> {
        self.inner.kind.get_or_try_init(|| self.ask()).await.copied()
    }

    async fn ask(&self) -> Result<Topology, MongoError> {
        let admin = self.inner.client.database("admin");
        let hello = self.run(async { admin.run_command(doc! { "hello": 1 }).await }).await?;
        let replicated =
            hello.contains_key("setName") || hello.get_str("msg").is_ok_and(|msg| msg == "isdbgrid");
        Ok(if replicated { Topology::Replicated } else { Topology::Standalone })
    }

    /// A collection with the reads and writes that its content needs.
    pub fn collection<T: Send + Sync>(
        &self,
        name: &str,
        topology: Topology,
        promise: Promise,
    ) -> Collection<T> {
        let durable = promise == Promise::Durable;
        let writes = if durable {
            // `majority` is every data-bearing server there is where there is one.
            WriteConcern::builder()
                .w(Acknowledgment::Majority)
                .journal(true)
                .w_timeout(self.inner.patience)
                .build()
        } else {
            WriteConcern::builder().w(Acknowledgment::Nodes(1)).build()
        };
        // Without it a read could see what a failover takes back. A single server has nothing to take.
        let reads = if durable && topology == Topology::Replicated {
            ReadConcern::majority()
        } else {
            ReadConcern::local()
        };
        let options = CollectionOptions::builder().write_concern(writes).read_concern(reads).build();
        self.database().collection_with_options(name, options)
    }

    /// Asks who is there.
    ///
    /// # Errors
    /// When nobody answers in time.
    pub async fn ping(&self) -> Result<Answer, MongoError> {
        let topology = self.topology().await?;
        let admin = self.inner.client.database("admin");
        let asked = Instant::now();
        self.run(async { admin.run_command(doc! { "ping": 1 }).await }).await?;
        let latency_ms = asked.elapsed().as_secs_f64() * 1_000.0;
        let info: Document = self.run(async { admin.run_command(doc! { "buildInfo": 1 }).await }).await?;
        let version = info.get_str("version").unwrap_or("unknown").to_owned();
        Ok(Answer { version, topology, latency_ms })
    }
}
