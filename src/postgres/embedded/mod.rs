//! The private PostgreSQL: found, initialised, started, supervised and stopped by this process.
//!
//! Everything lives under `<data_dir>/postgres/`, mode 0700:
//!
//! | path | what |
//! | --- | --- |
//! | `cluster/` | PostgreSQL's own data directory |
//! | `socket/` | its Unix socket, unless the path is too long for one |
//! | `lock` | held (flock) by the one process that runs the server |
//!
//! `docs/decisions/0001-a-private-postgres.md` says why it is done this way.

mod backup;
mod binaries;
mod child;
mod cluster;
mod error;
mod layout;
mod leftover;
mod root;
mod sql;

use std::{path::PathBuf, sync::Mutex, time::Duration};

use url::Url;

pub use backup::{BackupError, BackupReport, Progress, backup, restore};
pub use binaries::Binaries;
pub use error::EmbeddedError;
pub use root::Identity;

use crate::config::{DataConfig, DatabaseConfig};
use child::Supervisor;
use layout::Layout;

/// The database that the application uses, and the role that owns it.
pub(crate) const NAME: &str = "gigsy";

/// The bootstrap superuser: makes the database and what only a superuser may.
pub(crate) const SUPERUSER: &str = "postgres";

/// How to run the private server.
#[derive(Clone, Debug)]
pub struct Options {
    /// `GIGSY_DATA_DIR`.
    pub data_dir: PathBuf,
    /// `GIGSY_POSTGRES_BIN`.
    pub postgres_bin: Option<PathBuf>,
    /// The server's `max_connections`.
    pub max_connections: usize,
    /// Whom the server runs as, instead of finding out.
    pub identity: Option<Identity>,
}

impl Options {
    /// From the settings.
    pub fn new(database: &DatabaseConfig, data: &DataConfig) -> Self {
        Self {
            data_dir: data.dir.clone(),
            postgres_bin: database.postgres_bin.clone(),
            // Beside the pool: migrations, a backup, commands beside the server, and the three that
            // PostgreSQL keeps for a superuser.
            max_connections: database.pool_size + 16,
            identity: None,
        }
    }
}

/// A private server that is up: ours, or one that another process runs.
pub struct Cluster {
    url: Url,
    supervisor: Mutex<Option<Supervisor>>,
}

impl Cluster {
    /// Starts the server of a data directory and comes back when it accepts connections. Blocks.
    ///
    /// With `share`, a server that another process runs there is used as it is.
    ///
    /// # Errors
    /// [`EmbeddedError`], whose message says what to do.
    pub fn open(options: Options, share: bool) -> Result<Self, EmbeddedError> {
        let layout = Layout::prepare(&options.data_dir)?;
        let lock = match layout.lock()? {
            Ok(lock) => lock,
            Err(_) if share => return Self::attach(&layout),
            Err(pid) => return Err(EmbeddedError::InUse { dir: options.data_dir, pid }),
        };
        let supervisor = Supervisor::start(options, layout, lock)?;
        Ok(Self { url: supervisor.url(NAME, NAME), supervisor: Mutex::new(Some(supervisor)) })
    }

    /// Uses the server that another process runs.
    fn attach(layout: &Layout) -> Result<Self, EmbeddedError> {
        let running = leftover::wait_ready(&layout.cluster, Duration::from_secs(15))
            .ok_or_else(|| EmbeddedError::Start { said: "the server that holds it is not ready".into() })?;
        let url = sql::url(&running.socket, running.port, NAME, NAME);
        Ok(Self { url, supervisor: Mutex::new(None) })
    }

    /// Where the application's database is.
    pub fn url(&self) -> Url {
        self.url.clone()
    }

    /// The superuser's way in, while the server is ours.
    #[cfg(test)]
    pub(crate) fn admin_url(&self) -> Option<Url> {
        Some(self.supervisor.lock().ok()?.as_ref()?.url(SUPERUSER, SUPERUSER))
    }

    /// The process id of the server, while it is up and ours.
    pub fn pid(&self) -> Option<u32> {
        self.supervisor.lock().ok()?.as_ref()?.pid()
    }

    /// Stops the server if it is ours: clients are disconnected, the data is flushed. Blocks until
    /// it is gone; a second call does nothing.
    pub fn stop(&self) {
        let supervisor = self.supervisor.lock().ok().and_then(|mut slot| slot.take());
        if let Some(supervisor) = supervisor {
            supervisor.stop();
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.stop();
    }
}

/// A server that nobody holds, as a run of a gigsy without the parent-death signal would leave it.
#[cfg(test)]
pub(crate) fn abandon(options: &Options) -> std::process::Child {
    let layout = Layout::prepare(&options.data_dir).unwrap();
    let version = cluster::data_version(&layout).unwrap();
    let binaries = Binaries::find(options.postgres_bin.as_deref(), version, &layout.cluster).unwrap();
    let identity = Identity::choose(&layout, &binaries).unwrap();
    let mut command = cluster::server(&layout, &binaries, options.max_connections);
    identity.prepare(&mut command, &layout.home, None).unwrap();
    command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
    let child = command.spawn().unwrap();
    leftover::wait_ready(&layout.cluster, Duration::from_secs(10)).unwrap();
    child
}
