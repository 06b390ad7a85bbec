//! `gigsy move …`: from one store to another.

use clap::{Subcommand, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};

use super::{Failure, output::say};
use crate::{app, config::Config, contexts::chat, postgres::Database};

#[derive(Subcommand)]
pub(super) enum MoveCommand {
    /// The rooms' logs, between PostgreSQL and the MongoDB of MONGODB_URL; no server may run meanwhile
    Chat {
        /// Where they are
        #[arg(long)]
        from: Place,
        /// Where they go; what is there already is compared, and stays
        #[arg(long)]
        to: Place,
    },
}

/// A store of logs.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Place {
    /// The relational store.
    Postgres,
    /// The MongoDB of MONGODB_URL.
    Mongodb,
}

pub(super) async fn run(config: &Config, command: MoveCommand) -> Result<(), Failure> {
    let MoveCommand::Chat { from, to } = command;
    if from == to {
        return Err("--from and --to are the same".into());
    }
    let database = Database::attach(config).await?;
    let done = logs(config, &database, from).await;
    database.shutdown().await;
    done
}

async fn logs(config: &Config, database: &Database, from: Place) -> Result<(), Failure> {
    database.migrate().await?;
    let (postgres, mongo) = app::both_logs(config, database).await?;
    let mongo = mongo.ok_or("MONGODB_URL is not set")?;
    let (from, to) = match from {
        Place::Postgres => (postgres, mongo),
        Place::Mongodb => (mongo, postgres),
    };
    let bar = ProgressBar::new(0);
    if let Ok(style) = ProgressStyle::with_template("rooms {bar:40} {pos}/{len}") {
        bar.set_style(style);
    }
    let shown = bar.clone();
    let moved = chat::move_logs(&*from, &*to, &move |done, of| {
        shown.set_length(of);
        shown.set_position(done);
    })
    .await;
    bar.finish_and_clear();
    let chat::Moved { rooms, events, copied } = moved?;
    say(&format!(
        "{rooms} rooms, {events} events: the same in both, by count and checksum; {copied} copied now"
    ));
    Ok(())
}
