//! `gigsy rebuild …`

use clap::Subcommand;
use indicatif::ProgressBar;

use super::{Failure, output::say};
use crate::{app, config::Config, contexts::chat, postgres::Database};

#[derive(Subcommand)]
pub(super) enum RebuildCommand {
    /// Make the messages of every room again from its log; a running server goes on
    Chat {
        /// After a restore from a backup: give every log a new epoch, so that clients load anew
        #[arg(long)]
        new_epoch: bool,
    },
}

pub(super) async fn run(config: &Config, what: RebuildCommand) -> Result<(), Failure> {
    let database = Database::attach(config).await?;
    let done = rebuild(config, &database, what).await;
    database.shutdown().await;
    done
}

async fn rebuild(config: &Config, database: &Database, what: RebuildCommand) -> Result<(), Failure> {
    database.migrate().await?;
    match what {
        RebuildCommand::Chat { new_epoch } => rebuild_chat(config, database, new_epoch).await,
    }
}

async fn rebuild_chat(config: &Config, database: &Database, new_epoch: bool) -> Result<(), Failure> {
    let log = app::chat_log(config, database).await?;
    let rooms = chat::all_tops(&*log).await?;
    let bar = ProgressBar::new(rooms.len() as u64);
    let mut events = 0;
    for (room, _) in &rooms {
        events += log.refold(*room).await?;
        if new_epoch {
            log.renew(*room).await?;
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    say(&format!("made the messages of {} rooms again from {events} events", rooms.len()));
    Ok(())
}
