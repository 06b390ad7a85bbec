//! `gigsy serve`: from configuration to a listening server, and in order down again.

use std::{
    fs, io,
    net::{SocketAddr, TcpListener},
    path::Path,
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

    let database = runtime.block_on(async {
        let database = Database::open(&config).await?;
        database.migrate().await?;
        Ok::<_, Failure>(database)
    })?;
    let data_dir = config.data.dir.clone();
    let served = actix_web::rt::System::new().block_on(async {
        let public = config.public_url();
        let bound = config.server.listen;
        let server = app::start(config, listener, database.clone(), Options { demo }).await?;
        announce(&public, bound, &data_dir, demo);
        let reason = stop_signal().await?;
        slog::info!(log(), "stopping"; "signal" => reason);
        server.stop().await;
        Ok::<_, Failure>(())
    });
    let _ = fs::remove_file(address_file(&data_dir));
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

fn announce(public: &str, bound: SocketAddr, data_dir: &Path, demo: bool) {
    // Where scripts find a server that chose its own port.
    if let Err(error) = fs::write(address_file(data_dir), format!("{bound}\n")) {
        slog::warn!(log(), "cannot write gigsy.addr"; "error" => %error);
    }
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

fn address_file(data_dir: &Path) -> std::path::PathBuf {
    data_dir.join("gigsy.addr")
}

/// A connection is a descriptor; the customary soft limit of 1,024 is no limit we want.
fn raise_open_files() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        slog::warn!(log(), "cannot raise the limit of open files"; "error" => %error);
    }
}
