//! The relational store: a pool over a PostgreSQL, which is a private child of this process unless
//! `DATABASE_URL` names a server.
//!
//! A context's store asks for a connection ([`Database::conn`]), runs diesel queries on it, and
//! passes [`DbError`] on. One SQL dialect and one set of migrations serve both kinds.

pub mod embedded;
mod error;
mod kept;
mod migrate;
mod pool;
mod settings;
mod status;
mod tls;

use std::{path::PathBuf, sync::Arc, time::Duration};

use diesel::{QueryableByName, sql_types::Integer};
use diesel_async::RunQueryDsl;
use tokio::runtime::{Handle, Runtime};
use url::Url;

pub use error::{Cause, DbError, OpenError};
pub use kept::Kept;
pub use pool::Conn;
#[doc(hidden)]
pub use pool::Manager;
pub use status::MigrationState;

use crate::{
    config::{Config, DataConfig, DatabaseConfig},
    telemetry::log,
};
use embedded::Cluster;
use tls::{Target, reason};

/// The oldest major version that serves.
pub const OLDEST: u32 = 15;

/// The relational store. Cheap to clone; usable from any tokio runtime.
#[derive(Clone)]
pub struct Database {
    inner: Arc<Inner>,
}

/// Where the store is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mode {
    /// A private child of this process, or of the server that has this data directory.
    Embedded {
        /// The data directory.
        data_dir: PathBuf,
    },
    /// The server that `DATABASE_URL` names.
    Server,
}

impl Mode {
    /// `embedded` or `server`.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Embedded { .. } => "embedded",
            Self::Server => "server",
        }
    }

    fn mend(&self, reason: &str) -> String {
        match self {
            Self::Embedded { data_dir } => format!(
                "the private PostgreSQL in {} does not answer ({reason}); it is restarted by itself, see the log",
                data_dir.display()
            ),
            Self::Server => format!("check DATABASE_URL and that the server runs ({reason})"),
        }
    }
}

struct Inner {
    pool: pool::Pool,
    target: Target,
    url: Url,
    mode: Mode,
    acquire: Duration,
    cluster: Option<Cluster>,
    handle: Handle,
    #[expect(dead_code, reason = "held, not used: the connections' thread goes with it")]
    driver: Driver,
}

/// The runtime that drives the connections.
struct Driver(Option<Runtime>);

impl Driver {
    fn start() -> Result<(Self, Handle), OpenError> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("postgres-io")
            .enable_all()
            .build()
            .map_err(|e| OpenError::System(format!("cannot start a thread for the database: {e}")))?;
        let handle = runtime.handle().clone();
        Ok((Self(Some(runtime)), handle))
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            // Dropping it outright would panic inside another runtime.
            runtime.shutdown_background();
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.pool.close();
        if let Some(cluster) = self.cluster.take() {
            cluster.stop();
        }
    }
}

impl Database {
    /// Connects to `DATABASE_URL`, or starts the private child and holds its data directory.
    ///
    /// # Errors
    /// [`OpenError`], whose message says what to do; among others when another server holds the
    /// data directory.
    pub async fn open(config: &Config) -> Result<Self, OpenError> {
        Self::connect(&config.database, &config.data).await
    }

    /// [`Database::open`] by its two sections.
    ///
    /// # Errors
    /// As [`Database::open`].
    pub async fn connect(database: &DatabaseConfig, data: &DataConfig) -> Result<Self, OpenError> {
        Self::build(database, data, false).await
    }

    /// As [`Database::open`], but shares the child of a server that is running: for commands beside
    /// it (`gigsy check`, `gigsy user`).
    ///
    /// # Errors
    /// As [`Database::open`].
    pub async fn attach(config: &Config) -> Result<Self, OpenError> {
        Self::build(&config.database, &config.data, true).await
    }

