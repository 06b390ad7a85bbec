//! `gigsy serve`: from configuration to a listening server, and in order down again.

use std::{
    fs::{self, DirBuilder},
    io,
    net::{SocketAddr, TcpListener, TcpStream},
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    time::Duration,
};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::{
    runtime::Runtime,
    signal::unix::{SignalKind, signal},
};

use super::{Failure, output::say};
use crate::{
    app::{self, Options},
    config::Config,
    contexts::identity::{DEMO_ACCOUNTS, DEMO_PASSWORD},
    postgres::Database,
    telemetry::log,
};

#[derive(Debug, thiserror::Error)]
#[error("GIGSY_LISTEN: cannot listen on {address}")]
struct CannotListen {
    address: SocketAddr,
    source: io::Error,
}

pub(super) fn serve(runtime: &Runtime, mut config: Config, demo: bool) -> Result<(), Failure> {
    if demo {
        app::permit_demo(&config)?;
    }
    raise_open_files();
    // Before anything slow: a port that is taken is the likeliest mistake.
    let address = config.server.listen;
    let listener = TcpListener::bind(address).map_err(|source| CannotListen { address, source })?;
    config.server.listen = listener.local_addr()?;
    let address = AddressFile::of(&config.data.dir, config.server.listen);
    address.forget_dead();

    let database = runtime.block_on(async {
        let database = Database::open(&config).await?;
        database.migrate().await?;
        Ok::<_, Failure>(database)
    })?;
    let served = actix_web::rt::System::new().block_on(async {
        let public = config.public_url();
        let bound = config.server.listen;
        let server = app::start(config, listener, database.clone(), Options { demo }).await?;
        address.write();
        announce(&public, bound, demo);
        let reason = stop_signal().await?;
        slog::info!(log(), "stopping"; "signal" => reason);
        server.stop().await;
        Ok::<_, Failure>(())
    });
    address.remove();
    runtime.block_on(database.shutdown());
    slog::info!(log(), "stopped");
    served
}

/// Waits for SIGTERM or SIGINT.
async fn stop_signal() -> io::Result<&'static str> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(tokio::select! {
        _ = terminate.recv() => "SIGTERM",
        _ = interrupt.recv() => "SIGINT",
    })
}

fn announce(public: &str, bound: SocketAddr, demo: bool) {
    say(&format!("listening on http://{bound}"));
    say(&format!("  chat        {public}/"));
    say(&format!("  operators   {public}/ops"));
    say(&format!("  API         {public}/docs"));
    if demo {
        say(&format!("demo sign-ins, password {DEMO_PASSWORD}:"));
        for account in DEMO_ACCOUNTS {
            say(&format!("  {:<28} {}", account.email, account.role));
        }
    }
}

/// `gigsy.addr` in the data directory: where scripts find a server that chose its own port.
struct AddressFile {
    path: PathBuf,
    bound: SocketAddr,
}

impl AddressFile {
    fn of(data_dir: &Path, bound: SocketAddr) -> Self {
        Self { path: data_dir.join("gigsy.addr"), bound }
    }

    fn told(&self) -> Option<SocketAddr> {
        fs::read_to_string(&self.path).ok()?.trim().parse().ok()
    }

    /// A killed server leaves its file behind, and scripts would go where nobody is. The address of
    /// one that still serves stays: this start will be refused.
    fn forget_dead(&self) {
        let lives = self.told().is_some_and(|told| {
            told != self.bound && TcpStream::connect_timeout(&told, Duration::from_millis(200)).is_ok()
        });
        if !lives {
            let _ = fs::remove_file(&self.path);
        }
    }

    /// Appears whole or not at all: readers poll for it.
    fn write(&self) {
        let new = self.path.with_extension("addr.new");
        let written = || {
            if let Some(dir) = self.path.parent() {
                // With a `DATABASE_URL` nothing else needed it so far.
                DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
            }
            fs::write(&new, format!("{}\n", self.bound))?;
            fs::rename(&new, &self.path)
        };
        if let Err(error) = written() {
            slog::warn!(log(), "cannot write gigsy.addr"; "error" => %error);
        }
    }

    /// Unless another server's start has replaced it.
    fn remove(&self) {
        if self.told() == Some(self.bound) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// A connection is a descriptor; the customary soft limit of 1,024 is no limit we want.
fn raise_open_files() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        slog::warn!(log(), "cannot raise the limit of open files"; "error" => %error);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_of_a_dead_server_is_forgotten_and_that_of_a_live_one_kept() {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("not/yet/there");
        let live = TcpListener::bind("127.0.0.1:0").unwrap();
        let first = AddressFile::of(&data, live.local_addr().unwrap());
        first.write();
        assert_eq!(first.told(), Some(first.bound));

        let other = TcpListener::bind("127.0.0.1:0").unwrap();
        let second = AddressFile::of(&data, other.local_addr().unwrap());
        second.forget_dead();
        assert_eq!(second.told(), Some(first.bound), "somebody serves there");
        second.remove();
        assert_eq!(second.told(), Some(first.bound), "it is not ours");

        drop(live);
        second.forget_dead();
        assert!(!second.path.exists(), "nobody serves there");
        second.write();
        second.remove();
        assert!(!second.path.exists());
    }
}
