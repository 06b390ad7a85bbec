//! The command line's commands, one file each.

mod backup;
mod check;
mod events;
mod health;
mod memory;
mod move_data;
mod output;
mod rebuild;
mod seed;
mod serve;
mod user;

use std::{path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};

use crate::{
    actors, app,
    config::{self, Config},
    postgres::Database,
    telemetry,
};
use output::{fail, say};

#[derive(Parser)]
#[command(
    name = "gigsy",
    version,
    about = "Careers, gigs, learning and chat on one real-time platform",
    after_help = "Configuration: built-in defaults < gigsy.toml < environment (`gigsy check --print-config`)."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve HTTP and WebSockets until told to stop
    Serve {
        /// Make the demo accounts, rooms and history if they are not there (loopback only)
        #[arg(long)]
        demo: bool,
    },
    /// Bring the database to this version's schema, MongoDB its collections, and the bus its streams
    Migrate,
    /// Fill the database with people, rooms and history to try things with
    Seed {
        /// The demo data (the only kind there is); loopback only, unless GIGSY_ALLOW_DEMO=1
        #[arg(long, required = true)]
        demo: bool,
    },
    /// Explain every store: embedded or server, reachable, version, and what to mend
    Check {
        /// Print the effective configuration, without secrets
        #[arg(long)]
        print_config: bool,
    },
    /// Ask the server on this machine whether it is ready; for container health checks
    Health,
    /// Print the API document (OpenAPI 3.1, JSON)
    Openapi,
    /// Manage people
    User {
        #[command(subcommand)]
        command: user::UserCommand,
    },
    /// Events between contexts: dead letters, and giving them to their consumers again
    Events {
        #[command(subcommand)]
        command: events::EventsCommand,
    },
    /// Make again what can be made from the truth
    Rebuild {
        #[command(subcommand)]
        what: rebuild::RebuildCommand,
    },
    /// Move data from one store to another
    Move {
        #[command(subcommand)]
        what: move_data::MoveCommand,
    },
    /// Write everything the embedded stores hold into one file, also while serving
    Backup {
        /// The file to write; it must not exist
        file: PathBuf,
    },
    /// Put back what `backup` wrote; the server must be stopped
    Restore {
        /// The file to read; what is there now is replaced, all or nothing
        file: PathBuf,
    },
    /// Print the version
    Version,
}

/// Parses the command line and runs what it asks for.
pub fn main() -> ExitCode {
    memory::give_back_large_buffers();
    let cli = Cli::parse();
    match cli.command {
        // These two need neither configuration nor stores.
        Command::Version => {
            say(&format!("gigsy {}", env!("CARGO_PKG_VERSION")));
            return ExitCode::SUCCESS;
        }
        Command::Openapi => return print_openapi(),
        _ => {}
    }
    let loaded = match config::load() {
        Ok(loaded) => loaded,
        Err(error) => return fail(&error),
    };
    let (_flush, logtail) = telemetry::init(&loaded.config.log, &loaded.config.tracing);
    if let Err(error) = logtail {
        return fail(&error);
    }
    actors::install_panic_hook();
    let runtime = match background_runtime() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&error),
    };
    let config = loaded.config;
    let done = match cli.command {
        Command::Serve { demo } => serve::serve(&runtime, config, demo),
        Command::Migrate => runtime.block_on(migrate(&config)),
        Command::Seed { .. } => seed::seed(&config),
        Command::Check { print_config: true } => check::print_config(&config),
        Command::Check { .. } => runtime.block_on(check::check(&config, loaded.file.as_deref())),
        Command::User { command } => runtime.block_on(user::run(&config, command)),
        Command::Health => runtime.block_on(health::ask(&config)),
        Command::Events { command } => runtime.block_on(events::run(&config, command)),
        Command::Rebuild { what } => runtime.block_on(rebuild::run(&config, what)),
        Command::Move { what } => runtime.block_on(move_data::run(&config, what)),
        Command::Backup { file } => backup::backup(&config, &file),
        Command::Restore { file } => backup::restore(&config, &file),
        Command::Version | Command::Openapi => Ok(()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(error.as_ref()),
    }
}

/// What a command fails with; its `Display` is what the operator reads.
type Failure = Box<dyn std::error::Error>;

/// Store connections, timers and child processes live on threads of their own, so that they
/// outlast every HTTP worker and never wait for one.
fn background_runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("gigsy-background")
        .enable_all()
        .build()
}

fn print_openapi() -> ExitCode {
    match crate::http::openapi::document().to_pretty_json() {
        Ok(text) => {
            say(&text);
            ExitCode::SUCCESS
        }
        Err(error) => fail(&error),
    }
}

async fn migrate(config: &Config) -> Result<(), Failure> {
    let database = Database::attach(config).await?;
    let applied = database.migrate().await;
    database.shutdown().await;
    match applied?.as_slice() {
        [] => say("the schema is current"),
        names => names.iter().for_each(|name| say(&format!("applied {name}"))),
    }
    if let Some(made) = app::provision_logs(config).await? {
        match made.as_slice() {
            [] => say("MongoDB's collections are in place"),
            names => names.iter().for_each(|name| say(&format!("made {name} in MongoDB"))),
        }
    }
    if let Some(done) = app::provision_bus(config).await? {
        match done.streams.as_slice() {
            [] => say("the bus's streams are in place"),
            names => names.iter().for_each(|name| say(&format!("made or changed stream {name}"))),
        }
    }
    Ok(())
}