    async fn build(database: &DatabaseConfig, data: &DataConfig, share: bool) -> Result<Self, OpenError> {
        let (driver, handle) = Driver::start()?;
        let (url, mode, cluster) = match &database.url {
            Some(url) => (url.clone(), Mode::Server, None),
            None => {
                let options = embedded::Options::new(database, data);
                let opened = handle.spawn_blocking(move || Cluster::open(options, share));
                let cluster = opened.await.map_err(|e| OpenError::System(e.to_string()))??;
                (cluster.url(), Mode::Embedded { data_dir: data.dir.clone() }, Some(cluster))
            }
        };
        let target = Target::parse(&url)?;
        let manager = pool::Manager::new(target.clone(), handle.clone());
        let pool = pool::Pool::builder(manager)
            .max_size(database.pool_size)
            .build()
            .map_err(|e| OpenError::System(e.to_string()))?;
        let acquire = Duration::from_secs(database.acquire_seconds);
        let inner = Inner { pool, target, url, mode, acquire, cluster, driver, handle };
        let this = Self { inner: Arc::new(inner) };
        this.check_version().await?;
        Ok(this)
    }

    /// A connection from the pool. Waits `acquire_seconds` at most.
    ///
    /// # Errors
    /// [`DbError::Unavailable`] when there is none to be had.
    pub async fn conn(&self) -> Result<Conn, DbError> {
        use deadpool::managed::PoolError;
        match tokio::time::timeout(self.inner.acquire, self.inner.pool.get()).await {
            Ok(Ok(conn)) => Ok(conn),
            Ok(Err(PoolError::Backend(error))) => Err(error),
            Ok(Err(error)) => Err(DbError::Unavailable(error.to_string().into())),
            Err(_) => Err(DbError::Unavailable("every connection is in use".into())),
        }
    }

    /// Applies pending migrations, one process at a time, and names them.
    ///
    /// # Errors
    /// [`OpenError::Migration`]: each migration is a transaction, so those before it stay.
    pub async fn migrate(&self) -> Result<Vec<String>, OpenError> {
        let target = self.inner.target.clone();
        // On our own runtime: the harness panics on a single-threaded one, as actix's are.
        let done = self.inner.handle.spawn(async move {
            let conn = pool::establish(&target).await.map_err(|e| OpenError::Migration(reason(&e)))?;
            migrate::run(conn).await
        });
        let applied = done.await.map_err(|e| OpenError::Migration(e.to_string()))??;
        if !applied.is_empty() {
            slog::info!(log(), "migrations applied"; "count" => applied.len(), "last" => applied.last());
        }
        Ok(applied)
    }

    /// The URL it is reached at. Holds the password, if there is one: never log it.
    pub fn url(&self) -> &Url {
        &self.inner.url
    }

    /// Embedded or server.
    pub fn mode(&self) -> &Mode {
        &self.inner.mode
    }

    /// Host and database, fit for logs.
    pub fn place(&self) -> &str {
        &self.inner.target.place
    }

    /// The private server's process id, while it is up and ours.
    pub fn child_pid(&self) -> Option<u32> {
        self.inner.cluster.as_ref()?.pid()
    }

    /// Connections at the moment: in the pool, and of these idle.
    pub fn connections(&self) -> (usize, usize) {
        let status = self.inner.pool.status();
        (status.size, status.available)
    }

    /// How many connections there may be at once.
    pub fn most_connections(&self) -> usize {
        self.inner.pool.status().max_size
    }

    /// Refuses further connections and stops the private child in order. Calls on clones fail with
    /// [`DbError::Unavailable`] from here on.
    pub async fn shutdown(&self) {
        self.inner.pool.close();
        let this = self.clone();
        let stop = move || {
            if let Some(cluster) = &this.inner.cluster {
                cluster.stop();
            }
        };
        // A failed join means the stop panicked; the child then goes with this process.
        let _ = tokio::task::spawn_blocking(stop).await;
    }

    async fn check_version(&self) -> Result<(), OpenError> {
        #[derive(QueryableByName)]
        struct Number {
            #[diesel(sql_type = Integer)]
            number: i32,
        }
        let place = || self.place().to_owned();
        let failed = |e: DbError| OpenError::Connect { place: place(), reason: reason(&e) };
        let mut conn = self.conn().await.map_err(failed)?;
        let found: Number = diesel::sql_query("select current_setting('server_version_num')::int as number")
            .get_result(&mut conn)
            .await
            .map_err(|e| failed(e.into()))?;
        let version = u32::try_from(found.number).unwrap_or_default() / 10_000;
        if version < OLDEST {
            return Err(OpenError::TooOld { place: place(), version });
        }
        Ok(())
    }
}
